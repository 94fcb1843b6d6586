//! What one side signs, the other verifies, in each dialect that it knows.

use super::npm::Npm;
use super::published;
use super::request::{BOT, KEYS, Ours, SITE, Sent, now};
use super::shape::{OWN, key, public};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::web_bot_auth::{RequestToSign, Speaker, sign};
use avouch_keys::{directory, http_signature};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::http_signature::Jwk;
use avouch_wire::key::KeyType;
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Dialect, WELL_KNOWN};
use serde_json::{Value, json};

/// Each dialect, as the field is written.
const DIALECTS: [(Dialect, &str); 4] = [
    (Dialect::A, r#""https://bot.example""#),
    (Dialect::B, r#"sig1="https://bot.example""#),
    (Dialect::C, r#"sig1="https://bot.example";type=directory"#),
    (Dialect::D, r#""https://bot.example/keys""#),
];

/// The npm package puts the whole field where RFC 9421 section 2.1.2 asks for the member alone, so
/// what it signs, and takes, of a dictionary is something else.
fn npm_knows(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::A | Dialect::D)
}

#[tokio::test]
async fn what_the_crate_signs_is_verified_here() {
    let ours = Ours::knowing(&[public(&key(OWN))]);
    for (dialect, agent) in DIALECTS {
        let sent = published::sign(&key(OWN), &format!("{dialect:?}"), Sent::get("/prices", agent));
        assert_eq!(ours.judge(&sent).await, "directory-verified", "{dialect:?}");
        let elsewhere = Sent { site: "www.other.example".into(), ..sent.clone() };
        assert_eq!(ours.judge(&elsewhere).await, "authority-not-ours", "{dialect:?}");
        assert_eq!(
            ours.judge(&sent.changed("signature-agent", |_| agent.replace("bot", "box"))).await,
            "directory-unreachable"
        );
    }
}

#[tokio::test]
async fn what_the_npm_package_signs_is_verified_here() {
    let Some(mut npm) = Npm::start() else { return };
    let ours = Ours::knowing(std::slice::from_ref(&npm.key));
    for (dialect, agent) in DIALECTS {
        let covered = match dialect {
            Dialect::A | Dialect::D => Value::Null,
            Dialect::B | Dialect::C => json!([["@authority"], ["signature-agent", { "key": "sig1" }]]),
        };
        let sent = npm.sign(Sent::get("/prices", agent), &covered);
        let expected = if npm_knows(dialect) { "directory-verified" } else { "signature-invalid" };
        assert_eq!(ours.judge(&sent).await, expected, "{dialect:?}");
    }
    // The components that avouch covers, too.
    let covered = json!([["@method"], ["@authority"], ["@path"], ["@query"], ["signature-agent"]]);
    for (path, expected) in [("/prices?page=2", "directory-verified"), ("/prices", "signature-invalid")] {
        // Without a query its value is "?" (RFC 9421 section 2.2.7); the package leaves it empty.
        let sent = npm.sign(Sent::get(path, DIALECTS[0].1), &covered);
        assert_eq!(ours.judge(&sent).await, expected, "{path}");
    }
}

/// A request that avouch signs.
fn signed_here(key: &SecretKey, dialect: Dialect, path: &str) -> Sent {
    let url = if dialect == Dialect::D { KEYS } else { BOT };
    let speaker = Speaker { dialect, url, lifetime: 60 };
    let request = RequestToSign {
        method: "GET",
        scheme: Scheme::Https,
        authority: &Authority::parse(SITE, Scheme::Https).unwrap(),
        target: &Target::parse("GET", path).unwrap(),
        content: None,
    };
    let fields = sign(key, speaker, request, Time::from_seconds(now())).unwrap();
    let mut sent = Sent::get(path, "");
    sent.fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    sent
}

#[test]
fn what_is_signed_here_the_crate_verifies() {
    let own = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
    let keys = [Jwk::write(own.public(), None, None)];
    for (dialect, _) in DIALECTS {
        for path in ["/prices?page=2", "/"] {
            let sent = signed_here(&own, dialect, path);
            assert_eq!(published::verify(&sent, &keys), Ok(()), "{dialect:?} {path}");
            let changed = Sent { path: "/other".into(), ..sent };
            assert!(published::verify(&changed, &keys).is_err(), "{dialect:?} {path}");
        }
    }
}

#[test]
fn what_is_signed_here_the_npm_package_verifies() {
    let Some(mut npm) = Npm::start() else { return };
    let own = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
    let keys = [Jwk::write(own.public(), None, None)];
    for (dialect, _) in DIALECTS {
        let sent = signed_here(&own, dialect, "/prices?page=2");
        assert_eq!(npm.verify(&sent, &keys).is_ok(), npm_knows(dialect), "{dialect:?}");
        let changed = Sent { path: "/other?page=2".into(), ..sent };
        assert!(npm.verify(&changed, &keys).is_err(), "{dialect:?}");
        let without_query = signed_here(&own, dialect, "/");
        assert!(
            npm.verify(&without_query, &keys).is_err(),
            "it reads an absent query as nothing, not as \"?\""
        );
    }
}

#[test]
fn directories_signed_here_the_npm_package_verifies() {
    let Some(mut npm) = Npm::start() else { return };
    let own = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
    let keys = [Jwk::write(own.public(), None, None)];
    let site = Authority::parse("bot.example:8443", Scheme::Https).unwrap();
    let signed = directory::sign(std::slice::from_ref(&own), &site, 60, Time::from_seconds(now())).unwrap();
    let http_signature::Members { signature_input, signature } = signed;
    let fields = json!({ "Signature-Input": signature_input, "Signature": signature });
    let mut takes = |origin: &str| npm.verify_directory(&format!("{origin}{WELL_KNOWN}"), &fields, &keys);
    assert_eq!(takes("https://bot.example:8443"), Ok(()));
    assert!(takes("https://bot.example").is_err());
}
