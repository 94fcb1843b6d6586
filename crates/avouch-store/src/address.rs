//! Where Redis is, who asks it, and which part of it is ours.

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};
use zeroize::Zeroizing;

/// Octets of a file with a password.
const PASSWORD_LIMIT: u64 = 4096;

/// Octets of a group's name: each key begins with it.
const GROUP_LIMIT: usize = 64;

/// An address of Redis: `redis://[user:password@]host[:port][/db]`, `rediss://` for TLS, or
/// `unix:///path[?db=N&user=NAME&pass=PASSWORD]`. Printed without the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub(crate) place: Place,
    user: Option<String>,
    password: Option<Password>,
    database: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Host { host: String, port: u16, tls: bool },
    Socket(PathBuf),
}

/// Why a text is no address. Nothing of the text is told, which may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is no URL of these schemes.
    #[error("is no address of Redis")]
    Form,
    /// Something stands in it that would be ignored.
    #[error("holds something after the database")]
    More,
    /// The database is no number.
    #[error("names a database that is no number")]
    Database,
}

/// What Redis asks for; wiped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Zeroizing<String>);

/// Why a file gives no password; nothing of its content is told.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Others than its owner can read it.
    #[error("{}: is open to others than its owner: `chmod 600` it", .0.display())]
    Open(PathBuf),
    /// It holds no line of text.
    #[error("{}: holds no password: write it on one line, of {PASSWORD_LIMIT} octets at most", .0.display())]
    Form(PathBuf),
}

/// The name by which replicas that serve the same authorities find each other in one Redis: 1 to 64 of `a`–`z`,
/// `A`–`Z`, `0`–`9`, `-`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group(String);

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let tls = text.strip_prefix("rediss://").map(|rest| format!("redis://{rest}"));
        let url = redis::parse_redis_url(tls.as_deref().unwrap_or(text)).ok_or(AddressError::Form)?;
        let is_socket = match url.scheme() {
            "redis" => false,
            "unix" | "redis+unix" => true,
            _ => return Err(AddressError::Form),
        };
        let is_ours = |name: &str| is_socket && ["db", "user", "pass"].contains(&name);
        if url.fragment().is_some() || url.query_pairs().any(|(name, _)| !is_ours(&name)) {
            return Err(AddressError::More);
        }
        let path = url.path().strip_prefix('/').unwrap_or_default();
        if !is_socket && !path.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(AddressError::Database);
        }
        let known = url.into_connection_info().map_err(|_| AddressError::Form)?;
        let asked = known.redis_settings();
        if asked.db() < 0 {
            return Err(AddressError::Database);
        }
        Ok(Self {
            place: match known.addr() {
                ConnectionAddr::Tcp(host, port) => {
                    Place::Host { host: host.clone(), port: *port, tls: tls.is_some() }
                }
                ConnectionAddr::Unix(path) => Place::Socket(path.clone()),
                _ => return Err(AddressError::Form),
            },
            user: asked.username().map(str::to_owned),
            password: asked.password().map(|password| Password(Zeroizing::new(password.to_owned()))),
            database: asked.db(),
        })
    }

    /// The same, with this password.
    #[must_use]
    pub fn with_password(self, password: Password) -> Self {
        Self { password: Some(password), ..self }
    }

    /// Whether it holds a password.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether it names a user.
    #[must_use]
    pub const fn has_user(&self) -> bool {
        self.user.is_some()
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self.place, Place::Host { tls: true, .. })
    }

    pub(crate) const fn database(&self) -> i64 {
        self.database
    }

    /// What is said when a connection begins.
    pub(crate) fn greeting(&self) -> RedisConnectionInfo {
        let mut greeting = RedisConnectionInfo::default().set_db(self.database).set_skip_set_lib_name();
        if let Some(user) = &self.user {
            greeting = greeting.set_username(user);
        }
        match &self.password {
            Some(Password(password)) => greeting.set_password(password.as_str()),
            None => greeting,
        }
    }
}

/// Reads back the same, but for the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, database) = (self.user.as_deref(), self.database);
        match &self.place {
            Place::Host { host, port, tls } => {
                let scheme = if *tls { "rediss" } else { "redis" };
                let at = user.map(|user| format!("{}@", encoded(user))).unwrap_or_default();
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                write!(f, "{scheme}://{at}{host}:{port}/{database}")
            }
            Place::Socket(path) => {
                let user = user.map(|user| format!("&user={}", encoded(user))).unwrap_or_default();
                write!(f, "unix://{}?db={database}{user}", encoded(&path.display().to_string()))
            }
        }
    }
}

/// Percent-encoded where it is more than letters, digits, `-._~/`.
fn encoded(text: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~/".contains(&octet);
    let one =
        |octet: u8| if is_plain(octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") };
    text.bytes().map(one).collect()
}

impl Password {
    /// The line that a file holds, which only its owner can read.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn read(path: &Path) -> Result<Self, PasswordError> {
        let failed = |source| PasswordError::Read { path: path.to_owned(), source };
        let facts = std::fs::metadata(path).map_err(failed)?;
        if facts.permissions().mode() & 0o077 != 0 {
            return Err(PasswordError::Open(path.to_owned()));
        }
        let bad = || PasswordError::Form(path.to_owned());
        if facts.len() > PASSWORD_LIMIT {
            return Err(bad());
        }
        let text = Zeroizing::new(std::fs::read(path).map_err(failed)?);
        let text = std::str::from_utf8(&text).map_err(|_| bad())?;
        let line = text.strip_suffix('\n').unwrap_or(text);
        let is_one_line = !line.is_empty() && !line.chars().any(char::is_control);
        is_one_line.then(|| Self(Zeroizing::new(line.to_owned()))).ok_or_else(bad)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

impl Group {
    /// Reads a name; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        let fits = (1..=GROUP_LIMIT).contains(&text.len()) && text.bytes().all(is_plain);
        fits.then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_as_it_was_read_but_for_the_password() {
        for (text, printed) in [
            ("redis://cache.example", "redis://cache.example:6379/0"),
            ("redis://127.0.0.1:7000/3", "redis://127.0.0.1:7000/3"),
            ("redis://[::1]:7000/", "redis://[::1]:7000/0"),
            ("rediss://cache.example/1", "rediss://cache.example:6379/1"),
            ("redis://av%40ouch:s3cret@cache.example", "redis://av%40ouch@cache.example:6379/0"),
            ("redis://:s3cret@cache.example", "redis://cache.example:6379/0"),
            ("unix:///run/redis/a.sock", "unix:///run/redis/a.sock?db=0"),
            ("unix:/run/redis/a.sock?db=2&user=a&pass=s3cret", "unix:///run/redis/a.sock?db=2&user=a"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.to_string(), printed);
            assert_eq!(address.has_password(), text.contains("s3cret"), "{text}");
            assert!(!format!("{address:?}").contains("s3cret"), "{address:?}");
            let again = Address::parse(printed).unwrap();
            assert_eq!(Address { password: None, ..address }, again);
        }
    }

    #[test]
    fn what_would_be_ignored_or_guessed_is_refused() {
        for (text, told) in [
            ("", AddressError::Form),
            ("cache.example:6379", AddressError::Form),
            ("http://cache.example", AddressError::Form),
            ("valkey://cache.example", AddressError::Form),
            ("redis://", AddressError::Form),
            ("redis://0.0.0.0", AddressError::Form),
            ("redis://cache.example:66000", AddressError::Form),
            ("redis://cache.example/one", AddressError::Database),
            ("redis://cache.example/-1", AddressError::Database),
            ("redis://cache.example/1/2", AddressError::Database),
            ("redis://cache.example/1?protocol=resp3", AddressError::More),
            ("rediss://cache.example/#insecure", AddressError::More),
            ("unix:///run/a.sock?database=1", AddressError::More),
            ("unix:///run/a.sock?db=-1", AddressError::Database),
        ] {
            assert_eq!(Address::parse(text), Err(told), "{text}");
        }
    }

    #[test]
    fn a_password_is_read_from_a_closed_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let write = |text: &[u8], mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            Password::read(&path)
        };
        let password = write(b"s3cret\n", 0o600).unwrap();
        assert_eq!((password.0.as_str(), format!("{password:?}").as_str()), ("s3cret", "Password"));
        assert!(matches!(write(b"s3cret\n", 0o640), Err(PasswordError::Open(_))));
        for bad in [&b""[..], b"\n", b"a\nb\n", b"\xff", &[b'a'; 4097]] {
            assert!(matches!(write(bad, 0o600), Err(PasswordError::Form(_))));
        }
        assert!(matches!(Password::read(&folder.path().join("none")), Err(PasswordError::Read { .. })));
    }

    #[test]
    fn a_groups_name_is_short_and_plain() {
        for good in ["a", "shop-1.example_2", &"a".repeat(64)] {
            assert_eq!(Group::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "a b", "a:b", "{a}", "ä", &"a".repeat(65)] {
            assert_eq!(Group::parse(bad), None, "{bad}");
        }
    }
}
