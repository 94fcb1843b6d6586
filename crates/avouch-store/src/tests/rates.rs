use std::num::NonZeroU32;

use avouch_engine::decision::{Limit, Meter as _, Subject};
use avouch_gather::meter::RateTable;
use avouch_wire::settings::{Rate, Span};

use super::*;

const SUBJECT: Subject<'static> = Subject::Address(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

fn limit(count: u32, per: Span, burst: u32) -> Limit {
    Limit::new(7, Rate { count: NonZeroU32::new(count).unwrap(), per }, burst).unwrap()
}

/// What is admitted at once, at a moment of its own.
fn admitted(table: &RateTable, limit: &Limit) -> usize {
    (0..100).take_while(|_| table.admit(SUBJECT, limit, AT).is_ok()).count()
}

const AT: Time = Time::from_seconds(1_000);

#[expect(clippy::disallowed_methods, reason = "Redis runs by the machine's clock")]
fn present() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time::from_millis(u64::try_from(since.as_millis()).unwrap())
}

#[tokio::test]
async fn who_comes_evenly_at_the_rate_is_always_admitted() {
    let Some(redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let (table, limit) = (RateTable::in_group(64), limit(10, Span::Second, 1));
    let mut due = present();
    for _ in 0..12 {
        while present() < due {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let came = present();
        assert_eq!(
            table.admit(SUBJECT, &limit, came),
            Ok(()),
            "telling the group brings nobody's own cell further"
        );
        due = came.after(Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(40)).await;
        let (told, now) = (table.admitted(), present());
        let ahead = node.store.admitted(&told, now).await.unwrap();
        table.learn(&told[0], ahead[0], now);
    }
}

#[tokio::test]
async fn what_nodes_admitted_is_added_up_and_forgotten_when_it_has_been_worked_off() {
    let Some(redis) = redis(&[]) else { return };
    let (one, other) = (Node::at(&redis.url(), true).await, Node::at(&redis.url(), false).await);
    let tables = [RateTable::in_group(64), RateTable::in_group(64)];
    let limit = limit(1, Span::Minute, 5);
    let told = tables.each_ref().map(|table| {
        assert_eq!(admitted(table, &limit), 5);
        table.admitted()
    });
    let (first, second) =
        (one.store.admitted(&told[0], AT).await.unwrap(), other.store.admitted(&told[1], AT).await.unwrap());
    assert_eq!(first, [Duration::from_secs(300)]);
    let both = second[0];
    assert!((598..=600).contains(&both.as_secs()), "{both:?}");
    // No more is owed than a group can come to, however often it is told.
    for _ in 0..20 {
        one.store.admitted(&told[0], AT).await.unwrap();
    }
    let most = one.store.admitted(&told[0], AT).await.unwrap()[0];
    assert_eq!(most, limit.in_group().reach());
    let keys = redis.command(&["KEYS", "avouch:shop:r:*"]).unwrap();
    assert_eq!(keys.lines().count(), 1, "{keys}");

    let quick = self::limit(100, Span::Second, 1);
    let table = RateTable::in_group(64);
    assert_eq!(admitted(&table, &quick), 1);
    one.store.admitted(&table.admitted(), AT).await.unwrap();
    let waiting = async {
        while redis.command(&["DBSIZE"]).unwrap() != "2" {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the quick cell ends, the slow one and the marker stay");
}

#[tokio::test]
async fn a_full_or_missing_redis_is_no_answer_and_what_comes_later_is_told() {
    let Some(mut redis) = redis(&[]) else { return };
    let node = Node::at(&redis.url(), true).await;
    let table = RateTable::in_group(64);
    let limit = limit(1, Span::Minute, 5);
    assert_eq!(admitted(&table, &limit), 5);
    let told = table.admitted();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    assert!(node.store.admitted(&told, AT).await.is_err());
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert_eq!(node.store.admitted(&told, AT).await.unwrap(), [Duration::from_secs(300)]);
    redis.kill();
    assert!(node.store.admitted(&told, AT).await.is_err());
}
