//! Where a database is: what of its address may be shown, and that another machine's is believed by its certificate.

use super::LedgerError;

/// What of a query may be shown; whatever else stands there may be a password.
const SHOWN: [&str; 11] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
];

/// What is said of TLS, by either name.
const MODES: [&str; 2] = ["sslmode", "ssl-mode"];

/// What may be said of it: without TLS, or to a server whose certificate was judged.
const SOUND: [&str; 3] = ["verify-full", "verify-ca", "disable"];

/// The parts of `scheme://authority/path?query`.
struct Parts<'a> {
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (before, query) =
            rest.split_once('?').map_or((rest, None), |(before, query)| (before, Some(query)));
        let at = before.find('/').unwrap_or(before.len());
        let (authority, path) = before.split_at_checked(at)?;
        Some(Self { scheme, authority, path, query })
    }

    fn pairs(&self) -> Vec<(&'a str, &'a str)> {
        let pairs = self.query.into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect()
    }

    /// Whether it is on this machine, by every name it is given.
    fn is_here(&self) -> bool {
        let host = self.authority.rsplit_once('@').map_or(self.authority, |(_, host)| host);
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(rest),
            None => host.split(':').next().unwrap_or(host),
        };
        let named = self.pairs().into_iter().filter(|(key, _)| matches!(*key, "host" | "hostaddr"));
        let named = named.map(|(_, value)| value);
        named.chain([host]).all(|host| {
            matches!(host, "" | "localhost" | "::1")
                || host.starts_with("127.")
                || host.starts_with('/')
                || host.get(..3).is_some_and(|socket| socket.eq_ignore_ascii_case("%2f"))
        })
    }
}

/// An address of PostgreSQL as it is opened: another machine is asked by TLS, and believed by its certificate, unless
/// something else is said.
///
/// # Errors
/// [`LedgerError::Mode`], where it is said to believe anybody.
pub(super) fn secured(url: &str) -> Result<String, LedgerError> {
    let Some(parts) = Parts::of(url) else { return Err(LedgerError::Address(shown(url))) };
    let modes: Vec<_> = parts.pairs().into_iter().filter(|(key, _)| MODES.contains(key)).collect();
    if let Some((_, mode)) = modes.iter().find(|(_, mode)| !SOUND.contains(mode)) {
        return Err(LedgerError::Mode((*mode).to_owned()));
    }
    if !modes.is_empty() || parts.is_here() {
        return Ok(url.to_owned());
    }
    let separator = if parts.query.is_some() { '&' } else { '?' };
    Ok(format!("{url}{separator}sslmode=verify-full"))
}

/// Whether an address can be opened, as far as it shows by itself: `sqlite:PATH`, or `postgres://…`.
#[must_use]
pub fn is_sound(url: &str) -> bool {
    match url.strip_prefix("sqlite:") {
        Some(path) => !path.is_empty(),
        None => is_postgres(url) && !url.ends_with("://") && secured(url).is_ok(),
    }
}

pub(super) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// An address as it may be shown: without what may be a password, wherever it stands.
#[must_use]
pub fn shown(url: &str) -> String {
    let Some(parts) = Parts::of(url) else { return url.to_owned() };
    let Parts { scheme, authority, path, .. } = parts;
    // A password that is not encoded may hold what ends an authority.
    let (authority, path) = match path.rsplit_once('@') {
        None => (without_password(authority), path),
        Some((_, host)) => ("…@".to_owned(), host),
    };
    let show = |(key, value): (&str, &str)| match SHOWN.contains(&key) {
        true => format!("{key}={value}"),
        false => "…".to_owned(),
    };
    let pairs: Vec<String> = parts.pairs().into_iter().map(show).collect();
    let query = if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) };
    format!("{scheme}://{authority}{path}{query}")
}

/// User and host; what stands behind a colon is a port, or not shown.
fn without_password(authority: &str) -> String {
    match authority.rsplit_once('@') {
        Some((user, host)) => match user.split_once(':') {
            None => authority.to_owned(),
            Some((user, _)) => format!("{user}:…@{host}"),
        },
        None => match authority.rsplit_once(':') {
            Some((host, port))
                if !port.ends_with(']') && !port.bytes().all(|octet| octet.is_ascii_digit()) =>
            {
                format!("{host}:…")
            }
            _ => authority.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown_wherever_it_stands() {
        for (url, told) in [
            ("postgres://avouch:secret@db.example/registrar", "postgres://avouch:…@db.example/registrar"),
            ("postgres://avouch:se@cret@db.example/r", "postgres://avouch:…@db.example/r"),
            ("postgres://avouch:se/cret@db.example/r", "postgres://…@db.example/r"),
            ("postgres://avouch:se?cret@db.example/r", "postgres://avouch:…?…"),
            ("postgres://[::1]:5432/r", "postgres://[::1]:5432/r"),
            ("postgres://avouch:se:cret@db.example:5432/r", "postgres://avouch:…@db.example:5432/r"),
            ("postgres://db.example/r?user=a&password=secret", "postgres://db.example/r?user=a&…"),
            (
                "postgres://db.example/r?pass%77ord=secret&sslmode=disable",
                "postgres://db.example/r?…&sslmode=disable",
            ),
            ("postgres://db.example?options=-c%20x=secret", "postgres://db.example?…"),
            ("postgresql:///r?host=/run&secret", "postgresql:///r?host=/run&…"),
            ("postgres://avouch@db.example/r", "postgres://avouch@db.example/r"),
            ("sqlite:/var/lib/registrar.db", "sqlite:/var/lib/registrar.db"),
        ] {
            assert_eq!(shown(url), told);
            assert!(!shown(url).contains("cret"), "{url}");
        }
    }

    #[test]
    fn another_machine_is_believed_by_its_certificate_unless_something_else_is_said() {
        for here in [
            "postgres://a@localhost/r",
            "postgres://a@127.0.0.1:5432/r",
            "postgres://a@[::1]/r",
            "postgres://%2Frun%2Fpostgresql/r",
            "postgres://a@localhost/r?host=/run/postgresql",
            "postgres:///r",
            "postgres://a@db.example/r?sslmode=disable",
            "postgres://a@db.example/r?ssl-mode=verify-ca",
        ] {
            assert_eq!(secured(here).unwrap(), here);
        }
        for (there, asked) in [
            ("postgres://a@db.example/r", "postgres://a@db.example/r?sslmode=verify-full"),
            ("postgres://127.0.0.1@db.example", "postgres://127.0.0.1@db.example?sslmode=verify-full"),
            ("postgres:///r?host=db.example", "postgres:///r?host=db.example&sslmode=verify-full"),
            (
                "postgres://localhost/r?hostaddr=192.0.2.1",
                "postgres://localhost/r?hostaddr=192.0.2.1&sslmode=verify-full",
            ),
        ] {
            assert_eq!(secured(there).unwrap(), asked);
        }
        for mode in ["prefer", "allow", "require", "", "verify"] {
            for url in ["postgres://db.example/r", "postgres://localhost/r"] {
                let told = secured(&format!("{url}?sslmode={mode}"));
                assert!(matches!(told, Err(LedgerError::Mode(said)) if said == mode), "{mode}");
            }
        }
    }
}
