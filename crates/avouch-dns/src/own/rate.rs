//! How many datagrams are answered in full for one network: whoever writes another's address on its questions shall not
//! have us send that one more than it was sent.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use avouch_wire::time::Time;

/// Answers in a second for one network: a resolver of ten thousand agents' visitors asks less, for it keeps answers.
const RATE: u64 = 200;

/// Answers at once, after a pause.
const BURST: u64 = 400;

/// Places for networks, 1 MiB. Two that fall on one share what it allows.
const PLACES: usize = 65_536;

/// Thousandths of an answer, so that a millisecond has its share.
const WHOLE: u64 = 1_000;

/// What networks have left.
#[derive(Debug)]
pub(super) struct Allowance {
    hash: RandomState,
    places: Mutex<Box<[Place]>>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    left: u64,
    at: u64,
}

impl Allowance {
    pub(super) fn new() -> Self {
        let full = Place { left: BURST * WHOLE, at: 0 };
        Self { hash: RandomState::new(), places: Mutex::new(vec![full; PLACES].into()) }
    }

    /// Takes one answer for whoever has this address; `false` where its network has had all.
    pub(super) fn take(&self, client: IpAddr, now: Time) -> bool {
        let place = usize::try_from(self.hash.hash_one(network(client)) % PLACES as u64).unwrap_or(0);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = places.get_mut(place) else { return false };
        let now = now.millis();
        // A clock that was set back starts anew from where it is.
        let gained = now.saturating_sub(place.at).min(BURST * WHOLE / RATE) * RATE;
        place.left = (place.left + gained).min(BURST * WHOLE);
        place.at = now;
        match place.left.checked_sub(WHOLE) {
            Some(left) => {
                place.left = left;
                true
            }
            None => false,
        }
    }
}

/// What one party usually has: 256 addresses of IPv4, a /56 of IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & !0xff).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !(u128::MAX >> 56)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(allowance: &Allowance, client: &str, now: u64) -> u64 {
        let client = client.parse().unwrap();
        (0..2 * BURST).map(|_| u64::from(allowance.take(client, Time::from_millis(now)))).sum()
    }

    #[test]
    fn a_network_has_its_share_and_no_more_and_others_theirs() {
        let allowance = Allowance::new();
        let start = 1_790_000_000_000;
        assert_eq!(taken(&allowance, "192.0.2.1", start), BURST);
        assert_eq!(taken(&allowance, "192.0.2.200", start), 0, "the same network");
        assert_eq!(taken(&allowance, "192.0.3.1", start), BURST);
        assert_eq!(taken(&allowance, "192.0.2.1", start + 500), RATE / 2);
        assert_eq!(taken(&allowance, "192.0.2.1", start + 3_600_000), BURST, "and not an hour's");
        assert_eq!(taken(&allowance, "192.0.2.1", start), 0, "a clock set back gives nothing");
        assert_eq!(taken(&allowance, "192.0.2.1", start + 1_000), RATE, "and takes nothing for long");
    }

    #[test]
    fn a_network_is_what_one_party_has() {
        let of = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(of("192.0.2.77"), "192.0.2.0");
        assert_eq!(of("::ffff:192.0.2.77"), "192.0.2.0");
        assert_eq!(of("2001:db8:1:2ff:3::1"), "2001:db8:1:200::");
    }
}
