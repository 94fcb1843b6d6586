//! Secrets that a signer shares with a site (HMAC, RFC 9421 section 3.3.3): read from a file, for verification alone.
//!
//! Whoever can verify by such a secret can sign by it, so its file is kept as a private key's is.

use crate::store::{Problem as FileProblem, StoreError, read_secret};
use avouch_wire::http_signature::{Algorithm, VerificationKey};
use data_encoding::BASE64;
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// Octets of a secret: as many as the hash has (RFC 7518 section 3.2), and no more than anybody makes.
pub const OCTETS: RangeInclusive<usize> = 32..=1024;

/// Why a file gives no shared secret.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] StoreError),
    /// What stands in it is no secret.
    #[error("{}: {problem}", path.display())]
    Secret {
        /// Which file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        problem: Problem,
    },
}

/// What is wrong with a secret; nothing of it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such file.
    #[error("does not exist: correct the path")]
    Missing,
    /// Neither a line of base64 nor a JWK.
    #[error(
        "holds no shared secret: write one line of base64, as `openssl rand -base64 32` does, or a JWK with kty oct"
    )]
    Form,
    /// Hexadecimal, which reads as base64 of something else.
    #[error("holds hexadecimal, which would be read as base64 of other octets: convert it")]
    Hexadecimal,
    /// A public key or a private one.
    #[error(
        "holds a key in PEM, which is no shared secret: name the key's own algorithm, or correct the path"
    )]
    Pem,
    /// A JWK of another kind, or for another algorithm.
    #[error("holds a JWK that is no secret for HS256: kty is oct, and alg, where it stands, HS256")]
    Jwk,
    /// Too short, or longer than anybody makes them.
    #[error("holds a secret of {0} octets: make one of 32 to 1024, with `openssl rand -base64 32`")]
    Length(usize),
}

/// A secret as a JWK (RFC 7518 section 6.4).
#[derive(Deserialize)]
struct Oct {
    kty: String,
    alg: Option<String>,
    k: String,
}

impl Drop for Oct {
    fn drop(&mut self) {
        self.k.zeroize();
    }
}

/// Reads the secret of a file that is closed to everyone but its owner. The octets are wiped; what is kept is the state
/// of the HMAC, which aws-lc wipes.
///
/// # Errors
/// [`SharedError`] says what is wrong, and how to mend it.
pub fn open(path: &Path) -> Result<VerificationKey, SharedError> {
    let bad = |problem| SharedError::Secret { path: path.to_owned(), problem };
    let text = read_secret(path).map_err(|error| match error.problem {
        FileProblem::Missing => bad(Problem::Missing),
        FileProblem::NoKey => bad(Problem::Form),
        _ => error.into(),
    })?;
    let secret = secret(text.trim()).map_err(bad)?;
    if !OCTETS.contains(&secret.len()) {
        return Err(bad(Problem::Length(secret.len())));
    }
    VerificationKey::hmac(&secret).only_for(Algorithm::HmacSha256).map_err(|_| bad(Problem::Form))
}

fn secret(text: &str) -> Result<Zeroizing<Vec<u8>>, Problem> {
    if text.starts_with('{') {
        let jwk: Oct = serde_json::from_str(text).map_err(|_| Problem::Jwk)?;
        if jwk.kty != "oct" || jwk.alg.as_deref().is_some_and(|alg| alg != "HS256") {
            return Err(Problem::Jwk);
        }
        return avouch_wire::b64u::decode_vec(&jwk.k).map(Zeroizing::new).map_err(|_| Problem::Jwk);
    }
    if text.contains("-----BEGIN") {
        return Err(Problem::Pem);
    }
    if text.len() >= 2 * OCTETS.start() && text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
        return Err(Problem::Hexadecimal);
    }
    BASE64.decode(text.as_bytes()).map(Zeroizing::new).map_err(|_| Problem::Form)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_wire::http_signature::Algorithms;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn opened(text: &str, mode: u32) -> Result<VerificationKey, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        open(&path).map_err(|error| error.to_string().replace(&*path.to_string_lossy(), "secret"))
    }

    const LINE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn a_secret_is_read_from_a_file_that_others_cannot_read() {
        let only_hmac = Algorithms::of(&Algorithm::ALL);
        let jwk = format!(r#"{{"kty":"oct","alg":"HS256","k":"{}"}}"#, LINE.trim_end_matches('='));
        for text in [LINE.to_owned(), format!("{LINE}\n"), jwk] {
            let key = opened(&text, 0o600).unwrap();
            assert_eq!(key.algorithm(None, only_hmac), Ok(Algorithm::HmacSha256));
            assert_eq!(format!("{key:?}"), "VerificationKey(hmac-sha256)");
            for mode in [0o640, 0o604, 0o644] {
                assert!(opened(&text, mode).unwrap_err().contains("chmod 600"), "{mode:o}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_told() {
        let mut hexadecimal = "0f".repeat(32);
        for (text, told) in [
            ("", "of 0 octets"),
            ("AAEC", "of 3 octets"),
            (LINE.trim_end_matches('='), "no shared secret"),
            ("-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----", "in PEM"),
            (r#"{"kty":"RSA","n":"AAEC","e":"AQAB"}"#, "a JWK"),
            (r#"{"kty":"oct","alg":"HS512","k":"AAEC"}"#, "a JWK"),
            (r#"{"kty":"oct","k":"AAEC"}"#, "of 3 octets"),
            (hexadecimal.as_str(), "hexadecimal"),
        ] {
            let error = opened(text, 0o600).unwrap_err();
            assert!(error.contains(told) && !error.contains("AAEC"), "{text}: {error}");
        }
        hexadecimal.push('=');
        assert!(opened(&hexadecimal, 0o600).is_err());
        assert!(opened(&BASE64.encode(&[7; 1025]), 0o600).unwrap_err().contains("1025"));
        assert!(opened(&BASE64.encode(&[7; 1024]), 0o600).is_ok());
        assert!(open(Path::new("/nowhere/secret")).unwrap_err().to_string().contains("does not exist"));
    }
}
