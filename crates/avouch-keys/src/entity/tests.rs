use super::*;
use crate::entropy::{Fixed, SystemEntropy};
use crate::saip::{RequestToSign, SignError};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::content::ContentDigest;
use avouch_wire::entity::{
    Asker, EnrolmentSecret, EventQuestion, KeyName, KeyQuestion, RegistrationQuestion, Renegotiation,
    Rotation, SecretAnswer, VerifierDocument, epoch_of,
};
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain, Instance};
use avouch_wire::saip::{Form, Header, Mode, RequestParts, Seal, request_string};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const NOW: u64 = 1_790_000_000;

fn domain(text: &str) -> Domain<'static> {
    Domain::parse(text).unwrap().into_owned()
}

fn agent(text: &str) -> AgentId<'static> {
    AgentId::parse(text).unwrap().into_owned()
}

fn answer(octet: u8, version: u64, epoch: u64) -> SecretAnswer {
    SecretAnswer {
        entity: domain("re.example"),
        domain: domain("acme.example"),
        agent: agent("crawler-7"),
        secret: EnrolmentSecret::from_octets([octet; 32]),
        version,
        epoch,
        floor: 1,
    }
}

/// Whether a verifier that holds the key of this secret finds that the header holds.
fn holds(text: &str, secret: u8, method: &str, path: &str) -> bool {
    let header = Header::parse(text).unwrap();
    let signed = header.signed.as_ref().unwrap();
    let (Mode::Registry(registry), Form::Full(audience)) = (&signed.mode, signed.form) else { return false };
    let Seal::Mac(mac) = signed.seal else { return false };
    let name = KeyName {
        entity: &registry.entity,
        audience,
        domain: header.domain.as_ref().unwrap(),
        agent: &header.agent,
        epoch: epoch_of(signed.timestamp),
    };
    let mut string = Vec::new();
    request_string(&mut string, &header, signed, None, RequestParts { method, path });
    let key = EnrolmentSecret::from_octets([secret; 32]).verifier_key(&name);
    let instance = header.instance.as_ref().map_or("", Instance::as_str);
    key.verify(instance, registry.sequence, &string, &mac.octets()).is_ok()
}

fn signed_at(secrets: &Secrets, sequence: u64, now: u64) -> String {
    let (target, authority) =
        (Target::parse("GET", "/a?b").unwrap(), Authority::parse("www.shop.example", Scheme::Https).unwrap());
    let request = RequestToSign {
        method: "GET",
        target: &target,
        authority: &authority,
        content: Some(ContentDigest::of(b"")),
    };
    let instance = Instance::parse("m1").unwrap();
    let numbered = (Some(&instance), sequence);
    secrets.sign_with(request, numbered, Time::from_seconds(now), &mut Fixed(3)).unwrap()
}

#[test]
fn a_request_is_signed_so_that_who_holds_the_key_finds_it_holds() {
    let secrets = Secrets::of(answer(7, 1, 0));
    let text = signed_at(&secrets, 9, NOW);
    assert!(text.contains("re=\"re.example\"; seq=\"9\"") && text.contains("alg=\"hmac-sha256\""), "{text}");
    assert!(holds(&text, 7, "GET", "/a?b"));
    assert!(!holds(&text, 8, "GET", "/a?b"), "another's secret");
    assert!(!holds(&text, 7, "PUT", "/a?b") && !holds(&text, 7, "GET", "/a"));
    for (from, to) in [
        ("seq=\"9\"", "seq=\"10\""),
        ("inst=\"m1\"", "inst=\"m2\""),
        ("inst=\"m1\"; ", ""),
        ("re.example", "re2.example"),
        ("acme.example", "acme2.example"),
        ("crawler-7", "crawler-8"),
        ("www.shop.example", "www.rival.example"),
        ("ts=\"1790000000\"", "ts=\"1790000001\""),
        ("ts=\"1790000000\"", "ts=\"1790000300\""),
    ] {
        assert!(text.contains(from), "{from} in {text}");
        assert!(!holds(&text.replace(from, to), 7, "GET", "/a?b"), "{to}");
    }
    let (target, authority) =
        (Target::parse("GET", "/").unwrap(), Authority::parse("a.example", Scheme::Https).unwrap());
    let request = RequestToSign { method: "G T", target: &target, authority: &authority, content: None };
    assert_eq!(secrets.sign(request, (None, 1), Time::from_seconds(NOW)), Err(SignError::Method));
    let request = RequestToSign { method: "GET", ..request };
    let text = secrets.sign(request, (None, 1), Time::from_seconds(NOW)).unwrap();
    assert!(holds(&text, 7, "GET", "/") && !text.contains("inst"));
}

#[test]
fn after_a_rotation_each_epoch_has_its_secret() {
    let begins = epoch_of(NOW) + 1;
    let mut secrets = Secrets::of(answer(7, 1, 0));
    for _again in 0..2 {
        secrets.rotated(answer(8, 2, begins));
        let signs = |now| (holds_by(&secrets, now, 7), holds_by(&secrets, now, 8));
        assert_eq!(
            [NOW, begins * 300 - 1, begins * 300].map(signs),
            [(true, false), (true, false), (false, true)]
        );
    }
    secrets.renegotiated(1 << 32);
    secrets.renegotiated(5);
    assert_eq!(secrets.floor(), 1 << 32);
    secrets.rotated(answer(9, 3, begins + 3));
    assert_eq!((secrets.floor(), secrets.version()), (1 << 32, 3), "a floor never falls");
}

fn holds_by(secrets: &Secrets, now: u64, secret: u8) -> bool {
    holds(&signed_at(secrets, 1, now), secret, "GET", "/a?b")
}

#[test]
fn what_an_agent_was_told_is_found_again_and_belongs_to_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    assert!(matches!(Secrets::open(&path), Err(SecretsError::Missing(_))));
    let mut secrets = Secrets::of(answer(7, 1, 0));
    for _again in 0..2 {
        secrets.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(Secrets::open(&path).unwrap(), secrets);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        secrets.rotated(answer(8, 2, epoch_of(NOW)));
        secrets.renegotiated(1 << 32);
    }
    let text = fs::read_to_string(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(Secrets::open(&path).unwrap_err().to_string().contains("chmod 600"));
    for near in [
        text.replace("\"floor\"", "\"flor\""),
        text.replace("re.example", "re"),
        text.replace("\"secret\":\"", "\"secret\":\"A"),
        text.replace("\"secrets\":[", "\"secrets\":[],\"x\":["),
        "{}".to_owned(),
        String::new(),
    ] {
        fs::write(&path, near).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(Secrets::open(&path), Err(SecretsError::Form(_))));
    }
    let nowhere = Secrets::of(answer(7, 1, 0)).save(Path::new("/nowhere/at/all"));
    assert!(nowhere.is_err());
    assert!(!format!("{secrets:?}").contains("BwcH"), "no secret is printed");
}

#[test]
fn each_question_is_signed_by_its_key_for_its_place() {
    let key = SecretKey::generate(KeyType::P256, &mut Fixed(1)).unwrap();
    let (entity, audience) = (domain("re.example"), Authority::parse("a.example", Scheme::Https).unwrap());
    let nonce = nonce(&mut SystemEntropy).unwrap();
    let agents = Vec::new();
    let keys = KeyQuestion {
        entity: entity.clone(),
        audience: audience.clone().into_owned(),
        time: NOW,
        nonce: nonce.clone(),
        agents,
    };
    let events = EventQuestion {
        entity: entity.clone(),
        audience: audience.into_owned(),
        time: NOW,
        nonce: nonce.clone(),
        after: 3,
    };
    let (domain, agent) = (domain("acme.example"), agent("crawler-7"));
    let sequence = Renegotiation { entity, domain, agent, time: NOW, nonce };
    let document = VerifierDocument { keys: vec![key.public().clone()] };
    for (asked, path) in [
        (ask(&key, &keys).unwrap(), "/v1/verifiers/key"),
        (ask(&key, &events).unwrap(), "/v1/verifiers/events"),
    ] {
        let credentials = Credentials::parse(&asked.authorization).unwrap();
        assert_eq!(credentials.asker, Asker::Verifier);
        assert_eq!(document.signer(&credentials, path, asked.body.as_bytes()), Some(key.public()));
        assert_eq!(document.signer(&credentials, "/v1/agents", asked.body.as_bytes()), None);
    }
    let Renegotiation { entity, domain, agent, time, nonce } = sequence.clone();
    let token = avouch_wire::enrolment::token_text(&[7; 32]);
    let public = key.public().clone();
    let registration = RegistrationQuestion { entity, domain, agent, key: public, token, time, nonce };
    for (asked, path, other) in [
        (ask(&key, &registration).unwrap(), "/v1/agents", "/v1/agents/secret"),
        (ask(&key, &Rotation(sequence.clone())).unwrap(), "/v1/agents/secret", "/v1/agents/sequence"),
        (ask(&key, &sequence).unwrap(), "/v1/agents/sequence", "/v1/agents/secret"),
    ] {
        let credentials = Credentials::parse(&asked.authorization).unwrap();
        assert_eq!(credentials.asker, Asker::Agent);
        assert!(credentials.verify(key.public(), path, asked.body.as_bytes()).is_ok());
        assert!(credentials.verify(key.public(), other, asked.body.as_bytes()).is_err());
    }
}

#[test]
fn a_root_makes_a_secret_for_each_agent_version_and_draw() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root");
    assert!(matches!(Root::open(&path), Err(RootError::Missing(_))));
    let root = Root::create(&path, &mut SystemEntropy).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(Root::create(&path, &mut SystemEntropy).is_err(), "never overwritten");
    let again = Root::open(&path).unwrap();
    let [entity, other] = ["re.example", "re2.example"].map(domain);
    let [one, two] = ["crawler-7", "crawler-8"].map(agent);
    let of = Registered { entity: &entity, domain: &other, agent: &one, version: 1, salt: &[1; 32] };
    assert_eq!(root.secret(&of), again.secret(&of));
    assert_eq!(root.mark(), again.mark());
    for near in [
        Registered { entity: &other, ..of },
        Registered { domain: &entity, ..of },
        Registered { agent: &two, ..of },
        Registered { version: 2, ..of },
        Registered { salt: &[2; 32], ..of },
    ] {
        assert_ne!(root.secret(&near), root.secret(&of), "{near:?}");
    }
    let stranger = Root::create(&folder.path().join("other"), &mut SystemEntropy).unwrap();
    assert_ne!(stranger.secret(&of), root.secret(&of));
    assert_ne!(stranger.mark(), root.mark());
    assert_eq!(format!("{root:?}"), "Root(..)");
    fs::write(&path, "hello").unwrap();
    assert!(matches!(Root::open(&path), Err(RootError::Form(_))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(Root::open(&path).unwrap_err().to_string().contains("chmod 600"));
}
