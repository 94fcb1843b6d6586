//! The requests that wait, and the thread that has them signed.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::place::Owed;
use super::{Answer, Batch, BatchError, MAX_WAITING};
use crate::saip::{SignError, Signer};
use crate::secret::KeyError;

/// A request that waits.
pub(super) struct Job {
    /// What a certificate of its own signs, and what is its leaf in a batch.
    pub(super) tbs: Vec<u8>,
    pub(super) answer: Owed<Answer>,
}

/// What waits, at most [`MAX_WAITING`].
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Job>,
    closed: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue({})", self.state().waiting.len())
    }
}

impl Queue {
    pub(super) fn enter(&self, job: Job) -> Result<(), BatchError> {
        let mut state = self.state();
        if state.closed {
            return Err(BatchError::Stopped);
        }
        if state.waiting.len() >= MAX_WAITING {
            return Err(BatchError::Full);
        }
        state.waiting.push(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// All that waits, as soon as something does; `None` when the queue is closed.
    fn take(&self) -> Option<Vec<Job>> {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let state = self.changed.wait_while(self.state(), idle);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.closed { None } else { Some(mem::take(&mut state.waiting)) }
    }

    /// Takes nothing more, and lets go of what waits, which thereby learns of it.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        self.changed.notify_all();
        drop(waiting);
    }

    /// Each change is one step, so that a panic elsewhere leaves no half of one.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the queue at the end of its thread, however it ends.
struct Closing<'q>(&'q Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Signs for all that waits, again and again, until the queue is closed.
pub(super) fn work(
    queue: &Queue,
    signer: &Signer,
    mut certify: impl FnMut(&Signer, &[u8]) -> Result<[u8; 64], KeyError>,
) {
    let _closing = Closing(queue);
    while let Some(mut jobs) = queue.take() {
        jobs.retain(|job| job.answer.is_awaited());
        if jobs.is_empty() {
            continue;
        }
        let strings: Vec<_> = jobs.iter().map(|job| job.tbs.as_slice()).collect();
        let batch = Batch::certify(&strings, |message| certify(signer, message));
        let batch = batch.map(Arc::new).map_err(SignError::from);
        for (index, job) in (0..).zip(jobs) {
            job.answer.give(batch.clone().map(|batch| (batch, index)));
        }
    }
}
