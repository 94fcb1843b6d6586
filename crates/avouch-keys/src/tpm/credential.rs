//! Challenges that one TPM can read (Library part 1 §24, TPM2_MakeCredential), made without a TPM.
//!
//! Whoever answers one has shown that its attestation key and its endorsement key are in one TPM.

use avouch_wire::attestation::{EndorsementKey, Name};
use aws_lc_rs::agreement::{self, ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey};
use aws_lc_rs::cipher::{AES_128, EncryptionContext, StreamingEncryptingKey, UnboundCipherKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey, PublicKeyComponents,
};
use zeroize::Zeroizing;

use crate::entropy::{Entropy as _, SystemEntropy};
use crate::secret::KeyError;

/// What a challenge hides: 256 bits, drawn for one challenge.
pub type Hidden = [u8; 32];

/// The purpose of the seed, as text that ends in a zero.
const IDENTITY: &[u8] = b"IDENTITY\0";

/// 65537.
const EXPONENT: [u8; 3] = [1, 0, 1];

/// A challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// The hidden octets under a seed: the content of TPM2B_ID_OBJECT.
    pub object: Vec<u8>,
    /// The seed, for the endorsement key: the content of TPM2B_ENCRYPTED_SECRET.
    pub secret: Vec<u8>,
}

impl Credential {
    /// Hides octets from all but the TPM that has this endorsement key and an attestation key of this name.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn new(
        endorsement: &EndorsementKey,
        attestation_key: &Name,
        hidden: &Hidden,
    ) -> Result<Self, KeyError> {
        let (seed, secret) = match endorsement {
            EndorsementKey::Ecc(key) => agreed(key.octets()).map_err(|_| KeyError::Refused)?,
            EndorsementKey::Rsa(modulus) => encrypted(modulus)?,
        };
        let object = sealed(&seed, attestation_key, hidden).map_err(|_| KeyError::Refused)?;
        Ok(Self { object, secret })
    }
}

type Seed = Zeroizing<[u8; 32]>;

/// A seed that both sides compute: ECDH with a key of this once (part 1 §C.6.4).
fn agreed(endorsement: &[u8]) -> Result<(Seed, Vec<u8>), Unspecified> {
    let own = EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())?;
    let public = own.compute_public_key()?;
    let coordinate = |point: &[u8], at: usize| -> Result<[u8; 32], Unspecified> {
        point.get(at..).and_then(|rest| rest.first_chunk().copied()).ok_or(Unspecified)
    };
    let (x, y) = (coordinate(public.as_ref(), 1)?, coordinate(public.as_ref(), 33)?);
    let theirs = coordinate(endorsement, 1)?;
    let peer = UnparsedPublicKey::new(&ECDH_P256, endorsement);
    let seed = agreement::agree_ephemeral(own, peer, Unspecified, |shared| {
        // KDFe.
        let parts = Zeroizing::new([&1_u32.to_be_bytes(), shared, IDENTITY, &x, &theirs].concat());
        <[u8; 32]>::try_from(digest(&SHA256, &parts).as_ref()).map(Zeroizing::new).map_err(|_| Unspecified)
    })?;
    Ok((seed, [sized(&x)?, sized(&y)?].concat()))
}

/// A seed that is drawn, and encrypted (part 1 §B.10.4).
fn encrypted(modulus: &[u8]) -> Result<(Seed, Vec<u8>), KeyError> {
    let mut seed = Zeroizing::new([0; 32]);
    SystemEntropy.fill(seed.as_mut())?;
    let key: Result<PublicEncryptingKey, _> =
        PublicKeyComponents { n: modulus, e: EXPONENT.as_slice() }.try_into();
    let encrypt = || -> Result<Vec<u8>, Unspecified> {
        let key = OaepPublicEncryptingKey::new(key.map_err(|_| Unspecified)?)?;
        let mut secret = vec![0; key.ciphertext_size()];
        key.encrypt(&OAEP_SHA256_MGF1SHA256, seed.as_slice(), &mut secret, Some(IDENTITY))?;
        Ok(secret)
    };
    let secret = encrypt().map_err(|_| KeyError::Refused)?;
    Ok((seed, secret))
}

/// The hidden octets, encrypted and authenticated together with the name (part 1 §24.4, §24.5).
fn sealed(seed: &Seed, name: &Name, hidden: &Hidden) -> Result<Vec<u8>, Unspecified> {
    let key = derived(seed, b"STORAGE\0", name, 128);
    let key = UnboundCipherKey::new(&AES_128, key.as_ref().get(..16).ok_or(Unspecified)?)?;
    // The key is of this once, and the specification has this vector be zero.
    let vector = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    let plain = Zeroizing::new(sized(hidden)?);
    let mut identity = vec![0; plain.len().saturating_add(16)];
    let mut cipher = StreamingEncryptingKey::less_safe_cfb128(key, vector)?;
    let written = cipher.update(&plain, &mut identity)?.written().len();
    let (_, rest) = cipher.finish(identity.get_mut(written..).ok_or(Unspecified)?)?;
    let length = written.saturating_add(rest.written().len());
    identity.truncate(length);
    let key = derived(seed, b"INTEGRITY\0", &[], 256);
    let mac = hmac::sign(&hmac::Key::new(HMAC_SHA256, key.as_ref()), &[identity.as_slice(), name].concat());
    Ok([sized(mac.as_ref())?, identity].concat())
}

/// KDFa with HMAC-SHA-256, one block (part 1 §11.4.10.2).
fn derived(seed: &Seed, label: &[u8], context: &[u8], bits: u32) -> hmac::Tag {
    let key = hmac::Key::new(HMAC_SHA256, seed.as_slice());
    hmac::sign(&key, &[&1_u32.to_be_bytes(), label, context, &bits.to_be_bytes()].concat())
}

fn sized(octets: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let size = u16::try_from(octets.len()).map_err(|_| Unspecified)?;
    Ok([&size.to_be_bytes(), octets].concat())
}
