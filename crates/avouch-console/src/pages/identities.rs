//! Who comes most, and who lies most.

use std::collections::HashMap;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use askama::Template;
use avouch_engine::verdict::{Class, Standing};
use avouch_gateway::Remembered;
use axum::extract::State;
use axum::response::Response;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::page as shown;
use crate::shown::{Kind, cell, moment, who};
use crate::user::User;

/// Most rows of each table.
const ROWS: usize = 25;

#[derive(Template)]
#[template(path = "identities.html")]
struct Page {
    frame: Frame,
    proved: Vec<Group>,
    liars: Vec<Group>,
    remembered: usize,
    most_each: usize,
}

/// Requests of one name and kind.
struct Group {
    who: String,
    kind: Kind,
    requests: usize,
    addresses: usize,
    last: String,
    /// Of the most, in units across a bar.
    length: usize,
}

/// `/console/identities`.
pub(crate) async fn page(State(console): State<Arc<Console>>, user: User) -> Response {
    let remembered = console.insight.requests();
    let of = |class: Class| {
        remembered
            .iter()
            .filter(move |request| request.verdict.as_ref().is_some_and(|verdict| verdict.class() == class))
    };
    let liars = of(Class::Unverifiable).filter(|request| {
        request.verdict.as_ref().is_some_and(|verdict| verdict.standing() == Standing::Invalid)
    });
    shown(&Page {
        proved: top(of(Class::Verified).chain(of(Class::Partial))),
        liars: top(liars),
        remembered: remembered.len(),
        most_each: console.insight.config().limits.remembered,
        frame: Frame::of(user, "/console/identities"),
    })
}

/// Those with most requests. There are no more groups than requests are remembered.
fn top<'r>(requests: impl Iterator<Item = &'r Arc<Remembered>>) -> Vec<Group> {
    /// Requests, addresses, and the newest, for requests come newest first.
    type Seen<'r> = (usize, HashSet<IpAddr>, &'r Remembered);
    let mut groups: HashMap<(String, &'static str), Seen<'r>> = HashMap::new();
    for request in requests {
        let verdict = request.verdict.as_deref();
        let name = who(verdict).unwrap_or_else(|| "no name".to_owned());
        let (number, addresses, _) =
            groups.entry((name, Kind::of(verdict).style)).or_insert_with(|| (0, HashSet::new(), request));
        *number += 1;
        addresses.insert(request.address);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|(one, (few, ..)), (other, (many, ..))| many.cmp(few).then_with(|| one.cmp(other)));
    groups.truncate(ROWS);
    let most = groups.first().map_or(1, |(_, (most, ..))| *most);
    let shown = groups.into_iter().map(|((name, _), (requests, addresses, newest))| Group {
        who: cell(&name),
        kind: Kind::of(newest.verdict.as_deref()),
        requests,
        addresses: addresses.len(),
        last: moment(newest.time),
        length: (requests * 1_000 / most).max(4),
    });
    shown.collect()
}
