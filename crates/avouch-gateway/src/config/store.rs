//! `[store]`: where used nonces are remembered, and who shares them.

use super::path;
use super::print::{Quoted, file};
use avouch_store::{Address, Group};
use avouch_wire::settings::{Fault, Table, Value};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer of Redis is waited for: on one network it takes a millisecond, and a visitor notices a quarter of
/// a second.
const DEADLINE: Duration = Duration::from_millis(250);
const SHORTEST: Duration = Duration::from_millis(5);
const LONGEST: Duration = Duration::from_secs(10);

/// Keys that say how Redis is spoken to.
const OF_REDIS: [&str; 5] = ["group", "rates", "password_file", "deadline", "ca"];

/// `[store]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Store {
    /// Where used nonces are remembered.
    pub place: StorePlace,
    /// The operator asserts that no earlier instance served these authorities.
    pub fresh: bool,
}

/// Where used nonces are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StorePlace {
    /// In memory only: after a restart, requests signed before it are refused.
    #[default]
    Memory,
    /// In memory, with the table and the high-water mark saved in this folder.
    File(PathBuf),
    /// In memory, and behind it in a Redis that a group of gateways shares.
    Shared(Box<SharedStore>),
}

/// A Redis that a group of gateways shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedStore {
    /// Where it is.
    pub address: Address,
    /// What the group is called.
    pub group: Group,
    /// Where rates of policies are counted.
    pub rates: Scope,
    /// A file with the password, in place of one in the address.
    pub password_file: Option<PathBuf>,
    /// How long an answer is waited for.
    pub deadline: Duration,
    /// Roots that its certificate leads to, in place of the system's.
    pub ca: Option<PathBuf>,
}

/// Where something is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Among all gateways of the group.
    #[default]
    Group,
    /// At each gateway.
    Node,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Node => "node",
        }
    }
}

/// What an address says.
enum Url {
    Memory,
    File(PathBuf),
    Redis(Address),
}

impl Store {
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let says_where = table.has("url");
        let url = table.optional("url", url);
        let fresh = table.optional("fresh", |value| value.switch()).unwrap_or_default();
        let place = match url {
            Some(Url::Redis(address)) => shared(&mut table, address).unwrap_or_default(),
            // What the other keys are for is open where the first cannot be read.
            None if says_where => {
                OF_REDIS.into_iter().for_each(|key| _ = table.optional(key, |_| Ok(())));
                StorePlace::Memory
            }
            other => {
                let fix = "remove it, or write `url = \"redis://HOST:6379\"`";
                let refused = |_: Value<'_>| Err(Fault::new("is for a store that is shared", fix));
                OF_REDIS.into_iter().for_each(|key| _ = table.optional::<()>(key, refused));
                if let Some(Url::File(path)) = other { StorePlace::File(path) } else { StorePlace::Memory }
            }
        };
        Self { place, fresh }
    }

    /// Makes relative paths relative to `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        match &mut self.place {
            StorePlace::Memory => {}
            StorePlace::File(file) => *file = folder.join(&file),
            StorePlace::Shared(shared) => {
                let files = shared.password_file.iter_mut().chain(&mut shared.ca);
                files.for_each(|file| *file = folder.join(&file));
            }
        }
    }

    /// The table of the file. A password that stands in the address is left out.
    pub(super) fn write(&self, f: &mut impl Write) -> std::fmt::Result {
        match &self.place {
            StorePlace::Memory => writeln!(f, "\n[store]\nurl = \"memory:\"")?,
            StorePlace::File(path) => {
                writeln!(f, "\n[store]\nurl = {}", Quoted(format_args!("file:{}", path.display())))?;
            }
            StorePlace::Shared(shared) => {
                let SharedStore { address, group, rates, password_file, deadline, ca } = &**shared;
                writeln!(f, "\n[store]\nurl = {}\ngroup = \"{group}\"", Quoted(address))?;
                writeln!(f, "rates = \"{}\"", rates.as_str())?;
                password_file.iter().try_for_each(|path| writeln!(f, "password_file = {}", file(path)))?;
                writeln!(f, "deadline = \"{}ms\"", deadline.as_millis())?;
                ca.iter().try_for_each(|path| writeln!(f, "ca = {}", file(path)))?;
            }
        }
        writeln!(f, "fresh = {}", self.fresh)
    }
}

fn shared(table: &mut Table<'_>, address: Address) -> Option<StorePlace> {
    let group = table.required("group", group);
    let scopes = [("group", Scope::Group), ("node", Scope::Node)];
    let rates = table.optional("rates", |value| value.one_of(&scopes)).unwrap_or_default();
    let password_file = table.optional("password_file", path);
    let deadline = table.optional("deadline", deadline).unwrap_or(DEADLINE);
    let ca = table.optional("ca", path);
    if password_file.is_some() && address.has_password() {
        let fix = "remove the one in `url`: who may read this file learns it";
        table.complain("password_file", Fault::new("names a second password", fix));
    }
    if password_file.is_none() && address.has_user() && !address.has_password() {
        let fix = "name `password_file`; a password that stands alone is written `redis://:PASSWORD@HOST`";
        table.complain(
            "url",
            Fault::new("names a user and no password, so Redis would not be told of it", fix),
        );
    }
    if ca.is_some() && !address.is_tls() {
        table.complain("ca", Fault::new("is for TLS", "write rediss:// in `url`, or remove it"));
    }
    let shared = SharedStore { address, group: group?, rates, password_file, deadline, ca };
    Some(StorePlace::Shared(Box::new(shared)))
}

/// No fault tells what was written, which may hold a password.
fn url(value: Value<'_>) -> Result<Url, Fault> {
    let text = value.text()?;
    match text.split_once(':') {
        Some(("memory", "")) => Ok(Url::Memory),
        Some(("file", path)) if !path.is_empty() => Ok(Url::File(path.into())),
        Some(("redis" | "rediss" | "unix" | "redis+unix", _)) => Address::parse(text).map(Url::Redis).map_err(|error| {
            let fix = "write \"redis://HOST:6379/0\", \"rediss://HOST:6379/0\" for TLS, or \"unix:///run/redis/redis.sock?db=0\"";
            Fault::new(error.to_string(), fix)
        }),
        _ => {
            let fix = "write \"memory:\", \"file:/var/lib/avouch/replay\" or \"redis://HOST:6379\"";
            Err(Fault::new("is not a store", fix))
        }
    }
}

fn group(value: Value<'_>) -> Result<Group, Fault> {
    let fix = "write 1 to 64 letters, digits, `-`, `_` and `.`, the same at all gateways that serve these authorities, for example \"shop\"";
    value.convert("the name of a group", fix, Group::parse)
}

fn deadline(value: Value<'_>) -> Result<Duration, Fault> {
    let given = value.duration()?;
    if (SHORTEST..=LONGEST).contains(&given) {
        return Ok(given);
    }
    Err(value.fault("between 5 ms and 10 s", "write for example \"250ms\""))
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn config(lines: &str) -> Result<Config, String> {
        let text = format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n[store]\n{lines}");
        Config::parse("f", &text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_shared_store_is_printed_as_it_was_read() {
        for lines in [
            "url = 'redis://cache.example/1'\ngroup = 'shop'",
            "url = 'rediss://avouch@[::1]:7000'\ngroup = 'shop'\npassword_file = 'a\"b'\nca = 'roots.pem'\ndeadline = '1s'",
            "url = 'unix:///run/redis/redis.sock?db=2'\ngroup = 'a.b-c_1'\nrates = 'node'\nfresh = true",
        ] {
            let config = config(lines).unwrap();
            let printed = config.to_string();
            assert_eq!(Config::parse("printed", &printed).unwrap(), config, "{printed}");
        }
    }

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../../docs/formats/configuration.md");
        for key in super::OF_REDIS {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
    }

    #[test]
    fn a_password_is_printed_nowhere() {
        let config = config("url = 'redis://avouch:s3cret@cache.example'\ngroup = 'shop'").unwrap();
        assert!(!config.to_string().contains("s3cret") && !format!("{config:?}").contains("s3cret"));
        for url in [
            "redi://avouch:s3cret@cache.example",
            "redis://avouch:s3cret@",
            "redis://avouch:s3cret@cache.example/x",
            "redis://avouch:s3cret@cache.example/0?a=s3cret",
            "redis://s3cret@cache.example",
        ] {
            let problems = self::config(&format!("url = '{url}'\ngroup = 'shop'")).unwrap_err();
            assert!(!problems.contains("s3cret") && problems.contains("`store.url`"), "{problems}");
        }
        // Nor where it is written in the wrong place.
        for lines in [
            "url = 'redis://a.example'\ngroup = 'redis://avouch:s3cret@a.example'",
            "url = 1\n[dns]\nresolvers = 'redis://:s3cret@a.example'",
        ] {
            let problems = self::config(lines).unwrap_err();
            assert!(!problems.contains("s3cret") && problems.contains("redis://…@a.example"), "{problems}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_so_is_what_is_missing() {
        for (lines, told) in [
            ("url = 'redis://a.example'", "`store.group` is missing"),
            ("url = 'redis://a.example'\ngroup = 'a b'", "the name of a group"),
            ("url = 'redis://a.example'\ngroup = 'a'\ndeadline = '1ms'", "between 5 ms and 10 s"),
            ("url = 'redis://a.example'\ngroup = 'a'\nca = 'roots.pem'", "`store.ca` is for TLS"),
            ("url = 'redis://:a@a.example'\ngroup = 'a'\npassword_file = 'b'", "a second password"),
            ("url = 'redis://avouch@a.example'\ngroup = 'a'", "a user and no password"),
            ("url = 'unix:///run/a.sock?user=avouch'\ngroup = 'a'", "a user and no password"),
            ("url = 'memory:'\ngroup = 'a'", "`store.group` is for a store that is shared"),
            ("url = 'redis://a.example'\ngroup = 'a'\nrates = 'all'", "`store.rates`"),
            ("url = 'file:a'\nrates = 'group'", "`store.rates` is for a store that is shared"),
            ("url = 'file:a'\ndeadline = '1s'", "`store.deadline` is for a store that is shared"),
            ("url = 'http://a.example'\ngroup = 'a'", "is not a store"),
        ] {
            let problems = config(lines).unwrap_err();
            assert!(problems.contains(told), "{lines}: {problems}");
        }
    }
}
