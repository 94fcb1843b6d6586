//! Signatures under keys that the operator registered, through the whole of judgement.

use super::{Judge, Settings};
use crate::clock::ManualClock;
use crate::directories::Directories;
use crate::replay;
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::claim::{BotRules, Catalogue, KeyRegister, RegisteredKey};
use avouch_engine::evidence::Dnssec;
use avouch_engine::pipeline::Site;
use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::{Class, Mechanism, Standing, Unchecked, Verdict};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::http_signature::{Members, sign};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::http_signature::{Component, Message, SignatureInput, Start};
use avouch_wire::key::KeyType;
use avouch_wire::name::Identity;
use avouch_wire::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

const NOW: u64 = 1_790_000_000;
const SITE: &str = "api.shop.example";
const COVERED: [&str; 4] = ["@method", "@authority", "@path", "@query"];

/// A partner's key, a site that knows it, and the judge of the site.
struct World {
    key: SecretKey,
    site: Site,
    judge: Judge,
}

impl World {
    fn new() -> Self {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let site = Site {
            authorities: vec![Authority::parse(SITE, Scheme::Https).unwrap()],
            accept_draft: false,
            catalogue: Arc::new(Catalogue::built_in().unwrap()),
            bots: Some(BotRules::default()),
            registered: Arc::default(),
            entities: None,
            passes: None,
            named: BTreeSet::new(),
        };
        let mut world = Self { key, site, judge: judge() };
        let own = world.registered("one", "billing@partner.example");
        world.register([own]);
        world
    }

    fn registered(&self, keyid: &str, identity: &str) -> RegisteredKey {
        let identity = Identity::parse(identity).unwrap();
        RegisteredKey::new(keyid, self.key.public().clone().into(), identity, None).unwrap()
    }

    fn register(&mut self, keys: impl IntoIterator<Item = RegisteredKey>) {
        let mut register = KeyRegister::default();
        keys.into_iter().for_each(|key| register.add(key).unwrap());
        self.site.registered = Arc::new(register);
    }

    fn sign(&self, label: &str, keyid: &str, nonce: Option<&str>, lasts: u64) -> Members {
        let start =
            Start::Request { method: "GET", scheme: "https", authority: SITE, path: "/a?b", target: "/a?b" };
        let message = Message { start, fields: &[], trailers: &[], request: None };
        let covered = COVERED.map(|name| Component::named(name).unwrap());
        let mut input = SignatureInput::covering(covered.to_vec()).unwrap();
        (input.created, input.expires) = (Some(NOW), Some(NOW + lasts));
        (input.keyid, input.nonce) = (Some(keyid), nonce);
        sign(&self.key, label, input, &message).unwrap()
    }

    fn come(&self, input: &str, signature: &str) -> Box<Verdict> {
        let fields = [("host", SITE), ("signature-input", input), ("signature", signature)];
        let request = Request::read(Head {
            method: "GET",
            target: "/a?b",
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.iter().map(|(name, value)| (*name, value.as_bytes())),
            peer: Peer::client([192, 0, 2, 7].into()),
            content: Content::Empty,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.judge.judge(&request.unwrap(), &self.site))
    }

    fn with(&self, keyid: &str, nonce: Option<&str>) -> Box<Verdict> {
        let one = self.sign("a", keyid, nonce, 60);
        self.come(&one.signature_input, &one.signature)
    }
}

/// A judge without any DNS and directories: no key of these needs them.
fn judge() -> Judge {
    let replay = replay::Settings { capacity: 1 << 14, fresh: true, ..replay::Settings::default() };
    let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
    let zones = ZoneFiles::parse(&[], Dnssec::Insecure).unwrap();
    let settings = Settings { replay, ..Settings::default() };
    Judge::new(&settings, Dns::Zones(zones), Directories::Unreachable, clock).unwrap()
}

fn verified(verdict: &Verdict) -> bool {
    verdict.class() == Class::Verified
        && verdict.mechanism() == Mechanism::HttpSignature
        && verdict.reasons() == [Reason::RegisteredVerified]
}

fn failed(verdict: &Verdict) -> Option<Reason> {
    (verdict.standing() == Standing::Invalid).then(|| verdict.reasons()[0])
}

#[test]
fn a_registered_key_proves_whose_the_operator_says_it_is_and_nothing_is_looked_up() {
    let world = World::new();
    let verdict = world.with("one", Some("1"));
    assert!(verified(&verdict) && verdict.not_checked().is_empty(), "{verdict:?}");
    let identity = verdict.identity().unwrap();
    assert_eq!(identity.to_string(), "billing@partner.example");
    assert_eq!(identity.instance, identity.agent);
    assert!(verdict.dnssec().is_none() && verdict.valid_until().is_none());
    for stranger in ["two", "One", ""] {
        assert_eq!(world.with(stranger, Some("1")).standing(), Standing::Anonymous, "{stranger:?}");
    }
}

#[test]
fn a_nonce_is_used_once_under_its_key_for_as_long_as_the_signature_lasts() {
    for lasts in [1, 60, 301, 24 * 60 * 60] {
        let mut world = World::new();
        let keys = ["one", "two"].map(|keyid| world.registered(keyid, "partner.example"));
        world.register(keys);
        let come = |keyid: &str, nonce| {
            let one = world.sign("a", keyid, nonce, lasts);
            world.come(&one.signature_input, &one.signature)
        };
        assert!(verified(&come("one", Some("1"))), "{lasts}");
        let again = come("one", Some("1"));
        assert_eq!(failed(&again), Some(Reason::Replayed), "{lasts}");
        assert_eq!(again.claimed(), Some("partner.example"));
        assert!(verified(&come("two", Some("1"))), "another key's nonces are its own");
        for _ in 0..2 {
            let without = come("one", None);
            assert!(verified(&without) && without.not_checked() == [Unchecked::Replay], "{lasts}");
        }
    }
    let world = World::new();
    let one = world.sign("a", "one", Some("1"), 60);
    let forged = one.signature.replacen("=:", "=:AAAA", 1);
    assert_eq!(failed(&world.come(&one.signature_input, &forged)), Some(Reason::SignatureInvalid));
    assert!(verified(&world.come(&one.signature_input, &one.signature)), "a forgery uses nothing up");
}

#[test]
fn of_several_the_one_that_holds_names_who_it_is() {
    let mut world = World::new();
    let other = SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap();
    let theirs = Identity::parse("other@partner.example").unwrap();
    let theirs = RegisteredKey::new("other", other.public().clone().into(), theirs, None).unwrap();
    let own = [world.registered("one", "billing@partner.example"), theirs];
    world.register(own);
    // The first is forged in another agent's name, and only the second holds.
    let (first, second) = (world.sign("a", "other", None, 60), world.sign("b", "one", Some("1"), 60));
    let both = |one: &str, other: &str| format!("{one}, {other}");
    let come = || {
        world.come(
            &both(&first.signature_input, &second.signature_input),
            &both(&first.signature, &second.signature),
        )
    };
    let verdict = come();
    assert!(verified(&verdict), "{verdict:?}");
    assert_eq!(verdict.identity().unwrap().to_string(), "billing@partner.example");
    assert_eq!(failed(&come()), Some(Reason::Replayed), "it is the nonce of the one that holds");
    let alone = world.come(&first.signature_input, &first.signature);
    assert_eq!(failed(&alone), Some(Reason::SignatureInvalid));
}

#[test]
fn a_key_counts_within_its_own_times() {
    for (from, until, holds) in [
        (None, Some(NOW + 1), true),
        (None, Some(NOW), false),
        (Some(NOW), None, true),
        (Some(NOW + 1), None, false),
    ] {
        let mut world = World::new();
        let key = world.registered("one", "partner.example").within(from, until);
        world.register([key]);
        let verdict = world.with("one", Some("1"));
        assert_eq!(verified(&verdict), holds, "{from:?} {until:?}");
        assert_eq!(failed(&verdict), (!holds).then_some(Reason::KeyExpired));
        assert_eq!(verdict.valid_until(), until.filter(|_| holds).map(Time::from_seconds));
    }
}

#[test]
fn without_a_list_of_its_sites_the_class_is_two_at_most() {
    let mut world = World::new();
    world.site.authorities.clear();
    let verdict = world.with("one", Some("1"));
    assert_eq!((verdict.class(), verdict.mechanism()), (Class::Partial, Mechanism::HttpSignature));
    assert_eq!(verdict.reasons(), [Reason::RegisteredVerified, Reason::AuthoritiesUnset]);
}

#[test]
fn where_bots_are_not_read_registered_keys_are() {
    let mut world = World::new();
    world.site.bots = None;
    assert!(verified(&world.with("one", Some("1"))));
    let tagged = world.sign("a", "one", None, 60);
    let input = format!("{};tag=\"web-bot-auth\"", tagged.signature_input);
    assert_eq!(world.come(&input, &tagged.signature).standing(), Standing::Anonymous);
}

#[test]
fn what_cannot_be_read_is_a_claim_where_it_names_a_registered_key() {
    let world = World::new();
    let good = "a=(\"@method\");created=1;keyid=\"one\"";
    for (input, signature, reason) in [
        ("a=(\"@method\" \"@method\");keyid=\"one\"", "a=:AA==:", Some(Reason::ComponentRepeated)),
        ("a=(\"@nothing\");keyid=\"one\"", "a=:AA==:", Some(Reason::SignatureMalformed)),
        (good, "a=1", Some(Reason::SignatureMalformed)),
        (good, "", Some(Reason::SignatureMalformed)),
        ("a=(\"@method\");keyid=\"one\", b=(", "a=:AA==:", Some(Reason::SignatureMalformed)),
        ("a=(\"@method\" \"@method\");keyid=\"two\"", "a=:AA==:", None),
        ("a=(\"@method\");keyid=\"two\", b=(", "a=:AA==:", None),
        // The name is that of a signature for others, which can be read; what cannot is somebody else's.
        ("a=(\"@method\");keyid=\"one\";tag=\"t\", b=(\"@method\" \"@method\")", "a=:AA==:, b=:AA==:", None),
    ] {
        let verdict = world.come(input, signature);
        assert_eq!(failed(&verdict), reason, "{input} {signature}: {verdict:?}");
        assert_eq!(verdict.standing() == Standing::Anonymous, reason.is_none());
    }
}
