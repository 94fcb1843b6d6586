//! Who comes most, and who lies most.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use avouch_gateway::{Counted, Remembered, Top};
use avouch_wire::outside::grouped;
use avouch_wire::time::Time;
use axum::extract::State;
use axum::response::Response;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::page as shown;
use crate::shown::{KINDS, Kind, cell, moment, who};
use crate::user::User;

/// Most rows of each table.
const ROWS: usize = 25;

#[derive(Template)]
#[template(path = "identities.html")]
struct Page {
    frame: Frame,
    tables: Vec<Table>,
    remembered: String,
}

/// Names of some standings.
struct Table {
    id: &'static str,
    title: &'static str,
    about: &'static str,
    column: &'static str,
    empty: &'static str,
    groups: Vec<Group>,
    /// All requests of these standings.
    total: String,
}

/// Requests of one name and standing.
struct Group {
    who: String,
    kind: Kind,
    requests: String,
    /// How many more there may have been.
    unsure: Option<String>,
    /// Among the requests that are remembered.
    addresses: String,
    last: String,
    /// Of the most, in units across a bar.
    length: u64,
    count: u64,
}

/// What is remembered of a name: where its requests came from, and when the last did.
type Seen = HashMap<(String, &'static str), (HashSet<IpAddr>, Time)>;

/// `/console/identities`.
pub(crate) async fn page(State(console): State<Arc<Console>>, user: User) -> Response {
    let remembered = console.insight.requests();
    let (seen, top) = (seen(&remembered), console.insight.identities(ROWS));
    let table = |id, title, about, column, empty, standings: &[&str]| {
        let of: Vec<&Top> = top.iter().filter(|top| standings.contains(&top.standing)).collect();
        let total = grouped(of.iter().map(|top| top.total).sum());
        Table { id, title, about, column, empty, groups: groups(&of, &seen), total }
    };
    let tables = vec![
        table(
            "proved",
            "Identities",
            "Proved by a signature (class 3), or consistent with DNS (class 2).",
            "Identity",
            "None has come yet.",
            &["verified", "partial"],
        ),
        table(
            "liars",
            "Who lied",
            "Names that requests claimed, in claims that do not hold (class 1, invalid).",
            "Claimed to be",
            "Nobody has.",
            &["invalid"],
        ),
        table(
            "open",
            "Could not be found out",
            "Names that requests claimed, in claims that could not be checked (class 1, undetermined). None of this counts as a lie.",
            "Claimed to be",
            "Every claim could be checked.",
            &["undetermined"],
        ),
    ];
    let frame = Frame::of(user, "/console/identities");
    shown(&Page { frame, tables, remembered: grouped(remembered.len() as u64) })
}

fn seen(remembered: &[Arc<Remembered>]) -> Seen {
    let mut seen = Seen::new();
    for request in remembered {
        let verdict = request.verdict.as_deref();
        let Some(name) = who(verdict) else { continue };
        let (addresses, last) = seen.entry((name, Kind::of(verdict).style)).or_default();
        addresses.insert(request.address);
        *last = request.time.max(*last);
    }
    seen
}

/// The names with most requests, of one standing or of several together.
fn groups(tops: &[&Top], seen: &Seen) -> Vec<Group> {
    let mut groups: Vec<_> = tops
        .iter()
        .flat_map(|top| top.names.iter().map(|counted| Group::of(counted, top.standing, seen)))
        .collect();
    groups.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.who.cmp(&other.who)));
    groups.truncate(ROWS);
    let most = groups.first().map_or(1, |group| group.count.max(1));
    for group in &mut groups {
        group.length = (group.count.saturating_mul(1_000) / most).max(4);
    }
    groups
}

impl Group {
    fn of(Counted { name, seen: count, unsure }: &Counted, standing: &str, seen: &Seen) -> Self {
        let [.., unjudged] = KINDS;
        let kind = KINDS.into_iter().find(|kind| kind.standing == standing).unwrap_or(unjudged);
        let remembered = seen.get(&(name.to_string(), kind.style));
        Self {
            who: cell(name),
            kind,
            requests: grouped(*count),
            unsure: (*unsure > 0).then(|| grouped(*unsure)),
            addresses: remembered.map_or_else(|| "–".to_owned(), |(from, _)| grouped(from.len() as u64)),
            last: remembered.map_or_else(|| "–".to_owned(), |(_, last)| moment(*last)),
            length: 0,
            count: *count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_several_standings_are_one_list_most_first_and_bounded() {
        let counted = |name: String, seen| Counted { name: name.into(), seen, unsure: 0 };
        let top = |standing, from: u64| Top {
            standing,
            total: 0,
            names: (0..20).map(|number| counted(format!("n{number}.example"), from + number)).collect(),
        };
        let (verified, partial) = (top("verified", 100), top("partial", 110));
        let groups = groups(&[&verified, &partial], &Seen::new());
        assert_eq!(groups.len(), ROWS);
        assert!(groups.is_sorted_by(|one, next| one.count >= next.count));
        assert_eq!(
            (groups[0].requests.as_str(), groups[0].kind.class, groups[0].length),
            ("129", "2", 1_000)
        );
    }
}
