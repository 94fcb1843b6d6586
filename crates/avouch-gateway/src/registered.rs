//! The keys of partners, loaded: what `[[http_signature]]` names, as a register of the site.

use crate::config::HttpSignature;
use crate::load::{LoadError, LoadErrors};
use avouch_engine::claim::{Coverage, KeyRegister, RegisterError, RegisteredKey};
use avouch_engine::evidence::is_public_test_key;
use avouch_keys::shared::{self, SharedError};
use avouch_wire::http_signature::{GivenError, JwkError, given};
use avouch_wire::settings::Problems;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Most octets of a file with a public key: ten times what the longest needs.
const MAX_OCTETS: u64 = 16 << 10;

/// A key that cannot be registered.
#[derive(Debug, thiserror::Error)]
#[error("[[http_signature]] with keyid \"{keyid}\": {fault}")]
pub struct RegisterFault {
    /// The name of the key.
    pub keyid: String,
    /// What is wrong.
    pub fault: KeyFault,
}

/// What is wrong with a key, and how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It is too large, or no text.
    #[error("{} is no text of a key: correct the path", .0.display())]
    NotAKey(PathBuf),
    /// What stands in it is no public key.
    #[error("{} {problem}", path.display())]
    Public {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: GivenError,
    },
    /// The JWK holds a secret part.
    #[error("{} holds a JWK with its secret part: register the public half alone; for a shared secret (kty oct) write `algorithms = [\"hmac-sha256\"]`", .0.display())]
    SecretPart(PathBuf),
    /// An example of a specification.
    #[error("{} holds an example of a specification, whose private part everyone knows: have the partner make a key", .0.display())]
    TestKey(PathBuf),
    /// The shared secret cannot be used.
    #[error(transparent)]
    Shared(#[from] SharedError),
    /// Key and table do not go together.
    #[error("{0}: correct `algorithms`, `tag` or the file")]
    Register(#[from] RegisterError),
}

/// Why a file of such tables gives no register.
#[derive(Debug, thiserror::Error)]
pub enum RegisterFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It has problems.
    #[error("{0}")]
    Problems(#[from] Problems),
    /// Keys that it names cannot be used.
    #[error("{0}")]
    Keys(#[from] LoadErrors),
}

/// Loads every key. Those that everyone has the private part of are refused unless examples are judged.
///
/// # Errors
/// Every [`RegisterFault`].
pub(crate) fn register(
    tables: &[HttpSignature],
    takes_test_keys: bool,
) -> Result<KeyRegister, Vec<RegisterFault>> {
    let (mut register, mut faults) = (KeyRegister::default(), Vec::new());
    for table in tables {
        let added = key(table, takes_test_keys).and_then(|key| Ok(register.add(key)?));
        faults.extend(added.err().map(|fault| RegisterFault { keyid: table.keyid.clone(), fault }));
    }
    if faults.is_empty() { Ok(register) } else { Err(faults) }
}

/// Reads a file with tables `[[http_signature]]` alone, and the keys they name: for requests that are judged offline,
/// which may well be examples of a specification.
///
/// # Errors
/// [`RegisterFileError`].
pub fn from_file(path: &Path) -> Result<KeyRegister, RegisterFileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| RegisterFileError::Read { path: path.to_owned(), source })?;
    let tables = HttpSignature::parse_all(path, &text)?;
    register(&tables, true)
        .map_err(|faults| LoadErrors(faults.into_iter().map(LoadError::from).collect()).into())
}

fn key(table: &HttpSignature, takes_test_keys: bool) -> Result<RegisteredKey, KeyFault> {
    let algorithms = table.algorithms.as_deref();
    let register =
        |key, algorithms| RegisteredKey::new(&table.keyid, key, table.identity.clone(), algorithms);
    let key = match table.is_secret() {
        true => register(shared::open(&table.key)?, algorithms)?,
        false => {
            let jwk = given(&text(&table.key)?).map_err(|problem| match problem {
                GivenError::Jwk(JwkError::Private) => KeyFault::SecretPart(table.key.clone()),
                problem => KeyFault::Public { path: table.key.clone(), problem },
            })?;
            if is_public_test_key(jwk.thumbprint) && !takes_test_keys {
                return Err(KeyFault::TestKey(table.key.clone()));
            }
            register(jwk.key, algorithms)?.within(jwk.not_before, jwk.expires)
        }
    };
    let key = match &table.tag {
        Some(tag) => key.with_tag(tag)?,
        None => key,
    };
    Ok(key.covering(table.require.clone().map_or_else(Coverage::default, Coverage::of)))
}

/// The text of a small file.
fn text(path: &Path) -> Result<String, KeyFault> {
    let cannot = |source| KeyFault::Read { path: path.to_owned(), source };
    let mut octets = Vec::new();
    // Looked at by name first, for opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(cannot)?.is_file() {
        return Err(KeyFault::NotAKey(path.to_owned()));
    }
    File::open(path).map_err(cannot)?.take(MAX_OCTETS + 1).read_to_end(&mut octets).map_err(cannot)?;
    let text = String::from_utf8(octets).ok().filter(|text| text.len() as u64 <= MAX_OCTETS);
    text.ok_or_else(|| KeyFault::NotAKey(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_engine::claim::KeyRegister;
    use std::os::unix::fs::PermissionsExt;

    const ED25519: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}"#;
    const PRINTED: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;

    /// What comes of a file with this content, registered with these lines.
    fn loaded(content: &str, lines: &str) -> Result<KeyRegister, String> {
        let folder = tempfile::tempdir().unwrap();
        let (key, table) = (folder.path().join("key"), folder.path().join("keys.toml"));
        std::fs::write(&key, content).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text =
            format!("[[http_signature]]\nkeyid = 'one'\nkey = 'key'\nidentity = 'acme.example'\n{lines}\n");
        let tables = HttpSignature::parse_all(&table, &text).map_err(|problems| problems.to_string())?;
        register(&tables, false).map_err(|faults| faults[0].to_string())
    }

    #[test]
    fn a_key_is_loaded_for_what_it_can_and_a_fault_names_it() {
        assert!(loaded(ED25519, "").unwrap().find(Some("one"), None).is_some());
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        assert!(loaded(secret, "algorithms = 'hmac-sha256'").is_ok());
        let oct = r#"{"kty":"oct","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}"#;
        assert!(loaded(oct, "algorithms = 'hmac-sha256'").is_ok());
        for (content, lines, told) in [
            (ED25519, "algorithms = 'ecdsa-p256-sha256'", "none for ecdsa-p256-sha256"),
            // Whoever has the public key would sign with it.
            (ED25519, "algorithms = 'hmac-sha256'", "no secret for HS256"),
            (secret, "", "holds no PEM block"),
            (oct, "", "write `algorithms = [\"hmac-sha256\"]`"),
            (PRINTED, "", "everyone knows"),
            ("-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "", "openssl pkey -pubout"),
            ("\u{0}", "", "holds no PEM block"),
            (&"x".repeat(20_000), "", "correct the path"),
        ] {
            let error = loaded(content, lines).unwrap_err();
            assert!(error.contains(told) && error.contains("\"one\""), "{error}");
        }
    }
}
