//! What a domain or an agent publishes now.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use avouch_gather::examination::{Examination, Examined};
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::outside::Plain;
use avouch_wire::record::Place;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};

use crate::Console;
use crate::frame::Frame;
use crate::refusal::{Refusal, page as shown};
use crate::user::{Fields, Operator, User};

/// How long an operator waits for the DNS.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Template)]
#[template(path = "record.html")]
struct Page {
    frame: Frame,
    asked: String,
    /// Why it was not looked up.
    problem: Option<String>,
    seen: Option<Seen>,
}

struct Seen {
    name: String,
    names: Vec<Examined>,
    findings: Vec<Said>,
    broken_at: Option<String>,
    open: bool,
}

/// A finding.
struct Said {
    severity: &'static str,
    name: String,
    what: String,
    fix: String,
}

/// `/console/record`.
pub(crate) async fn page(user: User) -> Response {
    let frame = Frame::of(user, "/console/record");
    shown(&Page { frame, asked: String::new(), problem: None, seen: None })
}

/// Looks a domain or an agent up.
pub(crate) async fn examine(
    State(console): State<Arc<Console>>,
    Operator(user): Operator,
    fields: Fields,
) -> Response {
    let asked = fields.get("who").trim().to_owned();
    let frame = Frame::of(user, "/console/record");
    let place = match place(&asked) {
        Ok(place) => place,
        Err(problem) => return shown(&Page { frame, asked, problem: Some(problem), seen: None }),
    };
    let (cell, limit) = &console.examinations;
    if cell.admit(limit, console.insight.now()).is_err() {
        return Refusal::Often.into_response();
    }
    let (problem, seen) = match tokio::time::timeout(PATIENCE, console.insight.examine(&place)).await {
        Ok(examination) => (None, Some(Seen::of(&place, examination))),
        Err(_) => (Some("The DNS gave no answer in time: it could not be found out.".to_owned()), None),
    };
    shown(&Page { frame, asked, problem, seen })
}

/// `acme.example`, or an agent as `crawler-7@acme.example`.
fn place(asked: &str) -> Result<Place, String> {
    let (agent, domain) = asked.split_once('@').unwrap_or(("_", asked));
    let said = |what: &str, error: &dyn std::fmt::Display| {
        Plain(&format!("{what} {error}: write a domain, or an agent as crawler-7@acme.example")).to_string()
    };
    let domain = Domain::parse(domain).map_err(|error| said("The domain", &error))?.into_owned();
    let agent = AgentId::parse(agent).map_err(|error| said("The agent", &error))?.into_owned();
    Ok(Place { agent, domain })
}

impl Seen {
    fn of(place: &Place, examination: Examination) -> Self {
        let open = examination.is_open();
        let findings = examination.findings.iter().map(|finding| Said {
            severity: finding.concern.severity().name(),
            name: finding.name.clone().unwrap_or_default(),
            what: Plain(&finding.concern.to_string()).to_string(),
            fix: Plain(&finding.concern.fix()).to_string(),
        });
        Self {
            name: place.to_string(),
            findings: findings.collect(),
            names: examination.names,
            broken_at: examination.broken_at,
            open,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_a_domain_or_an_agent_of_one() {
        let name = |asked: &str| place(asked).map(|place| place.to_string());
        assert_eq!(name("acme.example"), Ok("_saip.acme.example".into()));
        assert_eq!(name("crawler-7@acme.example"), Ok("crawler-7._saip.acme.example".into()));
        for bad in ["", "com", "a b.example", "@acme.example", "x@", "<script>@acme.example", "a@b@c.example"]
        {
            assert!(name(bad).unwrap_err().contains("write a domain"), "{bad}");
        }
    }
}
