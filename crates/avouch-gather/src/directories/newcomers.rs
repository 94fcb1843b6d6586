//! How many directories never heard of before are fetched within a minute.

use avouch_wire::authority::Authority;
use avouch_wire::name::Domain;
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use std::collections::HashMap;
use std::time::Duration;

/// In all. A stranger can name any number of them, and each costs its host a connection.
const PER_MINUTE: u32 = 120;

/// Of one registrable domain, so that nobody who holds a domain takes the place of all others. More
/// than any domain has directories.
const PER_DOMAIN: u32 = 10;

const MINUTE: Duration = Duration::from_secs(60);

/// Those of the minute that began at `since`.
#[derive(Debug)]
pub(super) struct Newcomers {
    since: Time,
    count: u32,
    /// At most one entry for each that was admitted.
    by_domain: HashMap<String, u32>,
}

impl Default for Newcomers {
    fn default() -> Self {
        Self { since: Time::from_seconds(0), count: 0, by_domain: HashMap::new() }
    }
}

impl Newcomers {
    /// Whether the directory at this URL may be fetched, which counts only if it may.
    pub(super) fn admit(&mut self, url: &str, now: Time) -> bool {
        if now >= self.since.after(MINUTE) || now < self.since {
            *self = Self { since: now, ..Self::default() };
        }
        let domain = registrable(url);
        let own = self.by_domain.get(&domain).copied().unwrap_or(0);
        if self.count >= PER_MINUTE || own >= PER_DOMAIN {
            return false;
        }
        self.count += 1;
        self.by_domain.insert(domain, own + 1);
        true
    }
}

/// The registrable domain of a URL's host; the host, if it is an address. What is no URL is nobody's.
fn registrable(url: &str) -> String {
    let host = |url| {
        let (scheme, authority) = Target::parse("GET", url).ok()?.origin()?;
        let authority = Authority::parse(authority, scheme).ok()?;
        let host = authority.host();
        Some(Domain::host(host).map_or_else(|_| host.to_owned(), |domain| domain.registrable().to_owned()))
    };
    host(url).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_000);

    #[test]
    fn a_registrable_domain_has_its_share_and_takes_none_of_others() {
        let mut newcomers = Newcomers::default();
        let mut of = |host: &str, count: u32| {
            (0..count).filter(|at| newcomers.admit(&format!("https://{host}/{at}"), NOW)).count()
        };
        assert_eq!(of("a.one.example", 6), 6);
        assert_eq!(of("b.one.example:8443", 100), 4, "names and ports of a domain are one");
        assert_eq!(of("one.co.uk", 100), 10);
        assert_eq!(of("two.co.uk", 100), 10, "those who share a public suffix are not one");
        assert_eq!(of("192.0.2.1", 100), 10);
        assert_eq!(of("192.0.2.2", 1), 1);
    }

    #[test]
    fn what_is_refused_uses_nothing_up_and_a_minute_gives_all_back() {
        let mut newcomers = Newcomers::default();
        let mut round = |now| {
            let urls = (0..200).map(|at| format!("https://bot-{}.example/{at}", at % 150));
            urls.filter(|url| newcomers.admit(url, now)).count()
        };
        assert_eq!(round(NOW), 120);
        assert_eq!(round(NOW.after(Duration::from_millis(59_999))), 0);
        assert_eq!(round(NOW.after(MINUTE)), 120);
        assert_eq!(round(NOW), 120, "a clock set back locks nobody out");
        assert!(newcomers.by_domain.len() <= 120);
    }
}
