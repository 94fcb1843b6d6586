//! What a configuration says that loads, and would not hold in production.

use std::net::IpAddr;

use avouch_gateway::config::{Config, Endpoint};

use super::{About, Finding};

/// Networks shorter than this hold strangers, whoever runs the proxies.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 16;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(proxies(config));
    found.extend(admin(config));
    if config.authorities.is_empty() {
        let fix = "list the names clients use, for example `authorities = [\"www.shop.example\"]`";
        let said = "authorities is empty: a signature gives class 2 at most";
        found.push(Finding::wrong(About::Authorities, said, fix));
    }
    found
}

fn proxies(config: &Config) -> Vec<Finding> {
    let listed = &config.trusted_proxies;
    let too_wide = listed.networks.iter().filter(|network| match network.addr() {
        IpAddr::V4(_) => network.prefix_len() < SHORTEST_V4,
        IpAddr::V6(_) => network.prefix_len() < SHORTEST_V6,
    });
    let mut found: Vec<_> = too_wide
        .map(|network| {
            let said =
                format!("trusted_proxies has {network}: strangers there may say they come from anywhere");
            Finding::wrong(About::Proxies, said, "list the addresses of your own proxies alone")
        })
        .collect();
    if config.verify.is_some() && listed.networks.is_empty() && !listed.unix {
        let said =
            "[verify] is there, and trusted_proxies is empty: nobody may ask, and every request is refused";
        found.push(Finding::wrong(About::Proxies, said, "list the address that your proxy asks from"));
    }
    if found.is_empty() {
        let count = listed.networks.len() + usize::from(listed.unix);
        found.push(Finding::fine(
            About::Proxies,
            format!("the word of {count} listed proxies or networks is taken"),
        ));
    }
    found
}

fn admin(config: &Config) -> Option<Finding> {
    let Some(Endpoint::Tcp(address)) = &config.admin else { return None };
    if address.ip().is_loopback() {
        let said = format!("[admin] at {address} can be reached from this machine alone");
        return Some(Finding::fine(About::Admin, said));
    }
    let said = format!("[admin] at {address} has no access control, and can be reached from outside");
    let fix = "listen at 127.0.0.1 or at a Unix socket, or see that a firewall keeps others out";
    Some(Finding::wrong(About::Admin, said, fix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    fn wrong(lines: &str) -> Vec<&'static str> {
        let text = format!("upstream = 'http://a:1'\n{lines}");
        let config = Config::parse("f", &text).unwrap();
        let found = examine(&config).into_iter().filter(|finding| finding.standing != Standing::Fine);
        found.map(|finding| finding.about.as_str()).collect()
    }

    #[test]
    fn each_setting_that_would_not_hold_is_found_and_its_near_miss_is_not() {
        let good = "listen = '[::]:1'\nauthorities = 'a.example'\n";
        for lines in [
            "trusted_proxies = ['10.0.0.0/8', '2001::/16']",
            "admin.listen = '127.0.0.1:9180'",
            "admin.listen = '[::1]:9180'",
            "admin.listen = 'unix:/run/admin.sock'",
            "verify.listen = '127.0.0.1:9181'\ntrusted_proxies = 'unix'",
        ] {
            assert_eq!(wrong(&format!("{good}{lines}")), [""; 0], "{lines}");
        }
        for (lines, about) in [
            ("trusted_proxies = '0.0.0.0/0'", "proxies"),
            ("trusted_proxies = '10.0.0.0/7'", "proxies"),
            ("trusted_proxies = '::/0'", "proxies"),
            ("admin.listen = '0.0.0.0:9180'", "admin"),
            ("admin.listen = '192.0.2.1:9180'", "admin"),
            ("verify.listen = '127.0.0.1:9181'", "proxies"),
        ] {
            assert_eq!(wrong(&format!("{good}{lines}")), [about], "{lines}");
        }
        assert_eq!(wrong("listen = '[::]:1'"), ["authorities"]);
    }
}
