//! The stream that a verifier listens to.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_wire::entity::{Event, Happening};
use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};

use super::telling::Told;
use crate::serving::Held;

/// How long nothing is said where nothing happens.
pub(super) const ALIVE: Duration = Duration::from_secs(10);

/// Most streams at once, and of the sites of one registrable domain: their gateways, and those that connect again before
/// the last one is missed.
const MAX_STREAMS: usize = 256;
const MAX_OF_DOMAIN: usize = 16;

/// Most events that a stream may be behind; who is further behind is sent a `reset`, and away.
pub(super) const BEHIND: usize = 1_024;

/// Who listens, by the domain that it is counted to.
pub(super) type Places = Arc<Mutex<HashMap<String, usize>>>;

/// A place among those who listen.
pub(super) struct Place {
    places: Places,
    domain: String,
}

impl Place {
    pub(super) fn take(places: &Places, domain: String) -> Option<Self> {
        let mut taken = places.lock().unwrap_or_else(PoisonError::into_inner);
        let of_domain = taken.get(&domain).copied().unwrap_or(0);
        if of_domain >= MAX_OF_DOMAIN || taken.values().sum::<usize>() >= MAX_STREAMS {
            return None;
        }
        taken.insert(domain.clone(), of_domain + 1);
        Some(Self { places: Arc::clone(places), domain })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.domain) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.domain)),
        }
    }
}

/// One stream.
pub(super) struct Line {
    missed: VecDeque<String>,
    /// The last that was sent, or is in `missed`.
    last: u64,
    events: broadcast::Receiver<Told>,
    stop: watch::Receiver<bool>,
    alive: Duration,
    is_over: bool,
    _place: Place,
    held: Option<Held>,
}

impl Line {
    pub(super) fn new(
        missed: Vec<String>,
        last: u64,
        (events, stop): (broadcast::Receiver<Told>, watch::Receiver<bool>),
        place: Place,
        alive: Duration,
    ) -> Self {
        let missed = missed.into();
        Self { missed, last, events, stop, alive, is_over: false, _place: place, held: None }
    }

    pub(super) fn answer(mut self, held: Option<Held>) -> Response {
        self.held = held;
        let lines = stream::unfold(self, |mut line| async {
            let next = line.next().await?;
            Some((Ok::<_, Infallible>(Bytes::from(next + "\n")), line))
        });
        let mut answer = Body::from_stream(lines).into_response();
        let fields = answer.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
        fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // nginx would hold lines back.
        fields.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        answer
    }

    async fn next(&mut self) -> Option<String> {
        if let Some(line) = self.missed.pop_front() {
            return Some(line);
        }
        while !self.is_over {
            let heard = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stopping| *stopping) => return None,
                heard = tokio::time::timeout(self.alive, self.events.recv()) => heard,
            };
            match heard {
                Ok(Ok(told)) if told.number <= self.last => {}
                Ok(Ok(told)) => {
                    self.last = told.number;
                    return Some(told.line.to_string());
                }
                Ok(Err(RecvError::Lagged(_))) => {
                    self.is_over = true;
                    return Some(Event { number: self.last, happening: Happening::Reset }.write());
                }
                Ok(Err(RecvError::Closed)) => self.is_over = true,
                Err(_) => return Some(Event { number: self.last, happening: Happening::Alive }.write()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(number: u64) -> Told {
        Told { number, line: number.to_string().into() }
    }

    fn line(
        missed: &[&str],
        last: u64,
        capacity: usize,
    ) -> (Line, broadcast::Sender<Told>, watch::Sender<bool>) {
        let (events, receiver) = broadcast::channel(capacity);
        let (stop, stopping) = watch::channel(false);
        let place = Place::take(&Places::default(), "a.example".to_owned()).unwrap();
        let missed = missed.iter().map(ToString::to_string).collect();
        (Line::new(missed, last, (receiver, stopping), place, Duration::from_millis(50)), events, stop)
    }

    #[tokio::test]
    async fn what_was_missed_comes_first_and_nothing_twice() {
        let (mut line, events, stop) = line(&["4", "5"], 5, 16);
        for number in [5, 6] {
            events.send(told(number)).unwrap();
        }
        let mut heard = Vec::new();
        for _ in 0..4 {
            heard.push(line.next().await.unwrap());
        }
        assert_eq!(heard, ["4", "5", "6", "{\"event\":6,\"kind\":\"alive\"}"]);
        stop.send_replace(true);
        assert_eq!(line.next().await, None);
    }

    #[tokio::test]
    async fn who_reads_too_slowly_is_sent_a_reset_and_away() {
        let (mut line, events, _stop) = line(&[], 0, 4);
        for number in 1..=4 {
            events.send(told(number)).unwrap();
        }
        assert_eq!(line.next().await.unwrap(), "1", "as many as fit are kept");
        for number in 5..=8 {
            events.send(told(number)).unwrap();
        }
        assert_eq!(line.next().await.unwrap(), "{\"event\":1,\"kind\":\"reset\"}");
        assert_eq!(line.next().await, None);
    }

    #[test]
    fn places_are_bounded_by_domain_and_in_all_and_given_back() {
        let places = Places::default();
        let take = |site: &str| Place::take(&places, site.to_owned());
        let of_one: Vec<_> = (0..MAX_OF_DOMAIN).map(|_| take("a.example").unwrap()).collect();
        assert!(take("a.example").is_none() && take("b.example").is_some());
        drop(of_one);
        assert!(places.lock().unwrap().is_empty());
        let all: Vec<_> =
            (0..MAX_STREAMS).map(|number| take(&format!("s{number}.example")).unwrap()).collect();
        assert!(take("b.example").is_none());
        drop(all);
        assert!(take("b.example").is_some());
    }
}
