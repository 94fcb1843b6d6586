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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Sites whose lines are remembered; of another, those of the one are forgotten that was asked least lately.
const SITES: usize = 256;

/// How many requests in a row may be without a sign that they were counted, before the site's count may be out of reach:
/// sites take numbers that are up to 5 ahead.
const UNCOUNTED: u8 = 4;

/// The lines of an agent.
#[derive(Debug)]
pub(crate) struct Lines {
    /// How many there are at a site.
    most: usize,
    /// What the machine is called, where it has a name.
    machine: Option<Instance<'static>>,
    sites: Mutex<Sites>,
}

#[derive(Debug, Default)]
struct Sites {
    by_name: HashMap<String, Lined>,
    /// Counts what is taken, to tell what was taken least lately.
    taken: u64,
}

/// The lines at a site, and who waits for one.
#[derive(Debug)]
struct Lined {
    lines: Vec<Line>,
    room: Arc<Semaphore>,
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
    /// Whether somebody waits for an answer, and can tell of it.
    is_awaited: bool,
    _place: Option<OwnedSemaphorePermit>,
}

impl Lines {
    pub(crate) fn new(most: usize, machine: Option<Instance<'static>>) -> Self {
        Self { most, machine, sites: Mutex::default() }
    }

    /// The next number of a line at this site, not below `floor`, once a line is free.
    pub(crate) async fn take(self: &Arc<Self>, site: &str, floor: u64) -> Result<Ticket, NoRandomness> {
        let room = Arc::clone(&self.lock().of(site, self.most).room);
        // Nobody closes the room.
        let place = room.acquire_owned().await.ok();
        let (instance, number) = self.take_line(site, floor)?;
        let (lines, site) = (Arc::clone(self), site.to_owned());
        Ok(Ticket { instance, number, lines, site, is_awaited: true, _place: place })
    }

    fn take_line(&self, site: &str, floor: u64) -> Result<(Instance<'static>, u64), NoRandomness> {
        let mut sites = self.lock();
        sites.taken += 1;
        let taken = sites.taken;
        let lines = &mut sites.of(site, self.most).lines;
        // None is free, though there is room, where the site was forgotten while requests to it were under way.
        if lines.len() < self.most || lines.iter().all(|line| line.is_under_way) {
            lines.push(Line { name: self.name()?, next: floor, uncounted: 0, is_under_way: false, taken: 0 });
        }
        let free = lines.iter_mut().filter(|line| !line.is_under_way);
        // There is one: it was made just now, if need be.
        let line = free.min_by_key(|line| line.taken).ok_or(NoRandomness)?;
        let number = line.next.max(floor);
        (line.next, line.is_under_way, line.taken) = (number.saturating_add(1), true, taken);
        Ok((line.name.clone(), number))
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
    /// The lines of a site. Where it is new and there is no room, those of another are forgotten.
    fn of(&mut self, site: &str, most: usize) -> &mut Lined {
        if self.by_name.len() >= SITES && !self.by_name.contains_key(site) {
            let last = |site: &Lined| site.lines.iter().map(|line| line.taken).max();
            let oldest = self.by_name.iter().min_by_key(|(_, site)| last(site)).map(|(site, _)| site.clone());
            oldest.map(|oldest| self.by_name.remove(&oldest));
        }
        let new = || Lined { lines: Vec::new(), room: Arc::new(Semaphore::new(most)) };
        self.by_name.entry(site.to_owned()).or_insert_with(new)
    }

    fn line(&mut self, site: &str, name: &Instance<'_>) -> Option<&mut Line> {
        self.by_name.get_mut(site)?.lines.iter_mut().find(|line| line.name == *name)
    }
}

impl Ticket {
    /// What the site answered: whether it counted the request, and with `next` it says so. A line that the site may not
    /// follow any more is given up for a new one.
    pub(crate) fn answered(mut self, status: StatusCode, next: Option<u64>) {
        self.is_awaited = false;
        let is_counted = match status.as_u16() {
            _ if next.is_some() => Some(true),
            401 | 403 => Some(false),
            429 | 500.. => None,
            _ => Some(true),
        };
        match is_counted {
            Some(true) => self.with_line(|line| line.uncounted = 0),
            Some(false) => self.give_up(),
            None => self.not_counted(),
        }
    }

    /// Nobody will tell what became of the request: whoever asked for the signature sends it.
    pub(crate) fn handed_on(mut self) {
        self.is_awaited = false;
    }

    /// Perhaps the site did not count it.
    fn not_counted(&self) {
        let mut uncounted = 0;
        self.with_line(|line| {
            line.uncounted = line.uncounted.saturating_add(1);
            uncounted = line.uncounted;
        });
        if uncounted > UNCOUNTED {
            self.give_up();
        }
    }

    fn give_up(&self) {
        let mut sites = self.lines.lock();
        let site = sites.by_name.get_mut(&self.site);
        site.into_iter().for_each(|site| site.lines.retain(|line| line.name != self.instance));
    }

    fn with_line(&self, change: impl FnOnce(&mut Line)) {
        self.lines.lock().line(&self.site, &self.instance).map(change);
    }
}

/// An answer that never came is as one that says nothing.
impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_awaited {
            self.not_counted();
        }
        self.with_line(|line| line.is_under_way = false);
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
        let fresh = take(&lines, 0).await;
        assert_ne!(fresh.instance, name, "refused, perhaps for its number");
        let name = fresh.instance.clone();
        fresh.handed_on();
        for lost in 0..5 {
            assert_eq!(take(&lines, 0).await.instance, name, "{lost}: dropped without an answer");
        }
        assert_ne!(take(&lines, 0).await.instance, name, "five in a row were lost");
    }

    #[tokio::test]
    async fn sites_without_number_do_not_grow_the_table() {
        let lines = lines(1);
        for at in 0..SITES + 50 {
            lines.take(&at.to_string(), 0).await.unwrap();
        }
        assert_eq!(lines.lock().by_name.len(), SITES);
    }
}
