//! Which resolvers the machine uses, as resolv.conf(5) says it.

use std::net::{IpAddr, SocketAddr};

/// Where the machine says it.
pub const SYSTEM_RESOLVERS: &str = "/etc/resolv.conf";

/// The port of the DNS (RFC 1035 section 4.2).
pub const DNS_PORT: u16 = 53;

/// Most that are taken from there.
const MOST: usize = 3;

/// The resolvers that the text of that file names.
#[must_use]
pub fn system_resolvers(text: &str) -> Vec<SocketAddr> {
    let named = |line: &str| line.trim().strip_prefix("nameserver")?.trim().parse::<IpAddr>().ok();
    text.lines().filter_map(named).map(|address| SocketAddr::new(address, DNS_PORT)).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_resolvers_are_read() {
        let text = "# nameserver 192.0.2.9\nsearch x\nnameserver 192.0.2.1\n nameserver ::1\nnameserver x\n";
        assert_eq!(system_resolvers(text), ["192.0.2.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!(system_resolvers(&"nameserver ::1\n".repeat(4)).len(), MOST);
    }
}
