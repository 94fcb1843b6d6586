//! Changes of a zone that real name servers take, and those that they do not.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use avouch_dns::direct::{self, AskError};
use avouch_dns::publish::{
    AnswerFault, Change, ChangeFault, MAX_CHANGES, PublishError, Publisher, Refusal, SignatureFault, Standing,
};
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::tsig::TsigKey;
use avouch_wire::time::Time;
use testkit::peers::require;
use testkit::primary::{Kind, Primary};

const ZONE: &str = "_saip.acme.example.";
const RECORD: &str = "v=saip1; pk=AAAA";

/// A primary of each kind; the test is told loudly where one is missing.
fn primaries() -> Vec<Primary> {
    let start = |kind: Kind| {
        require(kind.programs()).map(|tools| Primary::start(kind, &tools, ZONE).expect("it starts"))
    };
    [Kind::Bind, Kind::Knot].into_iter().filter_map(start).collect()
}

fn publisher(primary: &Primary, key: &str) -> Publisher {
    of_zone(primary, ZONE, &primary.key(key))
}

fn of_zone(primary: &Primary, zone: &str, key: &Path) -> Publisher {
    Publisher::new(primary.address(), zone, TsigKey::open(key).expect("a key")).expect("a zone")
}

fn change(name: &str, texts: &[&str]) -> Change {
    Change { name: name.to_owned(), texts: texts.iter().map(ToString::to_string).collect(), ttl: 300 }
}

fn now() -> Time {
    SystemClock::new().now()
}

#[tokio::test]
async fn what_is_published_is_there_and_what_is_withdrawn_is_not() {
    for primary in primaries() {
        let publisher = publisher(&primary, "registrar");
        let before = primary.serial().unwrap();
        let long = format!("v=saip1; pk={}", "A".repeat(600));
        let changes = [
            change("nyc-042.gptbot._saip.acme.example", &[RECORD]),
            change("Crawler-7._SAIP.acme.example.", &[RECORD, "v=saip1; pk=BBBB"]),
            change("long._saip.acme.example", &[&long]),
        ];
        publisher.publish(&changes, now()).await.unwrap();
        assert_eq!(primary.dig("nyc-042.gptbot._saip.acme.example", "TXT").unwrap(), format!("\"{RECORD}\""));
        assert_eq!(primary.dig("crawler-7._saip.acme.example", "TXT").unwrap().lines().count(), 2);
        assert_eq!(primary.dig("long._saip.acme.example", "TXT").unwrap().replace("\" \"", "").len(), 614);
        assert!(primary.serial().unwrap() > before);

        let changes = [
            change("crawler-7._saip.acme.example", &["v=saip1; pk="]),
            change("long._saip.acme.example", &[]),
        ];
        publisher.publish(&changes, now()).await.unwrap();
        publisher.publish(&changes, now()).await.expect("the same again does no harm");
        assert_eq!(primary.dig("crawler-7._saip.acme.example", "TXT").unwrap(), "\"v=saip1; pk=\"");
        assert_eq!(primary.dig("long._saip.acme.example", "TXT").unwrap(), "");
        assert_eq!(primary.dig("nyc-042.gptbot._saip.acme.example", "TXT").unwrap(), format!("\"{RECORD}\""));
    }
}

#[tokio::test]
async fn a_message_holds_as_many_changes_as_it_says() {
    for primary in primaries() {
        let publisher = publisher(&primary, "registrar");
        let record = "v=saip1; k=p256; pk=".to_owned() + &"A".repeat(140);
        let name =
            |at: usize| format!("machine-{at:05}.{}._saip.acme.example", "a-long-name-of-a-fleet".repeat(2));
        let mut changes: Vec<Change> = (0..MAX_CHANGES).map(|at| change(&name(at), &[&record])).collect();
        publisher.publish(&changes, now()).await.unwrap();
        assert_eq!(primary.dig(&name(MAX_CHANGES - 1), "TXT").unwrap(), format!("\"{record}\""));
        changes.push(change(&name(MAX_CHANGES), &[&record]));
        assert_eq!(publisher.publish(&changes, now()).await, Err(PublishError::TooMany));
    }
}

#[tokio::test]
async fn a_key_changes_the_names_it_may_change_and_no_others() {
    for primary in primaries() {
        let server = primary.address();
        let single = change("single._saip.acme.example", &[RECORD]);
        publisher(&primary, "single").publish(std::slice::from_ref(&single), now()).await.unwrap();
        let before = primary.serial().unwrap();
        let other = change("other._saip.acme.example", &[RECORD]);
        // BIND says the one, Knot the other.
        let policy = Err(PublishError::Refused { server, refusal: Refusal::Policy });
        let no_key = Err(PublishError::Signature { server, fault: SignatureFault::Key });
        for (key, changes) in [
            ("single", vec![other.clone()]),
            ("single", vec![single.clone(), other.clone()]),
            ("nobody", vec![other.clone()]),
        ] {
            let refused = publisher(&primary, key).publish(&changes, now()).await;
            assert!(refused == policy || refused == no_key, "{key}: {refused:?}");
            assert!(!refused.unwrap_err().is_temporary());
        }
        let elsewhere = of_zone(&primary, "acme.example", &primary.key("registrar"));
        let refused = elsewhere.publish(&[change("www.acme.example", &["text"])], now()).await;
        let not_primary = Err(PublishError::Refused { server, refusal: Refusal::NotPrimary });
        assert_eq!(refused, not_primary);
        assert_eq!(primary.serial().unwrap(), before, "nothing of it took place");
        assert_eq!(primary.dig("other._saip.acme.example", "TXT").unwrap(), "");
    }
}

#[tokio::test]
async fn the_first_name_of_a_zone_is_changed_by_those_who_may() {
    for primary in primaries() {
        let all = [change("_saip.acme.example", &["v=saip1; pk="])];
        publisher(&primary, "owner").publish(&all, now()).await.unwrap();
        assert_eq!(primary.dig("_saip.acme.example", "TXT").unwrap(), "\"v=saip1; pk=\"");
        assert_eq!(
            primary.dig("_saip.acme.example", "NS").unwrap(),
            "ns.invalid.",
            "nothing else is touched"
        );
        assert!(publisher(&primary, "registrar").publish(&all, now()).await.is_err());
    }
}

#[tokio::test]
async fn a_change_over_what_was_seen_takes_place_only_while_it_stands() {
    for primary in primaries() {
        let (server, publisher) = (primary.address(), publisher(&primary, "registrar"));
        let name = "crawler-7._saip.acme.example";
        let seen = async || [Standing::ask(server, name).await.unwrap()];
        let refused = || Err(PublishError::Refused { server, refusal: Refusal::Changed });
        let nothing = seen().await;
        assert!(nothing[0].texts().is_empty() && nothing[0].ttl() == 1, "the negative TTL of the zone");
        let long = format!("v=saip1; pk=AAAA; n={}", "n".repeat(400));
        publisher.publish_over(&nothing, &[change(name, &[&long, RECORD])], now()).await.unwrap();
        assert_eq!(publisher.publish_over(&nothing, &[change(name, &[])], now()).await, refused());
        let both = seen().await;
        assert_eq!((both[0].texts().len(), both[0].ttl()), (2, 300));
        publisher.publish(&[change(name, &[&long])], now()).await.expect("somebody else's change");
        let late = publisher.publish_over(&both, &[change(name, &["v=saip1; pk=BBBB"])], now()).await;
        assert_eq!(late, refused());
        assert!(late.unwrap_err().is_temporary());
        let one = seen().await;
        assert_eq!(one[0].texts(), [long.into_bytes()]);
        publisher.publish_over(&one, &[change(name, &[])], now()).await.unwrap();
    }
}

#[tokio::test]
async fn a_primary_says_which_zone_it_has_and_that_it_has_no_other() {
    for primary in primaries() {
        let server = primary.address();
        for name in ["a.b._saip.acme.example", "_saip.acme.example."] {
            assert_eq!(direct::zone_of(server, name).await.as_deref(), Ok("_saip.acme.example"), "{name}");
        }
        // BIND refuses, and so does Knot.
        let elsewhere = direct::zone_of(server, "_saip.other.example").await;
        assert_eq!(elsewhere, Err(AskError::Refused { server, code: "REFUSED" }));
        assert_eq!(Standing::ask(server, "_saip.other.example").await.unwrap_err(), elsewhere.unwrap_err());
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_wrong_clock_are_told_apart() {
    for primary in primaries() {
        let server = primary.address();
        let changes = [change("crawler-7._saip.acme.example", &[RECORD])];
        let before = primary.serial().unwrap();
        for (key, fault) in [("stranger", SignatureFault::Key), ("forged", SignatureFault::Secret)] {
            let refused = publisher(&primary, key).publish(&changes, now()).await;
            assert_eq!(refused, Err(PublishError::Signature { server, fault }));
        }
        let early = Time::from_seconds(now().seconds() - 400);
        let refused = publisher(&primary, "registrar").publish(&changes, early).await;
        assert_eq!(refused, Err(PublishError::Signature { server, fault: SignatureFault::Time }));
        assert_eq!(primary.serial().unwrap(), before);
    }
}

#[tokio::test]
async fn what_would_speak_for_others_is_not_sent() {
    for primary in primaries() {
        let publisher = publisher(&primary, "registrar");
        let before = primary.serial().unwrap();
        let too_long = "A".repeat(20_000);
        for (name, text, fault) in [
            ("*._saip.acme.example", RECORD, ChangeFault::ForOthers),
            ("www.acme.example", RECORD, ChangeFault::OutsideZone),
            ("a._saip.acme.example.evil.example", RECORD, ChangeFault::OutsideZone),
            ("a..b._saip.acme.example", RECORD, ChangeFault::Name),
            ("a._saip.acme.example", "", ChangeFault::Text),
            ("a._saip.acme.example", &too_long, ChangeFault::Text),
        ] {
            let good = change("good._saip.acme.example", &[RECORD]);
            let refused = publisher.publish(&[good, change(name, &[text])], now()).await;
            assert_eq!(refused, Err(PublishError::Change { name: name.to_owned(), fault }));
        }
        assert_eq!(primary.serial().unwrap(), before);
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_or_nonsense_has_not_published() {
    let Some(primary) = primaries().pop() else { return };
    let key = TsigKey::open(&primary.key("registrar")).unwrap();
    let changes = [change("crawler-7._saip.acme.example", &[RECORD])];
    let fake = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = fake.local_addr().unwrap();
    let publisher = Publisher::new(server, ZONE, key).unwrap();
    let answers = std::thread::spawn(move || {
        for answer in 0..4 {
            let (mut stream, _) = fake.accept().unwrap();
            answer_wrongly(&mut stream, answer);
        }
    });
    for fault in [AnswerFault::Form, AnswerFault::Form, AnswerFault::Unsigned, AnswerFault::Signature] {
        let answered = publisher.publish(&changes, now()).await;
        assert_eq!(answered, Err(PublishError::Answer { server, fault }));
        assert!(answered.unwrap_err().is_temporary());
    }
    answers.join().unwrap();
    let answered = publisher.publish(&changes, now()).await.unwrap_err();
    assert!(matches!(answered, PublishError::Unreachable { .. }) && answered.is_temporary(), "{answered}");
}

/// Takes a question, and answers with something that is none: octets, another's answer, one that nobody signed, and
/// one with the question's own signature.
fn answer_wrongly(stream: &mut std::net::TcpStream, which: usize) {
    use std::io::{Read as _, Write as _};
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    // The question, marked as its own answer.
    message[2] |= 0x80;
    match which {
        0 => message = b"no message".to_vec(),
        1 => message[0] ^= 1,
        2 => {
            message.truncate(12);
            message[4..12].fill(0);
        }
        _ => {}
    }
    stream.write_all(&u16::try_from(message.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&message).unwrap();
}

#[test]
fn keys_of_tsig_keygen_are_read() {
    let Some(tools) = require(&["tsig-keygen"]) else { return };
    let mut keygen = std::process::Command::new(tools.path("tsig-keygen"));
    let text = keygen.args(["-a", "hmac-sha512", "registrar"]).output().unwrap().stdout;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registrar.key");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(format!("{:?}", TsigKey::open(&path).unwrap()), "TsigKey(registrar, hmac-sha512)");
}
