//! What of a request goes to the audit log, and in which words.

use avouch_engine::decision::{Action, Outcome};
use avouch_engine::verdict::Class;
use avouch_wire::outside::cut;

use super::entry::Entry;
use crate::audit::{Record, Severity};
use crate::config::Prefixes;

/// The longest message, in characters; the line has the rest.
const MESSAGE: usize = 1_024;

impl Entry {
    /// Its record, where its claim does not hold or could not be checked, or a rule keeps an eye on it.
    pub(super) fn audited(&self, line: impl FnOnce(&str) -> Vec<u8>, addresses: Prefixes) -> Option<Record> {
        let verdict = self.verdict.as_deref()?;
        let outcome = self.decision().map(|decision| &decision.outcome);
        let is_monitored = matches!(outcome, Some(Outcome::Permit(permit)) if permit.is_audited());
        let is_false = verdict.class() == Class::Unverifiable;
        if !is_false && !is_monitored {
            return None;
        }
        let decision = self.decision();
        let identity = verdict.identity().map(ToString::to_string);
        let facts = [
            ("request_id", Some(self.id.to_string())),
            ("peer", Some(addresses.of(self.peer).to_string())),
            ("class", Some(verdict.class().number().to_string())),
            ("standing", Some(verdict.standing().name().to_owned())),
            ("reason", verdict.reasons().first().map(|reason| reason.code().to_owned())),
            ("identity", identity),
            ("claimed", verdict.claimed().map(str::to_owned)),
            ("decision", decision.map(|decision| decision.action).map(Action::as_str).map(str::to_owned)),
            ("rule", decision.and_then(|decision| decision.rule.as_deref()).map(str::to_owned)),
            ("policy", self.policy().map(str::to_owned)),
        ];
        let target = self.uri.path_and_query().map_or("", |path| path.as_str());
        Some(Record {
            time: self.time,
            event: "request",
            severity: if is_false { Severity::Warning } else { Severity::Info },
            line: line("request"),
            facts: facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            message: cut(&[self.method.as_str(), self.authority().unwrap_or("-"), target].join(" "), MESSAGE),
        })
    }
}
