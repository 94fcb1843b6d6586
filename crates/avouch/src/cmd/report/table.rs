//! A summary of reports, for people to read.

use super::summary::{Line, Summary, is_held, is_open, reason};
use crate::cmd::dns::findings;
use avouch_wire::outside::{Plain, cut, grouped};
use avouch_wire::report::Standing;
use avouch_wire::time::Time;
use std::fmt::Write as _;

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "1;31";
const YELLOW: &str = "33";

/// Lines of each section; what was rarer is summed up.
const TOP: usize = 20;

/// Reports listed; older ones are summed up.
const TOP_REPORTS: usize = 10;

/// Characters of the longest agent shown whole.
const AGENT: usize = 32;

/// Whether a section holds claims that came to this.
type Kind = fn(Standing) -> bool;

/// How a summary is written on a terminal. Writing to a string does not fail.
#[derive(Clone, Copy)]
pub(super) struct Table {
    pub(super) width: usize,
    pub(super) coloured: bool,
}

impl Table {
    /// All of it, lines ended.
    pub(super) fn of(self, summary: &Summary) -> String {
        let mut out = String::new();
        self.head(&mut out, summary);
        let sections: [(&str, &str, Kind); 4] = [
            (GREEN, "spoke for you", is_held),
            (RED, "claimed to be you, and were not believed", |standing| standing == Standing::Invalid),
            (YELLOW, "could not be checked", is_open),
            (DIM, "signed by a key in testing (t=y), which proves nothing yet", |standing| {
                standing == Standing::Anonymous
            }),
        ];
        for (colour, title, of) in sections {
            let lines: Vec<_> = summary.lines.iter().filter(|line| of(line.outcome.standing)).collect();
            if !lines.is_empty() {
                self.section(&mut out, (colour, title), &lines);
            }
        }
        self.mends(&mut out, summary);
        self.record(&mut out, summary);
        self.reports(&mut out, summary);
        out
    }

    fn head(self, out: &mut String, summary: &Summary) {
        let all = summary.requests(|_| true).saturating_add(summary.unlisted);
        let (begin, end) = (moment(summary.begin), moment(summary.end));
        let reports = plural(summary.reports.len() as u64, "report", "reports");
        let _ = writeln!(out, "{}", self.paint(BOLD, summary.domain.as_str()));
        let _ = writeln!(out, "{begin} to {end} (UTC), {reports}");
        let _ = writeln!(out, "{} claimed this name", plural(all, "request", "requests"));
        if summary.unlisted > 0 {
            let _ = writeln!(out, "{} of them were too various to be listed", grouped(summary.unlisted));
        }
    }

    fn section(self, out: &mut String, (colour, title): (&str, &str), lines: &[&Line]) {
        let requests = lines.iter().fold(0, |sum: u64, line| sum.saturating_add(line.requests));
        let title = format!("{} {title}", plural(requests, "request", "requests"));
        let _ = writeln!(out, "\n{}", self.paint(colour, &title));
        let (shown, rest) = lines.split_at(lines.len().min(TOP));
        let cells: Vec<[String; 5]> = shown.iter().map(|line| cells(line)).collect();
        let head = ["requests", "class", "why", "agent", "from"].map(str::to_owned);
        let width = |column: usize| {
            let of = |row: &[String; 5]| row.get(column).map_or(0, |cell| cell.chars().count());
            cells.iter().chain([&head]).map(of).max().unwrap_or(0)
        };
        let (first, class, why, agent) = (width(0), width(1), width(2), width(3));
        let line = |[requests, of, reason, who, from]: &[String; 5]| {
            let text = format!("  {requests:>first$}  {of:class$}  {reason:why$}  {who:agent$}  {from}");
            cut(text.trim_end(), self.width)
        };
        let _ = writeln!(out, "{}", self.paint(DIM, &line(&head)));
        cells.iter().for_each(|row| {
            let _ = writeln!(out, "{}", line(row));
        });
        if !rest.is_empty() {
            let requests = rest.iter().fold(0, |sum: u64, line| sum.saturating_add(line.requests));
            let more = plural(rest.len() as u64, "line", "lines");
            let _ = writeln!(out, "  {:>first$}  in {more} more (--json shows all)", grouped(requests));
        }
    }

    /// Why claims did not hold, and what to do where they were one's own.
    fn mends(self, out: &mut String, summary: &Summary) {
        let reasons = summary.reasons();
        if reasons.is_empty() {
            return;
        }
        let _ = writeln!(
            out,
            "\n{}",
            self.paint(BOLD, "If these were yours, mend this; if not, somebody borrowed your name")
        );
        for (code, requests) in reasons {
            let _ = writeln!(out, "  {} ({})", self.paint(BOLD, code), grouped(requests));
            match reason(code) {
                Some(reason) => {
                    [reason.sentence(), reason.fix()].iter().for_each(|text| wrap(out, text, self.width))
                }
                None => wrap(out, "This version does not know this reason; a newer one may.", self.width),
            }
        }
    }

    fn record(self, out: &mut String, summary: &Summary) {
        let Some(seen) = &summary.record else { return };
        let title = format!("Your record, as it was seen at _saip.{} ({})", summary.domain, seen.dnssec);
        let _ = writeln!(out, "\n{}", self.paint(BOLD, &title));
        for text in &seen.texts {
            let _ = writeln!(out, "  {}", Plain(text));
        }
        for line in findings::text(&summary.findings).lines() {
            let _ = writeln!(out, "  {}", Plain(line));
        }
    }

    fn reports(self, out: &mut String, summary: &Summary) {
        let _ = writeln!(out, "\n{}", self.paint(BOLD, "Who reported"));
        for (head, requests) in summary.reports.iter().take(TOP_REPORTS) {
            let (who, contact) = (&head.organization, &head.contact);
            let (begin, end) = (moment(head.begin), moment(head.end));
            let requests = plural(*requests, "request", "requests");
            let _ = writeln!(out, "  {begin} to {end}  {who} <{contact}>, {requests}");
        }
        let older = summary.reports.len().saturating_sub(TOP_REPORTS);
        if older > 0 {
            let _ = writeln!(out, "  and {} before", plural(older as u64, "report", "reports"));
        }
    }

    fn paint(self, colour: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Requests, class, why, agent, networks.
fn cells(line: &Line) -> [String; 5] {
    let outcome = &line.outcome;
    let why = match outcome.standing {
        Standing::Verified | Standing::Partial => outcome.mechanism.as_str(),
        _ => outcome.reason.as_str(),
    };
    let agent = line.agent.as_ref().map_or_else(|| "-".to_owned(), |agent| cut(agent.as_str(), AGENT));
    let from = match line.networks.as_slice() {
        [] => "-".to_owned(),
        [(network, _)] => network.to_string(),
        [(network, _), rest @ ..] => format!("{network} and {} more", grouped(rest.len() as u64)),
    };
    [grouped(line.requests), outcome.standing.class().to_string(), why.to_owned(), agent, from]
}

/// A day, or a minute within one.
fn moment(time: Time) -> String {
    let text = time.to_string();
    let minute = text.get(..16).unwrap_or(&text).replace('T', " ");
    minute.strip_suffix(" 00:00").map(str::to_owned).unwrap_or(minute)
}

/// Words in lines of a width, indented.
fn wrap(out: &mut String, text: &str, width: usize) {
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            used = 0;
        }
        let before = if used == 0 { "    " } else { " " };
        out.push_str(before);
        out.push_str(word);
        used += before.len() + length;
    }
    out.push('\n');
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}
