//! Keys of transaction signatures (TSIG, RFC 8945), by which a name server knows who changes its zone.
//!
//! A TSIG key signs DNS messages, and nothing else: unlike elsewhere in this crate the octets to sign come from the
//! caller, for their form is the DNS's own. It is shared with the server, so whoever can read the server's
//! configuration can change the zone as well.

use crate::store::{Problem as FileProblem, StoreError, read_secret};
use aws_lc_rs::hmac;
use data_encoding::BASE64;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Octets of a secret: half of what the shortest hash has (RFC 8945 section 8 wants as many as it has, and servers
/// take less), and no more than anybody makes.
const OCTETS: RangeInclusive<usize> = 16..=128;

/// A hash that messages are signed with. MD5 and SHA-1 are not among them (RFC 8945 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsigAlgorithm {
    /// `hmac-sha256`.
    HmacSha256,
    /// `hmac-sha384`.
    HmacSha384,
    /// `hmac-sha512`.
    HmacSha512,
}

impl TsigAlgorithm {
    const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// As written in key files and messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }

    const fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::HmacSha256 => hmac::HMAC_SHA256,
            Self::HmacSha384 => hmac::HMAC_SHA384,
            Self::HmacSha512 => hmac::HMAC_SHA512,
        }
    }
}

/// Why a file gives no TSIG key.
#[derive(Debug, thiserror::Error)]
pub enum TsigKeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] StoreError),
    /// What stands in it is no TSIG key.
    #[error("{}: {problem}", path.display())]
    Key {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a TSIG key; nothing of its secret is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such file.
    #[error("does not exist: correct the path")]
    Missing,
    /// Neither of both forms.
    #[error("holds no TSIG key: write what `tsig-keygen` prints, or one line `hmac-sha256:NAME:SECRET`")]
    Form,
    /// A hash that is too weak, or none.
    #[error("names an algorithm that cannot be used: hmac-sha256, hmac-sha384 and hmac-sha512 can")]
    Algorithm,
    /// Not the name of a key.
    #[error("gives the key a name that is no domain name")]
    Name,
    /// Not base64.
    #[error("holds a secret that is not base64")]
    Secret,
    /// Too short, or longer than anybody makes them.
    #[error("holds a secret of {0} octets: make one of 16 to 128, with `tsig-keygen`")]
    Length(usize),
}

/// A key that a name server knows, too.
#[derive(Clone)]
pub struct TsigKey {
    name: Box<str>,
    algorithm: TsigAlgorithm,
    /// The state of the HMAC; aws-lc wipes it.
    key: hmac::Key,
}

impl TsigKey {
    /// Reads the key of a file that is closed to everyone but its owner.
    ///
    /// # Errors
    /// [`TsigKeyError`] says what is wrong, and how to mend it.
    pub fn open(path: &Path) -> Result<Self, TsigKeyError> {
        let bad = |problem| TsigKeyError::Key { path: path.to_owned(), problem };
        let text = read_secret(path).map_err(|error| match error.problem {
            FileProblem::Missing => bad(Problem::Missing),
            FileProblem::NoKey => bad(Problem::Form),
            _ => error.into(),
        })?;
        Self::parse(&text).map_err(bad)
    }

    fn parse(text: &str) -> Result<Self, Problem> {
        let Parts { name, algorithm, secret } = clause(text).or_else(|| line(text)).ok_or(Problem::Form)?;
        let known = |known: &TsigAlgorithm| known.name().eq_ignore_ascii_case(algorithm);
        let algorithm = TsigAlgorithm::ALL.into_iter().find(known);
        let algorithm = algorithm.ok_or(Problem::Algorithm)?;
        let trimmed = name.strip_suffix('.').unwrap_or(name);
        if !is_name(trimmed) {
            return Err(Problem::Name);
        }
        let octets = BASE64.decode(secret.as_bytes()).map(Zeroizing::new).map_err(|_| Problem::Secret)?;
        if !OCTETS.contains(&octets.len()) {
            return Err(Problem::Length(octets.len()));
        }
        let key = hmac::Key::new(algorithm.hmac(), &octets);
        Ok(Self { name: trimmed.to_ascii_lowercase().into(), algorithm, key })
    }

    /// Its name, lower-case, without the dot at the end.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hash it is used with.
    #[must_use]
    pub const fn algorithm(&self) -> TsigAlgorithm {
        self.algorithm
    }

    /// The MAC of a DNS message with its TSIG variables (RFC 8945 section 4.3).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        hmac::sign(&self.key, message).as_ref().to_vec()
    }

    /// Whether this is the whole MAC of the message; compared in constant time. Truncated ones are refused.
    #[must_use]
    pub fn verify(&self, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.key, message, mac).is_ok()
    }
}

impl fmt::Debug for TsigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TsigKey({}, {})", self.name, self.algorithm.name())
    }
}

struct Parts<'t> {
    name: &'t str,
    algorithm: &'t str,
    secret: &'t str,
}

/// A `key` clause of BIND's: `key "NAME" { algorithm hmac-sha256; secret "…"; };`, as `tsig-keygen` prints it.
fn clause(text: &str) -> Option<Parts<'_>> {
    let (head, body) = text.trim().strip_prefix("key")?.split_once('{')?;
    let (body, end) = body.rsplit_once('}')?;
    if end.trim() != ";" || !head.starts_with([' ', '\t', '"']) {
        return None;
    }
    let (mut algorithm, mut secret) = (None, None);
    for statement in body.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        let (word, value) = statement.split_once([' ', '\t', '"'])?;
        let value = bare(statement.get(word.len()..).unwrap_or(value))?;
        let place = match word {
            "algorithm" => &mut algorithm,
            "secret" => &mut secret,
            _ => return None,
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    Some(Parts { name: bare(head)?, algorithm: algorithm?, secret: secret? })
}

/// A word with or without quotation marks.
fn bare(word: &str) -> Option<&str> {
    let word = word.trim();
    match word.strip_prefix('"') {
        Some(quoted) => quoted.strip_suffix('"'),
        None => Some(word),
    }
}

/// One line `ALGORITHM:NAME:SECRET`, as `kdig -y` and `knsupdate -y` take it.
fn line(text: &str) -> Option<Parts<'_>> {
    let mut parts = text.trim().split(':');
    let (algorithm, name, secret) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !text.trim().contains(char::is_whitespace)).then_some(Parts {
        name,
        algorithm,
        secret,
    })
}

fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn opened(text: &str, mode: u32) -> Result<TsigKey, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        TsigKey::open(&path).map_err(|error| error.to_string().replace(&*path.to_string_lossy(), "key"))
    }

    #[test]
    fn a_key_is_read_as_tsig_keygen_writes_it_and_as_one_line() {
        let keygen =
            format!("key \"Registrar.\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{SECRET}\";\n}};\n");
        let bare = format!("key registrar {{ secret {SECRET}; algorithm HMAC-SHA256; }};");
        for text in [keygen, bare, format!("hmac-sha256:registrar:{SECRET}\n")] {
            let key = opened(&text, 0o600).unwrap();
            assert_eq!(format!("{key:?}"), "TsigKey(registrar, hmac-sha256)");
            assert!(opened(&text, 0o640).unwrap_err().contains("chmod 600"));
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_its_secret_not_told() {
        for (text, problem) in [
            (String::new(), Problem::Form),
            (format!("registrar:{SECRET}"), Problem::Form),
            (format!("hmac-sha256:registrar:{SECRET}:"), Problem::Form),
            (format!("hmac-sha256:registrar:{SECRET}\nhmac-sha256:other:{SECRET}"), Problem::Form),
            (format!("key a {{ algorithm hmac-sha256; secret {SECRET}; secret {SECRET}; }};"), Problem::Form),
            (format!("key a {{ algorithm hmac-sha256; secret {SECRET}; }}; key b {{ }};"), Problem::Form),
            (format!("key a {{ secret {SECRET}; }};"), Problem::Form),
            (format!("keya {{ algorithm hmac-sha256; secret {SECRET}; }};"), Problem::Form),
            (format!("hmac-md5:registrar:{SECRET}"), Problem::Algorithm),
            (format!("hmac-sha1:registrar:{SECRET}"), Problem::Algorithm),
            (format!("hmac-sha256:{SECRET}:registrar"), Problem::Name),
            (format!("hmac-sha256:a..b:{SECRET}"), Problem::Name),
            (format!("hmac-sha256:registrar:{}", SECRET.trim_end_matches('=')), Problem::Secret),
            ("hmac-sha256:registrar:AAECAwQFBgcICQoLDA0O".to_owned(), Problem::Length(15)),
            (format!("hmac-sha256:registrar:{}", BASE64.encode(&[7; 129])), Problem::Length(129)),
        ] {
            let error = opened(&text, 0o600).unwrap_err();
            assert_eq!(error, format!("key: {problem}"), "{text}");
            assert!(!error.contains("AAEC"), "{error}");
        }
        assert!(TsigKey::open(Path::new("/nowhere/key")).unwrap_err().to_string().contains("does not exist"));
    }

    #[test]
    fn only_the_whole_mac_of_the_same_message_holds() {
        let key = opened(&format!("hmac-sha512:registrar:{SECRET}"), 0o600).unwrap();
        let mac = key.sign(b"message");
        assert_eq!(mac.len(), 64);
        assert!(key.verify(b"message", &mac));
        assert!(!key.verify(b"massage", &mac) && !key.verify(b"message", &mac[..32]));
        assert!(!key.verify(b"message", b""));
        let other = opened(&format!("hmac-sha256:registrar:{SECRET}"), 0o600).unwrap();
        assert!(!other.verify(b"message", &mac));
    }
}
