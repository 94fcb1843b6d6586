//! What the agent counts, in Prometheus' text format.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::registration::Registration;
use crate::standing::Failing;

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Requests that went out signed.
    pub(crate) signed: Count,
    /// Requests that went out without a name.
    pub(crate) anonymous: Count,
    /// Connections passed on unopened.
    pub(crate) tunnelled: Count,
    /// Requests that the agent answered itself, with an error.
    pub(crate) refused: Count,
    /// Questions of the signing service that were answered with a signature.
    pub(crate) served: Count,
    /// Requests that were to be signed and could not be.
    pub(crate) unsigned: Count,
    /// Signed requests whose content is not covered, for its length.
    pub(crate) uncovered: Count,
}

/// One of them.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn up(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Figures {
    /// All of them, with whether the key signs, and is published where sites look for it; no line where that is not known.
    pub(crate) fn text(&self, known: &[Registration], failing: Option<&Failing>) -> String {
        let mut text = String::from(
            "# HELP avouch_agent_requests_total Requests of programs, by what became of them.\n# TYPE avouch_agent_requests_total counter\n",
        );
        let outcomes = [
            ("signed", &self.signed),
            ("anonymous", &self.anonymous),
            ("tunnelled", &self.tunnelled),
            ("refused", &self.refused),
        ];
        // Writing to a string does not fail.
        for (outcome, count) in outcomes {
            let _ = writeln!(text, "avouch_agent_requests_total{{outcome=\"{outcome}\"}} {}", count.get());
        }
        let others = [
            ("served_total", "Questions of the signing service answered with a signature.", &self.served),
            ("unsigned_total", "Requests that were to be signed and could not be.", &self.unsigned),
            ("uncovered_total", "Signed requests whose content is too long to be covered.", &self.uncovered),
        ];
        for (name, help, count) in others {
            let name = format!("avouch_agent_{name}");
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", count.get());
        }
        let name = "avouch_agent_key_signs";
        let help = "Whether the agent's key made its last signature.";
        let signs = u8::from(failing.is_none());
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {signs}");
        let name = "avouch_agent_registered";
        let help =
            "Whether the agent's key is published where sites look for it; absent while that is not known.";
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for place in known {
            if let Some(registered) = place.state.registered() {
                let _ = writeln!(text, "{name}{{by=\"{}\"}} {}", place.by, u8::from(registered));
            }
        }
        text
    }
}
