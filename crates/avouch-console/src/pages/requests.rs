//! The requests that are remembered, and one of them explained.

use std::sync::Arc;

use askama::Template;
use avouch_engine::verdict::Class;
use avouch_gateway::{Explanation, Remembered, Told};
use avouch_wire::outside::Plain;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use serde::Deserialize;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::{Refusal, page as shown};
use crate::shown::{Kind, Row, moment, who};
use crate::user::User;

/// Rows of a page.
const ROWS: usize = 50;

/// The longest filter, in octets; longer than any name.
const MAX_FILTER: usize = 320;

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    class: String,
    #[serde(default)]
    standing: String,
    /// A part of the identity or of what was claimed, an address, or the name of a request.
    #[serde(default)]
    who: String,
    #[serde(default)]
    skip: usize,
}

#[derive(Template)]
#[template(path = "requests.html")]
struct List {
    frame: Frame,
    asked: Asked,
    classes: [(&'static str, &'static str); 6],
    rows: Vec<Row>,
    found: usize,
    remembered: usize,
    /// What the pages beside this one ask for.
    newer: Option<String>,
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "request.html")]
struct One {
    frame: Frame,
    id: String,
    kind: Kind,
    time: String,
    who: Option<String>,
    explanation: Explanation,
    line: String,
}

/// What the list of classes offers.
const CLASSES: [(&str, &str); 6] = [
    ("", "every class"),
    ("3", "3 verified"),
    ("2", "2 partial"),
    ("0", "0 anonymous"),
    ("1", "1 invalid or undetermined"),
    ("none", "not judged"),
];

/// `/console/requests`.
pub(crate) async fn list(
    State(console): State<Arc<Console>>,
    user: User,
    Query(mut asked): Query<Asked>,
) -> Response {
    asked.who = asked.who.trim().to_owned();
    if asked.who.len() > MAX_FILTER {
        return Refusal::Malformed.into_response();
    }
    if is_id(&asked.who) && console.insight.request(&asked.who).is_some() {
        return Redirect::to(&format!("/console/requests/{}", asked.who)).into_response();
    }
    let remembered = console.insight.requests();
    let found: Vec<_> = remembered.iter().filter(|request| asked.holds(request)).cloned().collect();
    let skip = asked.skip.min(found.len());
    let page: Vec<_> = found.iter().skip(skip).take(ROWS).cloned().collect();
    shown(&List {
        frame: Frame::of(user, "/console/requests"),
        classes: CLASSES,
        rows: Row::all(&page),
        found: found.len(),
        remembered: remembered.len(),
        newer: (skip > 0).then(|| asked.from(skip.saturating_sub(ROWS))),
        older: (skip + ROWS < found.len()).then(|| asked.from(skip + ROWS)),
        asked,
    })
}

/// `/console/requests/ID`.
pub(crate) async fn one(
    State(console): State<Arc<Console>>,
    user: User,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let request = console.insight.request(&id).ok_or(Refusal::Missing)?;
    let told = Told::parse(&request.line).map_err(|error| {
        tracing::error!(%error, "a request that is remembered cannot be read");
        Refusal::Broken
    })?;
    let verdict = request.verdict.as_deref();
    Ok(shown(&One {
        frame: Frame::of(user, "/console/requests"),
        id: request.id.clone(),
        kind: Kind::of(verdict),
        time: moment(request.time),
        who: who(verdict).map(|who| Plain(&who).to_string()),
        explanation: Explanation::of(&told),
        line: Plain(&String::from_utf8_lossy(&request.line)).to_string(),
    }))
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

impl Asked {
    fn holds(&self, request: &Remembered) -> bool {
        let verdict = request.verdict.as_deref();
        let class = verdict.map(|verdict| verdict.class());
        let of_class = match self.class.as_str() {
            "3" => class == Some(Class::Verified),
            "2" => class == Some(Class::Partial),
            "1" => class == Some(Class::Unverifiable),
            "0" => class == Some(Class::Anonymous),
            "none" => class.is_none(),
            _ => true,
        };
        let standing = self.standing.as_str();
        let of_standing = standing.is_empty() || Kind::of(verdict).standing == standing;
        of_class && of_standing && (self.who.is_empty() || self.names(request))
    }

    fn names(&self, request: &Remembered) -> bool {
        let asked = self.who.to_ascii_lowercase();
        let named = who(request.verdict.as_deref());
        named.is_some_and(|who| who.to_ascii_lowercase().contains(&asked))
            || request.shown == asked
            || request.id.starts_with(&asked)
    }

    /// The same, from another row on.
    fn from(&self, skip: usize) -> String {
        let Self { class, standing, who, .. } = self;
        let escaped: String = who.bytes().map(escape).collect();
        let class: String = class.bytes().map(escape).collect();
        let standing: String = standing.bytes().map(escape).collect();
        format!("?class={class}&standing={standing}&who={escaped}&skip={skip}")
    }
}

/// An octet of a query (RFC 3986 section 2).
fn escape(octet: u8) -> String {
    match octet {
        octet if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) => char::from(octet).to_string(),
        octet => format!("%{octet:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_the_next_page_asks_for_the_same() {
        let asked = Asked { class: "1".into(), who: "a&b=\"é".into(), ..Asked::default() };
        assert_eq!(asked.from(50), "?class=1&standing=&who=a%26b%3D%22%C3%A9&skip=50");
    }

    #[test]
    fn the_name_of_a_request_has_32_digits() {
        assert!(is_id("0123456789abcdef0123456789abcdef"));
        assert!(!is_id("0123456789abcdef0123456789abcde") && !is_id("0123456789abcdef0123456789abcdeg"));
    }
}
