use avouch_dns::ZoneFiles;
use avouch_engine::evidence::Dnssec;
use avouch_gather::clock::ManualClock;
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_tls::{Acceptor, Protocol};
use avouch_wire::b64u;
use avouch_wire::key::KeyType;
use avouch_wire::web_bot_auth::{MEDIA_TYPE, WELL_KNOWN};
use testkit::certificate::Certificate;
use testkit::https::HttpsHost;
use testkit::message::Message;

use super::*;

const OTHER: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w";

fn key() -> PublicKey {
    SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap().public().clone()
}

/// What is known after a first look, with these zones, and with this certificate trusted.
async fn known(zone: &str, root: &str, lines: &str, key: PublicKey) -> Vec<Registration> {
    let text = format!(
        "key = 'file:k'\ndomain = 'acme.example'\n{lines}\nsigner.socket = '/s'\ndestination = {{ host = '*' }}"
    );
    let config = Config::parse("f", &text).unwrap();
    let dns = Dns::Zones(ZoneFiles::parse(&[("z", zone)], Dnssec::Insecure).unwrap());
    let connector = Connector::trusting(root.as_bytes(), &[Protocol::Http1]).unwrap();
    let clock = Arc::new(ManualClock::at(Time::from_seconds(1_790_000_000)));
    let watch = Watch::new((dns, connector), clock, &config, key);
    assert!(watch.known().iter().all(|known| known.checked_at.is_none()));
    let pause = watch.look_everywhere().await;
    let is_open = watch.known().iter().any(|known| known.state == State::Unknown);
    assert_eq!(pause, if is_open { SOON } else { AGAIN });
    watch.known()
}

async fn record(records: &str, lines: &str, key: PublicKey) -> Registration {
    let zone = format!("$ORIGIN acme.example.\n$TTL 300\n@ SOA ns host 1 2 3 4 30\n{records}");
    let root = Certificate::of(&["a.example"]).unwrap().certificate;
    known(&zone, &root, lines, key).await.remove(0)
}

fn txt(name: &str, key: &str) -> String {
    format!("{name} TXT \"v=saip1; pk={key}\"\n")
}

#[tokio::test]
async fn the_state_of_the_record_is_told_apart() {
    let own = key();
    let published = b64u::encode(own.octets());
    let agent = "agent = 'bot.fleet'";
    let found = record(&txt("bot.fleet._saip", &published), agent, own.clone()).await;
    assert_eq!(
        (found.state, found.place.as_deref()),
        (State::Published, Some("bot.fleet._saip.acme.example"))
    );
    assert_eq!((found.by, found.checked_at), ("saip", Some(1_790_000_000)));
    let above = txt("bot.fleet._saip", &published) + &txt("fleet._saip", "");
    for (records, state) in [
        (txt("bot.fleet._saip", OTHER), State::OtherKey),
        (txt("bots.fleet._saip", &published), State::Missing),
        (above, State::Revoked),
    ] {
        assert_eq!(record(&records, agent, own.clone()).await.state, state, "{records}");
    }
    // Where the key travels along, it is the domain's own that counts.
    let stateless = "agent = 'bot.fleet'\nmode = 'stateless'";
    assert_eq!(record(&txt("_saip", &published), stateless, own.clone()).await.state, State::Published);
    assert_eq!(record(&txt("bot.fleet._saip", &published), stateless, own).await.state, State::Missing);
}

#[tokio::test]
async fn what_cannot_be_found_out_is_unknown_and_neither_good_nor_bad() {
    let zone = "$ORIGIN other.example.\n@ 60 SOA ns host 1 2 3 4 30\n";
    let root = Certificate::of(&["a.example"]).unwrap().certificate;
    let found = known(zone, &root, "agent = 'bot'\nsign = ['saip', 'web-bot-auth']", key()).await;
    let states: Vec<_> =
        found.iter().map(|known| (known.by, known.state, known.state.registered())).collect();
    assert_eq!(states, [("saip", State::Unknown, None), ("web-bot-auth", State::Unknown, None)]);
    assert!(found.iter().all(|known| known.checked_at.is_some()));
}

#[tokio::test]
async fn a_bots_key_is_looked_for_in_its_directory() {
    let own = key();
    let thumb = |x: &str| format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
    let right = thumb(&b64u::encode(own.octets()));
    for (status, body, state) in [
        ("200 OK", right.as_str(), State::Published),
        ("200 OK", &thumb(OTHER), State::OtherKey),
        ("200 OK", r#"{"keys":[]}"#, State::Missing),
        ("200 OK", "no directory", State::Missing),
        ("404 Not Found", "", State::Missing),
        ("500 Internal Server Error", "", State::Unknown),
    ] {
        let certificate = Certificate::of(&["bot.acme.example"]).unwrap();
        let (pem, secret) = (certificate.certificate.as_bytes(), certificate.key.as_bytes());
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let host = HttpsHost::accepting(
            Acceptor::from_pem(pem, secret).unwrap(),
            Arc::new(move |_: &Message| answer.clone().into_bytes()),
        );
        let host = host.await.unwrap();
        let zone = "$ORIGIN acme.example.\n$TTL 300\n@ SOA ns host 1 2 3 4 30\nbot A 127.0.0.1\n";
        let origin = format!("https://bot.acme.example:{}", host.address.port());
        let lines = format!("sign = 'web-bot-auth'\ndirectory = '{origin}'");
        let found = known(zone, &certificate.certificate, &lines, own.clone()).await;
        assert_eq!(found.len(), 1, "there is no record to look for");
        assert_eq!(found[0].state, state, "{status} {body}: {}", found[0].detail);
        assert_eq!(found[0].place.as_deref(), Some(format!("{origin}{WELL_KNOWN}").as_str()));
    }
}
