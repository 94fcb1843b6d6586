//! Which algorithm makes a signature.

use std::fmt;
use thiserror::Error;

/// An algorithm of the HTTP Signature Algorithms registry (RFC 9421 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// Ed25519 (section 3.3.6).
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (section 3.3.4).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384 (section 3.3.5).
    EcdsaP384Sha384,
    /// RSASSA-PSS with SHA-512 (section 3.3.1).
    RsaPssSha512,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (section 3.3.2).
    RsaV15Sha256,
    /// HMAC with SHA-256 (section 3.3.3).
    HmacSha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Ed25519,
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::RsaPssSha512,
        Self::RsaV15Sha256,
        Self::HmacSha256,
    ];

    /// As written in the `alg` parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::RsaPssSha512 => "rsa-pss-sha512",
            Self::RsaV15Sha256 => "rsa-v1_5-sha256",
            Self::HmacSha256 => "hmac-sha256",
        }
    }

    /// Reads the `alg` parameter.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Reads the `alg` of a JWK (RFC 7518 section 3.1, RFC 8037, RFC 9864); `None` for those that
    /// sign nothing here. Names of RFC 9421, which some directories write there, are taken too.
    #[must_use]
    pub fn of_jwk(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::Ed25519),
            "ES256" => Some(Self::EcdsaP256Sha256),
            "ES384" => Some(Self::EcdsaP384Sha384),
            "PS512" => Some(Self::RsaPssSha512),
            "RS256" => Some(Self::RsaV15Sha256),
            "HS256" => Some(Self::HmacSha256),
            _ => Self::parse(name),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which algorithms a verifier takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Algorithms(u8);

impl Algorithms {
    /// Those that only the holder of a private key can use, RSA v1.5 aside, whose padding new
    /// protocols avoid (RFC 8017 section 8).
    pub const DEFAULT: Self = Self::of(&[
        Algorithm::Ed25519,
        Algorithm::EcdsaP256Sha256,
        Algorithm::EcdsaP384Sha384,
        Algorithm::RsaPssSha512,
    ]);

    /// These and no others.
    #[must_use]
    pub const fn of(algorithms: &[Algorithm]) -> Self {
        let (mut set, mut rest) = (0, algorithms);
        while let [first, after @ ..] = rest {
            (set, rest) = (set | 1 << *first as u8, after);
        }
        Self(set)
    }

    /// Whether it is taken.
    #[must_use]
    pub const fn contain(self, algorithm: Algorithm) -> bool {
        self.0 & 1 << algorithm as u8 != 0
    }
}

/// Why there is no one algorithm for a signature and a key (RFC 9421 section 3.2 step 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Disagreement {
    /// `alg` is no algorithm of the registry.
    #[error("alg is none that RFC 9421 knows")]
    Unknown,
    /// `alg` is not what the key is for.
    #[error("alg is {0}, which is not what the key is for")]
    Key(Algorithm),
    /// Neither the key nor `alg` says which of the key's algorithms it is.
    #[error("neither alg nor the key says which algorithm of RSA it is")]
    Open,
    /// The verifier does not take it.
    #[error("{0} is not taken here")]
    NotTaken(Algorithm),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        assert!(Algorithm::ALL.iter().all(|own| Algorithm::parse(own.name()) == Some(*own)));
        assert_eq!(Algorithm::parse("ED25519"), None);
        assert_eq!(Algorithm::of_jwk("EdDSA"), Some(Algorithm::Ed25519));
        assert_eq!(Algorithm::of_jwk("RSA-OAEP"), None);
    }

    #[test]
    fn a_set_holds_what_it_is_made_of() {
        let set = Algorithms::of(&[Algorithm::HmacSha256, Algorithm::Ed25519]);
        let held: Vec<_> = Algorithm::ALL.into_iter().filter(|own| set.contain(*own)).collect();
        assert_eq!(held, [Algorithm::Ed25519, Algorithm::HmacSha256]);
        assert!(!Algorithms::DEFAULT.contain(Algorithm::HmacSha256));
        assert!(!Algorithms::DEFAULT.contain(Algorithm::RsaV15Sha256));
    }
}
