//! What passkeys were asked: each challenge is drawn for one assertion, and answered once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use avouch_keys::entropy::{Entropy as _, NoRandomness, SystemEntropy};
use avouch_wire::passkey::Challenge;
use tokio::time::Instant;

/// How long somebody has to touch their authenticator.
const PATIENCE: Duration = Duration::from_mins(5);

/// Most challenges that wait; beyond it the oldest gives way. The rate of attempts keeps one address from pushing out
/// all others.
const MAX_WAITING: usize = 4_096;

/// Challenges that wait for their answer, oldest first.
#[derive(Default)]
pub(crate) struct Challenges(Mutex<VecDeque<(Challenge, Instant)>>);

impl Challenges {
    /// Draws one.
    pub(crate) fn draw(&self, now: Instant) -> Result<Challenge, NoRandomness> {
        let mut challenge = [0; 32];
        SystemEntropy.fill(&mut challenge)?;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.front().is_some_and(|(_, drawn)| now.duration_since(*drawn) >= PATIENCE)
            || waiting.len() >= MAX_WAITING
        {
            waiting.pop_front();
        }
        waiting.push_back((challenge, now));
        Ok(challenge)
    }

    /// Takes one out: whether it was there. It is no secret, so how it is compared tells nothing.
    pub(crate) fn take(&self, challenge: &Challenge, now: Instant) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.iter().position(|(known, _)| known == challenge);
        let taken = found.and_then(|at| waiting.remove(at));
        taken.is_some_and(|(_, drawn)| now.duration_since(drawn) < PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_answered_once_and_in_time() {
        let (challenges, now) = (Challenges::default(), Instant::now());
        let (one, late) = (challenges.draw(now).unwrap(), challenges.draw(now).unwrap());
        assert!(challenges.take(&one, now));
        assert!(!challenges.take(&one, now));
        assert!(!challenges.take(&late, now + PATIENCE));
        assert!(!challenges.take(&[0; 32], now));
    }

    #[test]
    fn challenges_that_wait_are_bounded() {
        let (challenges, now) = (Challenges::default(), Instant::now());
        let first = challenges.draw(now).unwrap();
        let rest: Vec<_> = (0..MAX_WAITING).map(|_| challenges.draw(now).unwrap()).collect();
        assert!(!challenges.take(&first, now), "the oldest gave way");
        assert!(rest.iter().all(|challenge| challenges.take(challenge, now)));
    }
}
