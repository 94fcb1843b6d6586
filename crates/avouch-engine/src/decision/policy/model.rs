//! The model's table: what holds where the operator says nothing (VICDM draft sections 4.2, 7, 8).

use core::num::NonZeroU32;
use std::sync::Arc;

use avouch_wire::settings::{Rate, Span};

use super::parse::limit_id;
use super::traits::Traits;
use super::{Limit, Per, Policy, Quota, Rule, Treatment};
use crate::decision::{Action, Priority};
use crate::evidence::Persistence;
use crate::verdict::Standing;

/// The rate at which claims that do not hold are served, by address. A person whose browser is
/// mistaken for a crawler still gets a page; a scraper that lies about its name gets nowhere.
const INVALID_RATE: Rate = Rate { count: NonZeroU32::MIN, per: Span::Second };

/// A page and what it needs to be shown.
const INVALID_BURST: u32 = 10;

impl Policy {
    /// The model's table by itself: class 3 accepted with high priority, class 2 accepted and
    /// audited with medium, class 0 accepted with low, class 1 throttled with minimal; what could
    /// not be found out for now is accepted like class 0, and audited.
    #[must_use]
    pub fn model() -> Self {
        Self::compile("", Vec::new())
    }
}

/// Its rows but the last. Names with a slash cannot occur in files.
pub(super) fn rules() -> impl Iterator<Item = Rule> {
    let temporary = Standing::Undetermined(Persistence::Temporary);
    [
        ("model/verified", vec![Standing::Verified], Action::Accept, Priority::High),
        ("model/partial", vec![Standing::Partial], Action::Monitor, Priority::Medium),
        ("model/anonymous", vec![Standing::Anonymous, Standing::Pseudonymous], Action::Accept, Priority::Low),
        ("model/undetermined", vec![temporary], Action::Monitor, Priority::Low),
    ]
    .into_iter()
    .map(|(name, standings, action, priority)| {
        let traits = Traits::standings(|standing| standings.contains(&standing));
        row(name, traits, Treatment { action, priority: Some(priority), quota: None })
    })
}

/// Its last row: a claim that does not hold. It also catches whatever no rule matches, so that a
/// mistake in the table above costs trust and never gives any.
pub(super) fn otherwise(file: &str) -> Rule {
    let name = "model/invalid";
    let limit = Limit::new(limit_id(file, name), INVALID_RATE, INVALID_BURST);
    let quota =
        limit.map(|limit| Quota { limit, rate: INVALID_RATE, burst: INVALID_BURST, per: Per::Address });
    // Without its quota the row would let everything through; INVALID_RATE always gives one.
    let action = if quota.is_some() { Action::Throttle } else { Action::Reject };
    row(name, Traits::ALL, Treatment { action, priority: Some(Priority::Minimal), quota })
}

fn row(name: &str, traits: Traits, treatment: Treatment) -> Rule {
    let parts = Box::new([("standing", traits)]);
    Rule { name: Arc::from(name), line: 0, traits, parts, matchers: Box::default(), treatment }
}
