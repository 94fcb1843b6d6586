//! A request of a batch whose root is known, against the two signature checks that it would take otherwise.

use crate::check::{Rolling, WARM_UP};
use crate::figure::{Figure, in_turn};
use crate::world::{PATH, SITE, World, signer_of};
use avouch_keys::saip::{RequestToSign, Signer};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::key::{KeyType, PublicKey};
use avouch_wire::target::Target;

/// Agents with keys in hardware that send at the same time.
const AGENTS: usize = 250;

/// Requests of one signature: as many as wait for a key that takes 200 ms when 1,300 a second are sent.
const BATCH: usize = 256;

/// Rounds of a request of each agent.
const ROUNDS: usize = 101;

/// Both checks of a request with a certificate of its own, ready to be made.
struct Pair {
    master: PublicKey,
    rolling: Rolling,
}

impl Pair {
    fn check(&self) -> bool {
        self.master.verify(&self.rolling.certified, &self.rolling.certificate).is_ok() && self.rolling.check()
    }
}

/// Parse, proof and verdict, with root and replay table, against an ECDSA P-256 and an Ed25519 signature check.
pub(crate) fn known_root() -> Figure {
    let world = World::of((0..AGENTS).map(|at| signer_of(at, KeyType::P256)).collect());
    let batches: Vec<Vec<String>> = world.signers.iter().map(sign).collect();
    let rounds: Vec<Vec<String>> =
        (0..BATCH).map(|at| batches.iter().filter_map(|batch| batch.get(at).cloned()).collect()).collect();
    let check = |signed: &[String]| {
        world.judge(signed, |verdict| {
            assert_eq!(verdict.class().number(), 3, "every request is good: {verdict:?}");
        });
    };
    let (first, rounds) = rounds.split_at(WARM_UP);
    first.iter().for_each(|signed| check(signed));
    let alone = world.sign_all();
    let pairs: Vec<_> = alone.iter().zip(&world.signers).map(|(saip, signer)| pair(saip, signer)).collect();
    let compared = in_turn(
        ROUNDS,
        (|round| rounds.get(round).into_iter().for_each(|signed| check(signed)), AGENTS),
        (|_| assert!(pairs.iter().all(Pair::check)), AGENTS),
    );
    Figure {
        name: "whole check of a batched request with a known root / P-256 and Ed25519 signature checks",
        ratio: compared.ratio(),
        goal: 0.45,
        limit: 0.45,
        detail: format!(
            "{:.2} µs / {:.2} µs, rolling Ed25519 in batches of {BATCH} under P-256, {AGENTS} agents",
            compared.subject / 1e3,
            compared.limit / 1e3
        ),
    }
}

/// The headers of a batch.
fn sign(signer: &Signer) -> Vec<String> {
    let target = Target::parse("GET", PATH).expect("sound");
    let authority = Authority::parse(SITE, Scheme::Https).expect("sound");
    let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
    signer.sign_batch(&[request; BATCH], KeyType::Ed25519, crate::world::NOW).expect("signs")
}

fn pair(saip: &str, signer: &Signer) -> Pair {
    Pair { master: signer.public().clone(), rolling: Rolling::of(saip) }
}
