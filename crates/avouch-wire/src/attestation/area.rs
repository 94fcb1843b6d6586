//! The public area of an object of a TPM (TPMT_PUBLIC, Library part 2 §12.2.4), and what it has to be for each use.

use super::read::{Octets, Unread, padded};
use crate::key::{Fingerprint, PublicKey};
use aws_lc_rs::digest::{SHA256, digest};

/// The longest area read: that of an RSA key of 4096 bits has some 600 octets.
pub const MAX_AREA: usize = 1024;

const RSA: u16 = 0x0001;
const AES: u16 = 0x0006;
const OF_SHA256: u16 = 0x000b;
const NULL: u16 = 0x0010;
const RSASSA: u16 = 0x0014;
const RSAPSS: u16 = 0x0016;
const OAEP: u16 = 0x0017;
const ECDSA: u16 = 0x0018;
const ECDH: u16 = 0x0019;
const SM2: u16 = 0x001b;
const ECSCHNORR: u16 = 0x001c;
const ECC: u16 = 0x0023;
const CFB: u16 = 0x0043;
const P256: u16 = 0x0003;

const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const ORIGIN: u32 = 1 << 5;
const USER_WITH_AUTH: u32 = 1 << 6;
const ADMIN_WITH_POLICY: u32 = 1 << 7;
const NO_DA: u32 = 1 << 10;
const RESTRICTED: u32 = 1 << 16;
const DECRYPT: u32 = 1 << 17;
const SIGN: u32 = 1 << 18;

/// The policy of an endorsement key: that whoever uses it knows the password of the endorsement hierarchy (EK Credential
/// Profile §B.6.1, PolicyA for SHA-256).
const POLICY_A: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd,
    0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// What stands before the public key of RSA in a SubjectPublicKeyInfo (RFC 8017 §A.1), for 2048 bits.
const RSA_SPKI: [u8; 24] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
    0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00,
];

/// What stands before and after the modulus of 256 octets in an RSAPublicKey with the exponent 65537.
const RSA_HEAD: [u8; 9] = [0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00];
const RSA_TAIL: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];

/// What keeps a key of a TPM from its use. Each sentence has the key for its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its public area cannot be read.
    #[error("has a public area that cannot be read")]
    Unreadable,
    /// It could leave its TPM.
    #[error("lacks fixedTPM: it could leave its TPM")]
    FixedTpm,
    /// It could be moved below another key.
    #[error("lacks fixedParent: it could be moved below another key")]
    FixedParent,
    /// Somebody may know it.
    #[error("lacks sensitiveDataOrigin: it was not made by the TPM, and somebody may know it")]
    Origin,
    /// It cannot be used by its own, empty password.
    #[error("lacks userWithAuth: it opens by a policy only, which avouch does not speak")]
    UserWithAuth,
    /// Its failures count toward a lockout.
    #[error("lacks noDA: whoever guesses at passwords of this TPM could lock it")]
    NoDa,
    /// It cannot sign.
    #[error("lacks sign")]
    Sign,
    /// It signs whatever it is handed.
    #[error("lacks restricted: it signs what anybody made up, so that its word of the TPM is worth nothing")]
    Unrestricted,
    /// It signs only what the TPM made.
    #[error("is restricted: it signs only what the TPM itself made, and so no request")]
    Restricted,
    /// It decrypts, too.
    #[error("has decrypt set: a key that signs must do nothing else")]
    Decrypt,
    /// It is no key that decrypts for its TPM alone.
    #[error("has other attributes than an endorsement key")]
    Endorsement,
    /// Further attributes are set.
    #[error("has attributes ({0:#010x}) that no key of avouch has")]
    Further(u32),
    /// It opens by another policy than it has to.
    #[error("has a policy that a key of its use has not")]
    Policy,
    /// Its name is not computed with SHA-256.
    #[error("has a name by another hash than SHA-256")]
    NameHash,
    /// It is of another type.
    #[error("is of another type: neither P-256 nor, where it only decrypts, RSA of 2048 bits")]
    Type,
    /// Another curve.
    #[error("is on another curve than P-256")]
    Curve,
    /// Another way to sign.
    #[error("signs in another way than ECDSA with SHA-256")]
    Scheme,
    /// It carries a cipher or key derivation that its use has not.
    #[error("carries a cipher or a key derivation that a key of its use has not")]
    Parameters,
    /// Its public point is not on the curve.
    #[error("shows a point that is not on the curve")]
    Point,
}

impl From<Unread> for Unfit {
    fn from(_: Unread) -> Self {
        Self::Unreadable
    }
}

/// The name of an object: SHA-256 of its public area, behind the number of that hash (Library part 1 §16).
pub type Name = [u8; 34];

/// A public area that was read; what it is good for is another question.
#[derive(Debug, Clone, Copy)]
pub struct Area<'a> {
    octets: &'a [u8],
    attributes: u32,
    policy: &'a [u8],
    /// Cipher, bits and mode.
    cipher: Option<(u16, u16, u16)>,
    scheme: Option<(u16, u16)>,
    unique: Unique<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Unique<'a> {
    Ecc { curve: u16, derives: bool, x: &'a [u8], y: &'a [u8] },
    Rsa { bits: u16, exponent: u32, modulus: &'a [u8] },
}

/// An endorsement key: by it a TPM is known to its maker, and what is encrypted for it only that TPM reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndorsementKey {
    /// P-256.
    Ecc(Box<PublicKey>),
    /// RSA of 2048 bits with the exponent 65537: the modulus, 256 octets.
    Rsa(Vec<u8>),
}

impl EndorsementKey {
    /// The key as a certificate holds it: the contents of its `subjectPublicKey`, an RSAPublicKey or a point.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        match self {
            Self::Ecc(key) => key.octets().to_vec(),
            Self::Rsa(modulus) => [&RSA_HEAD, modulus.as_slice(), &RSA_TAIL].concat(),
        }
    }

    /// By which the TPM is known: that of the key's SubjectPublicKeyInfo, one for each key however it was handed over.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Ecc(key) => *key.fingerprint(),
            Self::Rsa(_) => Fingerprint::of_spki(&[RSA_SPKI.as_slice(), &self.octets()].concat()),
        }
    }
}

impl<'a> Area<'a> {
    /// Reads an area of an elliptic-curve or RSA key with a name by SHA-256.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Unfit> {
        if octets.len() > MAX_AREA {
            return Err(Unfit::Unreadable);
        }
        let mut rest = Octets(octets);
        let (kind, hash) = (rest.u16()?, rest.u16()?);
        let (attributes, policy) = (rest.u32()?, rest.sized()?);
        if !matches!(kind, RSA | ECC) {
            return Err(Unfit::Type);
        }
        if hash != OF_SHA256 {
            return Err(Unfit::NameHash);
        }
        let cipher = match rest.u16()? {
            NULL => None,
            AES => Some((AES, rest.u16()?, rest.u16()?)),
            _ => return Err(Unfit::Parameters),
        };
        let scheme = match rest.u16()? {
            NULL => None,
            scheme @ (RSASSA | RSAPSS | OAEP | ECDSA | ECDH | SM2 | ECSCHNORR) => Some((scheme, rest.u16()?)),
            _ => return Err(Unfit::Scheme),
        };
        let unique = if kind == ECC {
            let curve = rest.u16()?;
            let derives = rest.u16()? != NULL;
            if derives {
                rest.u16()?;
            }
            Unique::Ecc { curve, derives, x: rest.sized()?, y: rest.sized()? }
        } else {
            Unique::Rsa { bits: rest.u16()?, exponent: rest.u32()?, modulus: rest.sized()? }
        };
        rest.end()?;
        Ok(Self { octets, attributes, policy, cipher, scheme, unique })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> Name {
        let mut name = [0; 34];
        let (hash, value) = name.split_at_mut(2);
        hash.copy_from_slice(&OF_SHA256.to_be_bytes());
        value.copy_from_slice(digest(&SHA256, self.octets).as_ref());
        name
    }

    /// The public key of a key that signs requests: bound to its TPM, made there, and good for nothing else.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn signing_key(&self) -> Result<PublicKey, Unfit> {
        self.needs(&[(NO_DA, Unfit::NoDa), (SIGN, Unfit::Sign)])?;
        if self.has(RESTRICTED) {
            return Err(Unfit::Restricted);
        }
        self.signs_only(FIXED_TPM | FIXED_PARENT | ORIGIN | USER_WITH_AUTH | NO_DA | SIGN)
    }

    /// The public key of a key that speaks for its TPM: it signs only what the TPM itself made.
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn attestation_key(&self) -> Result<PublicKey, Unfit> {
        self.needs(&[(NO_DA, Unfit::NoDa), (SIGN, Unfit::Sign), (RESTRICTED, Unfit::Unrestricted)])?;
        self.signs_only(FIXED_TPM | FIXED_PARENT | ORIGIN | USER_WITH_AUTH | NO_DA | SIGN | RESTRICTED)
    }

    /// The endorsement key of this area, by template L-1 or L-2 (EK Credential Profile §B.3).
    ///
    /// # Errors
    /// [`Unfit`].
    pub fn endorsement_key(&self) -> Result<EndorsementKey, Unfit> {
        if self.attributes != FIXED_TPM | FIXED_PARENT | ORIGIN | ADMIN_WITH_POLICY | RESTRICTED | DECRYPT {
            return Err(Unfit::Endorsement);
        }
        if self.policy != POLICY_A {
            return Err(Unfit::Policy);
        }
        if self.cipher != Some((AES, 128, CFB)) || self.scheme.is_some() {
            return Err(Unfit::Parameters);
        }
        match self.unique {
            Unique::Ecc { curve: P256, derives: false, .. } => {
                self.point().map(Box::new).map(EndorsementKey::Ecc)
            }
            // An exponent of zero stands for 65537.
            Unique::Rsa { bits: 2048, exponent: 0, modulus } if modulus.len() == 256 => {
                Ok(EndorsementKey::Rsa(modulus.to_vec()))
            }
            _ => Err(Unfit::Type),
        }
    }

    const fn has(&self, attribute: u32) -> bool {
        self.attributes & attribute == attribute
    }

    fn needs(&self, further: &[(u32, Unfit)]) -> Result<(), Unfit> {
        if matches!(self.unique, Unique::Rsa { .. }) {
            return Err(Unfit::Type);
        }
        let all = [
            (FIXED_TPM, Unfit::FixedTpm),
            (FIXED_PARENT, Unfit::FixedParent),
            (ORIGIN, Unfit::Origin),
            (USER_WITH_AUTH, Unfit::UserWithAuth),
        ];
        let lacking = all.iter().chain(further).find(|(attribute, _)| !self.has(*attribute));
        lacking.map_or(Ok(()), |(_, unfit)| Err(*unfit))
    }

    fn signs_only(&self, attributes: u32) -> Result<PublicKey, Unfit> {
        let Unique::Ecc { curve, derives, .. } = self.unique else { return Err(Unfit::Type) };
        match () {
            () if self.has(DECRYPT) => Err(Unfit::Decrypt),
            () if self.attributes != attributes => Err(Unfit::Further(self.attributes ^ attributes)),
            () if !self.policy.is_empty() => Err(Unfit::Policy),
            () if curve != P256 => Err(Unfit::Curve),
            () if self.scheme != Some((ECDSA, OF_SHA256)) => Err(Unfit::Scheme),
            () if self.cipher.is_some() || derives => Err(Unfit::Parameters),
            () => self.point(),
        }
    }

    fn point(&self) -> Result<PublicKey, Unfit> {
        let Unique::Ecc { x, y, .. } = self.unique else { return Err(Unfit::Type) };
        let (x, y) = padded(x).zip(padded(y)).ok_or(Unfit::Point)?;
        PublicKey::from_octets(&[[4].as_slice(), &x, &y].concat()).map_err(|_| Unfit::Point)
    }
}
