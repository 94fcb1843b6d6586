//! A bound on how long a body may pause.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use super::BodyError;

/// Runs only while nothing arrives, so that bodies which flow cost no timer.
pub(crate) struct Pause {
    limit: Duration,
    running: Option<Pin<Box<Sleep>>>,
}

impl Pause {
    pub(crate) const fn of(limit: Duration) -> Self {
        Self { limit, running: None }
    }

    /// Passes on `arrived`, or an error once it has been pending for too long.
    pub(crate) fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        arrived: Poll<Option<Result<T, BodyError>>>,
    ) -> Poll<Option<Result<T, BodyError>>> {
        if arrived.is_ready() {
            self.running = None;
            return arrived;
        }
        let limit = self.limit;
        let sleep = self.running.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        sleep.as_mut().poll(cx).map(|()| Some(Err(BodyError::Paused)))
    }
}
