//! Randomness as an argument, so that a test vector can be signed twice alike.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

/// The source gave no octets; nothing may be signed or generated until it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no randomness")]
pub struct NoRandomness;

/// A source of octets.
///
/// Contract: each call fills all of `out` with fresh, independent, uniform octets, or fails and the content
/// of `out` is not used. [`SystemEntropy`] is the only source fit for real keys; others exist so that
/// published vectors can be reproduced.
pub trait Entropy {
    /// Fills `out`.
    ///
    /// # Errors
    /// [`NoRandomness`] when the source failed.
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoRandomness>;
}

/// The operating system's generator, by way of aws-lc.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoRandomness> {
        SystemRandom::new().fill(out).map_err(|_| NoRandomness)
    }
}

/// Predictable octets for tests: SHA-256 of a seed and a counter.
#[cfg(test)]
pub(crate) struct Fixed(pub(crate) u64);

#[cfg(test)]
impl Entropy for Fixed {
    fn fill(&mut self, out: &mut [u8]) -> Result<(), NoRandomness> {
        for piece in out.chunks_mut(32) {
            self.0 += 1;
            let block = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &self.0.to_be_bytes());
            piece.copy_from_slice(&block.as_ref()[..piece.len()]);
        }
        Ok(())
    }
}
