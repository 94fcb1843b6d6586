//! Frames (section 3.2).

use super::octets::{Octets, put_number, put_string};
use super::{FrameError, MAX_ITEMS, Value};

/// Which question an answer is to: the stream, and the frame within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Id {
    /// The stream.
    pub stream: u64,
    /// The frame within it.
    pub frame: u64,
}

/// Names and values.
pub type Pairs<'a> = Vec<(&'a str, Value<'a>)>;

/// What HAProxy tells of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// Its arguments, with their names. Beyond [`MAX_ITEMS`] none is written.
    pub arguments: Pairs<'a>,
}

/// What HAProxy is to do with variables of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// To set one.
    Set {
        /// Its name, without scope and prefix.
        name: &'a str,
        /// Its value.
        value: Value<'a>,
    },
    /// To forget one.
    Unset {
        /// Its name, without scope and prefix.
        name: &'a str,
    },
}

/// A frame, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// HAProxy begins a connection.
    HaproxyHello(Pairs<'a>),
    /// HAProxy ends it.
    HaproxyDisconnect(Pairs<'a>),
    /// HAProxy tells.
    Notify(Id, Vec<Message<'a>>),
    /// The agent takes a connection up.
    AgentHello(Pairs<'a>),
    /// The agent ends it.
    AgentDisconnect(Pairs<'a>),
    /// The agent answers.
    Ack(Id, Vec<Action<'a>>),
}

const HAPROXY_HELLO: u8 = 1;
const HAPROXY_DISCONNECT: u8 = 2;
const NOTIFY: u8 = 3;
const AGENT_HELLO: u8 = 101;
const AGENT_DISCONNECT: u8 = 102;
const ACK: u8 = 103;

/// The only flag that a whole frame has.
const FINAL: u32 = 1;

/// A payload that is given up half-way.
const ABORT: u32 = 2;

/// Kinds of action.
const SET: u8 = 1;
const UNSET: u8 = 2;

/// The scope of variables that end with the transaction.
const TRANSACTION: u8 = 2;

impl<'a> Frame<'a> {
    /// Reads a frame, without the octets that say its length.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(octets: &'a [u8]) -> Result<Self, FrameError> {
        let mut from = Octets(octets);
        let kind = from.octet()?;
        let is_known = matches!(kind, HAPROXY_HELLO..=NOTIFY | AGENT_HELLO..=ACK);
        // 0 goes on with the fragment of another frame.
        match (kind, u32::from_be_bytes(from.array()?)) {
            (0, _) => return Err(FrameError::Fragment),
            _ if !is_known => return Err(FrameError::Kind(kind)),
            (_, FINAL) => {}
            (_, flags) if flags & !(FINAL | ABORT) != 0 => return Err(FrameError::Flags),
            _ => return Err(FrameError::Fragment),
        }
        let id = Id { stream: from.number()?, frame: from.number()? };
        if !matches!(kind, NOTIFY | ACK) && id != Id::default() {
            return Err(FrameError::Identifier);
        }
        Ok(match kind {
            NOTIFY => Self::Notify(id, all(from, message)?),
            ACK => Self::Ack(id, all(from, action)?),
            HAPROXY_HELLO => Self::HaproxyHello(all(from, pair)?),
            HAPROXY_DISCONNECT => Self::HaproxyDisconnect(all(from, pair)?),
            AGENT_HELLO => Self::AgentHello(all(from, pair)?),
            _ => Self::AgentDisconnect(all(from, pair)?),
        })
    }

    /// The frame, after the octets that say its length.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut octets = vec![0; super::PREFIX];
        let (kind, id) = match self {
            Self::HaproxyHello(_) => (HAPROXY_HELLO, Id::default()),
            Self::HaproxyDisconnect(_) => (HAPROXY_DISCONNECT, Id::default()),
            Self::Notify(id, _) => (NOTIFY, *id),
            Self::AgentHello(_) => (AGENT_HELLO, Id::default()),
            Self::AgentDisconnect(_) => (AGENT_DISCONNECT, Id::default()),
            Self::Ack(id, _) => (ACK, *id),
        };
        octets.push(kind);
        octets.extend(FINAL.to_be_bytes());
        put_number(id.stream, &mut octets);
        put_number(id.frame, &mut octets);
        match self {
            Self::Notify(_, messages) => messages.iter().for_each(|message| message.write(&mut octets)),
            Self::Ack(_, actions) => actions.iter().for_each(|action| action.write(&mut octets)),
            Self::HaproxyHello(pairs)
            | Self::HaproxyDisconnect(pairs)
            | Self::AgentHello(pairs)
            | Self::AgentDisconnect(pairs) => pairs.iter().for_each(|pair| put_pair(*pair, &mut octets)),
        }
        let length = u32::try_from(octets.len() - super::PREFIX).unwrap_or(u32::MAX);
        if let Some(prefix) = octets.first_chunk_mut() {
            *prefix = length.to_be_bytes();
        }
        octets
    }
}

/// Everything that is left, one after the other.
fn all<'a, T>(
    mut from: Octets<'a>,
    one: impl Fn(&mut Octets<'a>) -> Result<T, FrameError>,
) -> Result<Vec<T>, FrameError> {
    let mut items = Vec::new();
    while !from.is_empty() {
        if items.len() == MAX_ITEMS {
            return Err(FrameError::Items);
        }
        items.push(one(&mut from)?);
    }
    Ok(items)
}

fn pair<'a>(from: &mut Octets<'a>) -> Result<(&'a str, Value<'a>), FrameError> {
    Ok((from.name()?, Value::read(from)?))
}

fn put_pair((name, value): (&str, Value<'_>), into: &mut Vec<u8>) {
    put_string(name.as_bytes(), into);
    value.write(into);
}

fn message<'a>(from: &mut Octets<'a>) -> Result<Message<'a>, FrameError> {
    let (name, count) = (from.name()?, from.octet()?);
    let arguments = (0..count).map(|_| pair(from)).collect::<Result<_, _>>()?;
    Ok(Message { name, arguments })
}

fn action<'a>(from: &mut Octets<'a>) -> Result<Action<'a>, FrameError> {
    match from.array()? {
        [SET, 3, TRANSACTION] => Ok(Action::Set { name: from.name()?, value: Value::read(from)? }),
        [UNSET, 2, TRANSACTION] => Ok(Action::Unset { name: from.name()? }),
        _ => Err(FrameError::Action),
    }
}

impl Message<'_> {
    fn write(&self, into: &mut Vec<u8>) {
        put_string(self.name.as_bytes(), into);
        let count = u8::try_from(self.arguments.len()).unwrap_or(u8::MAX);
        into.push(count);
        self.arguments.iter().take(count.into()).for_each(|pair| put_pair(*pair, into));
    }
}

impl Action<'_> {
    fn write(&self, into: &mut Vec<u8>) {
        match *self {
            Self::Set { name, value } => {
                into.extend([SET, 3, TRANSACTION]);
                put_pair((name, value), into);
            }
            Self::Unset { name } => {
                into.extend([UNSET, 2, TRANSACTION]);
                put_string(name.as_bytes(), into);
            }
        }
    }
}
