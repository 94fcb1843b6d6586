//! What of a request is told with its trace.

use avouch_engine::decision::Action;

use super::entry::Entry;
use crate::config::Prefixes;
use crate::traces::Facts;

impl Entry {
    /// Names of OpenTelemetry's conventions for HTTP where there are some, and ours.
    pub(super) fn traced(&self, addresses: Prefixes) -> Facts {
        let verdict = self.verdict.as_deref();
        let decision = self.decision();
        let owned = |text: &str| text.to_owned();
        let texts = [
            ("http.request.method", Some(self.method.as_str().to_owned())),
            ("url.path", Some(self.uri.path().to_owned())),
            ("server.address", self.authority().map(owned)),
            ("client.address", Some(addresses.of(self.peer).to_string())),
            ("avouch.request_id", Some(self.id.to_string())),
            ("avouch.class", verdict.map(|verdict| verdict.class().number().to_string())),
            ("avouch.standing", verdict.map(|verdict| verdict.standing().name()).map(owned)),
            ("avouch.mechanism", verdict.map(|verdict| verdict.mechanism().name()).map(owned)),
            ("avouch.identity", verdict.and_then(|verdict| verdict.identity()).map(ToString::to_string)),
            ("avouch.claimed", verdict.and_then(|verdict| verdict.claimed()).map(owned)),
            ("avouch.reason", verdict.and_then(|verdict| verdict.reasons().first()).map(ToString::to_string)),
            ("avouch.decision", decision.map(|decision| decision.action).map(Action::as_str).map(owned)),
            ("avouch.rule", decision.and_then(|decision| decision.rule.as_deref()).map(owned)),
            ("avouch.policy", self.policy().map(owned)),
            ("avouch.problem", self.problem.map(owned)),
        ];
        Facts {
            texts: texts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            status: self.status.map(|status| status.as_u16()),
        }
    }
}
