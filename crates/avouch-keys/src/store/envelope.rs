//! A secret key as text: PKCS#8 in PEM, encrypted with a passphrase or plain.
//!
//! A file holds two blocks, the private key and then its public key, so that the public part can be shown
//! without the passphrase and one rename makes both appear. Whoever opens the key checks that they belong
//! together, which also notices a damaged ciphertext (CBC alone would not).

use pkcs8::pkcs5::pbes2::{Kdf, Parameters};
use pkcs8::pkcs5::{EncryptionScheme, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use avouch_wire::key::PublicKey;

use super::block::block;
use super::problem::{Cost, Problem};
use crate::entropy::{Entropy, SystemEntropy};
use crate::passphrase::Passphrase;
use crate::secret::{KeyError, SecretKey};
use crate::spki;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";

/// scrypt with N = 2^14, r = 8, p = 5: 16 MiB, the most that OpenSSL 3 opens without being told to,
/// with the parallelism that makes it worth N = 2^17, p = 1 to somebody who guesses (OWASP's table).
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 5;

/// Memory a file may ask for: 128 MiB, which is N = 2^17 with r = 8, the strongest recommended setting.
const MAX_SCRYPT_OCTETS: u64 = 128 << 20;
/// Block mixes a file may ask for, N · r · p: some five seconds.
const MAX_SCRYPT_WORK: u64 = 1 << 24;
/// PBKDF2 rounds a file may ask for: five seconds or so; OpenSSL writes 2048, OWASP recommends 600 000.
const MAX_PBKDF2_ROUNDS: u32 = 10_000_000;

/// The private part of a key file, still closed.
pub(super) enum Sealed<'a> {
    Plain(&'a str),
    Encrypted(&'a str),
}

/// A key file's text, divided but not yet decoded.
pub(super) struct Envelope<'a> {
    pub(super) sealed: Sealed<'a>,
    public: Option<&'a str>,
}

impl<'a> Envelope<'a> {
    /// Finds the blocks; other text and other blocks are passed over, as RFC 7468 §2 allows.
    pub(super) fn divide(text: &'a str) -> Result<Self, Problem> {
        let sealed = match (block(text, PLAIN)?, block(text, ENCRYPTED)?) {
            (Some(plain), None) => Sealed::Plain(plain),
            (None, Some(encrypted)) => Sealed::Encrypted(encrypted),
            (None, None) => return Err(Problem::NoKey),
            (Some(_), Some(_)) => return Err(Problem::SeveralKeys),
        };
        Ok(Self { sealed, public: block(text, spki::LABEL)? })
    }

    /// The public key as the file shows it, which only opening the private part proves.
    pub(super) fn shown(&self) -> Result<Option<PublicKey>, Problem> {
        let Some(pem) = self.public else { return Ok(None) };
        spki::from_pem(pem).map(Some).ok_or(Problem::PublicDamaged)
    }

    /// The secret key, proved to belong to the public key shown.
    pub(super) fn open(&self, passphrase: Option<&Passphrase>) -> Result<SecretKey, Problem> {
        let secret = match (&self.sealed, passphrase) {
            (Sealed::Plain(pem), _) => {
                let (_, der) = SecretDocument::from_pem(pem).map_err(|_| Problem::Damaged)?;
                decode(der.as_bytes())?
            }
            (Sealed::Encrypted(_), None) => return Err(Problem::PassphraseNeeded),
            (Sealed::Encrypted(pem), Some(passphrase)) => decrypt(pem, passphrase)?,
        };
        match self.shown()? {
            Some(shown) if shown != *secret.public() => Err(Problem::PublicDiffers),
            _ => Ok(secret),
        }
    }
}

fn decrypt(pem: &str, passphrase: &Passphrase) -> Result<SecretKey, Problem> {
    let (_, der) = SecretDocument::from_pem(pem).map_err(|_| Problem::Damaged)?;
    let info = EncryptedPrivateKeyInfoRef::try_from(der.as_bytes()).map_err(|_| Problem::UnreadEncryption)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(Problem::UnreadEncryption);
    };
    affordable(&parameters.kdf)?;
    let opened = info.decrypt(passphrase.octets()).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => {
            Problem::UnreadEncryption
        }
        _ => Problem::PassphraseWrong,
    })?;
    decode(opened.as_bytes()).map_err(|problem| match problem {
        // A wrong passphrase leaves valid padding once in 256 times, and then noise.
        Problem::Damaged => Problem::PassphraseWrong,
        other => other,
    })
}

/// A file must not make its reader spend gigabytes or minutes: its parameters are judged before they are used.
fn affordable(kdf: &Kdf) -> Result<(), Problem> {
    match kdf {
        Kdf::Scrypt(scrypt) => {
            let (n, r, p) = (scrypt.cost_parameter, scrypt.block_size, scrypt.parallelization);
            if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
                return Err(Problem::Damaged);
            }
            let blocks = n.saturating_mul(u64::from(r));
            let dear = blocks.saturating_mul(128) > MAX_SCRYPT_OCTETS
                || blocks.saturating_mul(u64::from(p)) > MAX_SCRYPT_WORK;
            if dear { Err(Problem::TooCostly { asked: Cost::Scrypt { n, r, p } }) } else { Ok(()) }
        }
        Kdf::Pbkdf2(pbkdf2) => match pbkdf2.iteration_count {
            0 => Err(Problem::Damaged),
            1..=MAX_PBKDF2_ROUNDS => Ok(()),
            iterations => Err(Problem::TooCostly { asked: Cost::Pbkdf2 { iterations } }),
        },
        _ => Err(Problem::UnreadEncryption),
    }
}

fn decode(der: &[u8]) -> Result<SecretKey, Problem> {
    PrivateKeyInfoRef::try_from(der).map_err(|_| Problem::Damaged)?;
    SecretKey::from_pkcs8(der).map_err(|_| Problem::OtherKeyType)
}

/// The text of a key file; `passphrase` absent leaves the private key readable to whoever can read the file.
pub(super) fn seal(key: &SecretKey, passphrase: Option<&Passphrase>) -> Result<Zeroizing<String>, Problem> {
    let der = key.to_pkcs8()?;
    let mut text = match passphrase {
        Some(passphrase) => encrypt(&der, passphrase)?,
        None => pem(&SecretDocument::try_from(der.as_slice()).map_err(|_| KeyError::Refused)?, PLAIN)?,
    };
    text.push_str(&spki::to_pem(key.public())?);
    Ok(text)
}

fn encrypt(der: &[u8], passphrase: &Passphrase) -> Result<Zeroizing<String>, Problem> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    SystemEntropy.fill(&mut salt).map_err(KeyError::from)?;
    SystemEntropy.fill(&mut iv).map_err(KeyError::from)?;
    let cost = scrypt::Params::new(LOG_N, R, P).map_err(|_| KeyError::Refused)?;
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv).map_err(|_| KeyError::Refused)?;
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Refused)?;
    let sealed = info.encrypt_with_params(parameters, passphrase.octets()).map_err(|_| KeyError::Refused)?;
    pem(&sealed, ENCRYPTED)
}

fn pem(der: &SecretDocument, label: &'static str) -> Result<Zeroizing<String>, Problem> {
    Ok(der.to_pem(label, LineEnding::LF).map_err(|_| KeyError::Refused)?)
}

#[cfg(test)]
mod tests {
    use avouch_wire::key::KeyType;
    use pkcs8::pkcs5::pbes2::{Pbkdf2Params, ScryptParams};

    use super::*;
    use crate::entropy::Fixed;

    const BOTH: [KeyType; 2] = [KeyType::Ed25519, KeyType::P256];

    fn key(key_type: KeyType) -> SecretKey {
        SecretKey::generate(key_type, &mut Fixed(7)).unwrap()
    }

    fn words(text: &str) -> Passphrase {
        Passphrase::from_line(text.into()).unwrap()
    }

    fn open(text: &str, passphrase: Option<&Passphrase>) -> Result<PublicKey, Problem> {
        Ok(Envelope::divide(text)?.open(passphrase)?.public().clone())
    }

    #[test]
    fn an_encrypted_key_opens_with_its_passphrase_only() {
        for key in BOTH.map(key) {
            let text = seal(&key, Some(&words("correct horse"))).unwrap();
            assert_eq!(open(&text, Some(&words("correct horse"))).unwrap(), *key.public());
            assert!(matches!(open(&text, Some(&words("correct house"))), Err(Problem::PassphraseWrong)));
            assert!(matches!(open(&text, None), Err(Problem::PassphraseNeeded)));
            assert_eq!(Envelope::divide(&text).unwrap().shown().unwrap().as_ref(), Some(key.public()));
        }
    }

    #[test]
    fn the_secret_stands_nowhere_in_an_encrypted_file() {
        let key = key(KeyType::Ed25519);
        let plain = seal(&key, None).unwrap();
        let secret = plain.lines().nth(1).unwrap();
        let sealed = seal(&key, Some(&words("correct horse"))).unwrap();
        assert!(secret.len() == 64 && !sealed.contains(secret.get(24..).unwrap()));
        assert_ne!(*sealed, *seal(&key, Some(&words("correct horse"))).unwrap(), "salt and IV are fresh");
    }

    #[test]
    fn a_plain_key_opens_without_passphrase() {
        for key in BOTH.map(key) {
            let text = seal(&key, None).unwrap();
            assert_eq!(open(&text, None).unwrap(), *key.public());
            assert_eq!(open(&text, Some(&words("unused"))).unwrap(), *key.public());
        }
    }

    #[test]
    fn text_around_the_blocks_is_passed_over() {
        let text = seal(&key(KeyType::P256), None).unwrap();
        assert!(open(&format!("# the crawler's key\n\n{}\n# end\n", *text), None).is_ok());
        assert!(matches!(open("# the crawler's key\n", None), Err(Problem::NoKey)));
    }

    #[test]
    fn two_private_keys_are_refused_wherever_they_stand() {
        let (plain, sealed) =
            (seal(&key(KeyType::P256), None).unwrap(), seal(&key(KeyType::P256), Some(&words("x"))).unwrap());
        assert!(matches!(open(&format!("{}{}", *plain, *plain), None), Err(Problem::SeveralKeys)));
        assert!(matches!(open(&format!("{}{}", *plain, *sealed), None), Err(Problem::SeveralKeys)));
    }

    #[test]
    fn a_public_key_that_is_not_the_private_ones_own_is_refused() {
        let one = seal(&key(KeyType::Ed25519), None).unwrap();
        let other = SecretKey::generate(KeyType::Ed25519, &mut Fixed(8)).unwrap();
        let (private, _) = one.split_at(one.find("-----BEGIN PUBLIC").unwrap());
        let swapped = format!("{private}{}", spki::to_pem(other.public()).unwrap());
        assert!(matches!(open(&swapped, None), Err(Problem::PublicDiffers)));
        assert!(open(private, None).is_ok(), "none is no contradiction");
    }

    #[test]
    fn a_changed_ciphertext_never_opens() {
        let key = key(KeyType::Ed25519);
        let text = seal(&key, Some(&words("correct horse"))).unwrap();
        let (_, der) = SecretDocument::from_pem(block(&text, ENCRYPTED).unwrap().unwrap()).unwrap();
        let public = spki::to_pem(key.public()).unwrap();
        // The last four blocks of 16 are the key; a flipped bit in one scrambles it and flips the next one's.
        for from_end in [1, 17, 33, 49, 65] {
            let mut bent = der.as_bytes().to_vec();
            let place = bent.len() - from_end;
            bent[place] ^= 1;
            let bent = pem(&SecretDocument::try_from(bent).unwrap(), ENCRYPTED).unwrap();
            assert!(open(&format!("{}{public}", *bent), Some(&words("correct horse"))).is_err());
        }
    }

    #[test]
    fn other_key_types_are_refused_by_name() {
        let x25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
                   -----END PRIVATE KEY-----\n";
        assert!(matches!(open(x25519, None), Err(Problem::OtherKeyType)));
        let cut = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw\n-----END PRIVATE KEY-----\n";
        assert!(matches!(open(cut, None), Err(Problem::Damaged)));
        assert!(matches!(open("-----BEGIN PRIVATE KEY-----\nMC4C", None), Err(Problem::Damaged)));
    }

    #[test]
    fn no_changed_or_cut_octet_makes_the_reader_panic_or_opens_another_key() {
        for key in BOTH.map(key) {
            let text = seal(&key, None).unwrap();
            for at in 0..text.len() {
                let _ = open(text.split_at(at).0, None);
                for octet in [b'A', b'-'] {
                    let mut bent = text.as_bytes().to_vec();
                    bent[at] = octet;
                    let opened = open(core::str::from_utf8(&bent).unwrap(), None);
                    // A broken label hides the public block; then nothing contradicts the private one.
                    let hidden = !core::str::from_utf8(&bent).unwrap().contains("-----BEGIN PUBLIC KEY-----");
                    assert!(hidden || opened.is_err() || opened.unwrap() == *key.public(), "{at}");
                }
            }
        }
    }

    fn scrypt_of(n: u64, r: u16, p: u16) -> Result<(), Problem> {
        let salt = [0_u8; 16].as_slice().try_into().unwrap();
        affordable(&Kdf::Scrypt(ScryptParams {
            salt,
            cost_parameter: n,
            block_size: r,
            parallelization: p,
            key_length: None,
        }))
    }

    #[test]
    fn a_file_asking_for_too_much_memory_or_time_is_refused_before_any_is_spent() {
        assert!(scrypt_of(1 << 17, 8, 1).is_ok());
        assert!(matches!(scrypt_of(1 << 18, 8, 1), Err(Problem::TooCostly { .. })));
        assert!(matches!(scrypt_of(1 << 17, 9, 1), Err(Problem::TooCostly { .. })));
        assert!(scrypt_of(1 << 17, 8, 16).is_ok());
        assert!(matches!(scrypt_of(1 << 17, 8, 17), Err(Problem::TooCostly { .. })));
        assert!(matches!(scrypt_of(1 << 63, u16::MAX, u16::MAX), Err(Problem::TooCostly { .. })));
        let rounds = |count| affordable(&Pbkdf2Params::hmac_sha256(count, &[0; 16]).unwrap().into());
        assert!(rounds(MAX_PBKDF2_ROUNDS).is_ok());
        assert!(matches!(rounds(MAX_PBKDF2_ROUNDS + 1), Err(Problem::TooCostly { .. })));
    }

    #[test]
    fn costs_that_mean_nothing_are_refused() {
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (16384, 0, 1), (16384, 8, 0)] {
            assert!(matches!(scrypt_of(n, r, p), Err(Problem::Damaged)), "N={n} r={r} p={p}");
        }
    }
}
