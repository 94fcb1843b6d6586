//! Who goes first when there is more to do than the upstreams can take: the higher class, and of
//! the same class who came first. The lowest is shed first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avouch_engine::decision::Priority;
use tokio::sync::oneshot;

const PRIORITIES: usize = Priority::WORDS.len();

/// The places for requests at the upstreams, and the queues for them.
pub(crate) struct Admission {
    places: usize,
    queued: usize,
    wait: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    taken: usize,
    waiting: usize,
    /// By priority, lowest first. A sender whose receiver is gone gave up waiting.
    queues: [VecDeque<oneshot::Sender<()>>; PRIORITIES],
}

/// A place, given back when dropped.
pub(crate) struct Slot(Arc<Admission>);

/// There is no place, and others come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shed;

impl Admission {
    /// `places` at once, `queued` waiting for one, each for at most `wait`.
    pub(crate) fn new(places: usize, queued: usize, wait: Duration) -> Arc<Self> {
        Arc::new(Self { places, queued, wait, state: Mutex::default() })
    }

    /// Takes a place, after waiting for one if need be.
    pub(crate) async fn enter(self: &Arc<Self>, priority: Priority) -> Result<Slot, Shed> {
        let Some(turn) = self.take_or_queue(priority)? else { return Ok(Slot(Arc::clone(self))) };
        let mut waiting = Waiting { admission: self, turn, done: false };
        let outcome = tokio::time::timeout(self.wait, &mut waiting.turn).await;
        waiting.done = true;
        match outcome {
            Ok(Ok(())) => Ok(Slot(Arc::clone(self))),
            Ok(Err(_)) => Err(Shed),
            Err(_) => {
                self.give_up(&mut waiting.turn);
                Err(Shed)
            }
        }
    }

    /// `None`: the place is taken already. Otherwise the receiver is told when it is.
    fn take_or_queue(&self, priority: Priority) -> Result<Option<oneshot::Receiver<()>>, Shed> {
        let mut state = self.state();
        if state.taken < self.places {
            state.taken += 1;
            return Ok(None);
        }
        if state.waiting >= self.queued && !state.shed_below(priority) {
            return Err(Shed);
        }
        let (sender, turn) = oneshot::channel();
        state.waiting += 1;
        if let Some(queue) = state.queues.get_mut(priority as usize) {
            queue.push_back(sender);
        }
        Ok(Some(turn))
    }

    /// Whoever stops waiting may have been given a place at the last moment.
    fn give_up(&self, turn: &mut oneshot::Receiver<()>) {
        turn.close();
        if turn.try_recv().is_ok() {
            self.leave();
        }
    }

    /// Hands a place on to the first of the highest class that still waits.
    fn leave(&self) {
        let mut state = self.state();
        while let Some(next) = state.queues.iter_mut().rev().find_map(VecDeque::pop_front) {
            state.waiting -= 1;
            if next.send(()).is_ok() {
                return;
            }
        }
        state.taken -= 1;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes room by shedding the last comer of the lowest class below `priority`. Those who
    /// gave up waiting go first, whatever their class.
    fn shed_below(&mut self, priority: Priority) -> bool {
        for queue in &mut self.queues {
            queue.retain(|waiting| !waiting.is_closed());
        }
        let before = self.waiting;
        self.waiting = self.queues.iter().map(VecDeque::len).sum();
        if self.waiting < before {
            return true;
        }
        let shed = self.queues.iter_mut().take(priority as usize).find_map(VecDeque::pop_back).is_some();
        self.waiting -= usize::from(shed);
        shed
    }
}

/// Somebody in a queue. Should its request be given up meanwhile, a place handed to it is not lost.
struct Waiting<'a> {
    admission: &'a Admission,
    turn: oneshot::Receiver<()>,
    done: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.admission.give_up(&mut self.turn);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(places: usize, queued: usize) -> Arc<Admission> {
        Admission::new(places, queued, Duration::from_secs(1))
    }

    fn spawn(admission: &Arc<Admission>, priority: Priority) -> tokio::task::JoinHandle<Result<Slot, Shed>> {
        let admission = Arc::clone(admission);
        tokio::spawn(async move { admission.enter(priority).await })
    }

    async fn until_waiting(admission: &Admission, count: usize) {
        while admission.state().waiting != count {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_higher_class_goes_first_and_equals_in_their_order() {
        let admission = admission(1, 8);
        let first = admission.enter(Priority::Minimal).await.unwrap();
        let low = spawn(&admission, Priority::Low);
        until_waiting(&admission, 1).await;
        let high = spawn(&admission, Priority::High);
        until_waiting(&admission, 2).await;
        drop(first);
        let high = high.await.unwrap().unwrap();
        assert!(!low.is_finished());
        drop(high);
        assert!(low.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn a_full_queue_sheds_the_lowest_class() {
        let admission = admission(1, 1);
        let _place = admission.enter(Priority::Low).await.unwrap();
        let minimal = spawn(&admission, Priority::Minimal);
        until_waiting(&admission, 1).await;
        assert_eq!(admission.enter(Priority::Minimal).await.err(), Some(Shed));
        let high = spawn(&admission, Priority::High);
        assert_eq!(minimal.await.unwrap().err(), Some(Shed));
        assert!(!high.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_and_its_place_is_not_lost() {
        let admission = admission(1, 8);
        let place = admission.enter(Priority::High).await.unwrap();
        assert_eq!(admission.enter(Priority::High).await.err(), Some(Shed));
        drop(place);
        assert!(admission.enter(Priority::Low).await.is_ok());
        assert_eq!(admission.state().taken, 0);
    }

    #[tokio::test]
    async fn a_request_that_goes_away_leaves_no_hole() {
        let admission = admission(1, 8);
        let place = admission.enter(Priority::High).await.unwrap();
        let gone = spawn(&admission, Priority::High);
        until_waiting(&admission, 1).await;
        gone.abort();
        let _ = gone.await;
        drop(place);
        assert_eq!(admission.state().taken, 0);
    }
}
