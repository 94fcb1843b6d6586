//! `[limits]`: how often one source may ask.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use avouch_engine::decision::Limit;
use avouch_engine::decision::rate::MAX_BURST;
use avouch_gather::clock::Clock;
use avouch_wire::settings::{Fault, Rate, Span, Table};
use axum::Router;

use crate::crowd::held_back;

/// Questions of one source: as often as a room full of machines behind one address asks when it is switched on, and less than a
/// registrar can answer.
const QUESTIONS: Rate = Rate { count: NonZeroU32::new(50).unwrap(), per: Span::Second };
const BURST: u32 = 500;

/// How often one source may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Questions.
    pub questions: Rate,
    /// How many of them at once, after a rest.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { questions: QUESTIONS, burst: BURST }
    }
}

impl Limits {
    pub(crate) fn read(mut table: Table<'_>) -> Self {
        let questions = table.optional("questions", |value| value.rate());
        let burst = table.optional("burst", |value| value.number(1..=u64::from(MAX_BURST)));
        let burst = burst.and_then(|burst| u32::try_from(burst).ok());
        let read = match (questions, burst) {
            (None, None) => Self::default(),
            (None, Some(burst)) => Self { burst, ..Self::default() },
            (Some(questions), burst) => {
                Self { questions, burst: burst.unwrap_or_else(|| Limit::usual_burst(questions)) }
            }
        };
        if read.limit().is_none() {
            let fix = "write a smaller burst, or a higher rate";
            table.complain("burst", Fault::new("takes longer than 30 days to come again at this rate", fix));
        }
        read
    }

    pub(crate) fn limit(&self) -> Option<Limit> {
        Limit::new(0, self.questions, self.burst)
    }

    /// Lets one source ask a router no more often than this.
    pub(crate) fn hold_back(&self, router: Router, clock: Arc<dyn Clock>) -> Router {
        match self.limit() {
            Some(limit) => held_back(router, limit, clock),
            None => router,
        }
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[limits]\nquestions = \"{}\"\nburst = {}", self.questions, self.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::tests::LEAST;
    use super::*;

    #[test]
    fn a_rate_and_a_burst_are_read_and_near_misses_are_told() {
        let parse = |more: &str| Config::parse("f", &format!("{LEAST}{more}"));
        assert_eq!(parse("").unwrap().limits, Limits::default());
        let read = parse("[limits]\nquestions = '6/min'\nburst = 20").unwrap();
        assert_eq!((read.limits.questions.to_string().as_str(), read.limits.burst), ("6/min", 20));
        assert_eq!(Config::parse("f", &read.to_string()).unwrap(), read);
        assert_eq!(parse("[limits]\nquestions = '6/min'").unwrap().limits.burst, 1, "what comes in a second");
        for (more, said) in [
            ("questions = '0/s'", "`limits.questions`"),
            ("questions = 5", "`limits.questions`"),
            ("burst = 0", "`limits.burst`"),
            ("questions = '1/d'\nburst = 31", "`limits.burst`"),
            ("question = '1/s'", "unknown key"),
        ] {
            let problems = parse(&format!("[limits]\n{more}")).unwrap_err().to_string();
            assert!(problems.contains(said) && problems.contains("fix: "), "{more}: {problems}");
        }
    }
}
