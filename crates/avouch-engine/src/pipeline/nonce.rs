//! The nonce of a proved request, and what became of it.

use crate::evidence::{Persistence, Shortfall, Trail};
use crate::reason::Reason;
use crate::verdict::{CheckName, Outcome, Unchecked};
use avouch_wire::privacy_pass::ContextKeyId;

/// What the replay table keeps of a request: it is new if no other had the same long-term key,
/// nonce and timestamp.
#[derive(Debug)]
pub struct Nonce<'a> {
    key: &'a [u8; 32],
    nonce: &'a [u8],
    timestamp: u64,
    until: u64,
    share: Share<'a>,
    challenge: Option<ContextKeyId>,
    sequence: Option<Sequence<'a>>,
}

/// How far an agent of a registration entity has counted: to be looked at and moved together with the nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence<'a> {
    /// The instance of the agent that [`Nonce::key`] stands for; empty where it has none.
    pub instance: &'a str,
    /// The number of this request.
    pub number: u64,
    /// The least that counts.
    pub floor: u64,
    /// How far ahead of the last one it may lie.
    pub window: u64,
}

impl Sequence<'_> {
    /// Whether the number may follow `last`, the last one of this instance that was accepted, if one is remembered.
    ///
    /// # Errors
    /// [`NotCommitted::SequenceBehind`], [`NotCommitted::SequenceAhead`].
    pub const fn follows(&self, last: Option<u64>) -> Result<(), NotCommitted> {
        if self.number < self.floor {
            return Err(NotCommitted::SequenceBehind);
        }
        let Some(last) = last else { return Ok(()) };
        if self.number <= last {
            return Err(NotCommitted::SequenceBehind);
        }
        // The beginning that was agreed counts as the one before it, where that is further.
        let before = self.floor.saturating_sub(1);
        let from = if before > last { before } else { last };
        if self.number - from > self.window { Err(NotCommitted::SequenceAhead) } else { Ok(()) }
    }
}

/// Whose share of the replay table a nonce is counted against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share<'a> {
    /// That of a registrable domain.
    Domain {
        /// The registrable domain, in lower case.
        domain: &'a str,
        /// Whether a policy rule names it, which gives it a place in the reserve.
        named: bool,
    },
    /// That of all pseudonyms together.
    Pseudonyms,
}

impl Share<'_> {
    /// Whether a policy rule names it.
    #[must_use]
    pub const fn is_named(self) -> bool {
        matches!(self, Self::Domain { named: true, .. })
    }
}

impl<'a> Nonce<'a> {
    /// Of a signature made at `timestamp` that ends at `until`, by the key of this fingerprint or thumbprint.
    pub(super) const fn new(
        key: &'a [u8; 32],
        nonce: &'a [u8],
        (timestamp, until): (u64, u64),
        share: Share<'a>,
    ) -> Self {
        Self { key, nonce, timestamp, until, share, challenge: None, sequence: None }
    }

    /// The same, made for a challenge by this key, which was drawn at the start of this verifier, or of what a group
    /// of them remembers: nobody who has forgotten it can have accepted it.
    pub(super) const fn answering(self, key: ContextKeyId) -> Self {
        Self { challenge: Some(key), ..self }
    }

    /// The same, of a request that is counted.
    pub(super) const fn counted(self, sequence: Sequence<'a>) -> Self {
        Self { sequence: Some(sequence), ..self }
    }

    /// How far the agent has counted, in registry mode.
    #[must_use]
    pub const fn sequence(&self) -> Option<Sequence<'a>> {
        self.sequence
    }

    /// The key of the challenge that it was made for, if it was made for one.
    #[must_use]
    pub const fn challenge(&self) -> Option<ContextKeyId> {
        self.challenge
    }

    /// What stands for the long-term key: its fingerprint, or of Web Bot Auth its thumbprint.
    #[must_use]
    pub const fn key(&self) -> &'a [u8; 32] {
        self.key
    }

    /// When the signature ends, Unix seconds; [`WINDOW_BEFORE`](avouch_wire::saip::WINDOW_BEFORE) after
    /// the timestamp where it says nothing of that.
    #[must_use]
    pub const fn until(&self) -> u64 {
        self.until
    }

    /// The nonce as sent.
    #[must_use]
    pub const fn nonce(&self) -> &'a [u8] {
        self.nonce
    }

    /// The signed timestamp, Unix seconds.
    #[must_use]
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Whose share it is counted against.
    #[must_use]
    pub const fn share(&self) -> Share<'a> {
        self.share
    }

    /// Says that the table of all replicas of this authority now holds the nonce, held it not
    /// before, and will hold it until the signature ends. Only a replay table may say so.
    #[must_use]
    pub const fn committed(self) -> Committed {
        Committed { private: false }
    }

    /// Says the same of a table that no other verifier shares, as when a captured request is
    /// judged offline; the verdict then lists `replay` as not checked.
    #[must_use]
    pub const fn committed_privately(self) -> Committed {
        Committed { private: true }
    }
}

/// The nonce was committed. A verdict of class 3 cannot be made without it.
#[derive(Debug)]
pub struct Committed {
    private: bool,
}

/// How a proved request is known to be new.
#[derive(Debug)]
pub(crate) enum Freshness {
    /// Its nonce was committed.
    Committed(Committed),
    /// It was signed without a nonce, as Web Bot Auth lets it be; only its times bound it.
    Unsigned,
}

impl Freshness {
    pub(crate) fn note(&self, trail: &mut Trail) {
        match self {
            Self::Committed(committed) => committed.note(trail),
            Self::Unsigned => {
                trail.note(CheckName::Replay, Outcome::Skipped, "signed without a nonce", None);
                trail.not_checked.push(Unchecked::Replay);
            }
        }
    }
}

impl Committed {
    fn note(&self, trail: &mut Trail) {
        if self.private {
            trail.note(CheckName::Replay, Outcome::Skipped, "judged against a table of its own", None);
            trail.not_checked.push(Unchecked::Replay);
        } else {
            trail.pass(CheckName::Replay);
        }
    }
}

/// Why a nonce was not committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotCommitted {
    /// The table holds it already.
    Replayed,
    /// By the table's clock the timestamp has left the window meanwhile.
    Expired,
    /// The share it would be counted against is full.
    ShareFull,
    /// The table is full.
    TableFull,
    /// The table cannot know whether it held it: signed before the table was started, or before
    /// what it forgot when the clock was set back.
    StartRule,
    /// The sequence number does not go forward.
    SequenceBehind,
    /// The sequence number leaves out more than it may.
    SequenceAhead,
    /// The table of sequence numbers, or the domain's part of it, is full.
    SequencesFull,
    /// The table could not be reached or written, or is closed.
    StoreUnreachable,
}

impl NotCommitted {
    pub(super) const fn shortfall(self) -> Shortfall {
        match self {
            Self::Replayed => Shortfall::Failed(Reason::Replayed),
            Self::Expired => Shortfall::Failed(Reason::Expired),
            Self::SequenceBehind => Shortfall::Failed(Reason::SequenceBehind),
            Self::SequenceAhead => Shortfall::Failed(Reason::SequenceAhead),
            Self::SequencesFull => Shortfall::Unknown(Reason::SequenceTableFull, Persistence::Temporary),
            Self::ShareFull => Shortfall::Unknown(Reason::ReplayShareFull, Persistence::Temporary),
            Self::TableFull => Shortfall::Unknown(Reason::ReplayTableFull, Persistence::Temporary),
            Self::StartRule => Shortfall::Unknown(Reason::ReplayStartRule, Persistence::Temporary),
            Self::StoreUnreachable => {
                Shortfall::Unknown(Reason::ReplayStoreUnreachable, Persistence::Temporary)
            }
        }
    }

    pub(super) const fn outcome(self) -> Outcome {
        self.shortfall().outcome()
    }
}
