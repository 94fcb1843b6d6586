//! `[audit]`: what is kept of claims that do not hold, and of changes to the configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use avouch_wire::settings::{Fault, Table, Value};

use super::addresses::Prefixes;

/// How long files are kept: long enough to look into what is noticed late.
const KEEP: Duration = Duration::from_secs(90 * DAY);
/// Ten years.
const LONGEST: Duration = Duration::from_secs(3653 * DAY);
const DAY: u64 = 86_400;

/// How large a file of a day grows: about a million requests.
const SIZE: u64 = 1 << 30;
const SMALLEST: u64 = 1 << 20;
const LARGEST: u64 = 1 << 40;

/// `[audit]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// A file a day is written here.
    pub folder: Option<PathBuf>,
    /// For how many whole days files are kept.
    pub keep: Duration,
    /// Octets beyond which no more requests are written in a day.
    pub size: u64,
    /// Where messages are sent.
    pub syslog: Option<Syslog>,
    /// What syslog files them under.
    pub facility: Facility,
    /// How much of clients' addresses is written.
    pub addresses: Prefixes,
}

/// A receiver of syslog messages (RFC 5424).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syslog {
    /// A socket for datagrams, such as `/dev/log`.
    Unix(PathBuf),
    /// RFC 5426.
    Udp(SocketAddr),
    /// RFC 6587, with octet counting.
    Tcp(SocketAddr),
}

/// A facility of syslog (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(&'static str, u8);

const FACILITIES: [Facility; 12] = [
    Facility("authpriv", 10),
    Facility("auth", 4),
    Facility("daemon", 3),
    Facility("user", 1),
    Facility("local0", 16),
    Facility("local1", 17),
    Facility("local2", 18),
    Facility("local3", 19),
    Facility("local4", 20),
    Facility("local5", 21),
    Facility("local6", 22),
    Facility("local7", 23),
];

impl Default for Facility {
    /// Messages on who may do what, not for everyone's eyes.
    fn default() -> Self {
        Self("authpriv", 10)
    }
}

impl Facility {
    /// Its number.
    pub(crate) const fn number(self) -> u8 {
        self.1
    }
}

impl Syslog {
    /// As it is written in the configuration.
    fn written(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix:{}", path.display()),
            Self::Udp(address) => format!("udp://{address}"),
            Self::Tcp(address) => format!("tcp://{address}"),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Path::new(path).is_absolute().then(|| Self::Unix(path.into()));
        }
        let (kind, address) = text.split_once("://")?;
        let address = address.parse().ok()?;
        match kind {
            "udp" => Some(Self::Udp(address)),
            "tcp" => Some(Self::Tcp(address)),
            _ => None,
        }
    }
}

fn syslog(value: Value<'_>) -> Result<Syslog, Fault> {
    let fix = "write \"unix:/run/avouch/syslog.sock\", \"udp://192.0.2.1:514\" or \"tcp://192.0.2.1:601\"";
    value.convert("a syslog receiver", fix, Syslog::parse)
}

fn keep(value: Value<'_>) -> Result<Duration, Fault> {
    let given = value.duration()?;
    let fits = given >= Duration::from_secs(DAY) && given <= LONGEST && given.as_millis() % 86_400_000 == 0;
    if fits { Ok(given) } else { Err(value.fault("1 to 3653 whole days", "write for example \"90d\"")) }
}

fn size(value: Value<'_>) -> Result<u64, Fault> {
    let given = value.size()?;
    if (SMALLEST..=LARGEST).contains(&given) {
        return Ok(given);
    }
    Err(value.fault("a size in range", "write \"1MiB\" to \"1024GiB\""))
}

fn facility(value: Value<'_>) -> Result<Facility, Fault> {
    value.one_of(&FACILITIES.map(|facility| (facility.0, facility)))
}

impl Audit {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let folder = table.optional("folder", super::path);
        let keep = table.optional("keep", keep).unwrap_or(KEEP);
        let size = table.optional("size", size).unwrap_or(SIZE);
        let syslog = table.optional("syslog", syslog);
        let facility = table.optional("facility", facility).unwrap_or_default();
        let addresses = Prefixes::read(&mut table);
        if !table.has("folder") && !table.has("syslog") {
            let fix = "add `folder = \"/var/log/avouch/audit\"`, `syslog = \"unix:/run/avouch/syslog.sock\"`, or both";
            table.complain("folder", Fault::new("or `syslog` is needed", fix));
        }
        let (files, messages) = (["keep", "size"], ["facility"]);
        for (key, given) in
            files.map(|key| (key, "folder")).into_iter().chain(messages.map(|key| (key, "syslog")))
        {
            if table.has(key) && !table.has(given) {
                let fix = if given == "folder" {
                    "add `folder`, or remove it"
                } else {
                    "add `syslog`, or remove it"
                };
                table.complain(key, Fault::new("is of no use alone", fix));
            }
        }
        Some(Self { folder, keep, size, syslog, facility, addresses })
    }

    /// Makes relative paths relative to `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.folder.iter_mut().for_each(|own| *own = folder.join(&own));
    }

    pub(super) fn write(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        use super::print::{Quoted, file};
        writeln!(f, "\n[audit]")?;
        if let Some(folder) = &self.folder {
            writeln!(f, "folder = {}", file(folder))?;
            writeln!(f, "keep = \"{}d\"\nsize = \"{}B\"", self.keep.as_secs() / DAY, self.size)?;
        }
        if let Some(syslog) = &self.syslog {
            writeln!(f, "syslog = {}\nfacility = \"{}\"", Quoted(syslog.written()), self.facility.0)?;
        }
        self.addresses.write(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn config(lines: &str) -> Result<Config, String> {
        let text = format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n{lines}");
        Config::parse("f", &text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_audit_log_is_printed_as_it_was_read() {
        for lines in [
            "[audit]\nfolder = 'a\"b'\nkeep = '7d'\nsize = '2GiB'\nsyslog = 'unix:/dev/log'\nfacility = 'local3'",
            "[audit]\nsyslog = 'udp://192.0.2.1:514'\nipv4_prefix = 24\nipv6_prefix = 48",
            "[audit]\nsyslog = 'tcp://[2001:db8::1]:601'",
            "[log]\naccess = 'off'",
            "[log]\naccess = 'stdout'\nipv4_prefix = 0",
        ] {
            let config = config(lines).unwrap();
            let printed = config.to_string();
            assert_eq!(Config::parse("printed", &printed).unwrap(), config, "{printed}");
        }
    }

    #[test]
    fn every_key_is_documented() {
        let page = include_str!("../../../../docs/formats/configuration.md");
        for key in ["folder", "keep", "size", "syslog", "facility", "ipv4_prefix", "ipv6_prefix"] {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_so_is_what_is_missing() {
        let folder = "[audit]\nfolder = 'a'\n";
        for (lines, told) in [
            ("[audit]".to_owned(), "`audit.folder` or `syslog` is needed"),
            (format!("{folder}keep = '12h'"), "whole days"),
            (format!("{folder}keep = '36h'"), "whole days"),
            (format!("{folder}keep = '0d'"), "whole days"),
            (format!("{folder}keep = '4000d'"), "whole days"),
            (format!("{folder}size = '1KiB'"), "a size in range"),
            (format!("{folder}facility = 'local0'"), "`audit.facility` is of no use alone"),
            ("[audit]\nsyslog = 'unix:/dev/log'\nkeep = '7d'".to_owned(), "`audit.keep` is of no use alone"),
            (format!("{folder}syslog = 'unix:dev/log'"), "a syslog receiver"),
            (format!("{folder}syslog = 'udp://log.example:514'"), "a syslog receiver"),
            (format!("{folder}syslog = 'tls://192.0.2.1:6514'"), "a syslog receiver"),
            (format!("{folder}syslog = 'unix:/dev/log'\nfacility = 'local8'"), "local8"),
            (format!("{folder}ipv4_prefix = 33"), "ipv4_prefix"),
            (format!("{folder}ipv6_prefix = 129"), "ipv6_prefix"),
            ("[log]\naccess = 'off'\nipv4_prefix = 24".to_owned(), "`log.ipv4_prefix` is of no use"),
        ] {
            let problems = config(&lines).unwrap_err();
            assert!(problems.contains(told), "{lines}: {problems}");
        }
    }
}
