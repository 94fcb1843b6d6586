//! A place for one answer, which a thread gives and a thread or a task awaits.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// A place for an answer, seen from both sides.
pub(super) fn place<T>() -> (Owed<T>, Awaited<T>) {
    let place = Arc::new(Place { state: Mutex::new(State::Open(None)), changed: Condvar::new() });
    (Owed(Arc::clone(&place)), Awaited(place))
}

/// The side that owes the answer. When it is dropped without giving one, whoever awaits it learns that there is none.
pub(super) struct Owed<T>(Arc<Place<T>>);

/// The side that awaits it.
pub(super) struct Awaited<T>(Arc<Place<T>>);

struct Place<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

enum State<T> {
    /// There is no answer yet; the task to wake, where one waits.
    Open(Option<Waker>),
    Given(T),
    /// There will be none, or it was taken.
    Over,
}

impl<T> Owed<T> {
    /// Whether somebody still waits.
    pub(super) fn is_awaited(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    pub(super) fn give(self, answer: T) {
        self.0.turn(State::Given(answer));
    }
}

impl<T> Drop for Owed<T> {
    fn drop(&mut self) {
        if matches!(*self.0.state(), State::Open(_)) {
            self.0.turn(State::Over);
        }
    }
}

impl<T> Awaited<T> {
    /// Blocks until there is an answer; `None` when there will be none.
    pub(super) fn wait(&self) -> Option<T> {
        let is_open = |state: &mut State<T>| matches!(state, State::Open(_));
        let state = self.0.changed.wait_while(self.0.state(), is_open);
        state.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The same for a task, which is woken when there is something.
    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.state();
        if let State::Open(waker) = &mut *state {
            *waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(state.take())
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Option<T> {
        match mem::replace(self, Self::Over) {
            Self::Given(answer) => Some(answer),
            Self::Open(_) | Self::Over => None,
        }
    }
}

impl<T> Place<T> {
    /// The waker runs foreign code, so it is called without the lock.
    fn turn(&self, next: State<T>) {
        let before = mem::replace(&mut *self.state(), next);
        self.changed.notify_all();
        if let State::Open(Some(waker)) = before {
            waker.wake();
        }
    }

    /// Each change is one assignment, so that a panic elsewhere leaves no half of one.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
