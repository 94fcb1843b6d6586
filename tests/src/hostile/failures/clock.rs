//! Time that passes: a clock that steps forwards and back, and data that nobody renews.

use avouch_wire::time::Time;

use super::super::world::{Agent, Ask, CLOSED, NOW, OPEN, Plan, World, anonymous, request};

/// What a signed request of the true present comes to: its reason where proof is required, and the class elsewhere.
async fn come_to(world: &World, bot: &Agent) -> (u16, String, Option<String>) {
    let required = world.see(bot.request(Ask::get(CLOSED))).await;
    let observed = world.see(bot.request(Ask::get(OPEN))).await;
    let reason = required.line["verdict"]["reasons"][0].as_str().unwrap().to_owned();
    (required.answer.status(), reason, observed.told("class").map(str::to_owned))
}

#[tokio::test]
async fn a_clock_that_steps_refuses_what_is_signed_and_no_replay_gets_in_when_it_steps_back() {
    let (world, bot) = World::with_bot().await;
    let spent = bot.request(Ask::get(CLOSED));
    world.see(&spent).await.is_verified("bot@acme.example");
    for (step, reason) in [(3_600_i64, "expired"), (-3_600, "ahead-of-time")] {
        world.clock.set(Time::from_seconds(NOW.checked_add_signed(step).unwrap()));
        assert_eq!(come_to(&world, &bot).await, (403, reason.into(), Some("1".into())), "{step}");
        assert_eq!(world.see(anonymous(OPEN)).await.told("class"), Some("0"));
        let shown = world.number("avouch_clock_seconds").await;
        assert_eq!(shown, NOW.checked_add_signed(step).unwrap() as f64, "whoever compares it sees the step");
    }
    let failed = world.number("avouch_requests_total{class=\"1\",decision=\"reject\"}").await;
    assert_eq!(failed, 2.0);
    world.clock.set(Time::from_seconds(NOW + 1));
    world.see(&spent).await.is_kept_out("replayed");
    let anew = bot.request(Ask::get(CLOSED).at(NOW + 1));
    world.see(anew).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn tables_that_nobody_renews_say_nothing_once_they_are_too_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, content: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        file
    };
    let lines = format!(
        "asn.file = '{}'\n[[crawler]]\nname = 'GPTBot'\nranges = '{}'",
        path("asn.csv", "127.0.0.0/8,64500\n").display(),
        path("gptbot.json", "{\"prefixes\":[{\"ipv4Prefix\":\"127.0.0.0/8\"}]}").display(),
    );
    let record = "_saip.acme.example. 300 TXT \"v=saip1; asn=64500\"\n";
    let world = Plan::records(record).lines(&lines).start().await;
    let bare = request(Ask::get(OPEN), "SAIP: dom=\"acme.example\"; id=\"bot\"\r\n");
    let crawler = request(Ask::get(OPEN), "User-Agent: GPTBot/1.4\r\n");
    let day = 86_400;
    for (days, systems, ranges) in [
        (0, ("2", "network-delegated"), ("2", "range-confirmed")),
        (15, ("2", "network-delegated"), ("1", "ranges-stale")),
        (31, ("1", "asn-unknown"), ("1", "ranges-stale")),
    ] {
        world.clock.set(Time::from_seconds(NOW + days * day));
        for (asked, (class, reason)) in [(&bare, systems), (&crawler, ranges)] {
            let seen = world.see(asked).await;
            assert_eq!((seen.told("class"), seen.reasons()[0]), (Some(class), reason), "{days}: {seen:?}");
        }
        assert_eq!(world.see(anonymous(OPEN)).await.told("class"), Some("0"));
    }
    let count = async |reason| world.number(&format!("avouch_reasons_total{{reason=\"{reason}\"}}")).await;
    assert_eq!((count("ranges-stale").await, count("asn-unknown").await), (2.0, 1.0));
    for data in ["asn", "GPTBot"] {
        let shown = async {
            let name = format!("avouch_data_age_seconds{{data=\"{data}\"}}");
            while super::figure(world.running.admin.unwrap(), &name).await < (31 * day) as f64 {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(super::PATIENCE, shown).await.expect("the age is shown");
    }
    // Where a route wants a class, who cannot be checked for now is told to come again.
    for asked in ["SAIP: dom=\"acme.example\"; id=\"bot\"\r\n", "User-Agent: GPTBot/1.4\r\n"] {
        assert_eq!(world.see(request(Ask::get(CLOSED), asked)).await.answer.status(), 503);
    }
}
