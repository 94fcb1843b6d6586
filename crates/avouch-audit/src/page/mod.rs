//! A report as a page of HTML that needs nothing beside itself.
//!
//! What stands on it was chosen by strangers. All of it goes through [`Html`], and should that ever
//! be forgotten, the page's own policy lets nothing run, load or be sent: its one style is named by
//! its digest.

mod charts;

use crate::report::{Count, Counts, Liar, Report, Row};
use crate::table::{minute, plural};
use avouch_wire::content::ContentDigest;
use avouch_wire::outside::{Html, grouped};
use avouch_wire::time::Time;
use data_encoding::BASE64;
use std::fmt::{self, Write as _};

const STYLE: &str = include_str!("style.css");

/// How a report is written as a page.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// When the audit was made: what DNS said was said then.
    pub made: Time,
    /// Most liars shown.
    pub top: usize,
}

impl Page {
    /// The whole page.
    ///
    /// # Errors
    /// None that a string could give; what formatting says is passed on.
    pub fn of(self, report: &Report) -> Result<String, fmt::Error> {
        let mut out = String::new();
        head(&mut out)?;
        headline(&mut out, report)?;
        out.push_str("<main>\n");
        overview(&mut out, report)?;
        if let Some(timeline) = &report.timeline {
            charts::timeline(&mut out, timeline)?;
        }
        if !report.rows.is_empty() {
            crawlers(&mut out, report)?;
        }
        if report.liars().len() > 0 {
            self.liars(&mut out, report)?;
        }
        out.push_str("<div class=\"columns\">\n");
        if report.total.requests() > 0 {
            undecided(&mut out, report)?;
        }
        method(&mut out, report)?;
        out.push_str("</div>\n</main>\n");
        writeln!(
            out,
            "<footer><p>Made by avouch on {} UTC. DNS was asked then, not when the requests came. \
             This page holds addresses of visitors: share it as you would share the log.</p></footer>\n</body>\n</html>",
            minute(Some(self.made))
        )?;
        Ok(out)
    }

    fn liars(self, out: &mut String, report: &Report) -> fmt::Result {
        let more = report.liars().len().saturating_sub(self.top);
        writeln!(out, "<section>\n<h2>Who lied</h2>")?;
        write!(
            out,
            "<p class=\"about\">Addresses that named a crawler and are not its operator's, most requests first."
        )?;
        if more > 0 {
            write!(
                out,
                " {} more are left out here; <code>--json</code> has them all.",
                grouped(more as u64)
            )?;
        }
        writeln!(
            out,
            "</p>\n<table class=\"liars\"><thead><tr><th>Address</th><th>Claimed to be</th><th>Requests</th><th>Seen (UTC)</th></tr></thead><tbody>"
        )?;
        let most = report.liars().next().map_or(0, |liar| liar.requests);
        for liar in report.liars().take(self.top) {
            one_liar(out, &liar, most, report)?;
        }
        out.push_str("</tbody></table>\n</section>\n");
        Ok(())
    }
}

fn head(out: &mut String) -> fmt::Result {
    let digest = BASE64.encode(&ContentDigest::of(STYLE.as_bytes()).0);
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>Who lied about being a crawler</title>\n<style>{STYLE}</style>\n</head>\n<body>"
    )
}

fn headline(out: &mut String, report: &Report) -> fmt::Result {
    let total = &report.total;
    let (lied, checked) = (total.lied, total.lied.requests + total.confirmed.requests);
    out.push_str("<header>\n<p class=\"brand\">avouch <span>access-log audit</span></p>\n<h1>");
    match (total.requests(), checked, lied.requests) {
        (0, ..) => out.push_str("Nobody claimed to be a known crawler."),
        (_, 0, _) => out.push_str("Nobody’s claim could be checked."),
        (_, _, 0) => out.push_str("Nobody lied about being a crawler."),
        (_, _, requests) => {
            write!(out, "<em>{}</em> lied about being a crawler.", plural(requests, "request", "requests"))?
        }
    }
    out.push_str("</h1>\n<p class=\"lead\">");
    let open = total.requests() - checked;
    if lied.requests > 0 {
        let from = plural(lied.addresses, "address", "addresses");
        let share = percent(lied.requests, checked);
        write!(out, "They came from {from} and are {share} of the claims that could be checked")?;
        if open > 0 {
            write!(out, "; {} could not", grouped(open))?;
        }
        out.push_str(". ");
    } else if open > 0 && checked > 0 {
        write!(out, "{} could not be checked. ", plural(open, "claim", "claims"))?;
    }
    if let (Some(first), Some(last)) = (report.reading.first, report.reading.last) {
        write!(out, "The log runs from {} to {} UTC.", minute(Some(first)), minute(Some(last)))?;
    }
    out.push_str("</p>\n</header>\n");
    Ok(())
}

fn overview(out: &mut String, report: &Report) -> fmt::Result {
    let total = &report.total;
    out.push_str("<section>\n<div class=\"cards\">\n");
    let card = |out: &mut String, kind: &str, label: &str, number: u64, note: &str| {
        let dot = if kind.is_empty() { String::new() } else { format!("<span class=\"dot {kind}\"></span>") };
        writeln!(
            out,
            "<div><p class=\"label\">{dot}{label}</p><p class=\"number\">{}</p><p class=\"note\">{note}</p></div>",
            grouped(number)
        )
    };
    let from = |count: Count| format!("from {}", plural(count.addresses, "address", "addresses"));
    card(
        out,
        "",
        "Lines read",
        report.reading.lines,
        &format!("{} cannot be read", grouped(report.reading.unreadable)),
    )?;
    let of_all = format!("{} of all requests", percent(total.requests(), report.reading.lines));
    card(out, "", "Named a known crawler", total.requests(), &of_all)?;
    card(out, "confirmed", "Confirmed", total.confirmed.requests, &from(total.confirmed))?;
    card(out, "lied", "Lied", total.lied.requests, &from(total.lied))?;
    out.push_str("</div>\n");
    if total.requests() > 0 {
        charts::bar(out, "large", total)?;
        charts::legend(out);
    }
    out.push_str("</section>\n");
    Ok(())
}

fn crawlers(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str(
        "<section>\n<h2>Crawlers</h2>\n<p class=\"about\">Requests that named each, with the addresses they came from, most lied about first.</p>\n\
         <table><thead><tr><th>Crawler</th><th></th><th class=\"count\">Confirmed</th><th class=\"count\">Lied</th>\
         <th class=\"count\">Undetermined</th><th class=\"count\">Not checkable</th></tr></thead><tbody>\n",
    );
    for row in &report.rows {
        one_crawler(out, row)?;
    }
    out.push_str("</tbody></table>\n</section>\n");
    Ok(())
}

fn one_crawler(out: &mut String, row: &Row) -> fmt::Result {
    write!(
        out,
        "<tr><td class=\"name full\">{}<small>{}</small></td><td class=\"wide\">",
        Html(&row.crawler),
        Html(&row.domain)
    )?;
    charts::bar(out, "", &row.counts)?;
    out.push_str("</td>");
    let Counts { confirmed, lied, undetermined, not_checkable, .. } = row.counts;
    for (kind, label, count) in [
        ("confirmed", "Confirmed", confirmed),
        ("lied", "Lied", lied),
        ("undetermined", "Undetermined", undetermined),
        ("unchecked", "Not checkable", not_checkable),
    ] {
        match count.requests {
            0 => out.push_str("<td class=\"count none\">–</td>"),
            requests => write!(
                out,
                "<td class=\"count {kind}\" data-label=\"{label}\"><b>{}</b><small>{}</small></td>",
                grouped(requests),
                plural(count.addresses, "address", "addresses")
            )?,
        }
    }
    out.push_str("</tr>\n");
    Ok(())
}

fn one_liar(out: &mut String, liar: &Liar<'_>, most: u64, report: &Report) -> fmt::Result {
    write!(out, "<tr><td class=\"full\"><span class=\"address\">{}</span>", liar.address)?;
    match liar.pointer {
        Some(name) => write!(out, "<span class=\"small\">{}</span>", Html(name))?,
        None => out.push_str("<span class=\"small\">no reverse name</span>"),
    }
    write!(out, "<details><summary>User agent, paths</summary><p><code>{}</code></p>", Html(&liar.agent))?;
    for path in &liar.paths {
        write!(out, "<p><code>{}</code></p>", Html(path))?;
    }
    write!(out, "</details></td><td data-label=\"Claimed to be\">{}</td>", Html(liar.crawler))?;
    write!(out, "<td data-label=\"Requests\">{}", grouped(liar.requests))?;
    charts::length(out, liar.requests, most)?;
    out.push_str("</td><td class=\"full\" data-label=\"Seen (UTC)\">");
    match (minute(liar.first), minute(liar.last)) {
        (first, last) if first == last => write!(out, "{first}")?,
        (first, last) => write!(out, "{first} – {last}")?,
    }
    charts::span(out, (liar.first, liar.last), (report.reading.first, report.reading.last))?;
    out.push_str("</td></tr>\n");
    Ok(())
}

fn undecided(out: &mut String, report: &Report) -> fmt::Result {
    let total = &report.total;
    out.push_str(
        "<section>\n<h2>What stayed open</h2>\n<p class=\"about\">None of this counts as a lie.</p>\n<dl>\n",
    );
    for (reason, count) in &report.causes {
        let requests = plural(count.requests, "request", "requests");
        writeln!(
            out,
            "<dt>{}</dt><dd><b>{requests}.</b> {}</dd>",
            Html(reason.code()),
            Html(reason.sentence())
        )?;
    }
    if total.not_checkable.requests > 0 {
        let requests = plural(total.not_checkable.requests, "request", "requests");
        writeln!(
            out,
            "<dt>Not checkable</dt><dd><b>{requests}.</b> These operators publish address ranges in place of names. Download them and run again with <code>--ranges NAME=FILE</code>.</dd>"
        )?;
    }
    if total.beyond > 0 {
        let requests = plural(total.beyond, "request", "requests");
        writeln!(
            out,
            "<dt>Beyond the limit</dt><dd><b>{requests}</b> from more addresses than one audit keeps apart; nobody checked them. Audit a shorter time.</dd>"
        )?;
    }
    if total.undetermined.requests + total.not_checkable.requests + total.beyond == 0 {
        out.push_str("<dt>Nothing</dt><dd>Every claim was either confirmed or refuted.</dd>\n");
    }
    out.push_str("</dl>\n</section>\n");
    Ok(())
}

fn method(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str(
        "<section>\n<h2>How this was found</h2>\n<p class=\"about\">Each crawler and address is judged once, as avouch’s gateway would judge a request.</p>\n<dl>\n\
         <dt>Confirmed</dt><dd>The operator publishes the address, or it has a name under the operator’s domain and that name leads back to it.</dd>\n\
         <dt>Lied</dt><dd>DNS or the published ranges answered, and the address is not one of them.</dd>\n",
    );
    unreadable(out, report)?;
    out.push_str("</dl>\n</section>\n");
    Ok(())
}

fn unreadable(out: &mut String, report: &Report) -> fmt::Result {
    let reading = &report.reading;
    if reading.unreadable == 0 {
        return Ok(());
    }
    write!(out, "<dt>Unreadable</dt><dd><b>{}.</b> The first:", plural(reading.unreadable, "line", "lines"))?;
    for example in &reading.examples {
        write!(out, "<span class=\"small\">{}</span>", Html(&example.to_string()))?;
    }
    out.push_str("</dd>\n");
    Ok(())
}

/// A share in whole per cent, never rounded to nothing or to all.
fn percent(part: u64, whole: u64) -> String {
    match charts::share(part, whole, 100) {
        0 if part > 0 => "less than 1 %".to_owned(),
        100 if part < whole => "more than 99 %".to_owned(),
        share => format!("{share} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judging::{Finding, Outcome};
    use crate::reading::Batch;
    use crate::tally::Tally;
    use avouch_engine::claim::Catalogue;
    use std::sync::Arc;

    const HOSTILE: &str =
        "<script>alert('x')</script>\"><img/src=//evil.example/p/onerror=alert(1)>&#x3c;\u{202e}";

    /// A log in which this stands wherever a client can put it.
    fn report(text: &str) -> Report {
        let catalogue = Catalogue::built_in().unwrap();
        let escaped = text.replace('"', "\\x22");
        let line = |path: u8| {
            format!(
                "192.0.2.7 - {escaped} [21/Nov/2026:00:05:00 +0000] \"GET /{path}{escaped} HTTP/1.1\" 200 1 \"{escaped}\" \"Googlebot {escaped}\"\n"
            )
        };
        let log = [line(1), line(2), line(3), escaped.clone()].concat();
        let mut tally = Tally::new(&[text.into()], &catalogue);
        tally.add(&Batch::of(0, log.as_bytes(), &catalogue));
        let finding = Finding { outcome: Outcome::Lied, pointer: Some(text.into()) };
        Report::new(Arc::new(tally), vec![finding], &catalogue)
    }

    fn page(text: &str) -> String {
        Page { made: Time::from_seconds(1_790_000_000), top: 10 }.of(&report(text)).unwrap()
    }

    #[test]
    fn nothing_from_outside_becomes_markup() {
        let count =
            |page: &str| (page.matches('<').count(), page.matches('"').count(), page.matches('\'').count());
        let (plain, hostile) = (page("plain"), page(HOSTILE));
        assert_eq!(count(&plain), count(&hostile));
        assert!(!hostile.contains("<script") && !hostile.contains("<img") && !hostile.contains('\u{202e}'));
        assert_eq!(hostile.matches("&lt;script&gt;alert(&#39;x&#39;)").count(), 6);
    }

    #[test]
    fn the_page_loads_nothing_and_its_policy_allows_its_style_alone() {
        let page = page("plain");
        let (_, rest) = page.split_once("style-src 'sha256-").unwrap();
        let (digest, rest) = rest.split_once('\'').unwrap();
        let (_, rest) = rest.split_once("<style>").unwrap();
        let (style, rest) = rest.split_once("</style>").unwrap();
        assert_eq!(digest, BASE64.encode(&ContentDigest::of(style.as_bytes()).0));
        for word in ["http:", "https:", "src=", "href=", "url(", "@import", " style="] {
            assert!(!style.contains(word) && !rest.contains(word), "{word}");
        }
    }

    #[test]
    fn a_share_is_never_rounded_to_nothing_or_to_all() {
        let shares =
            [(0, 9), (1, 1000), (1, 3), (999, 1000), (9, 9)].map(|(part, whole)| percent(part, whole));
        assert_eq!(shares, ["0 %", "less than 1 %", "33 %", "more than 99 %", "100 %"]);
        assert_eq!(percent(0, 0), "0 %");
    }
}
