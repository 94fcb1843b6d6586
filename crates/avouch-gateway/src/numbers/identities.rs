//! Who comes most, and who is claimed most and was not there.

use std::sync::{Mutex, MutexGuard, PoisonError};

use avouch_engine::verdict::{Standing, Verdict};

use super::contract::{CLAIM_REQUESTS, IDENTITY_REQUESTS, Metric};
use super::exposition::Exposition;
use super::frequent::{Counted, Frequent};

/// What stands for all names without a series of their own, and for requests that name nobody. No identity is
/// written so: a domain has two labels.
const OTHER: &str = "other";

/// Names by standing, each in a table of its own, so that who makes up claims takes no seat of who proves one.
#[derive(Debug, Default)]
pub(crate) struct Identities([Mutex<Frequent>; 4]);

/// The names of one standing that came most, since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// `verified` and `partial`: who it was; `invalid` and `undetermined`: who it was said to be.
    pub standing: &'static str,
    /// Requests of this standing.
    pub total: u64,
    /// Most first.
    pub names: Vec<Counted>,
}

/// A table: its standing, its metric, and what tells it apart there.
struct Kind {
    standing: &'static str,
    metric: &'static Metric,
    label: (&'static str, &'static str),
    name: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind { standing: "verified", metric: &IDENTITY_REQUESTS, label: ("class", "3"), name: "identity" },
    Kind { standing: "partial", metric: &IDENTITY_REQUESTS, label: ("class", "2"), name: "identity" },
    Kind { standing: "invalid", metric: &CLAIM_REQUESTS, label: ("standing", "invalid"), name: "claimed" },
    Kind {
        standing: "undetermined",
        metric: &CLAIM_REQUESTS,
        label: ("standing", "undetermined"),
        name: "claimed",
    },
];

impl Identities {
    /// Counts the request that was judged so. Those without claim cost nothing here.
    pub(crate) fn count(&self, verdict: &Verdict) {
        let [verified, partial, invalid, undetermined] = &self.0;
        let table = match verdict.standing() {
            Standing::Anonymous | Standing::Pseudonymous => return,
            Standing::Verified => verified,
            Standing::Partial => partial,
            Standing::Invalid => invalid,
            Standing::Undetermined(_) => undetermined,
        };
        let identity = verdict.identity().map(ToString::to_string);
        match identity.as_deref().or_else(|| verdict.claimed()) {
            Some(name) => lock(table).count(name),
            None => lock(table).count_unnamed(),
        }
    }

    /// Who came most, at most so many of each standing.
    pub(crate) fn top(&self, most: usize) -> Vec<Top> {
        let tables = KINDS.iter().zip(&self.0);
        let top = tables.map(|(kind, table)| {
            let table = lock(table);
            Top { standing: kind.standing, total: table.total(), names: table.top(most) }
        });
        top.collect()
    }

    pub(super) fn write(&self, text: &mut Exposition) {
        let mut begun = "";
        for (kind, table) in KINDS.iter().zip(&self.0) {
            let shown = lock(table).show();
            if begun != kind.metric.name {
                text.begin(kind.metric);
                begun = kind.metric.name;
            }
            for (name, count) in shown.names {
                text.series(kind.metric, &[kind.label, (kind.name, &name)], count);
            }
            text.series(kind.metric, &[kind.label, (kind.name, OTHER)], shown.other);
        }
    }
}

fn lock(table: &Mutex<Frequent>) -> MutexGuard<'_, Frequent> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
