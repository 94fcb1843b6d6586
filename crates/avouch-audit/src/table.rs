//! A report as a table for people.

use crate::report::{Count, Counts, Liar, Report};
use avouch_wire::outside::{Plain, cut, grouped};
use avouch_wire::time::Time;
use std::fmt::{self, Write as _};

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "1;31";
const YELLOW: &str = "33";

/// Width of the column of crawlers, and of each that counts claims.
const NAME: usize = 13;
const CELL: usize = 16;

/// A name shorter than this says nothing, so the column is left out.
const SHORTEST_NAME: usize = 12;

/// Requests that one liar may have made, written out.
const REQUESTS: usize = 11;

/// `2026-11-21 00:05`.
const MINUTE: usize = 16;

/// How a report is written on a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Characters of a line.
    pub width: usize,
    /// Most liars shown.
    pub top: usize,
    /// Whether escape sequences for colours are written.
    pub coloured: bool,
}

impl Table {
    /// The whole table, lines ended.
    ///
    /// # Errors
    /// None that a string could give; what formatting says is passed on.
    pub fn of(self, report: &Report) -> Result<String, fmt::Error> {
        let mut out = String::new();
        self.summary(&mut out, report)?;
        if !report.rows.is_empty() {
            self.crawlers(&mut out, report)?;
        }
        if report.liars().len() > 0 {
            self.liars(&mut out, report)?;
        }
        if !report.causes.is_empty() {
            self.causes(&mut out, report)?;
        }
        Ok(out)
    }

    fn summary(self, out: &mut String, report: &Report) -> fmt::Result {
        let reading = &report.reading;
        write!(out, "lines read    {}", grouped(reading.lines))?;
        if let (Some(first), Some(last)) = (reading.first, reading.last) {
            write!(out, ", from {first} to {last}")?;
        }
        if reading.unreadable > 0 {
            write!(out, "\nunreadable    {}", grouped(reading.unreadable))?;
        }
        let total = &report.total;
        let from = plural(total.addresses(), "address", "addresses");
        let claims = plural(total.requests(), "request", "requests");
        writeln!(out, "\nclaims        {claims} from {from} named a known crawler")
    }

    fn crawlers(self, out: &mut String, report: &Report) -> fmt::Result {
        let head = format!(
            "{:NAME$}{:>CELL$}{:>CELL$}{:>CELL$}{:>CELL$}",
            "", "confirmed", "lied", "undetermined", "not checkable"
        );
        writeln!(out, "\n{}", self.paint(DIM, "requests/addresses by crawler"))?;
        writeln!(out, "{}", self.paint(BOLD, &head))?;
        for row in &report.rows {
            self.counts(out, &row.crawler, &row.counts)?;
        }
        if report.rows.len() > 1 {
            self.counts(out, "all", &report.total)?;
        }
        Ok(())
    }

    fn counts(self, out: &mut String, name: &str, counts: &Counts) -> fmt::Result {
        let cells = [
            (GREEN, counts.confirmed),
            (RED, counts.lied),
            (YELLOW, counts.undetermined),
            (DIM, counts.not_checkable),
        ];
        write!(out, "{:NAME$}", cut(name, NAME - 1))?;
        for (colour, count) in cells {
            let colour = if count.requests > 0 { colour } else { DIM };
            write!(out, "{}", self.paint(colour, &format!(" {:>width$}", cell(count), width = CELL - 1)))?;
        }
        match counts.beyond {
            0 => writeln!(out),
            beyond => writeln!(out, "  + {} beyond the limit", grouped(beyond)),
        }
    }

    fn liars(self, out: &mut String, report: &Report) -> fmt::Result {
        let shown: Vec<_> = report.liars().take(self.top).collect();
        let longest = |of: &dyn Fn(&Liar<'_>) -> usize, least| shown.iter().map(of).fold(least, usize::max);
        let address = longest(&|liar| liar.address.to_string().len(), "address".len());
        let crawler = longest(&|liar| liar.crawler.len(), "claimed".len());
        let used = REQUESTS + address + crawler + 2 * MINUTE + 8;
        // What a narrow terminal has no room for: the first sight, then the name.
        let with_first = used <= self.width;
        let used = if with_first { used } else { used - MINUTE - 2 };
        let name = Some(self.width.saturating_sub(used + 2)).filter(|width| *width >= SHORTEST_NAME);
        let mut line = |colour, [requests, at, claimed, first, last, pointer]: [&str; 6]| {
            let mut text = format!("{requests:>REQUESTS$}  {at:address$}  {claimed:crawler$}");
            if with_first {
                write!(text, "  {first:MINUTE$}")?;
            }
            write!(text, "  {last:MINUTE$}  {}", name.map_or_else(String::new, |width| cut(pointer, width)))?;
            writeln!(out, "{}", self.paint(colour, text.trim_end()))
        };
        line(DIM, [""; 6])?;
        line(BOLD, ["requests", "address", "claimed", "first seen", "last seen", "reverse name"])?;
        for liar in &shown {
            let pointer = liar.pointer.map_or("-".to_owned(), |name| Plain(name).to_string());
            let (requests, at) = (grouped(liar.requests), liar.address.to_string());
            line("", [&requests, &at, liar.crawler, &minute(liar.first), &minute(liar.last), &pointer])?;
        }
        match report.liars().len() - shown.len() {
            0 => Ok(()),
            more => writeln!(
                out,
                "{}",
                self.paint(DIM, &format!("{:>REQUESTS$}  and {} more", "", grouped(more as u64)))
            ),
        }
    }

    fn causes(self, out: &mut String, report: &Report) -> fmt::Result {
        writeln!(out, "\n{}", self.paint(BOLD, "why claims stayed undetermined"))?;
        for (reason, count) in &report.causes {
            writeln!(
                out,
                "{:>REQUESTS$}  {}: {}",
                grouped(count.requests),
                reason.code(),
                reason.sentence()
            )?;
        }
        Ok(())
    }

    fn paint(self, colour: &str, text: &str) -> String {
        match self.coloured && !colour.is_empty() {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

fn cell(count: Count) -> String {
    match count.requests {
        0 => "-".to_owned(),
        requests => format!("{}/{}", grouped(requests), grouped(count.addresses)),
    }
}

/// A time to the minute, `-` for none.
pub(crate) fn minute(time: Option<Time>) -> String {
    let text = time.map(|time| time.to_string().replacen('T', " ", 1)).unwrap_or_else(|| "-".to_owned());
    text.chars().take(MINUTE).collect()
}

/// A number with its noun.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judging::{Finding, Outcome};
    use crate::reading::Batch;
    use crate::tally::Tally;
    use avouch_engine::claim::Catalogue;
    use std::path::PathBuf;
    use std::sync::Arc;

    /// Two addresses of which one, with a long name, lied.
    fn report() -> Report {
        let catalogue = Catalogue::built_in().unwrap();
        let line = |address| {
            format!(
                "{address} - - [21/Nov/2026:00:05:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"Googlebot\"\n"
            )
        };
        let log = line("192.0.2.7") + &line("2001:db8:1111:2222:3333:4444:5555:6666");
        let mut tally = Tally::new(&[PathBuf::from("access.log")], &catalogue);
        tally.add(&Batch::of(0, log.as_bytes(), &catalogue));
        let finding =
            |outcome| Finding { outcome, pointer: Some("\u{1b}[2Ja-long-name.of.a.host.example".into()) };
        let findings = [Outcome::Confirmed, Outcome::Lied].map(finding).into();
        Report::new(Arc::new(tally), findings, &catalogue)
    }

    fn lines(width: usize, coloured: bool) -> Vec<String> {
        let table = Table { width, top: 5, coloured }.of(&report()).unwrap();
        table.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_has_no_room_is_left_out_and_no_line_is_too_wide() {
        for width in [80, 90, 100, 120, 200] {
            let lines = lines(width, false);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:?}");
            assert!(lines.iter().any(|line| line.contains("2001:db8:1111:2222:3333:4444:5555:6666")));
        }
        let has = |width, word: &str| lines(width, false).iter().any(|line| line.contains(word));
        assert!(!has(80, "first seen") && has(120, "first seen"));
        assert!(!has(100, "reverse name") && has(200, "reverse name"));
    }

    #[test]
    fn nothing_but_our_colours_moves_the_terminal() {
        assert!(lines(200, false).iter().all(|line| !line.contains('\u{1b}')));
        assert!(lines(200, true).iter().all(|line| !line.contains("\u{1b}[2J")));
        assert!(lines(200, false).iter().any(|line| line.contains(r"\u{1b}[2Ja-long-name")));
    }
}
