//! `[[destination]]`: where the agent says who it is.

use core::fmt;

use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::settings::{Fault, Table, Value};
use avouch_wire::web_bot_auth::Dialect;

/// Sites, and by which protocols requests to them are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Which sites.
    pub hosts: Vec<Pattern>,
    /// By what; by nothing, where a site is to be an exception from a wider pattern below.
    pub sign: Protocols,
}

/// The header protocols that a request is signed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Protocols {
    /// The SAIP header.
    pub saip: bool,
    /// Web Bot Auth, in this form.
    pub bot: Option<Dialect>,
}

/// Hosts, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The hosts.
    pub host: HostPattern,
    /// The port; without it the scheme's own, and where any host is meant any port.
    pub port: Option<u16>,
}

/// What a host is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`: every host.
    Any,
    /// `*.shop.example`: every name below this one, and not the name itself.
    Below(String),
    /// `www.shop.example`, or an address.
    Exactly(String),
}

impl Destination {
    pub(super) fn read(mut table: Table<'_>, usual: Protocols) -> Option<Self> {
        let sign = table.list("sign", protocol).map_or(usual, |words| protocols(&table, &words));
        table.required("host", |_| Ok(()))?;
        let hosts = table.some("host", |value| {
            let fix = "write a host with its port where that is not the scheme's own, such as \"www.shop.example\" or \"127.0.0.1:8080\", \"*.shop.example\" for all names below one, or \"*\" for every site";
            value.convert("a host to sign for", fix, Pattern::parse)
        });
        Some(Self { hosts: hosts?, sign })
    }

    /// Whether it speaks of this site.
    #[must_use]
    pub fn holds(&self, scheme: Scheme, site: &Authority<'_>) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(scheme, site))
    }
}

impl Protocols {
    /// By SAIP alone.
    pub const SAIP: Self = Self { saip: true, bot: None };

    /// Whether nothing is signed.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.saip && self.bot.is_none()
    }

    /// As they are written.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.saip.then_some("saip").into_iter().chain(self.bot.map(Dialect::name))
    }
}

/// A word of `sign`.
pub(super) fn protocol(value: Value<'_>) -> Result<Option<Dialect>, Fault> {
    value.one_of(&[
        ("saip", None),
        ("web-bot-auth", Some(Dialect::A)),
        ("web-bot-auth-a", Some(Dialect::A)),
        ("web-bot-auth-b", Some(Dialect::B)),
        ("web-bot-auth-c", Some(Dialect::C)),
        ("web-bot-auth-d", Some(Dialect::D)),
    ])
}

/// What the words of `sign` come to.
pub(super) fn protocols(table: &Table<'_>, words: &[Option<Dialect>]) -> Protocols {
    let bot = words.iter().find_map(|word| *word);
    if words.iter().flatten().any(|dialect| Some(*dialect) != bot) {
        let fix = "keep one of them: a request has one Signature-Agent";
        table.complain("sign", Fault::new("names two forms of Web Bot Auth", fix));
    }
    Protocols { saip: words.contains(&None), bot }
}

impl Pattern {
    /// Reads a pattern.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self { host: HostPattern::Any, port: None });
        }
        let below = text.strip_prefix("*.");
        let text = below.unwrap_or(text);
        // The port that is one scheme's own is left out of an authority of that scheme, and stands in the other's.
        let [plain, secure] = [Scheme::Http, Scheme::Https].map(|scheme| Authority::parse(text, scheme).ok());
        let (plain, secure) = (plain?, secure?);
        let host = plain.host().to_owned();
        let is_address = host.starts_with('[') || host.parse::<core::net::Ipv4Addr>().is_ok();
        let host = match below {
            Some(_) if is_address => return None,
            Some(_) => HostPattern::Below(host),
            None => HostPattern::Exactly(host),
        };
        Some(Self { host, port: plain.port().or(secure.port()) })
    }

    /// Whether it speaks of this site.
    #[must_use]
    pub fn matches(&self, scheme: Scheme, site: &Authority<'_>) -> bool {
        let host = match &self.host {
            HostPattern::Any => return true,
            HostPattern::Exactly(host) => site.host() == host,
            HostPattern::Below(name) => {
                let above = site.host().strip_suffix(name.as_str());
                above.is_some_and(|above| above.len() > 1 && above.ends_with('.'))
            }
        };
        let port = match self.port {
            None => site.port().is_none(),
            Some(port) => crate::site::port_of(scheme, site) == port,
        };
        host && port
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Below(name) => write!(f, "*.{name}")?,
            HostPattern::Exactly(host) => f.write_str(host)?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, url: (&str, Scheme)) -> bool {
        let (site, scheme) = url;
        Pattern::parse(pattern).unwrap().matches(scheme, &Authority::parse(site, scheme).unwrap())
    }

    #[test]
    fn a_host_is_itself_at_its_schemes_port_and_no_neighbour() {
        let https = |site| (site, Scheme::Https);
        assert!(matches("www.shop.example", https("WWW.shop.example:443")));
        assert!(matches("www.shop.example", ("www.shop.example", Scheme::Http)));
        for other in ["shop.example", "a.www.shop.example", "www.shop.example:8443", "xwww.shop.example"] {
            assert!(!matches("www.shop.example", https(other)), "{other}");
        }
        assert!(matches("[::1]:8080", ("[::1]:8080", Scheme::Http)));
    }

    #[test]
    fn a_port_that_is_named_is_meant() {
        assert!(matches("shop.example:443", ("shop.example", Scheme::Https)));
        assert!(!matches("shop.example:443", ("shop.example", Scheme::Http)));
        assert!(matches("shop.example:80", ("shop.example", Scheme::Http)));
        assert!(matches("shop.example:8443", ("shop.example:8443", Scheme::Https)));
        assert!(!matches("shop.example:8443", ("shop.example", Scheme::Https)));
    }

    #[test]
    fn a_star_stands_for_names_below_and_never_for_the_name_or_a_part_of_a_label() {
        let https = |site| (site, Scheme::Https);
        assert!(matches("*.shop.example", https("www.shop.example")));
        assert!(matches("*.shop.example", https("a.b.shop.example")));
        for other in ["shop.example", "myshop.example", "www.shop.example:8443", "www.shop.example.net"] {
            assert!(!matches("*.shop.example", https(other)), "{other}");
        }
        assert!(matches("*", https("anything.example:8443")));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "*.",
            "www.*",
            "w*.shop.example",
            "*.127.0.0.1",
            "*.[::1]",
            "https://a.example",
            "a.example/",
            "a b",
            "**",
        ] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
        for text in ["*", "*.shop.example:8443", "www.shop.example", "[::1]:8080"] {
            assert_eq!(Pattern::parse(text).unwrap().to_string(), text);
        }
    }
}
