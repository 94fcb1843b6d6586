//! Lines of requests in registry mode, each counted by itself (`docs/formats/registration-entity.md`, Sequence).
//!
//! A site takes the numbers of an instance in their order alone, and requests overtake each other. So an agent sends
//! several lines of requests to a site, each an instance of its own with one request under way. Names of lines are drawn
//! at random: after a restart nothing has to be remembered, for a line that no site knows begins anywhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avouch_keys::entropy::{Entropy, NoRandomness, SystemEntropy};
use avouch_wire::name::{AgentId, Instance};
use http::StatusCode;
use tokio::sync::Notify;

/// Sites whose lines are remembered; of another, those of the one are forgotten that was asked least lately.
const SITES: usize = 256;

/// How many requests in a row may be without a sign that they were counted, before the site's count may be out of reach:
/// sites take numbers that are up to 5 ahead.
const UNCOUNTED: u8 = 4;

/// The lines of an agent. One for each site and no more are under way at once.
#[derive(Debug)]
pub(crate) struct Lines {
    /// How many there are at a site.
    most: usize,
    /// What the machine is called, where it has a name.
    machine: Option<Instance<'static>>,
    sites: Mutex<Sites>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Sites {
    lines: HashMap<String, Vec<Line>>,
    /// Counts what is taken, to tell what was taken least lately.
    taken: u64,
}

#[derive(Debug)]
struct Line {
    name: Instance<'static>,
    next: u64,
    uncounted: u8,
    is_under_way: bool,
    taken: u64,
}

/// The next number of a line. The line is free for another request when this is dropped: once an answer begins.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) instance: Instance<'static>,
    pub(crate) number: u64,
    lines: Arc<Lines>,
    site: String,
}

impl Lines {
    pub(crate) fn new(most: usize, machine: Option<Instance<'static>>) -> Self {
        Self { most, machine, sites: Mutex::default(), freed: Notify::new() }
    }

    /// The next number of a line at this site, not below `floor`, once a line is free.
    pub(crate) async fn take(self: &Arc<Self>, site: &str, floor: u64) -> Result<Ticket, NoRandomness> {
        loop {
            // What is freed from here on is not missed.
            let freed = self.freed.notified();
            if let Some((instance, number)) = self.take_free(site, floor)? {
                return Ok(Ticket { instance, number, lines: Arc::clone(self), site: site.to_owned() });
            }
            freed.await;
        }
    }

    fn take_free(&self, site: &str, floor: u64) -> Result<Option<(Instance<'static>, u64)>, NoRandomness> {
        let mut sites = self.lock();
        sites.make_room(site);
        sites.taken += 1;
        let taken = sites.taken;
        let lines = sites.lines.entry(site.to_owned()).or_default();
        if lines.len() < self.most {
            lines.push(Line { name: self.name()?, next: floor, uncounted: 0, is_under_way: false, taken: 0 });
        }
        let free = lines.iter_mut().filter(|line| !line.is_under_way);
        let Some(line) = free.min_by_key(|line| line.taken) else { return Ok(None) };
        let number = line.next.max(floor);
        (line.next, line.is_under_way, line.taken) = (number.saturating_add(1), true, taken);
        Ok(Some((line.name.clone(), number)))
    }

    /// The machine's name and a random number, or the number alone.
    fn name(&self) -> Result<Instance<'static>, NoRandomness> {
        let mut octets = [0; 4];
        SystemEntropy.fill(&mut octets)?;
        let number = u32::from_be_bytes(octets);
        let named = self.machine.as_ref().map(|machine| format!("{}-{number:08x}", machine.as_str()));
        // Where the machine's name is as long as a name may be.
        let or_else = || AgentId::parse(&format!("{number:08x}")).map(AgentId::into_owned);
        let parsed = named.and_then(|name| AgentId::parse(&name).ok().map(AgentId::into_owned));
        parsed.map_or_else(|| or_else().map_err(|_| NoRandomness), Ok)
    }

    fn lock(&self) -> MutexGuard<'_, Sites> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sites {
    /// Forgets the lines of a site, where another is new and there is no room.
    fn make_room(&mut self, site: &str) {
        if self.lines.len() < SITES || self.lines.contains_key(site) {
            return;
        }
        let last = |lines: &[Line]| lines.iter().map(|line| line.taken).max();
        let oldest = self.lines.iter().min_by_key(|(_, lines)| last(lines)).map(|(site, _)| site.clone());
        oldest.map(|oldest| self.lines.remove(&oldest));
    }
}

impl Ticket {
    /// What the site answered: whether it counted the request, and with `next` it says so. A line that the site may not
    /// follow any more is given up for a new one.
    pub(crate) fn answered(self, status: StatusCode, next: Option<u64>) {
        let is_counted = match status.as_u16() {
            _ if next.is_some() => Some(true),
            401 | 403 => Some(false),
            429 | 500.. => None,
            _ => Some(true),
        };
        let mut sites = self.lines.lock();
        let Some(lines) = sites.lines.get_mut(&self.site) else { return };
        let Some(line) = lines.iter_mut().find(|line| line.name == self.instance) else { return };
        line.uncounted = if is_counted == Some(true) { 0 } else { line.uncounted.saturating_add(1) };
        if is_counted == Some(false) || line.uncounted > UNCOUNTED {
            lines.retain(|line| line.name != self.instance);
        }
        // The lock is let go of before the ticket, which takes it.
        drop(sites);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut sites = self.lines.lock();
        let lines = sites.lines.get_mut(&self.site);
        let line = lines.and_then(|lines| lines.iter_mut().find(|line| line.name == self.instance));
        line.into_iter().for_each(|line| line.is_under_way = false);
        drop(sites);
        self.lines.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(most: usize) -> Arc<Lines> {
        let machine = AgentId::parse("nyc-7").unwrap().into_owned();
        Arc::new(Lines::new(most, Some(machine)))
    }

    async fn take(lines: &Arc<Lines>, floor: u64) -> Ticket {
        lines.take("shop", floor).await.unwrap()
    }

    #[tokio::test]
    async fn each_line_has_one_request_under_way_and_counts_by_itself() {
        let lines = lines(2);
        let (one, two) = (take(&lines, 7).await, take(&lines, 7).await);
        assert_ne!(one.instance, two.instance);
        assert_eq!((one.number, two.number), (7, 7));
        assert!(one.instance.as_str().starts_with("nyc-7-"), "{:?}", one.instance);
        let name = one.instance.clone();
        let waiting = tokio::spawn({
            let lines = Arc::clone(&lines);
            async move { take(&lines, 7).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "both are under way");
        assert_eq!(lines.take("other", 0).await.unwrap().number, 0, "at another site there are others");
        one.answered(StatusCode::OK, Some(8));
        let third = waiting.await.unwrap();
        assert_eq!((&third.instance, third.number), (&name, 8));
        drop(third);
        assert_eq!(take(&lines, 1 << 32).await.number, 1 << 32, "a floor that rose counts at once");
    }

    #[tokio::test]
    async fn a_line_that_the_site_may_not_follow_is_given_up() {
        let lines = lines(1);
        let name = take(&lines, 0).await.instance.clone();
        let mut numbers = Vec::new();
        for status in [200, 404, 502, 502, 429, 503] {
            let ticket = take(&lines, 0).await;
            assert_eq!(ticket.instance, name, "{status}");
            numbers.push(ticket.number);
            ticket.answered(StatusCode::from_u16(status).unwrap(), None);
        }
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
        let last = take(&lines, 0).await;
        assert_eq!(last.number, 7, "four in a row may be lost");
        last.answered(StatusCode::BAD_GATEWAY, None);
        let fresh = take(&lines, 0).await;
        assert_ne!(fresh.instance, name);
        assert_eq!(fresh.number, 0);
        let name = fresh.instance.clone();
        fresh.answered(StatusCode::BAD_GATEWAY, Some(1));
        let counted = take(&lines, 0).await;
        assert_eq!(counted.instance, name, "the site says that it counted");
        counted.answered(StatusCode::FORBIDDEN, None);
        assert_ne!(take(&lines, 0).await.instance, name, "refused, perhaps for its number");
    }

    #[tokio::test]
    async fn sites_without_number_do_not_grow_the_table() {
        let lines = lines(1);
        for at in 0..SITES + 50 {
            lines.take(&at.to_string(), 0).await.unwrap();
        }
        assert_eq!(lines.lock().lines.len(), SITES);
    }
}
