//! The rows as a table for people.

use crate::{Happening, Received, Row};

/// No line is wider, in characters.
pub const WIDTH: usize = 100;

/// Widths of the columns; with their gaps they make [`WIDTH`] at most.
const NAME: usize = 28;
const IDENTITY: usize = 25;
const DECISION: usize = 15;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "1;31";

/// How happenings are written.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Whether escape sequences for colours are written.
    pub coloured: bool,
}

impl Table {
    /// The line above all others.
    #[must_use]
    pub fn head(self) -> String {
        let text = format!(
            "{:>2}  {:NAME$} {:3} {:IDENTITY$} {:DECISION$} {}",
            "", "request", "cls", "identity", "decision", "reason"
        );
        self.paint(DIM, text.trim_end())
    }

    /// What happened, in one line or several.
    #[must_use]
    pub fn lines(self, happening: &Happening<'_>) -> String {
        match happening {
            Happening::Scene(heading) => format!("\n{}", self.paint(BOLD, heading)),
            Happening::Event(words) => self.paint(DIM, &format!("    {words}")),
            Happening::Request(row) => self.row(row),
            Happening::Fleet(name, rows) => self.fleet(name, rows),
        }
    }

    fn row(self, row: &Row) -> String {
        let identity = row.identity.clone().or_else(|| row.pseudonym.as_deref().map(shortened));
        let status = row.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        // The decision fell before the end of the body showed what it was.
        let decision = if row.upstream == Received::CutOff { "cut off" } else { &row.decision };
        let mut text = format!(
            "{:>2}  {:NAME$} {} {:IDENTITY$} {:DECISION$} {}",
            row.number,
            row.name,
            self.badge(row),
            identity.as_deref().unwrap_or("-"),
            format!("{decision} {status}"),
            row.reasons.first().map_or("-", String::as_str),
        );
        for wrong in &row.wrong {
            text.push_str(&format!("\n    {}", self.paint(RED, &format!("WRONG: {wrong}"))));
        }
        text
    }

    /// What came of all agents of a fleet: a line for each way in which it ended, and those that ended otherwise than
    /// they must.
    fn fleet(self, name: &str, rows: &[Row]) -> String {
        let mut ways: Vec<(&Row, usize)> = Vec::new();
        for row in rows {
            let same = |way: &&mut (&Row, usize)| outcome(way.0) == outcome(row);
            match ways.iter_mut().find(same) {
                Some((_, count)) => *count += 1,
                None => ways.push((row, 1)),
            }
        }
        let mut lines: Vec<_> = ways
            .into_iter()
            .map(|(row, count)| {
                let (decision, status, reason) = outcome(row);
                let status = status.map_or_else(|| "-".to_owned(), |status| status.to_string());
                let who = if count == 1 { "asks" } else { "agents ask" };
                format!(
                    "{:>4}{:28} {} {:IDENTITY$} {:DECISION$} {}",
                    "",
                    format!("{name}: {count} {who}"),
                    self.badge(row),
                    row.standing,
                    format!("{decision} {status}"),
                    reason.unwrap_or("-"),
                )
            })
            .collect();
        let wrong = rows.iter().flat_map(|row| row.wrong.iter().map(move |wrong| (&row.name, wrong)));
        lines.extend(
            wrong.map(|(name, wrong)| format!("    {}", self.paint(RED, &format!("WRONG: {name}: {wrong}")))),
        );
        lines.join("\n")
    }

    /// The class; what could not be checked is marked, for it is kept apart from what failed.
    fn badge(self, row: &Row) -> String {
        let unknown = if row.standing == "undetermined" { '?' } else { ' ' };
        let class =
            row.class.and_then(|class| char::from_digit(u32::try_from(class).ok()?, 10)).unwrap_or('-');
        let colour = match (row.class, unknown) {
            (Some(3), _) => "30;42",
            (Some(2), _) => "30;46",
            (Some(1), '?') => "30;43",
            (Some(1), _) => "97;41",
            _ => "30;47",
        };
        self.paint(colour, &format!(" {class}{unknown}"))
    }

    /// What is said at the end of a fleet: how it went, and where to read on.
    #[must_use]
    pub fn fleets(self, rows: &[Row]) -> String {
        format!(
            "\n{}\n\
             Every key is in a TPM, and every request was signed by a key of its own that the TPM certified.\n\n\
             Read on:\n  \
             docs/operate/agent.md        signing for programs that cannot\n  \
             docs/operate/registrar.md    agents that enrol by themselves, and one record that revokes them",
            self.verdict(rows)
        )
    }

    fn verdict(self, rows: &[Row]) -> String {
        let right = rows.iter().filter(|row| row.as_expected).count();
        if right == rows.len() {
            self.paint(BOLD, &format!("{right} requests, and all came out as they must."))
        } else {
            self.paint(RED, &format!("{} of {} requests came out WRONG.", rows.len() - right, rows.len()))
        }
    }

    /// What is said at the end: how it went, and what to try next.
    #[must_use]
    pub fn summary(self, rows: &[Row]) -> String {
        let verdict = self.verdict(rows);
        format!(
            "\n{verdict}\n\
             Class 3 is proved, 2 confirmed by DNS or vouched for, 0 makes no claim,\n\
             1 claims what it cannot show, 1? claims what could not be checked.\n\n\
             Try next:\n\
             {0}cargo run -- demo --print-config                          the gateway's configuration\n\
             {0}cargo run -- key new --unencrypted file:crawler.key       a key for an agent of yours",
            "  "
        )
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// How a request ended, apart from whose it was.
fn outcome(row: &Row) -> (&str, Option<u16>, Option<&str>) {
    (&row.decision, row.status, row.reasons.first().map(String::as_str))
}

/// The beginning of a fingerprint, enough to tell two apart.
fn shortened(fingerprint: &str) -> String {
    let mut text: String = fingerprint.chars().take(16).collect();
    text.push('…');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expected;

    fn row() -> Row {
        Row {
            number: 38,
            scene: "Proof",
            name: "a name of twenty-eight chars".into(),
            method: "GET",
            path: "/".into(),
            class: Some(1),
            standing: "undetermined".to_owned(),
            identity: Some("nyc.gptbot@openai.example".to_owned()),
            claimed: None,
            pseudonym: None,
            mechanism: "none".to_owned(),
            decision: "unavailable".to_owned(),
            status: Some(503),
            reasons: vec!["crawler-not-confirmed".to_owned()],
            upstream: Received::Nothing,
            expected: Expected {
                class: 3,
                standing: "verified",
                identity: None,
                mechanism: "none",
                reason: "replayed",
                decision: "accept",
                status: 200,
                upstream: Received::Nothing,
            },
            as_expected: true,
            wrong: Vec::new(),
        }
    }

    #[test]
    fn the_widest_row_fits_and_what_is_wrong_stands_below_it() {
        let table = Table { coloured: false };
        let mut row = row();
        let line = table.lines(&Happening::Request(&row));
        assert_eq!(line.chars().count(), WIDTH);
        assert!(line.contains(" 1? "), "what could not be checked is marked: {line}");
        row.wrong.push("class is 1, must be 3".to_owned());
        let lines = table.lines(&Happening::Request(&row));
        assert_eq!(lines, format!("{line}\n    WRONG: class is 1, must be 3"));
    }

    #[test]
    fn colours_are_written_where_they_are_wanted_only() {
        let happening = Happening::Scene("Proof");
        assert!(Table { coloured: true }.lines(&happening).contains('\u{1b}'));
        assert!(!Table { coloured: false }.lines(&happening).contains('\u{1b}'));
    }

    #[test]
    fn one_wrong_request_spoils_the_summary() {
        let table = Table { coloured: false };
        let (right, mut wrong) = (row(), row());
        wrong.as_expected = false;
        assert!(
            table
                .summary(std::slice::from_ref(&right))
                .contains("1 requests, and all came out as they must.")
        );
        assert!(table.summary(&[right, wrong]).contains("1 of 2 requests came out WRONG."));
    }
}
