//! Charts as inline SVG, without text of their own, so that they may be stretched to any width.

use crate::report::Counts;
use crate::table::minute;
use crate::timeline::{Column, Timeline};
use avouch_wire::outside::grouped;
use avouch_wire::time::Time;
use std::fmt::{self, Write as _};

/// Units across a bar and down a chart.
const UNITS: u64 = 1000;

/// Units of a column of the timeline, and of the gap behind it.
const COLUMN: u64 = 16;
const GAP: u64 = 4;

/// What is there at all can be seen: the least width of a part.
const LEAST: u64 = 4;

/// `part` of `whole`, rounded, on a scale to `units`.
pub(super) fn share(part: u64, whole: u64, units: u64) -> u64 {
    let (part, whole, units) = (u128::from(part), u128::from(whole.max(1)), u128::from(units));
    u64::try_from((part * units + whole / 2) / whole).unwrap_or(u64::MAX)
}

fn visible(part: u64, whole: u64) -> u64 {
    if part == 0 { 0 } else { share(part, whole, UNITS).clamp(LEAST, UNITS) }
}

/// What became of claims, side by side.
pub(super) fn bar(out: &mut String, size: &str, counts: &Counts) -> fmt::Result {
    let all = counts.requests();
    let parts = [
        ("confirmed", counts.confirmed.requests),
        ("lied", counts.lied.requests),
        ("undetermined", counts.undetermined.requests),
        ("unchecked", counts.not_checkable.requests + counts.beyond),
    ];
    write!(
        out,
        "<svg class=\"bar {size}\" viewBox=\"0 0 {UNITS} 10\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\""
    )?;
    for (kind, requests) in parts {
        write!(out, "{kind} {}, ", grouped(requests))?;
    }
    write!(out, "of {}\">", grouped(all))?;
    let mut at = 0;
    for (kind, requests) in parts {
        let width = visible(requests, all);
        write!(out, "<rect class=\"{kind}\" x=\"{at}\" width=\"{width}\" height=\"10\"/>")?;
        at += width;
    }
    out.push_str("</svg>");
    Ok(())
}

/// What the colours mean.
pub(super) fn legend(out: &mut String) {
    out.push_str("<ul class=\"legend\">");
    for (kind, label) in [
        ("confirmed", "Confirmed"),
        ("lied", "Lied"),
        ("undetermined", "Could not be found out"),
        ("unchecked", "Not checkable"),
    ] {
        out.push_str(&format!("<li><span class=\"dot {kind}\"></span>{label}</li>"));
    }
    out.push_str("</ul>\n");
}

/// How much one is of the most.
pub(super) fn length(out: &mut String, one: u64, most: u64) -> fmt::Result {
    let width = visible(one, most);
    write!(
        out,
        "<svg class=\"bar thin\" viewBox=\"0 0 {UNITS} 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"lied\" width=\"{width}\" height=\"6\"/></svg>"
    )
}

/// When somebody was seen within the time of the log.
pub(super) fn span(
    out: &mut String,
    seen: (Option<Time>, Option<Time>),
    log: (Option<Time>, Option<Time>),
) -> fmt::Result {
    let ((Some(first), Some(last)), (Some(from), Some(to))) = (seen, log) else { return Ok(()) };
    let whole = to.millis().saturating_sub(from.millis());
    if whole == 0 {
        return Ok(());
    }
    let place = |time: Time| share(time.millis().saturating_sub(from.millis()), whole, UNITS).min(UNITS);
    let width = (place(last) - place(first).min(place(last))).max(2 * LEAST);
    let at = place(first).min(UNITS - width);
    write!(
        out,
        "<svg class=\"bar thin\" viewBox=\"0 0 {UNITS} 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"lied\" x=\"{at}\" width=\"{width}\" height=\"6\"/></svg>"
    )
}

/// Claims over time.
pub(super) fn timeline(out: &mut String, timeline: &Timeline) -> fmt::Result {
    let most = timeline.columns.iter().map(Column::requests).max().unwrap_or(0);
    let (Some(first), Some(last)) = (timeline.columns.first(), timeline.columns.last()) else {
        return Ok(());
    };
    // One block from edge to edge would say nothing that the bar above it does not.
    if timeline.columns.len() < 2 {
        return Ok(());
    }
    let span = match timeline.hours {
        1 => "by the hour".to_owned(),
        24 => "by the day".to_owned(),
        168 => "by the week".to_owned(),
        hours if hours % 24 == 0 => format!("in steps of {} days", hours / 24),
        hours => format!("in steps of {hours} hours"),
    };
    let width = timeline.columns.len() as u64 * (COLUMN + GAP);
    writeln!(
        out,
        "<section>\n<h2>Over time</h2>\n<p class=\"about\">Requests that named a known crawler, {span}.</p>"
    )?;
    writeln!(out, "<div class=\"chart\"><span class=\"most\">{} in the fullest</span>", grouped(most))?;
    writeln!(
        out,
        "<svg viewBox=\"0 0 {width} {UNITS}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"Requests that named a known crawler, {span}\">"
    )?;
    for (place, column) in (0..).zip(&timeline.columns) {
        stack(out, place * (COLUMN + GAP) + GAP / 2, column, most)?;
    }
    let middle = timeline.columns.get(timeline.columns.len() / 2).filter(|_| timeline.columns.len() > 2);
    out.push_str("</svg>\n<div class=\"ticks\">");
    for column in [Some(first), middle, Some(last)].into_iter().flatten() {
        write!(out, "<span>{}</span>", minute(Some(column.from)))?;
    }
    out.push_str("</div></div>\n</section>\n");
    Ok(())
}

/// One column; lies stand at its foot, where they can be compared.
fn stack(out: &mut String, at: u64, column: &Column, most: u64) -> fmt::Result {
    if column.requests() == 0 {
        return Ok(());
    }
    let parts = [
        ("lied", column.lied),
        ("confirmed", column.confirmed),
        ("undetermined", column.undetermined),
        ("unchecked", column.not_checkable),
    ];
    write!(out, "<g><title>{}:", minute(Some(column.from)))?;
    for (kind, requests) in parts.into_iter().filter(|(_, requests)| *requests > 0) {
        write!(out, " {} {kind}", grouped(requests))?;
    }
    out.push_str("</title>");
    let mut foot = UNITS;
    for (kind, requests) in parts {
        let height = visible(requests, most).min(foot);
        foot -= height;
        write!(
            out,
            "<rect class=\"{kind}\" x=\"{at}\" y=\"{foot}\" width=\"{COLUMN}\" height=\"{height}\"/>"
        )?;
    }
    out.push_str("</g>\n");
    Ok(())
}
