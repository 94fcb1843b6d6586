//! Test vectors: files that say what a request comes to, and what its near misses come to.
//!
//! `tests/vectors/README.md` describes the format.

mod passes;
mod read;
mod sign;

pub use passes::{Passes, SECRET as PASS_SECRET};
pub use sign::sign_all;

use avouch_wire::time::Time;
use std::fs::{File, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// One file: a request that comes to `expect`, and what becomes of it when something changes.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The file's name without its ending.
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// The request as it stands.
    pub base: Case,
    /// Changes that make no difference to the class.
    pub variants: Vec<Case>,
    /// Changes that cost trust.
    pub near_misses: Vec<Case>,
}

/// A request with its surroundings, and what it must come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The vector's name, and what was changed.
    pub name: String,
    /// When it is judged.
    pub now: Time,
    /// The zone files, by name, that stand for the DNS.
    pub zones: Vec<String>,
    /// The authorities the verifier serves.
    pub authorities: Vec<String>,
    /// Whether it accepts the draft form of the header.
    pub draft: bool,
    /// Where the request comes from.
    pub peer: IpAddr,
    /// Whether that is a proxy nobody vouches for.
    pub unlisted_proxy: bool,
    /// The host that was asked for by TLS.
    pub sni: Option<String>,
    /// The names in the client's certificate.
    pub certificate_names: Vec<String>,
    /// The table of autonomous systems, by name.
    pub asn: Option<String>,
    /// The ranges of crawlers: whose, and the name of the file.
    pub ranges: Vec<(String, String)>,
    /// Key directories: the URL, an origin or another, and the name of the file that stands there.
    pub directories: Vec<(String, String)>,
    /// What the verifier is told of an issuer of Privacy Pass tokens.
    pub passes: Option<Passes>,
    /// The keys registered with the site: the name of a file of tables `[[http_signature]]`.
    pub registered: Option<String>,
    /// When the files of networks were received.
    pub received: Time,
    /// The raw HTTP/1.1 message.
    pub message: Vec<u8>,
    /// What it must come to.
    pub expect: Expect,
}

/// Where the files of networks are that a case names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkFiles {
    /// The table of autonomous systems.
    pub asn: Option<PathBuf>,
    /// Ranges, with their crawlers.
    pub ranges: Vec<(String, PathBuf)>,
}

/// What a request must come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expect {
    /// It cannot be read without doubt and is answered 400.
    Refused,
    /// It is judged.
    Judged(Box<Outcome>),
}

/// A verdict and the decision that the model's policy makes of it, in written form. `replay` is
/// left out of `not_checked`: whether it was checked depends on where the request is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the member of that name of the written verdict")]
pub struct Outcome {
    pub class: u8,
    pub standing: String,
    pub identity: Option<String>,
    pub instance: Option<String>,
    pub claimed: Option<String>,
    pub mechanism: String,
    pub via: Option<String>,
    pub pseudonym: Option<String>,
    pub cause: Option<String>,
    pub reasons: Vec<String>,
    pub not_checked: Vec<String>,
    pub decision: String,
}

impl Vector {
    /// Every vector of the repository, in the order of their names.
    ///
    /// # Panics
    /// When a file cannot be read; all problems are told.
    #[must_use]
    pub fn all() -> Vec<Self> {
        files(&folder()).iter().map(|file| Self::load(file)).collect()
    }

    /// Base, variants and near misses.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        std::iter::once(&self.base).chain(&self.variants).chain(&self.near_misses)
    }

    #[expect(clippy::panic, reason = "a vector that cannot be read fails the test that reads it")]
    fn load(file: &Path) -> Self {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let text = text(file);
        read::vector(&name, &text).unwrap_or_else(|problems| panic!("{problems}"))
    }
}

impl Case {
    /// The zone files that stand for the DNS: name and text.
    #[must_use]
    pub fn zone_texts(&self) -> Vec<(String, String)> {
        let zones = folder().join("zones");
        self.zones.iter().map(|name| (name.clone(), text(&zones.join(format!("{name}.zone"))))).collect()
    }
}

impl Case {
    /// The key directories: their URLs, and what stands there.
    #[must_use]
    pub fn directory_texts(&self) -> Vec<(String, String)> {
        let files = folder().join("directories");
        self.directories.iter().map(|(url, name)| (url.clone(), text(&files.join(name)))).collect()
    }

    /// Puts the keys registered with the site into a folder, closed to all but their owner as shared secrets have to
    /// be, and gives where the file of tables is.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write_registered(&self, folder: &Path) -> std::io::Result<Option<PathBuf>> {
        let Some(name) = &self.registered else { return Ok(None) };
        for entry in std::fs::read_dir(self::folder().join("registered"))? {
            let from = entry?.path();
            let to = folder.join(from.file_name().unwrap_or_default());
            std::fs::copy(&from, &to)?;
            std::fs::set_permissions(&to, Permissions::from_mode(0o600))?;
        }
        Ok(Some(folder.join(name)))
    }

    /// Puts the files of networks into a folder, as if received when the case says, and gives where
    /// they are.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write_networks(&self, folder: &Path) -> std::io::Result<NetworkFiles> {
        let write = |name: &String| {
            let (from, to) = (self::folder().join("networks").join(name), folder.join(name));
            std::fs::copy(from, &to)?;
            let modified = UNIX_EPOCH + Duration::from_secs(self.received.seconds());
            File::options().write(true).open(&to)?.set_modified(modified)?;
            Ok::<_, std::io::Error>(to)
        };
        let asn = self.asn.as_ref().map(write).transpose()?;
        let ranges = self.ranges.iter().map(|(crawler, name)| Ok((crawler.clone(), write(name)?)));
        Ok(NetworkFiles { asn, ranges: ranges.collect::<std::io::Result<_>>()? })
    }
}

impl Expect {
    /// The place in the order of trust (VICDM draft section 4.2): 3, 2, 0, 1, not readable.
    #[must_use]
    pub fn trust(&self) -> u8 {
        match self {
            Self::Refused => 0,
            Self::Judged(outcome) => match outcome.class {
                class @ (2 | 3) => class + 1,
                0 => 2,
                _ => 1,
            },
        }
    }
}

/// Where the vectors are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors")
}

/// The files of a folder with this one's ending, in the order of their names.
#[expect(clippy::panic, reason = "tests cannot go on without their vectors")]
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    let endings = ["toml", "zone", "json"];
    files.retain(|file| file.extension().is_some_and(|ending| endings.iter().any(|own| ending == *own)));
    files.sort();
    files
}

#[expect(clippy::panic, reason = "tests cannot go on without their vectors")]
fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
