//! Requests as pages show them.

use std::sync::Arc;

use avouch_engine::verdict::{Standing, Verdict};
use avouch_gateway::{Remembered, Told};
use avouch_wire::outside::{Plain, cut};
use avouch_wire::time::Time;

/// The longest text of a cell, in characters; the page of the request has all of it.
const CELL: usize = 96;

/// What a request came to, in the order of trust: its style, its class with its standing, and what that means.
pub(crate) const KINDS: [Kind; 6] = [
    Kind { style: "verified", class: "3", standing: "verified", meaning: "proved by a signature" },
    Kind { style: "partial", class: "2", standing: "partial", meaning: "consistent with DNS" },
    Kind { style: "anonymous", class: "0", standing: "anonymous", meaning: "no claim" },
    Kind { style: "undetermined", class: "1", standing: "undetermined", meaning: "could not be found out" },
    Kind { style: "invalid", class: "1", standing: "invalid", meaning: "a claim that does not hold" },
    Kind { style: "unjudged", class: "", standing: "not judged", meaning: "answered before a verdict" },
];

/// What requests come to, where it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// A class of the style sheet.
    pub(crate) style: &'static str,
    /// The class, as written.
    pub(crate) class: &'static str,
    /// The standing, or that there is none.
    pub(crate) standing: &'static str,
    /// What it says.
    pub(crate) meaning: &'static str,
}

impl Kind {
    /// Class and standing, as one says them.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.class, self.standing).trim_start().to_owned()
    }

    /// Of a verdict, or of a request that has none.
    pub(crate) fn of(verdict: Option<&Verdict>) -> Self {
        let [verified, partial, anonymous, undetermined, invalid, unjudged] = KINDS;
        match verdict.map(Verdict::standing) {
            Some(Standing::Verified) => verified,
            Some(Standing::Partial) => partial,
            Some(Standing::Anonymous | Standing::Pseudonymous) => anonymous,
            Some(Standing::Undetermined(_)) => undetermined,
            Some(Standing::Invalid) => invalid,
            None => unjudged,
        }
    }
}

/// A line in a list of requests.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) day: String,
    pub(crate) clock: String,
    pub(crate) kind: Kind,
    /// Whose it is, or who it was said to be.
    pub(crate) who: String,
    pub(crate) claimed_only: bool,
    pub(crate) address: String,
    pub(crate) agent: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) decision: String,
    pub(crate) rule: String,
    pub(crate) status: String,
}

impl Row {
    pub(crate) fn of(request: &Remembered) -> Self {
        let told = Told::parse(&request.line).ok();
        let text =
            |pick: fn(&Told) -> Option<&str>| told.as_ref().and_then(pick).map(cell).unwrap_or_default();
        let verdict = request.verdict.as_deref();
        let (day, clock) = day_and_clock(request.time);
        let decision = request.decision.as_ref();
        Self {
            id: request.id.clone(),
            day,
            clock,
            kind: Kind::of(verdict),
            who: who(verdict).map(|who| cell(&who)).unwrap_or_default(),
            claimed_only: verdict.is_some_and(|verdict| verdict.identity().is_none()),
            address: request.shown.clone(),
            agent: text(|told| told.user_agent.as_deref()),
            method: text(|told| Some(&told.method)),
            path: text(|told| Some(&told.path)),
            decision: decision.map_or_else(String::new, |decision| decision.action.to_string()),
            rule: decision.and_then(|decision| decision.rule.as_deref()).map(cell).unwrap_or_default(),
            status: told
                .and_then(|told| told.status)
                .map_or_else(|| "none".to_owned(), |status| status.to_string()),
        }
    }

    /// Of those that are shown.
    pub(crate) fn all(requests: &[Arc<Remembered>]) -> Vec<Self> {
        requests.iter().map(|request| Self::of(request)).collect()
    }
}

/// Who it is, or who it was said to be.
pub(crate) fn who(verdict: Option<&Verdict>) -> Option<String> {
    let verdict = verdict?;
    let named = verdict.identity().map(ToString::to_string);
    named
        .or_else(|| verdict.claimed().map(ToOwned::to_owned))
        .or_else(|| verdict.pseudonym().map(ToString::to_string))
}

/// Text from outside that fits a cell and cannot turn the direction of writing.
pub(crate) fn cell(text: &str) -> String {
    Plain(&cut(text, CELL)).to_string()
}

/// `2026-11-21` and `00:05:00`.
pub(crate) fn day_and_clock(time: Time) -> (String, String) {
    let text = time.to_string();
    let (day, clock) = text.split_once('T').unwrap_or((&text, ""));
    (day.to_owned(), clock.trim_end_matches('Z').to_owned())
}

/// A time for people.
pub(crate) fn moment(time: Time) -> String {
    let (day, clock) = day_and_clock(time);
    format!("{day} {clock}")
}

/// A pace for people: no more digits than it has.
pub(crate) fn pace(pace: f64) -> String {
    match pace {
        pace if pace <= 0.0 => "0".to_owned(),
        pace if pace < 10.0 => format!("{pace:.1}"),
        pace => format!("{pace:.0}"),
    }
}

/// A share in whole per cent, never rounded to nothing or to all.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    let rounded = (u128::from(part) * 100 + u128::from(whole) / 2) / u128::from(whole.max(1));
    match rounded {
        0 if part > 0 => "less than 1 %".to_owned(),
        100 if part < whole => "more than 99 %".to_owned(),
        share => format!("{share} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_nothing_or_to_all() {
        let shares = [(0, 9), (1, 1000), (1, 3), (999, 1000), (9, 9), (0, 0)]
            .map(|(part, whole)| percent(part, whole));
        assert_eq!(shares, ["0 %", "less than 1 %", "33 %", "more than 99 %", "100 %", "0 %"]);
    }

    #[test]
    fn a_cell_is_bounded_and_keeps_the_direction_of_writing() {
        assert_eq!(cell("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(cell(&"x".repeat(1_000)).chars().count(), CELL);
    }

    #[test]
    fn times_and_paces_are_for_people() {
        assert_eq!(moment(Time::from_seconds(1_790_000_000)), "2026-09-21 14:13:20");
        assert_eq!([0.0, 0.04, 0.2, 9.96, 12.4].map(pace), ["0", "0.0", "0.2", "10.0", "12"]);
    }
}
