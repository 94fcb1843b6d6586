//! Public keys as their owners hand them over: PEM (RFC 7468), or a JWK.

use super::jwk::{self, Jwk, JwkError, Thumbprint};
use super::{Algorithm, VerificationKey};
use crate::der::{BIT_STRING, INTEGER, SEQUENCE, alone, element, positive};
use crate::key::{KeyError, PublicKey};
use data_encoding::BASE64;
use thiserror::Error;

/// The one label read here: a SubjectPublicKeyInfo (RFC 7468 section 13).
const LABEL: &str = "PUBLIC KEY";

/// DER before the 32 octets of an Ed25519 key (RFC 8410 section 4).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// DER before the 65 octets of a P-256 key: the named curve, never parameters (RFC 5480 section 2).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// DER before the 97 octets of a P-384 key.
const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
    0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
];

/// The algorithm of an RSA key for whatever RSA does: rsaEncryption, with NULL (RFC 3279 section 2.3.1).
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// That of one for PSS alone, without parameters (RFC 4055 section 1.2).
const RSA_PSS: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a];

/// Why a text is no public key in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PemError {
    /// There is no block.
    #[error("holds no PEM block `-----BEGIN PUBLIC KEY-----` and no JWK")]
    NoBlock,
    /// There is more than one.
    #[error("holds more than one PEM block; write each key to a file of its own")]
    SeveralBlocks,
    /// The block is a private key.
    #[error("holds a private key; ask for its public half, which `openssl pkey -pubout` prints")]
    Private,
    /// The block is a certificate.
    #[error("holds a certificate; `openssl x509 -noout -pubkey` prints the public key in it")]
    Certificate,
    /// The block is something else.
    #[error("holds a PEM block `{0}`, which is not read; `openssl pkey -pubin -pubout` writes `PUBLIC KEY`")]
    Label(String),
    /// What stands between the lines is not base64, or the lines do not match.
    #[error("holds a PEM block that is damaged")]
    Damaged,
    /// The key is of a kind that verifies nothing here.
    #[error(
        "holds a key of another kind; Ed25519, P-256 and P-384 (as named curves, uncompressed) and RSA verify here"
    )]
    Kind,
    /// An RSA key of so many bits.
    #[error("holds an RSA key of {0} bits; those of 2048 to 4096 verify here")]
    Bits(usize),
    /// The key is none.
    #[error("holds a key that {0}")]
    Key(#[from] KeyError),
}

/// Why a text is no public key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GivenError {
    /// It is a JWK, and not a good one.
    #[error("holds a JWK that {0}")]
    Jwk(#[from] JwkError),
    /// It is none, and no PEM either.
    #[error(transparent)]
    Pem(#[from] PemError),
}

/// Reads a public key, in PEM or as a JWK.
///
/// # Errors
/// [`GivenError`] says what is wrong, and how to mend it.
pub fn given(text: &str) -> Result<Jwk, GivenError> {
    if text.trim_start().starts_with('{') {
        return Ok(Jwk::parse(text)?);
    }
    let (key, thumbprint) = subject_public_key(&block(text)?)?;
    Ok(Jwk { key, thumbprint, not_before: None, expires: None, odd_algorithm: false })
}

/// The octets of the one block.
fn block(text: &str) -> Result<Vec<u8>, PemError> {
    let (_, rest) = text.split_once("-----BEGIN ").ok_or(PemError::NoBlock)?;
    let (label, rest) = rest.split_once("-----").ok_or(PemError::Damaged)?;
    let (inner, rest) = rest.split_once("-----END ").ok_or(PemError::Damaged)?;
    let after = rest.strip_prefix(label).and_then(|rest| rest.strip_prefix("-----"));
    let after = after.ok_or(PemError::Damaged)?;
    match label {
        LABEL => {}
        "CERTIFICATE" => return Err(PemError::Certificate),
        label if label.ends_with("PRIVATE KEY") => return Err(PemError::Private),
        label => return Err(PemError::Label(jwk::quoted(label))),
    }
    if after.contains("-----BEGIN ") {
        return Err(PemError::SeveralBlocks);
    }
    let base64: String = inner.chars().filter(|octet| !octet.is_ascii_whitespace()).collect();
    BASE64.decode(base64.as_bytes()).map_err(|_| PemError::Damaged)
}

/// The key of a SubjectPublicKeyInfo, and its name.
pub(crate) fn subject_public_key(der: &[u8]) -> Result<(VerificationKey, Thumbprint), PemError> {
    let small = der.strip_prefix(ED25519).filter(|octets| octets.len() == 32);
    if let Some(octets) = small.or_else(|| der.strip_prefix(P256).filter(|octets| octets.len() == 65)) {
        let key = PublicKey::from_octets(octets)?;
        let thumbprint = Thumbprint::of(&key);
        return Ok((key.into(), thumbprint));
    }
    if let Some(octets) = der.strip_prefix(P384).filter(|octets| octets.first() == Some(&0x04)) {
        return Ok(jwk::p384(octets)?);
    }
    let (algorithm, n, e) = rsa(der).ok_or(PemError::Kind)?;
    let (key, thumbprint) = jwk::rsa(n, e).map_err(|error| match error {
        KeyError::Length(octets) => PemError::Bits(octets * 8),
        _ => PemError::Damaged,
    })?;
    match algorithm {
        RSA => Ok((key, thumbprint)),
        RSA_PSS => Ok((key.only_for(Algorithm::RsaPssSha512).map_err(|_| PemError::Kind)?, thumbprint)),
        _ => Err(PemError::Kind),
    }
}

/// The algorithm, modulus and exponent of an RSA key (RFC 8017 appendix A.1.1), whatever RSA it is for.
fn rsa(der: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let whole = alone(SEQUENCE, der)?;
    let (algorithm, rest) = element(SEQUENCE, whole)?;
    // No bits of its last octet are unused.
    let key = alone(BIT_STRING, rest)?.strip_prefix(&[0])?;
    let (n, rest) = element(INTEGER, alone(SEQUENCE, key)?)?;
    Some((algorithm, positive(n)?, positive(alone(INTEGER, rest)?)?))
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithms, Disagreement};
    use super::*;

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64.encode(der))
    }

    /// The key of RFC 7638 section 3.1 as DER.
    fn rsa_der(algorithm: &[u8]) -> Vec<u8> {
        let json = jwk::EXAMPLE_MODULUS;
        let n = crate::b64u::decode_vec(json).unwrap();
        let wrap = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            let head = match content.len() {
                ..0x80 => vec![tag, length[1]],
                0x80..0x100 => vec![tag, 0x81, length[1]],
                _ => vec![tag, 0x82, length[0], length[1]],
            };
            [head, content.to_vec()].concat()
        };
        let integers = [wrap(INTEGER, &[&[0], &n[..]].concat()), wrap(INTEGER, &[1, 0, 1])].concat();
        let key = wrap(BIT_STRING, &[&[0], &wrap(SEQUENCE, &integers)[..]].concat());
        wrap(SEQUENCE, &[wrap(SEQUENCE, algorithm), key].concat())
    }

    #[test]
    fn a_key_is_the_same_in_pem_and_as_a_jwk() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let ed25519 = [ED25519, &crate::b64u::decode::<32>(x).unwrap()].concat();
        let jwk = given(&format!(r#" {{"kty":"OKP","crv":"Ed25519","x":"{x}"}}"#)).unwrap();
        assert_eq!(given(&pem(LABEL, &ed25519)).unwrap().thumbprint, jwk.thumbprint);
        let rsa = given(&pem(LABEL, &rsa_der(RSA))).unwrap();
        assert_eq!(rsa.thumbprint.to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        assert_eq!(rsa.key.algorithm(None, Algorithms::DEFAULT), Err(Disagreement::Open));
        let pss = given(&pem(LABEL, &rsa_der(RSA_PSS))).unwrap();
        assert_eq!(pss.key.algorithm(None, Algorithms::DEFAULT), Ok(Algorithm::RsaPssSha512));
    }

    #[test]
    fn each_rule_refuses_its_near_miss() {
        let refused = |text: &str| match given(text).unwrap_err() {
            GivenError::Pem(error) => error,
            GivenError::Jwk(error) => panic!("{error}"),
        };
        let good = pem(LABEL, &rsa_der(RSA));
        assert_eq!(refused(""), PemError::NoBlock);
        assert_eq!(refused(&good.repeat(2)), PemError::SeveralBlocks);
        assert_eq!(refused(&good.replace("PUBLIC", "PRIVATE")), PemError::Private);
        assert_eq!(refused(&good.replace("PUBLIC", "EC PRIVATE")), PemError::Private);
        assert_eq!(refused(&good.replace("PUBLIC KEY", "CERTIFICATE")), PemError::Certificate);
        assert_eq!(
            refused(&good.replace("PUBLIC", "RSA PUBLIC")),
            PemError::Label("RSA PUBLIC KEY".to_owned())
        );
        assert_eq!(refused(&good.replace("-----END", "----END")), PemError::Damaged);
        assert_eq!(refused(&good.replacen("MII", "M!I", 1)), PemError::Damaged);
        let refused = |der: &[u8]| refused(&pem(LABEL, der));
        assert_eq!(refused(&[rsa_der(RSA), vec![0]].concat()), PemError::Kind);
        assert_eq!(refused(&rsa_der(&[RSA_PSS, &[0x05, 0x00]].concat())), PemError::Kind);
        assert_eq!(refused(&[ED25519, &[9; 31]].concat()), PemError::Kind);
        assert!(matches!(refused(&[ED25519, &[0; 32]].concat()), PemError::Key(_)));
        assert!(matches!(refused(&[P384, &[4; 97]].concat()), PemError::Key(_)));
        let mut even = rsa_der(RSA);
        *even.last_mut().unwrap() = 0;
        assert_eq!(refused(&even), PemError::Damaged, "an even exponent");
    }

    #[test]
    fn lengths_have_one_form() {
        assert_eq!(element(2, &[2, 1, 5, 9]), Some((&[5][..], &[9][..])));
        for other in
            [&[2, 0x81, 1, 5][..], &[2, 0x82, 0, 1, 5], &[2, 0x80, 5, 0, 0], &[2, 2, 5], &[2], &[3, 0]]
        {
            assert_eq!(element(2, other), None, "{other:?}");
        }
        assert_eq!(positive(&[0, 0x80]), Some(&[0x80][..]));
        for other in [&[][..], &[0], &[0, 1], &[0x80]] {
            assert_eq!(positive(other), None, "{other:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(-----BEGIN (PUBLIC|RSA) KEY-----)?[A-Za-z0-9+/=\n]{0,80}(-----END PUBLIC KEY-----)?", der: Vec<u8>) {
            let _ = given(&text);
            let _ = subject_public_key(&der);
        }
    }
}
