//! What comes, by class.

use std::sync::Arc;

use askama::Template;
use avouch_wire::outside::grouped;
use axum::extract::State;
use axum::response::Response;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::page as shown;
use crate::series::{Pace, in_order};
use crate::shown::{KINDS, Kind, Row, pace, percent};
use crate::user::User;

/// Most requests shown here; the page of requests has more.
const LAST: usize = 8;

/// Units across the bar.
const UNITS: u64 = 1_000;

/// What is there at all can be seen: the least width of a part.
const LEAST: u64 = 4;

#[derive(Template)]
#[template(path = "traffic.html")]
struct Page {
    frame: Frame,
    kinds: [Kind; 6],
    live: Live,
}

#[derive(Template)]
#[template(path = "traffic_live.html")]
struct Live {
    cards: Vec<Card>,
    bar: Vec<Part>,
    all: String,
    /// Times, then a series of paces for each kind: what the chart is drawn from.
    points: String,
    /// The same in figures, minute by minute, for those who cannot see it.
    minutes: Vec<(String, Vec<String>)>,
    last: Vec<Row>,
}

struct Card {
    kind: Kind,
    number: String,
    note: String,
    query: String,
}

/// A part of the bar.
struct Part {
    style: &'static str,
    at: u64,
    width: u64,
}

/// `/console/`.
pub(crate) async fn page(State(console): State<Arc<Console>>, user: User) -> Response {
    shown(&Page { frame: Frame::of(user, "/console/"), kinds: KINDS, live: Live::of(&console) })
}

/// What of it changes, for the page to put in place of what it had.
pub(crate) async fn part(State(console): State<Arc<Console>>, _user: User) -> Response {
    shown(&Live::of(&console))
}

impl Live {
    fn of(console: &Console) -> Self {
        let counts = console.insight.counts();
        let (numbers, all) = (in_order(&counts), counts.all());
        let paces = console.series.paces();
        let now = paces.last().map(|pace| pace.paces).unwrap_or_default();
        let cards = KINDS.into_iter().zip(numbers).zip(now).map(|((kind, number), now)| Card {
            kind,
            number: grouped(number),
            note: format!("{}, {}/s now", percent(number, all), pace(now)),
            query: query(kind),
        });
        let mut requests = console.insight.requests();
        requests.truncate(LAST);
        Self {
            cards: cards.collect(),
            bar: bar(&numbers, all),
            all: grouped(all),
            points: points(&paces),
            minutes: minutes(&paces),
            last: Row::all(&requests),
        }
    }
}

/// The list of the requests that came to the same.
fn query(kind: Kind) -> String {
    match kind.class {
        "" => "class=none".to_owned(),
        class => format!("class={class}&standing={}", kind.standing),
    }
}

fn bar(numbers: &[u64; 6], all: u64) -> Vec<Part> {
    let mut at = 0;
    let mut parts = Vec::new();
    for (kind, number) in KINDS.into_iter().zip(numbers).filter(|(_, number)| **number > 0) {
        let share = u128::from(*number) * u128::from(UNITS) / u128::from(all.max(1));
        let width = u64::try_from(share).unwrap_or(UNITS).max(LEAST).min(UNITS.saturating_sub(at));
        parts.push(Part { style: kind.style, at, width });
        at += width;
    }
    // What rounding leaves belongs to the last.
    if let Some(last) = parts.last_mut() {
        last.width = UNITS.saturating_sub(last.at);
    }
    parts
}

/// JSON: a list of seconds, then one of paces for each kind.
fn points(paces: &[Pace]) -> String {
    let times: Vec<_> = paces.iter().map(|pace| pace.time.seconds()).collect();
    let of = |at: usize| {
        let rounded = paces
            .iter()
            .filter_map(move |pace| pace.paces.get(at))
            .map(|pace| (pace * 100.0).round() / 100.0);
        rounded.collect::<Vec<f64>>()
    };
    let series: Vec<_> = (0..KINDS.len()).map(of).collect();
    serde_json::json!([times, series]).to_string()
}

/// Requests in each of the last minutes, newest first.
fn minutes(paces: &[Pace]) -> Vec<(String, Vec<String>)> {
    /// Most rows.
    const ROWS: usize = 10;
    let mut rows: Vec<(u64, [f64; 6])> = Vec::new();
    for pair in paces.windows(2).rev() {
        let [before, pace] = pair else { continue };
        let minute = pace.time.seconds() / 60;
        let seconds = pace.time.since(before.time).as_secs_f64();
        if rows.last().is_none_or(|(last, _)| *last != minute) {
            if rows.len() == ROWS {
                break;
            }
            rows.push((minute, [0.0; 6]));
        }
        if let Some((_, sums)) = rows.last_mut() {
            sums.iter_mut().zip(pace.paces).for_each(|(sum, pace)| *sum += pace * seconds);
        }
    }
    let clock = |minute: u64| format!("{:02}:{:02}", minute / 60 % 24, minute % 60);
    rows.into_iter()
        .map(|(minute, sums)| (clock(minute), sums.map(|sum| format!("{sum:.0}")).to_vec()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_wire::time::Time;

    #[test]
    fn the_bar_is_full_and_what_is_there_can_be_seen() {
        let parts = bar(&[1, 0, 1_000_000, 0, 1, 0], 1_000_002);
        assert_eq!(parts.iter().map(|part| part.width).sum::<u64>(), UNITS);
        assert_eq!(parts.len(), 3);
        assert!(parts[0].width >= LEAST);
        assert!(bar(&[0; 6], 0).is_empty());
    }

    #[test]
    fn the_chart_and_its_figures_tell_the_same() {
        let paces: Vec<_> = (0..36)
            .map(|step| Pace {
                time: Time::from_seconds(600 + step * 5),
                paces: [2.0, 0.0, 0.5, 0.0, 0.0, 0.0],
            })
            .collect();
        let points: serde_json::Value = serde_json::from_str(&points(&paces)).unwrap();
        assert_eq!(points[0].as_array().unwrap().len(), 36);
        assert_eq!((&points[1][0][0], &points[1][2][35]), (&2.0.into(), &0.5.into()));
        let minutes = minutes(&paces);
        assert_eq!(minutes[0].0, "00:12");
        assert_eq!(
            minutes[1],
            ("00:11".to_owned(), ["120", "0", "30", "0", "0", "0"].map(str::to_owned).to_vec())
        );
    }
}
