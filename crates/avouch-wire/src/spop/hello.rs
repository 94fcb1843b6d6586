//! How a connection begins and ends (sections 3.2.4 to 3.2.9).

use super::{Frame, FrameError, Pairs, SHORTEST_LIMIT, Value};

/// The version that is spoken.
const VERSION: &str = "2.0";

/// Its first number, which the other side has to know.
const MAJOR: &str = "2";

/// The ability to be answered in another order than one asked.
const PIPELINING: &str = "pipelining";

/// Why a side ends a connection, with its number (section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is none.
    #[error("normal")]
    None,
    /// Something took too long.
    #[error("nothing arrived in time")]
    Late,
    /// A frame is longer than was settled.
    #[error("the frame is longer than max-frame-size")]
    Long,
    /// What arrived is no frame, or not one that comes now.
    #[error("no frame that may come now")]
    Invalid,
    /// The handshake names no versions.
    #[error("supported-versions is missing, or not once and text")]
    NoVersions,
    /// The handshake names no length.
    #[error("max-frame-size is missing, or not once and a number of 32 bits")]
    NoLimit,
    /// The handshake names no capabilities.
    #[error("capabilities is missing, or not once and text")]
    NoCapabilities,
    /// No version is known to both.
    #[error("version 2.0 is not among supported-versions")]
    Version,
    /// The length is out of range.
    #[error("max-frame-size is less than 256")]
    Limit,
    /// A payload in parts.
    #[error("payloads in fragments are not taken")]
    Fragment,
    /// Who asks is nobody whose word is taken.
    #[error("who asks says who the client is: name its address (or \"unix\") in trusted_proxies")]
    Stranger,
}

impl Trouble {
    const fn code(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Late => 2,
            Self::Long => 3,
            Self::Invalid => 4,
            Self::NoVersions => 5,
            Self::NoLimit => 6,
            Self::NoCapabilities => 7,
            Self::Version => 8,
            Self::Limit => 9,
            Self::Fragment => 10,
            Self::Stranger => 99,
        }
    }
}

impl From<FrameError> for Trouble {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Fragment => Self::Fragment,
            _ => Self::Invalid,
        }
    }
}

/// What HAProxy offers of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Octets of the longest frame it takes and sends.
    pub max_frame_size: u32,
    /// Whether it can have several questions open.
    pub pipelining: bool,
    /// Whether it only wants to know who is there.
    pub healthcheck: bool,
}

impl Offer {
    /// What a HAPROXY-HELLO says. Items that are not known say nothing.
    ///
    /// # Errors
    /// What the connection is to be ended for.
    pub fn read(pairs: &Pairs<'_>) -> Result<Self, Trouble> {
        let versions = text(pairs, "supported-versions").ok_or(Trouble::NoVersions)?;
        let max_frame_size = match only(pairs, "max-frame-size") {
            Some(Value::Uint32(limit)) => limit,
            _ => return Err(Trouble::NoLimit),
        };
        let capabilities = text(pairs, "capabilities").ok_or(Trouble::NoCapabilities)?;
        let healthcheck = match only(pairs, "healthcheck") {
            Some(Value::Bool(is_one)) => is_one,
            None if !pairs.iter().any(|(name, _)| *name == "healthcheck") => false,
            _ => return Err(Trouble::Invalid),
        };
        let is_ours = |version: &str| version.split_once('.').is_some_and(|(major, _)| major == MAJOR);
        if !listed(versions).any(is_ours) {
            return Err(Trouble::Version);
        }
        if max_frame_size < SHORTEST_LIMIT {
            return Err(Trouble::Limit);
        }
        let pipelining = listed(capabilities).any(|one| one == PIPELINING);
        Ok(Self { max_frame_size, pipelining, healthcheck })
    }
}

/// The answer to an offer, taking frames of at most `longest` octets.
#[must_use]
pub fn agent_hello(offer: Offer, longest: u32) -> Frame<'static> {
    let capabilities = if offer.pipelining { PIPELINING } else { "" };
    Frame::AgentHello(vec![
        ("version", Value::Text(VERSION.as_bytes())),
        ("max-frame-size", Value::Uint32(longest.min(offer.max_frame_size))),
        ("capabilities", Value::Text(capabilities.as_bytes())),
    ])
}

/// The end of a connection, with `message`.
#[must_use]
pub fn disconnect(trouble: Trouble, message: &str) -> Frame<'_> {
    Frame::AgentDisconnect(vec![
        ("status-code", Value::Uint32(trouble.code())),
        ("message", Value::Text(message.as_bytes())),
    ])
}

/// The value of a name that is there once.
fn only<'a>(pairs: &Pairs<'a>, name: &str) -> Option<Value<'a>> {
    let mut values = pairs.iter().filter(|(said, _)| *said == name).map(|(_, value)| *value);
    values.next().filter(|_| values.next().is_none())
}

fn text<'a>(pairs: &Pairs<'a>, name: &str) -> Option<&'a str> {
    match only(pairs, name) {
        Some(Value::Text(text)) => str::from_utf8(text).ok(),
        _ => None,
    }
}

fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}
