//! `[console]`: whether operators have pages on the admin listener, where they open them, and who they are.

use core::fmt;
use std::path::PathBuf;
use std::time::Duration;

use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Table, Value};

/// How long a session lasts that nobody uses.
const IDLE: Duration = Duration::from_mins(30);

/// How long a session lasts whatever happens: a working day.
const LONGEST: Duration = Duration::from_hours(12);

/// A session that ends sooner would end between two pages.
const SHORTEST_IDLE: Duration = Duration::from_mins(1);

/// Beyond a week a session is a password that nobody chose.
const LONGEST_OF_ALL: Duration = Duration::from_hours(7 * 24);

/// The one host to which browsers give passkeys and safe cookies without TLS.
const THIS_MACHINE: &str = "localhost";

/// `[console]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// What browsers open.
    pub origin: ConsoleOrigin,
    /// The file of those who may sign in, which the console writes too.
    pub users: PathBuf,
    /// How long a session lasts that nobody uses.
    pub idle: Duration,
    /// How long a session lasts at most.
    pub longest: Duration,
}

/// The origin of the console (RFC 6454): `https://host[:port]`, or `http://localhost[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleOrigin {
    scheme: Scheme,
    authority: Authority<'static>,
}

impl ConsoleOrigin {
    /// Reads an origin in its one spelling: what browsers send, octet by octet.
    ///
    /// The host is a name, for passkeys are made for names; without TLS it is `localhost`, for browsers give
    /// passkeys and `Secure` cookies to nothing else in plain text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = [Scheme::Http, Scheme::Https].into_iter().find(|known| known.as_str() == scheme)?;
        let authority = Authority::parse(rest, scheme).ok()?.into_owned();
        let origin = Self { scheme, authority };
        let host = origin.host();
        let fits = match scheme {
            Scheme::Http => host == THIS_MACHINE,
            Scheme::Https => host == THIS_MACHINE || Domain::host(host).is_ok(),
        };
        (fits && origin.to_string() == text).then_some(origin)
    }

    /// What `Host` must be: the host, and the port where it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host, which passkeys are made for.
    #[must_use]
    pub fn host(&self) -> &str {
        self.authority.host()
    }
}

impl fmt::Display for ConsoleOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority)
    }
}

fn origin(value: Value<'_>) -> Result<ConsoleOrigin, Fault> {
    let fix = "write what browsers open, without a path: \"https://avouch.shop.example\", or \"http://localhost:9180\" on this machine (an address such as 127.0.0.1 has no passkeys)";
    value.convert("an origin for the console", fix, ConsoleOrigin::parse)
}

fn lifetime(value: Value<'_>) -> Result<Duration, Fault> {
    let given = value.duration()?;
    let fits = (SHORTEST_IDLE..=LONGEST_OF_ALL).contains(&given);
    if fits { Ok(given) } else { Err(value.fault("between 1 min and 7 d", "write for example \"30min\"")) }
}

impl Console {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let origin = table.required("origin", origin);
        let users = table.required("users", super::path);
        let idle = table.optional("idle", lifetime).unwrap_or(IDLE);
        let longest = table.optional("longest", lifetime).unwrap_or(LONGEST);
        if idle > longest {
            table.complain(
                "idle",
                Fault::new("is longer than `longest`", "shorten it, or lengthen `longest`"),
            );
        }
        Some(Self { origin: origin?, users: users?, idle, longest })
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::print::{Quoted, file};
        writeln!(f, "\n[console]\norigin = {}\nusers = {}", Quoted(&self.origin), file(&self.users))?;
        writeln!(f, "idle = \"{}ms\"\nlongest = \"{}ms\"", self.idle.as_millis(), self.longest.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn an_origin_is_https_of_a_name_or_http_of_this_machine_in_its_one_spelling() {
        for (text, authority, host) in [
            ("https://avouch.shop.example", "avouch.shop.example", "avouch.shop.example"),
            ("https://avouch.shop.example:8443", "avouch.shop.example:8443", "avouch.shop.example"),
            ("http://localhost:9180", "localhost:9180", "localhost"),
            ("http://localhost", "localhost", "localhost"),
        ] {
            let origin = ConsoleOrigin::parse(text).unwrap();
            assert_eq!(
                (origin.authority(), origin.host(), origin.to_string().as_str()),
                (authority, host, text)
            );
        }
        for text in [
            "http://avouch.shop.example",
            "http://127.0.0.1:9180",
            "https://127.0.0.1",
            "https://[::1]:9180",
            "https://avouch.shop.example:443",
            "https://avouch.shop.example/",
            "https://Avouch.shop.example",
            "https://avouch.shop.example.",
            "HTTPS://avouch.shop.example",
            "https://user@avouch.shop.example",
            "avouch.shop.example",
            "localhost:9180",
            "",
        ] {
            assert_eq!(ConsoleOrigin::parse(text), None, "{text}");
        }
    }

    fn problems(console: &str) -> usize {
        let text = format!(
            "listen = '[::]:1'\nupstream = 'http://a:1'\n[admin]\nlisten = '127.0.0.1:1'\n[console]\n{console}"
        );
        Config::parse("f", &text).err().map_or(0, |problems| problems.list.len())
    }

    #[test]
    fn a_console_says_where_it_is_opened_and_by_whom() {
        let least = "origin = 'http://localhost:9180'\nusers = 'users.toml'\n";
        assert_eq!(problems(least), 0);
        assert_eq!(problems(""), 2);
        for (line, count) in [
            ("idle = '5min'", 0),
            ("longest = '7d'", 0),
            ("idle = '59s'", 1),
            ("longest = '8d'", 1),
            ("idle = '2h'\nlongest = '1h'", 1),
            ("password = 'x'", 1),
        ] {
            assert_eq!(problems(&format!("{least}{line}")), count, "{line}");
        }
    }

    #[test]
    fn a_console_needs_the_listener_it_is_on() {
        let text = "listen = '[::]:1'\nupstream = 'http://a:1'\n[console]\norigin = 'http://localhost:9180'\nusers = 'u'";
        assert!(Config::parse("f", text).unwrap_err().to_string().contains("`[admin]` is needed"));
    }
}
