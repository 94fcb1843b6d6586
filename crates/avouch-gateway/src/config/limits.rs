//! The table of timeouts and sizes: every bound on what strangers and upstreams may use up.
//!
//! Each stands here with its reason and can be set under `[limits]` by its name.

use core::fmt;
use core::time::Duration;

use avouch_gather::replay;
use avouch_wire::settings::{Fault, Table, Value};

/// What a bound counts, with how it is read and written.
trait Bound: Copy {
    fn read(value: Value<'_>) -> Result<Self, Fault>;
    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl Bound for Duration {
    fn read(value: Value<'_>) -> Result<Self, Fault> {
        let span = value.duration()?;
        if span.is_zero() {
            Err(value.fault("a time above zero", "write at least \"1ms\""))
        } else {
            Ok(span)
        }
    }

    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}ms\"", self.as_millis())
    }
}

/// A size in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub usize);

/// The smallest size that can be set: less than this is smaller than a plain browser's request.
const SMALLEST_SIZE: u64 = 8 << 10;
const LARGEST_SIZE: u64 = 1 << 30;

/// The largest number that can be set; beyond it a table takes gigabytes.
const LARGEST_NUMBER: u64 = 1 << 28;

impl Bound for Size {
    fn read(value: Value<'_>) -> Result<Self, Fault> {
        let octets = value.size()?;
        if (SMALLEST_SIZE..=LARGEST_SIZE).contains(&octets) {
            return Ok(Self(usize::try_from(octets).unwrap_or(usize::MAX)));
        }
        Err(value.fault("a size in range", "write \"8KiB\" to \"1GiB\""))
    }

    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}B\"", self.0)
    }
}

impl Bound for usize {
    fn read(value: Value<'_>) -> Result<Self, Fault> {
        value.number(1..=LARGEST_NUMBER).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

macro_rules! limits {
    ($($(#[doc = $reason:literal])+ $name:ident: $bound:ty = $default:expr;)+) => {
        /// Timeouts and sizes. The default of each is its documented value.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Limits {
            $($(#[doc = $reason])+ pub $name: $bound,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl Limits {
            /// Reads `[limits]`; what is not set keeps its default.
            pub(super) fn read(mut table: Table<'_>) -> Self {
                let mut limits = Self::default();
                $(if let Some(bound) = table.optional(stringify!($name), <$bound as Bound>::read) {
                    limits.$name = bound;
                })+
                limits
            }
        }

        /// As the lines of `[limits]`.
        impl fmt::Display for Limits {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                $(
                    write!(f, "{} = ", stringify!($name))?;
                    self.$name.write(f)?;
                    writeln!(f)?;
                )+
                Ok(())
            }
        }
    };
}

limits! {
    /// How long a TLS handshake may take. Slow mobile clients need two or three seconds.
    handshake: Duration = Duration::from_secs(10);
    /// How long a request's head may take to arrive, counted from the end of the request before:
    /// who sends an octet a minute holds a connection no longer than this. It is also how long an
    /// idle HTTP/1.1 connection is kept.
    head_time: Duration = Duration::from_secs(30);
    /// The longest request head: request line and fields. Also what HTTP/2 lets a header list
    /// expand to, so that compression cannot multiply it.
    head_size: Size = Size(64 << 10);
    /// Fields in a head. Browsers send around 20, proxies add 10.
    head_fields: usize = 100;
    /// The longest request target; servers commonly refuse more than 8 KiB.
    target_size: Size = Size(8 << 10);
    /// How long a body may pause, in either direction, before its request is given up; a client
    /// that does not read its answer pauses it.
    body_pause: Duration = Duration::from_secs(60);
    /// How long opening a connection to an upstream may take; upstreams are near.
    upstream_connect: Duration = Duration::from_secs(5);
    /// How long an upstream may take to begin its answer after the request has reached it.
    upstream_head: Duration = Duration::from_secs(60);
    /// How long an idle upstream connection is kept; below the 75 seconds of nginx and the 60 of
    /// most others, so that we are the side that closes.
    upstream_idle: Duration = Duration::from_secs(50);
    /// Idle connections kept per upstream.
    upstream_pool: usize = 256;
    /// Client connections at once; further ones wait in the kernel's queue. Needs as many file
    /// descriptors twice over.
    connections: usize = 10_000;
    /// Client connections at once of one source (an IPv4 address, or an IPv6 network of 64 bits);
    /// more are closed at once. A school or an office behind one address needs some hundreds; one
    /// machine must not take what is there for all. Proxies, trusted or private, are not counted.
    connections_per_source: usize = 1_024;
    /// Requests at once in any stage; further ones are answered 503 before anything is looked up.
    requests: usize = 4_096;
    /// Requests at once at the upstreams. Beyond it they queue by class.
    forwarded: usize = 1_024;
    /// Requests queued for an upstream; beyond it the lowest class is shed.
    waiting: usize = 1_024;
    /// How long a request may queue before it is shed; longer, and clients have gone away.
    wait: Duration = Duration::from_secs(2);
    /// Requests at once on one HTTP/2 connection; browsers assume 100.
    streams: usize = 100;
    /// HTTP/2 streams a client may open and reset before we have answered (CVE-2023-44487).
    pending_resets: usize = 20;
    /// HTTP/2 streams reset by us for a client's errors before its connection is closed.
    error_resets: usize = 64;
    /// How long requests under way may take to end after a stop was asked for.
    drain: Duration = Duration::from_secs(30);
    /// Nonces of signed requests remembered at once: 3 000 a second over the time they count, in 16 MiB, and half as
    /// many of signatures that last longer than 300 s, in 8 MiB more.
    nonces: usize = replay::CAPACITY;
    /// Agents, domains, pseudonyms and addresses whose rate is counted apart.
    rates: usize = 1 << 16;
    /// Requests of each class that the console remembers, some KiB each; without a console none.
    remembered: usize = 1_024;
    /// Log text waiting to be written; beyond it lines are dropped and counted, so that a full
    /// disk never stops requests.
    log_buffer: Size = Size(8 << 20);
}

#[cfg(test)]
mod tests {
    use avouch_wire::settings::Reader;

    use super::*;

    #[test]
    fn defaults_are_within_what_can_be_set() {
        let text = Limits::default().to_string();
        let reader = Reader::new("f", &text);
        let limits = Limits::read(reader.root());
        assert_eq!(reader.into_result(Some(limits)), Ok(Limits::default()));
    }

    #[test]
    fn nothing_can_be_unlimited() {
        for line in ["head_time = '0s'", "head_size = '1KiB'", "connections = 0", "connections = 268435457"] {
            let reader = Reader::new("f", line);
            let limits = Limits::read(reader.root());
            assert!(reader.into_result(Some(limits)).is_err(), "{line}");
        }
    }
}
