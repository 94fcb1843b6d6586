//! A waker for things that a task drives itself.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// The task waits elsewhere: waking it is needed.
const AWAY: u8 = 0;
/// The task is polling the parts: it will look again by itself.
const POLLING: u8 = 1;
/// The same, and one part has woken another meanwhile.
const WOKEN: u8 = 2;

/// Joins parts that wake each other, such as a connection and the body that comes over it, within
/// one task. While they are polled they only leave a note, and are polled again; without this
/// each request would send its own task through the scheduler twice more.
pub(super) struct Quiet {
    waker: Waker,
    shared: Arc<Shared>,
}

struct Shared {
    state: AtomicU8,
    task: Mutex<Waker>,
}

impl Quiet {
    pub(super) fn new() -> Self {
        let task = Mutex::new(Waker::noop().clone());
        let shared = Arc::new(Shared { state: AtomicU8::new(AWAY), task });
        Self { waker: Waker::from(Arc::clone(&shared)), shared }
    }

    /// Polls the parts by `poll` until one is ready or none has anything left to do.
    pub(super) fn poll<T>(
        &self,
        cx: &Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.shared.belong_to(cx.waker());
        let mut inner = Context::from_waker(&self.waker);
        loop {
            self.shared.state.store(POLLING, Ordering::SeqCst);
            let polled = poll(&mut inner);
            let before = self.shared.state.swap(AWAY, Ordering::SeqCst);
            if polled.is_ready() || before != WOKEN {
                return polled;
            }
        }
    }
}

impl Shared {
    fn belong_to(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if !task.will_wake(waker) {
            task.clone_from(waker);
        }
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let noted = self.state.compare_exchange(POLLING, WOKEN, Ordering::SeqCst, Ordering::SeqCst);
        if noted == Err(AWAY) {
            self.task.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_part_that_wakes_another_is_polled_again_without_waking_the_task() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let quiet = Quiet::new();
        let mut polls = 0;
        let polled = quiet.poll(&Context::from_waker(&waker), |cx| {
            polls += 1;
            if polls < 3 {
                cx.waker().wake_by_ref();
            }
            Poll::<()>::Pending
        });
        assert_eq!((polled, polls, count.0.load(Ordering::SeqCst)), (Poll::Pending, 3, 0));
    }

    #[test]
    fn a_part_that_wakes_later_wakes_the_task_that_polled_last() {
        let (first, second) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
        let quiet = Quiet::new();
        let mut kept = None;
        for task in [&first, &second] {
            let waker = Waker::from(Arc::clone(task));
            let _ = quiet.poll(&Context::from_waker(&waker), |cx| {
                kept = Some(cx.waker().clone());
                Poll::<()>::Pending
            });
        }
        kept.unwrap().wake();
        assert_eq!((first.0.load(Ordering::SeqCst), second.0.load(Ordering::SeqCst)), (0, 1));
    }
}
