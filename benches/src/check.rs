//! The whole check against the bare signature checks, and a policy against one of them.

use crate::figure::{Figure, in_turn};
use crate::world::{AGENTS, NOW, PATH, World};
use avouch_engine::decision::{Facts, Mode, OnFault, Policy, Terms, decide};
use avouch_gather::meter::RateTable;
use avouch_wire::key::PublicKey;
use avouch_wire::saip::{Form, Header, Mode as SaipMode, RequestParts, Seal, rcert_tbs, request_string};
use avouch_wire::target::NormalPath;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use std::cell::RefCell;
use std::fmt::Write as _;
use std::hint::black_box;

/// Rounds of a thousand requests.
const ROUNDS: usize = 31;

/// Rounds before the first that counts: a verifier that has run for a minute has touched its tables, and knows the
/// keys that come often.
pub(crate) const WARM_UP: usize = 72;

/// What a verifier cannot do without: the two messages and signatures of a request, ready to check.
pub(crate) struct Bare {
    master: VerifyingKey,
    rolling: Rolling,
}

/// All of it but the key that certified the rolling one.
pub(crate) struct Rolling {
    pub(crate) certified: Vec<u8>,
    pub(crate) certificate: [u8; 64],
    key: [u8; 32],
    message: Vec<u8>,
    signature: [u8; 64],
}

impl Bare {
    pub(crate) fn of(saip: &str, master: &PublicKey) -> Self {
        let master = VerifyingKey::from_bytes(master.octets().try_into().expect("Ed25519")).expect("a key");
        Self { master, rolling: Rolling::of(saip) }
    }

    /// Both checks, the rolling key read from its octets as every verifier must.
    pub(crate) fn check(&self) -> bool {
        self.check_one() && self.rolling.check()
    }

    /// The first of them alone.
    pub(crate) fn check_one(&self) -> bool {
        let Rolling { certified, certificate, .. } = &self.rolling;
        self.master.verify(certified, &Signature::from_bytes(certificate)).is_ok()
    }
}

impl Rolling {
    pub(crate) fn of(saip: &str) -> Self {
        let header = Header::parse(saip).expect("well-formed");
        let signed = header.signed.as_ref().expect("signed");
        let (SaipMode::Rolling { key, certificate, .. }, Form::Full(aud)) = (&signed.mode, signed.form)
        else {
            unreachable!("the world signs rolling requests in full form");
        };
        let Seal::Signature { signature, .. } = signed.seal else {
            unreachable!("a rolling key makes signatures");
        };
        let rolling = PublicKey::from_b64u(key).expect("a key");
        let parts = RequestParts { method: "GET", path: PATH };
        let (mut certified, mut message) = (Vec::new(), Vec::new());
        rcert_tbs(&mut certified, &header, signed, aud, rolling.octets(), parts);
        request_string(&mut message, &header, signed, Some(rolling.fingerprint()), parts);
        Self {
            certified,
            certificate: certificate.octets(),
            key: rolling.octets().try_into().expect("Ed25519"),
            message,
            signature: signature.octets(),
        }
    }

    /// Whether the request's own signature holds.
    pub(crate) fn check(&self) -> bool {
        let rolling = VerifyingKey::from_bytes(&self.key).expect("a key");
        rolling.verify(&self.message, &Signature::from_bytes(&self.signature)).is_ok()
    }
}

/// The bare checks of one signed request of each agent.
pub(crate) fn bare(world: &World) -> Vec<Bare> {
    let signed = world.sign_all();
    signed.iter().zip(&world.signers).map(|(saip, signer)| Bare::of(saip, signer.public())).collect()
}

/// Parse, verdict and decision, with replay table and rate limit, against the two signature checks.
pub(crate) fn whole(world: &World) -> Figure {
    let policy = Policy::parse("bench.toml", TYPICAL).expect("the policy is sound");
    let meter = RateTable::new(1 << 14);
    let rounds: Vec<Vec<String>> = (0..ROUNDS).map(|_| world.sign_all()).collect();
    let bare = bare(world);
    let check = |signed: &[String]| {
        world.judge(signed, |verdict| {
            assert_eq!(verdict.class().number(), 3, "every request is good: {verdict:?}");
            let decision = decide(&verdict, &facts(&NormalPath::of(PATH)), &policy, TERMS, &meter, NOW);
            black_box(decision);
        });
    };
    // Every key is looked up once, and the memory of every table is there.
    (0..WARM_UP).for_each(|_| check(&world.sign_all()));
    let compared = in_turn(
        ROUNDS,
        (|round| rounds.get(round).into_iter().for_each(|signed| check(signed)), AGENTS),
        (|_| assert!(bare.iter().all(Bare::check)), AGENTS),
    );
    Figure {
        name: "whole check of a verified request / its two signature checks",
        ratio: compared.ratio(),
        goal: 1.02,
        limit: 1.05,
        detail: format!(
            "{:.2} µs / {:.2} µs, rolling Ed25519 under Ed25519, 1000 agents",
            compared.subject / 1e3,
            compared.limit / 1e3
        ),
    }
}

/// A policy of 20 rules against one signature check.
pub(crate) fn policy(world: &World) -> Figure {
    const TIMES: usize = 10_000;
    let policy = Policy::parse("bench.toml", &twenty_rules()).expect("the policy is sound");
    let meter = RateTable::new(1 << 10);
    let verdict = RefCell::new(None);
    world.judge(&world.sign_all(), |reached| drop(verdict.replace(Some(reached))));
    let verdict = verdict.into_inner().expect("a verdict");
    let path = NormalPath::of(PATH);
    let bare = bare(world);
    let decide = |_| {
        (0..TIMES).for_each(|_| {
            black_box(decide(black_box(&verdict), &facts(&path), &policy, TERMS, &meter, NOW));
        });
    };
    let compared = in_turn(51, (decide, TIMES), (|_| assert!(bare.iter().all(Bare::check_one)), AGENTS));
    Figure {
        name: "policy of 20 rules, the last one matching / one signature check",
        ratio: compared.ratio(),
        goal: 1.0 / 400.0,
        limit: 1.0 / 400.0,
        detail: format!("{:.0} ns / {:.2} µs", compared.subject, compared.limit / 1e3),
    }
}

const TERMS: Terms =
    Terms { mode: Mode::Enforce, require: None, require_nonce: false, on_fault: OnFault::Unavailable };

pub(crate) const TYPICAL: &str = r#"
[[rule]]
name = "agents"
when = { class = 3, domain = ["acme.example"] }
then = { action = "accept", priority = "high", rate = "1000000/s", burst = 1000000 }
"#;

fn twenty_rules() -> String {
    let mut text = String::new();
    for at in 0..19 {
        let when = match at % 4 {
            0 => format!("{{ class = 3, identity = [\"*.fleet-{at}.example\"] }}"),
            1 => format!("{{ class = [2, 3], path = [\"/private-{at}/*\"] }}"),
            2 => "{ class = 1 }".to_owned(),
            _ => format!("{{ class = 0, ip = [\"198.51.100.{at}/32\"] }}"),
        };
        writeln!(text, "[[rule]]\nname = \"rule-{at}\"\nwhen = {when}\nthen = {{ action = \"reject\" }}")
            .expect("a string takes all");
    }
    text.push_str("[[rule]]\nname = \"last\"\nwhen = { class = 3 }\nthen = { action = \"accept\" }\n");
    text
}

fn facts<'a>(path: &'a NormalPath<'a>) -> Facts<'a> {
    Facts { method: "GET", path, authority: "www.shop.example", address: [203, 0, 113, 9].into(), asns: &[] }
}
