//! What the keys of a TPM look like: the parent that every TPM can make again, the keys that sign, and those by which a
//! TPM shows that it holds them.

use avouch_wire::attestation::{Area, Unfit};
use avouch_wire::key::PublicKey;
use tpm2_protocol::TpmMarshal;
use tpm2_protocol::basic::{TpmUint16, TpmUint32};
use tpm2_protocol::data::{
    Tpm2bDigest, Tpm2bEccParameter, Tpm2bPublicKeyRsa, TpmAlgId, TpmEccCurve, TpmaObject, TpmsEccParms,
    TpmsEccPoint, TpmsRsaParms, TpmsSchemeHash, TpmtEccScheme, TpmtKdfScheme, TpmtPublic, TpmtRsaScheme,
    TpmtSymDefObject, TpmuAsymScheme, TpmuPublicId, TpmuPublicParms, TpmuSymKeyBits, TpmuSymMode,
};

use super::problem::TpmError;
use super::transport::MAX_OCTETS;

/// The policy of endorsement keys: PolicySecret of the endorsement hierarchy (EK Credential Profile §B.6.1, PolicyA).
const POLICY_A: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd,
    0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// Made by the TPM, and bound to it.
fn bound() -> TpmaObject {
    TpmaObject::FIXED_TPM | TpmaObject::FIXED_PARENT | TpmaObject::SENSITIVE_DATA_ORIGIN
}

/// Used without a password that could be guessed at.
fn open() -> TpmaObject {
    TpmaObject::USER_WITH_AUTH | TpmaObject::NO_DA
}

/// The storage key below which keys are made: template H-2 of the TCG's EK Credential Profile (§B.4.5), with the
/// attributes of its Provisioning Guidance (§7.5.1). A TPM makes the same key of it again until it is cleared.
pub(super) fn parent() -> TpmtPublic {
    elliptic(
        bound() | open() | TpmaObject::RESTRICTED | TpmaObject::DECRYPT,
        cipher(),
        TpmtEccScheme::default(),
    )
}

/// A key that signs.
pub(super) fn key() -> TpmtPublic {
    elliptic(bound() | open() | TpmaObject::SIGN_ENCRYPT, null_cipher(), ecdsa())
}

/// The key that speaks for the TPM: a primary key of the endorsement hierarchy, the same each time.
pub(super) fn attestation_key() -> TpmtPublic {
    elliptic(bound() | open() | TpmaObject::SIGN_ENCRYPT | TpmaObject::RESTRICTED, null_cipher(), ecdsa())
}

/// The key by which the TPM's maker knows it: templates L-1 and L-2 of the EK Credential Profile (§B.3.3, §B.3.4), whose
/// certificate the maker puts into the TPM.
pub(super) fn endorsement_key(kind: Endorsement) -> TpmtPublic {
    let attributes = bound() | TpmaObject::ADMIN_WITH_POLICY | TpmaObject::RESTRICTED | TpmaObject::DECRYPT;
    let zeros = |octets: usize| [0; 256].get(..octets).unwrap_or_default().to_vec();
    let (object_type, parameters, unique) = match kind {
        Endorsement::Ecc => {
            let coordinate = Tpm2bEccParameter::try_from(zeros(32).as_slice()).unwrap_or_default();
            let point = TpmsEccPoint { x: coordinate, y: coordinate };
            let public = elliptic(attributes, cipher(), TpmtEccScheme::default());
            (TpmAlgId::Ecc, public.parameters, TpmuPublicId::Ecc(point))
        }
        Endorsement::Rsa => {
            let parameters = TpmsRsaParms {
                symmetric: cipher(),
                scheme: TpmtRsaScheme::default(),
                key_bits: TpmUint16::new(2048),
                exponent: TpmUint32::new(0),
            };
            let modulus = Tpm2bPublicKeyRsa::try_from(zeros(256).as_slice()).unwrap_or_default();
            (TpmAlgId::Rsa, TpmuPublicParms::Rsa(parameters), TpmuPublicId::Rsa(modulus))
        }
    };
    TpmtPublic {
        object_type,
        name_alg: TpmAlgId::Sha256,
        object_attributes: attributes,
        auth_policy: Tpm2bDigest::try_from(POLICY_A.as_slice()).unwrap_or_default(),
        parameters,
        unique,
    }
}

/// Which endorsement key: makers certify one or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endorsement {
    /// P-256.
    Ecc,
    /// RSA of 2048 bits.
    Rsa,
}

fn elliptic(attributes: TpmaObject, symmetric: TpmtSymDefObject, scheme: TpmtEccScheme) -> TpmtPublic {
    let curve_id = TpmEccCurve::NistP256;
    let parameters = TpmsEccParms { symmetric, scheme, curve_id, kdf: TpmtKdfScheme::default() };
    TpmtPublic {
        object_type: TpmAlgId::Ecc,
        name_alg: TpmAlgId::Sha256,
        object_attributes: attributes,
        parameters: TpmuPublicParms::Ecc(parameters),
        unique: TpmuPublicId::Ecc(TpmsEccPoint::default()),
        ..TpmtPublic::default()
    }
}

fn ecdsa() -> TpmtEccScheme {
    let hash = TpmsSchemeHash { hash_alg: TpmAlgId::Sha256 };
    TpmtEccScheme { scheme: TpmAlgId::Ecdsa, details: TpmuAsymScheme::Hash(hash) }
}

fn cipher() -> TpmtSymDefObject {
    TpmtSymDefObject {
        algorithm: TpmAlgId::Aes,
        key_bits: TpmuSymKeyBits::Aes(TpmUint16::new(128)),
        mode: TpmuSymMode::Aes(TpmAlgId::Cfb),
    }
}

fn null_cipher() -> TpmtSymDefObject {
    TpmtSymDefObject { algorithm: TpmAlgId::Null, key_bits: TpmuSymKeyBits::Null, mode: TpmuSymMode::Null }
}

/// Whether this is an object as we leave one in a TPM. Each can be made or loaded again.
pub(super) fn is_ours(found: &TpmtPublic) -> bool {
    let of = |template: TpmtPublic| *found == TpmtPublic { unique: found.unique.clone(), ..template };
    let endorsement = [Endorsement::Ecc, Endorsement::Rsa].map(endorsement_key);
    [parent(), key(), attestation_key()].into_iter().chain(endorsement).any(of)
}

/// The public key of an object that is all a key has to be.
pub(super) fn check(found: &TpmtPublic) -> Result<PublicKey, Unfit> {
    let octets = octets(found).map_err(|_| Unfit::Unreadable)?;
    Area::parse(&octets)?.signing_key()
}

/// What a TPM computes with, as octets.
pub(super) fn octets(value: &impl TpmMarshal) -> Result<Vec<u8>, TpmError> {
    let mut octets = [0; MAX_OCTETS];
    let mut writer = tpm2_protocol::TpmWriter::new(&mut octets);
    value.marshal(&mut writer).map_err(|_| TpmError::Unwritten)?;
    Ok(writer.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use avouch_wire::key::KeyType;

    use super::*;
    use crate::entropy::Fixed;
    use crate::secret::SecretKey;
    use tpm2_protocol::data::TpmuKdfScheme;

    /// A public area as a TPM shows it of a key of ours.
    fn shown() -> (TpmtPublic, PublicKey) {
        let key = SecretKey::generate(KeyType::P256, &mut Fixed(1)).unwrap().public().clone();
        let coordinate = |at: usize| Tpm2bEccParameter::try_from(&key.octets()[at..at + 32]).unwrap();
        let point = TpmsEccPoint { x: coordinate(1), y: coordinate(33) };
        (TpmtPublic { unique: TpmuPublicId::Ecc(point), ..super::key() }, key)
    }

    fn changed(change: impl Fn(&mut TpmtPublic)) -> Result<PublicKey, Unfit> {
        let (mut public, _) = shown();
        change(&mut public);
        check(&public)
    }

    fn parameters(change: impl Fn(&mut TpmsEccParms)) -> Result<PublicKey, Unfit> {
        changed(|public| {
            let TpmuPublicParms::Ecc(mut parameters) = public.parameters else { panic!("another type") };
            change(&mut parameters);
            public.parameters = TpmuPublicParms::Ecc(parameters);
        })
    }

    #[test]
    fn a_key_as_it_has_to_be_is_read() {
        let (public, key) = shown();
        assert_eq!(check(&public), Ok(key));
    }

    #[test]
    fn a_key_that_lacks_an_attribute_is_refused_and_named() {
        for (attribute, unfit) in [
            (TpmaObject::FIXED_TPM, Unfit::FixedTpm),
            (TpmaObject::FIXED_PARENT, Unfit::FixedParent),
            (TpmaObject::SENSITIVE_DATA_ORIGIN, Unfit::Origin),
            (TpmaObject::USER_WITH_AUTH, Unfit::UserWithAuth),
            (TpmaObject::NO_DA, Unfit::NoDa),
            (TpmaObject::SIGN_ENCRYPT, Unfit::Sign),
        ] {
            assert_eq!(changed(|public| public.object_attributes ^= attribute), Err(unfit));
        }
    }

    #[test]
    fn a_key_with_an_attribute_too_many_is_refused() {
        let with = |attribute| changed(|public| public.object_attributes |= attribute);
        assert_eq!(with(TpmaObject::RESTRICTED), Err(Unfit::Restricted));
        assert_eq!(with(TpmaObject::DECRYPT), Err(Unfit::Decrypt));
        assert_eq!(with(TpmaObject::ST_CLEAR), Err(Unfit::Further(4)));
        assert_eq!(with(TpmaObject::ADMIN_WITH_POLICY), Err(Unfit::Further(0x80)));
        assert_eq!(with(TpmaObject::ENCRYPTED_DUPLICATION), Err(Unfit::Further(0x800)));
        assert_eq!(with(TpmaObject::from_bits_truncate(1 << 19)), Err(Unfit::Further(1 << 19)));
    }

    #[test]
    fn a_key_with_a_policy_another_curve_scheme_or_name_is_refused() {
        let digest = Tpm2bDigest::try_from([0; 32].as_slice()).unwrap();
        assert_eq!(changed(|public| public.auth_policy = digest), Err(Unfit::Policy));
        assert_eq!(changed(|public| public.name_alg = TpmAlgId::Sha384), Err(Unfit::NameHash));
        assert_eq!(parameters(|own| own.curve_id = TpmEccCurve::NistP384), Err(Unfit::Curve));
        assert_eq!(parameters(|own| own.scheme = TpmtEccScheme::default()), Err(Unfit::Scheme));
        assert_eq!(parameters(|own| own.scheme.scheme = TpmAlgId::Ecdaa), Err(Unfit::Scheme));
        let sha384 = TpmuAsymScheme::Hash(TpmsSchemeHash { hash_alg: TpmAlgId::Sha384 });
        assert_eq!(parameters(|own| own.scheme.details = sha384), Err(Unfit::Scheme));
        let TpmuPublicParms::Ecc(of_parent) = parent().parameters else { panic!("another type") };
        assert_eq!(parameters(|own| own.symmetric = of_parent.symmetric), Err(Unfit::Parameters));
        let kdf = TpmuKdfScheme::Kdf2(TpmsSchemeHash { hash_alg: TpmAlgId::Sha256 });
        let kdf = TpmtKdfScheme { scheme: TpmAlgId::Kdf2, details: kdf };
        assert_eq!(parameters(|own| own.kdf = kdf), Err(Unfit::Parameters));
    }

    #[test]
    fn what_is_no_point_of_the_curve_is_refused() {
        let other = |octets: &[u8]| {
            let x = Tpm2bEccParameter::try_from(octets).unwrap();
            changed(|public| public.unique = TpmuPublicId::Ecc(TpmsEccPoint { x, y: x }))
        };
        assert_eq!(other(&[7; 32]), Err(Unfit::Point));
        assert_eq!(other(&[]), Err(Unfit::Point));
        assert_eq!(other(&[7; 33]), Err(Unfit::Point));
        let rsa = changed(|public| {
            public.object_type = TpmAlgId::Rsa;
            public.parameters = TpmuPublicParms::Rsa(TpmsRsaParms::default());
            public.unique = TpmuPublicId::Rsa(Tpm2bPublicKeyRsa::default());
        });
        assert_eq!(rsa, Err(Unfit::Type));
    }

    #[test]
    fn only_what_we_leave_in_a_tpm_is_taken_for_ours() {
        let (public, _) = shown();
        assert!(is_ours(&public) && is_ours(&parent()) && is_ours(&endorsement_key(Endorsement::Rsa)));
        let mut other = parent();
        other.object_attributes ^= TpmaObject::NO_DA;
        assert!(!is_ours(&other));
        assert!(!is_ours(&TpmtPublic::default()));
    }
}
