//! Requests that are refused for little: against one signature check.

use crate::check::{Bare, bare};
use crate::figure::{Figure, in_turn};
use crate::world::{AGENTS, World};
use std::hint::black_box;

/// Unparsable, stale and unknown-agent requests.
pub(crate) fn figures(world: &World) -> Vec<Figure> {
    let good = world.sign_all();
    let edited =
        |from: &str, to: &str| -> Vec<String> { good.iter().map(|saip| saip.replace(from, to)).collect() };
    let cases = [
        (
            "unparsable request refused / one signature check",
            edited("; nonce=", "; nonce"),
            "header-malformed",
        ),
        ("stale request refused / one signature check", edited("ts=\"1790", "ts=\"1780"), "expired"),
        (
            "unknown agent refused / one signature check",
            edited("id=\"agent-", "id=\"nobody-"),
            "key-not-published",
        ),
    ];
    let bare = bare(world);
    cases.into_iter().map(|(name, requests, reason)| figure(world, name, &requests, reason, &bare)).collect()
}

fn figure(world: &World, name: &'static str, requests: &[String], reason: &str, bare: &[Bare]) -> Figure {
    let refuse = || {
        world.judge(requests, |verdict| {
            let first = verdict.reasons().first().map(|reason| reason.code());
            assert_eq!(first, Some(reason), "{:?}", black_box(&verdict));
        });
    };
    refuse(); // an unknown name is looked up once
    let bare = |_| assert!(bare.iter().all(Bare::check_one));
    let compared = in_turn(31, (|_| refuse(), AGENTS), (bare, AGENTS));
    Figure {
        name,
        ratio: compared.ratio(),
        goal: 1.0 / 50.0,
        limit: 1.0 / 50.0,
        detail: format!("{:.0} ns / {:.2} µs", compared.subject, compared.limit / 1e3),
    }
}
