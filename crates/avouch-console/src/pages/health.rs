//! Whether the gateway is well, and how it is set up.

use std::sync::Arc;

use askama::Template;
use avouch_engine::decision::Mode;
use avouch_gateway::config::Config;
use avouch_wire::outside::grouped;
use axum::extract;
use axum::response::Response;
use tokio::time::Instant;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::page as shown;
use crate::shown::moment;
use crate::user::User;

#[derive(Template)]
#[template(path = "health.html")]
struct Page {
    frame: Frame,
    points: Vec<Point>,
    version: &'static str,
    now: String,
    sessions: usize,
    config: String,
}

/// One thing that is well or not.
struct Point {
    what: &'static str,
    state: State,
    says: String,
}

/// How it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Well,
    /// As somebody chose.
    Note,
    Watch,
}

impl State {
    const fn of(well: bool) -> Self {
        if well { Self::Well } else { Self::Watch }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Note => "note",
            Self::Watch => "look at it",
        }
    }

    const fn style(self) -> &'static str {
        match self {
            Self::Well => "pass",
            Self::Note => "note",
            Self::Watch => "undetermined",
        }
    }
}

/// `/console/health`.
pub(crate) async fn page(extract::State(console): extract::State<Arc<Console>>, user: User) -> Response {
    let insight = &console.insight;
    let config = insight.config();
    let now = insight.now();
    shown(&Page {
        points: console.points(&config),
        version: env!("CARGO_PKG_VERSION"),
        now: moment(now),
        sessions: console.sessions.number(Instant::now()),
        config: config.to_string(),
        frame: Frame::of(user, "/console/health"),
    })
}

impl Console {
    fn points(&self, config: &Config) -> Vec<Point> {
        let insight = &self.insight;
        let stopping = insight.is_stopping();
        let dropped = insight.log_lines_dropped();
        let (held, room) = (insight.nonces().held, config.limits.nonces as u64);
        let now = insight.now();
        let networks = insight.networks();
        let old: Vec<_> =
            networks.ages(now).filter(|age| age.age * 2 >= age.oldest).map(|age| age.of.to_owned()).collect();
        let says = |what, well, good: String, bad: String| Point {
            what,
            state: State::of(well),
            says: if well { good } else { bad },
        };
        vec![
            says(
                "Requests",
                !stopping,
                "New ones are welcome.".to_owned(),
                "The gateway is stopping: those under way end, new ones are not taken.".to_owned(),
            ),
            mode(config.mode),
            says(
                "Authorities",
                !config.authorities.is_empty(),
                config.authorities.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
                "None is configured: a signature gives class 2 at most.".to_owned(),
            ),
            says(
                "Replay table",
                held < room / 4 * 3,
                format!("{} of {} places are taken.", grouped(held), grouped(room)),
                format!(
                    "{} of {} places are taken: in full, signed requests are undetermined. Raise `[limits] nonces`.",
                    grouped(held),
                    grouped(room)
                ),
            ),
            says(
                "Access log",
                dropped == 0,
                "No line was dropped.".to_owned(),
                format!(
                    "{} lines were dropped, because the disk was slower than the requests.",
                    grouped(dropped)
                ),
            ),
            says(
                "Data on networks",
                old.is_empty(),
                "None is past half of the age at which it says nothing.".to_owned(),
                format!("Past half of the age at which they say nothing: {}.", old.join(", ")),
            ),
        ]
    }
}

/// What a mode means for whoever reads that requests were refused.
fn mode(mode: Mode) -> Point {
    let (state, says) = match mode {
        Mode::Enforce => (State::Well, "Decisions are carried out (enforce)."),
        Mode::Advise => (
            State::Note,
            "Decisions are told to the upstream, and not carried out (advise), where no route says otherwise.",
        ),
        Mode::Observe => (
            State::Note,
            "Decisions are noted, and not carried out (observe), where no route says otherwise.",
        ),
    };
    Point { what: "Mode", state, says: says.to_owned() }
}
