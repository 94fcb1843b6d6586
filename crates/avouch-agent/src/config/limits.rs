//! `[limits]`: bounds on what programs and sites may use up, each with its reason.

use core::ops::RangeInclusive;
use core::time::Duration;

use avouch_wire::settings::{Fault, Table, Value};

/// Timeouts and sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest content that is read ahead and covered by the signature. It is held in memory.
    pub body: usize,
    /// Connections of programs at once, tunnels among them; further ones wait in the kernel's queue.
    pub connections: usize,
    /// Signatures made at once, each by a thread of its own: a key in hardware makes one at a time anyway.
    pub signatures: usize,
    /// Requests that wait for a signature; beyond it they are answered 503.
    pub waiting: usize,
    /// How long a request waits for its turn to be signed.
    pub wait: Duration,
    /// How long opening a connection to a site may take, TLS included.
    pub connect: Duration,
    /// How long a site may take to begin its answer after the request has reached it.
    pub answer: Duration,
    /// How long content may pause, in either direction.
    pub pause: Duration,
    /// How long a tunnel may be silent in both directions.
    pub tunnel_idle: Duration,
    /// How long requests under way may take to end after a stop was asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            connections: 1_024,
            signatures: 8,
            waiting: 1_024,
            wait: Duration::from_secs(10),
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            pause: Duration::from_secs(60),
            tunnel_idle: Duration::from_secs(600),
            drain: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Reads `[limits]`; what is not set keeps its default.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let usual = Self::default();
        Self {
            body: table.optional("body", body).unwrap_or(usual.body),
            connections: table.optional("connections", count).unwrap_or(usual.connections),
            signatures: table.optional("signatures", threads).unwrap_or(usual.signatures),
            waiting: table.optional("waiting", count).unwrap_or(usual.waiting),
            wait: table.optional("wait", time).unwrap_or(usual.wait),
            connect: table.optional("connect", time).unwrap_or(usual.connect),
            answer: table.optional("answer", time).unwrap_or(usual.answer),
            pause: table.optional("pause", time).unwrap_or(usual.pause),
            tunnel_idle: table.optional("tunnel_idle", time).unwrap_or(usual.tunnel_idle),
            drain: table.optional("drain", time).unwrap_or(usual.drain),
        }
    }
}

fn body(value: Value<'_>) -> Result<usize, Fault> {
    let octets = usize::try_from(value.size()?).unwrap_or(usize::MAX);
    let fix = "write \"1KiB\" to \"64MiB\": as much is held in memory for each request";
    if (1 << 10..=64 << 20).contains(&octets) { Ok(octets) } else { Err(value.fault("a size in range", fix)) }
}

fn count(value: Value<'_>) -> Result<usize, Fault> {
    number(value, 1..=65_536)
}

/// What tokio lets block at once is 512.
fn threads(value: Value<'_>) -> Result<usize, Fault> {
    number(value, 1..=256)
}

fn number(value: Value<'_>, range: RangeInclusive<u64>) -> Result<usize, Fault> {
    value.number(range).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

fn time(value: Value<'_>) -> Result<Duration, Fault> {
    let span = value.duration()?;
    if span.is_zero() { Err(value.fault("a time above zero", "write at least \"1ms\"")) } else { Ok(span) }
}
