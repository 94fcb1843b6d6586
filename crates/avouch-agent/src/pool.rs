//! Idle connections to sites.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1;
use tokio::time::Instant;

use crate::body::Outgoing;
use crate::site::Site;

/// How long one is kept; below the 60 seconds of most servers, so that the agent is the side that closes.
const IDLE: Duration = Duration::from_secs(50);

/// How many are kept of one site, and of all. A batch sends hundreds of requests to one site at the same moment, again
/// and again; connections made anew for each would use up the ports of the machine, which rest for a minute each.
const OF_SITE: usize = 512;
const OF_ALL: usize = 1_024;

/// A connection that can carry a request.
pub(crate) type Sender = http1::SendRequest<Outgoing>;

/// Those that wait for a request.
#[derive(Default)]
pub(crate) struct Pool(Mutex<Idle>);

#[derive(Default)]
struct Idle {
    of: HashMap<String, Vec<(Instant, Sender)>>,
    all: usize,
}

impl Pool {
    /// The one that was used last and is still open.
    pub(crate) fn take(&self, site: &Site) -> Option<Sender> {
        let mut idle = self.lock();
        loop {
            let (since, sender) = idle.of.get_mut(&site.to_string())?.pop()?;
            idle.all = idle.all.saturating_sub(1);
            if since.elapsed() < IDLE && sender.is_ready() {
                return Some(sender);
            }
        }
    }

    /// Takes back one whose answer has ended. When there are as many as may be, it is closed.
    pub(crate) fn give_back(&self, site: &str, sender: Sender) {
        let mut idle = self.lock();
        if sender.is_closed() || idle.all >= OF_ALL {
            return;
        }
        let own = idle.of.entry(site.to_owned()).or_default();
        if own.len() < OF_SITE {
            own.push((Instant::now(), sender));
            idle.all += 1;
        }
    }

    /// Closes what has been idle for too long, or was closed by its site.
    pub(crate) fn sweep(&self) {
        let mut idle = self.lock();
        idle.of.retain(|_, own| {
            own.retain(|(since, sender)| since.elapsed() < IDLE && !sender.is_closed());
            !own.is_empty()
        });
        idle.all = idle.of.values().map(Vec::len).sum();
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
