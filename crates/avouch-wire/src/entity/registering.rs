use super::*;
use crate::b64u;
use crate::enrolment::token_text;
use crate::key::PublicKey;
use crate::name::{AgentId, Domain};
use ed25519_dalek::{Signer, SigningKey};
use proptest::prelude::*;

const NONCE: &str = "0123456789abcdef";

fn domain(text: &str) -> Domain<'static> {
    Domain::parse(text).unwrap().into_owned()
}

fn agent(text: &str) -> AgentId<'static> {
    AgentId::parse(text).unwrap().into_owned()
}

fn key() -> (SigningKey, PublicKey) {
    let key = SigningKey::from_bytes(&[1; 32]);
    let public = PublicKey::from_octets(key.verifying_key().as_bytes()).unwrap();
    (key, public)
}

fn registration() -> RegistrationQuestion {
    RegistrationQuestion {
        entity: domain("re.example"),
        domain: domain("acme.example"),
        agent: agent("crawler-7"),
        key: key().1,
        token: token_text(&[7; 32]),
        time: 1_790_000_000,
        nonce: NONCE.to_owned(),
    }
}

fn renegotiation() -> Renegotiation {
    let RegistrationQuestion { entity, domain, agent, time, nonce, .. } = registration();
    Renegotiation { entity, domain, agent, time, nonce }
}

fn answer() -> SecretAnswer {
    SecretAnswer {
        entity: domain("re.example"),
        domain: domain("acme.example"),
        agent: agent("crawler-7"),
        secret: EnrolmentSecret::from_octets([7; 32]),
        version: 1,
        epoch: 5_966_666,
        floor: 1,
    }
}

/// Replaces one part of a text, which must be there, and once.
fn with(text: &str, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(text.matches(from).count(), 1, "{from} in {text}");
    text.replace(from, to).into_bytes()
}

#[test]
fn what_agents_ask_is_read_as_written_and_looks_as_the_format_says() {
    let asked = registration();
    let (key, token) = (b64u::encode(asked.key.octets()), asked.token.clone());
    let text = format!(
        "{{\"re\":\"re.example\",\"dom\":\"acme.example\",\"id\":\"crawler-7\",\"key\":\"{key}\",\"token\":\"{token}\",\
         \"time\":1790000000,\"nonce\":\"0123456789abcdef\"}}"
    );
    assert_eq!(asked.write(), text);
    assert_eq!(RegistrationQuestion::read(text.as_bytes()), Ok(asked));
    let rotation = Rotation(renegotiation());
    assert_eq!(Rotation::read(rotation.write().as_bytes()), Ok(rotation));
}

#[test]
fn each_member_of_a_registration_refuses_its_near_miss() {
    let text = registration().write();
    for (from, to) in [
        ("re.example", "Re.example"),
        ("acme.example", "co.uk"),
        ("crawler-7", "Crawler-7"),
        ("crawler-7", "_"),
        ("crawler-7", ""),
        ("\"key\":\"", "\"key\":\"A"),
        ("avouch-enrol-", "avouch-"),
        ("avouch-enrol-", "avouch-enrol-A"),
        ("1790000000", "-1"),
        (NONCE, "0123456789abcde"),
        ("\"time\":", "\"time\":1,\"time\":"),
        ("{\"re\"", "{\"more\":1,\"re\""),
        ("\"dom\":\"acme.example\",", ""),
    ] {
        assert!(RegistrationQuestion::read(&with(&text, from, to)).is_err(), "{to} for {from}");
    }
}

#[test]
fn each_question_of_an_agent_is_signed_for_its_own_purpose() {
    let (secret, public) = key();
    let body = renegotiation().write();
    let signed = |path: &str| Credentials {
        asker: Asker::Agent,
        key: *public.fingerprint().as_bytes(),
        signature: secret.sign(&Asker::Agent.string(path, body.as_bytes())).to_bytes(),
    };
    let paths = [RegistrationQuestion::PATH, Rotation::PATH, Renegotiation::PATH];
    assert_eq!(paths, ["/v1/agents", "/v1/agents/secret", "/v1/agents/sequence"]);
    let contexts = ["avouch re registration v1\0", "avouch re rotation v1\0", "avouch re renegotiation v1\0"];
    for (path, context) in paths.into_iter().zip(contexts) {
        assert!(Asker::Agent.string(path, b"").starts_with(context.as_bytes()));
        for asked in paths {
            assert_eq!(signed(path).verify(&public, asked, body.as_bytes()).is_ok(), path == asked);
        }
    }
}

#[test]
fn a_secret_is_read_by_who_asked_for_it_and_not_printed() {
    let answer = answer();
    let (entity, dom, id) = (domain("re.example"), domain("acme.example"), agent("crawler-7"));
    let text = answer.write();
    let secret = b64u::encode(&[7; 32]);
    assert!(text.contains(&secret) && !format!("{answer:?}").contains(&secret));
    assert_eq!(SecretAnswer::read(text.as_bytes(), (&entity, &dom, &id)), Ok(answer));
    let (other, near) = (domain("re2.example"), agent("crawler-8"));
    for (asked, member) in
        [((&other, &dom, &id), "re"), ((&entity, &other, &id), "dom"), ((&entity, &dom, &near), "id")]
    {
        assert_eq!(SecretAnswer::read(text.as_bytes(), asked), Err(MessageError::NotAsked(member)));
    }
    for (from, to) in [
        ("\"version\":1", "\"version\":0"),
        ("\"version\":1", "\"version\":-1"),
        (",\"floor\":1", ""),
        (&secret, "AAAA"),
        ("crawler-7", "_"),
        ("{\"re\"", "{\"more\":1,\"re\""),
    ] {
        assert!(SecretAnswer::read_any(&with(&text, from, to)).is_err(), "{to} for {from}");
    }
    assert_eq!(FloorAnswer { floor: 1 << 32 }.write(), "{\"floor\":4294967296}");
    assert_eq!(FloorAnswer::read(b"{\"floor\":4294967296}"), Ok(FloorAnswer { floor: 1 << 32 }));
    assert!(FloorAnswer::read(b"{\"floor\":4294967296,\"more\":1}").is_err());
    assert!(FloorAnswer::read(b"{\"floor\":-1}").is_err());
}

#[test]
fn a_token_of_a_registrar_is_another_here() {
    let text = token_text(&[7; 32]);
    let digest = token_digest(&text).unwrap();
    assert_ne!(Some(digest), crate::enrolment::token_digest(&text));
    assert_ne!(Some(digest), token_digest(&token_text(&[8; 32])));
    assert_eq!(token_digest(&format!("{text}A")), None);
}

proptest! {
    #[test]
    fn no_octets_make_a_parser_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = RegistrationQuestion::read(&octets);
        let _ = Rotation::read(&octets);
        let _ = SecretAnswer::read_any(&octets);
        let _ = FloorAnswer::read(&octets);
    }
}
