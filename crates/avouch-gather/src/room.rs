//! Room for connections: so many in all, and so many of one source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::budget::Source;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The connections that are open.
#[derive(Debug)]
pub struct Room {
    places: Arc<Semaphore>,
    /// Connections of each source; no more entries than there are places.
    sources: Mutex<HashMap<Source, usize>>,
}

/// A place among those of a source, given back when dropped.
#[derive(Debug)]
pub struct Seat {
    room: Arc<Room>,
    source: Source,
}

impl Room {
    /// Without anybody in it.
    #[must_use]
    pub fn new(connections: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(connections)), sources: Mutex::default() }
    }

    /// A place among all, once there is one; `None` never comes while the room is in use.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// A seat for one more connection of `source`, unless it has `most` already.
    #[must_use]
    pub fn seat(self: &Arc<Self>, source: Source, most: usize) -> Option<Seat> {
        let mut sources = self.sources();
        let taken = sources.get(&source).copied().unwrap_or(0);
        (taken < most).then(|| {
            sources.insert(source, taken + 1);
            Seat { room: Arc::clone(self), source }
        })
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<Source, usize>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut sources = self.room.sources();
        match sources.get_mut(&self.source) {
            Some(taken) if *taken > 1 => *taken -= 1,
            _ => drop(sources.remove(&self.source)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn source(address: &str) -> Source {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_source_has_its_seats_and_no_more_and_gets_them_back() {
        let room = Arc::new(Room::new(10));
        let seats: Vec<_> = (0..2).filter_map(|_| room.seat(source("192.0.2.1"), 2)).collect();
        assert_eq!(seats.len(), 2);
        assert!(room.seat(source("192.0.2.1"), 2).is_none());
        assert!(room.seat(source("192.0.2.2"), 2).is_some(), "another's seats are its own");
        drop(seats);
        assert!(room.sources().is_empty(), "nothing is kept of who left");
        assert!(room.seat(source("192.0.2.1"), 2).is_some());
    }

    #[test]
    fn a_network_of_64_bits_is_one_source() {
        let room = Arc::new(Room::new(10));
        let _seat = room.seat(source("2001:db8::1"), 1).unwrap();
        assert!(room.seat(source("2001:db8::2"), 1).is_none());
        assert!(room.seat(source("2001:db8:0:1::1"), 1).is_some());
    }
}
