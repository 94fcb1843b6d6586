//! The Stream Processing Offload Protocol, by which HAProxy asks an agent (HAProxy's `SPOE.txt`, section 3), version 2.0.
//!
//! In scope: frames of both sides, read strictly and written; what a handshake settles; the fields of a head in
//! HAProxy's binary form (`req.hdrs_bin`). Not in scope: connections and time, which are the gateway's, and what a
//! message means. A frame has one spelling: what was read is written as it came. Frames in fragments, which no
//! agent has to take, are refused.
//!
//! ```
//! use avouch_wire::spop::{Action, Frame, Id, Value};
//!
//! let variable = Action::Set { name: "status", value: Value::Uint32(200) };
//! let ack = Frame::Ack(Id { stream: 7, frame: 1 }, vec![variable]);
//! let octets = ack.write();
//! let (length, frame) = octets.split_first_chunk().unwrap();
//! assert_eq!(u32::from_be_bytes(*length) as usize, frame.len());
//! assert_eq!(Frame::read(frame), Ok(ack));
//! ```

mod fields;
mod frame;
mod hello;
mod octets;
mod value;

#[cfg(test)]
mod tests;

pub use fields::Fields;
pub use frame::{Action, Frame, Id, Message, Pairs};
pub use hello::{Offer, Trouble, agent_hello, disconnect};
pub use value::Value;

/// Octets before each frame, which say how long it is.
pub const PREFIX: usize = 4;

/// The shortest limit of a frame that a side may name (section 3.2).
pub const SHORTEST_LIMIT: u32 = 256;

/// Most messages, actions or pairs in a frame. HAProxy counts the arguments of a message in one octet; nobody sends
/// more of anything else.
pub const MAX_ITEMS: usize = 255;

/// Why octets are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It ends within something.
    #[error("the frame ends too early")]
    Short,
    /// Something follows its end.
    #[error("octets follow the end")]
    Trailing,
    /// A number needs more than 64 bits.
    #[error("a number does not fit in 64 bits")]
    Number,
    /// A number does not fit in its type.
    #[error("a 32-bit number does not fit in 32 bits")]
    Range,
    /// A kind of frame that is not known.
    #[error("frames of type {0} are not known")]
    Kind(u8),
    /// A part of a payload, or the end of one.
    #[error("payloads in fragments are not taken")]
    Fragment,
    /// Bits that mean nothing yet.
    #[error("reserved flags are set")]
    Flags,
    /// A handshake or an end that names a stream.
    #[error("a frame of the connection names a stream")]
    Identifier,
    /// A name that is empty or not ASCII.
    #[error("a name is not of visible ASCII")]
    Name,
    /// A type of data that is not known.
    #[error("data of type {0} are not known")]
    Type(u8),
    /// An action that is not known, or for another scope than the transaction.
    #[error("an action is not known")]
    Action,
    /// More than [`MAX_ITEMS`].
    #[error("more than {MAX_ITEMS} items")]
    Items,
}
