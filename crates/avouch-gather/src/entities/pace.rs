//! How often an entity is asked: strangers name agents that nobody knows, and each would be a question.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Between two questions, but for those at once. An entity answers a site some thousand in two minutes, and several
/// gateways may share that.
const PACE: Duration = Duration::from_millis(250);

/// Questions at once after a rest.
const BURST: u32 = 16;

/// When the next question may be begun; who waits meanwhile goes along with it.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Instant>>);

impl Pace {
    /// Takes a turn, and says when it comes.
    pub(super) fn turn(&self, now: Instant) -> Instant {
        let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let rested = now.checked_sub(PACE * (BURST - 1)).unwrap_or(now);
        let turn = next.map_or(rested, |next| next.max(rested));
        *next = Some(turn + PACE);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_go_at_once_and_then_one_after_the_other() {
        let (pace, start) = (Pace::default(), Instant::now() + Duration::from_secs(3600));
        let at_once = |now: Instant| (0..2 * BURST).filter(|_| pace.turn(now) <= now).count();
        assert_eq!(at_once(start), BURST as usize);
        // What was taken in vain is owed.
        assert_eq!(at_once(start + PACE * BURST), 0);
        assert_eq!(
            at_once(start + Duration::from_secs(3600)),
            BURST as usize,
            "and no more after a long rest"
        );
        let later = start + Duration::from_secs(7200);
        let turns: Vec<_> = (0..BURST + 3).map(|_| pace.turn(later)).collect();
        assert_eq!(turns.last().map(|turn| *turn - later), Some(PACE * 3));
    }
}
