//! Two levels: the tables of this node in front, and behind them what a group of replicas shares.
//!
//! A nonce is new when both say so, in this order. What this node has entered is refused without asking anybody, and
//! stays entered whatever becomes of the question: a request whose answer was lost is not accepted, now or later, and
//! whoever sent it signs anew.

use super::{Nonces, Used};
use avouch_engine::pipeline::{NotCommitted, Sequence};
use avouch_wire::content::ContentHasher;
use avouch_wire::context;
use avouch_wire::privacy_pass::ContextKeyId;
use avouch_wire::time::Time;
use std::pin::Pin;

/// A nonce as it is told to those who share: what it is of stays here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// 128 bits of SHA-256 over key, nonce and timestamp.
    pub fingerprint: [u8; 16],
    /// When it was signed, in Unix seconds.
    pub signed: u64,
    /// When the signature ends, in Unix seconds.
    pub until: u64,
    /// The key of the challenge that it answers, if it answers one.
    pub challenge: Option<ContextKeyId>,
    /// How far an agent of a registration entity has counted, if its requests are counted.
    pub counted: Option<Counted>,
    /// The time at this node.
    pub now: Time,
}

/// The count of one instance, as it is told to those who share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// 128 bits of SHA-256 over agent and instance.
    pub name: [u8; 16],
    /// The number of this request.
    pub number: u64,
    /// The least last number after which it is within the window; 0 where any will do.
    pub after: u64,
}

/// What comes of [`Shared::enter`].
pub type Entering<'a> = Pin<Box<dyn Future<Output = Result<(), NotCommitted>> + Send + 'a>>;

/// The table that a group of replicas shares.
///
/// Contract: over all replicas, and for as long as their signatures count, of all calls with one fingerprint at most
/// one gives `Ok`; and of all calls that count under one name each that gives `Ok` has a higher number than those
/// before, which lies within the window, as long as anything is remembered of it: at least 10 minutes. Both are one
/// step, so that what is not accepted moves nothing. What may have forgotten something knows that, and refuses what was signed before
/// ([`NotCommitted::StartRule`]); an answer that comes late, or that is lost, is
/// [`NotCommitted::StoreUnreachable`], whether or not the fingerprint was entered. Calls may come from all threads at
/// once, in any order, and may be dropped at any point; none is repeated.
pub trait Shared: Send + Sync {
    /// Enters a fingerprint, once, within a deadline.
    fn enter(&self, spent: Spent) -> Entering<'_>;
}

impl Nonces {
    /// As [`Nonces::commit`], at this node and then among all that share.
    ///
    /// # Errors
    /// [`NotCommitted`]. A nonce that was refused by those who share, or on which they gave no answer, stays entered
    /// here. How far agents have counted is known to those who share, and not looked at here.
    pub async fn commit_among(
        &self,
        shared: &dyn Shared,
        used: Used<'_>,
        challenge: Option<ContextKeyId>,
        now: Time,
    ) -> Result<(), NotCommitted> {
        let counted = used.sequence.map(|sequence| counted(used.key, sequence)).transpose()?;
        self.commit(Used { sequence: None, ..used })?;
        let Used { signed, until, .. } = used;
        shared.enter(Spent { fingerprint: fingerprint(&used), signed, until, challenge, counted, now }).await
    }
}

/// What is told of a count, of which nothing is known here but where it begins.
fn counted(agent: &[u8; 32], sequence: Sequence<'_>) -> Result<Counted, NotCommitted> {
    sequence.follows(None)?;
    let Sequence { instance, number, floor, window } = sequence;
    let mut hasher = ContentHasher::new();
    hasher.update(context::RE_COUNT);
    hasher.update(agent);
    hasher.update(instance.as_bytes());
    let name = hasher.finish().0.first_chunk().copied().unwrap_or_default();
    // After the one before the beginning that was agreed, whichever was the last.
    let after = number.saturating_sub(window);
    let after = if after <= floor.saturating_sub(1) { 0 } else { after };
    Ok(Counted { name, number, after })
}

/// Injective before hashing: the key and the timestamp have fixed lengths, the nonce has its own before it.
fn fingerprint(used: &Used<'_>) -> [u8; 16] {
    let mut hasher = ContentHasher::new();
    hasher.update(context::REPLAY);
    hasher.update(used.key);
    hasher.update(&used.signed.to_be_bytes());
    hasher.update(&(used.nonce.len() as u64).to_be_bytes());
    hasher.update(used.nonce);
    hasher.finish().0.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
