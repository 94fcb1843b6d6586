//! Idle connections to one upstream.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::link::Link;
use super::{Connector, ForwardError};
use crate::config::{Limits, Upstream};

/// The connections to one upstream that wait for a request.
pub(crate) struct Pool {
    upstream: Upstream,
    connector: Option<Connector>,
    connect: Duration,
    idle_for: Duration,
    head_size: usize,
    keep: usize,
    idle: Mutex<VecDeque<(Instant, Link)>>,
}

impl Pool {
    pub(crate) fn new(upstream: Upstream, connector: Option<Connector>, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            connector,
            connect: limits.upstream_connect,
            idle_for: limits.upstream_idle,
            head_size: limits.head_size.0,
            keep: limits.upstream_pool,
            idle: Mutex::default(),
        })
    }

    /// The connection that was used last and is still open. The oldest are left to grow old, so
    /// that after a peak the pool shrinks.
    pub(super) fn reuse(&self) -> Option<Link> {
        loop {
            let (since, mut link) = self.idle().pop_back()?;
            if since.elapsed() < self.idle_for && link.is_ready() {
                return Some(link);
            }
        }
    }

    pub(super) async fn open(&self) -> Result<Link, ForwardError> {
        Link::open(&self.upstream, self.connector.as_ref(), self.connect, self.head_size).await
    }

    /// Takes back a connection whose answer has ended, unless it cannot be used again.
    pub(super) fn give_back(&self, mut link: Link) {
        if !link.is_ready() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() >= self.keep {
            idle.pop_front();
        }
        idle.push_back((Instant::now(), link));
    }

    /// Closes what has been idle for too long or was closed by the upstream.
    pub(crate) fn sweep(&self) {
        let mut idle = self.idle();
        idle.retain_mut(|(since, link)| since.elapsed() < self.idle_for && link.is_ready());
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, VecDeque<(Instant, Link)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
