//! What the keys of a TPM look like: the parent that every TPM can make again, and the keys that sign.

use avouch_wire::key::PublicKey;
use tpm2_protocol::TpmMarshal;
use tpm2_protocol::basic::TpmUint16;
use tpm2_protocol::data::{
    Tpm2bEccParameter, TpmAlgId, TpmEccCurve, TpmaObject, TpmsEccParms, TpmsEccPoint, TpmsSchemeHash,
    TpmtEccScheme, TpmtKdfScheme, TpmtPublic, TpmtSymDefObject, TpmuAsymScheme, TpmuPublicId,
    TpmuPublicParms, TpmuSymKeyBits, TpmuSymMode,
};

use super::problem::{TpmError, Unfit};
use super::transport::MAX_OCTETS;

/// The attributes that a key has to have, each with what its absence means.
const NEEDED: [(TpmaObject, Unfit); 6] = [
    (TpmaObject::FIXED_TPM, Unfit::FixedTpm),
    (TpmaObject::FIXED_PARENT, Unfit::FixedParent),
    (TpmaObject::SENSITIVE_DATA_ORIGIN, Unfit::Origin),
    (TpmaObject::USER_WITH_AUTH, Unfit::UserWithAuth),
    (TpmaObject::NO_DA, Unfit::NoDa),
    (TpmaObject::SIGN_ENCRYPT, Unfit::Sign),
];

/// The storage key below which keys are made: template H-2 of the TCG's EK Credential Profile (§B.4.5), with the
/// attributes of its Provisioning Guidance (§7.5.1). A TPM makes the same key of it again until it is cleared.
pub(super) fn parent() -> TpmtPublic {
    let attributes = TpmaObject::FIXED_TPM
        | TpmaObject::FIXED_PARENT
        | TpmaObject::SENSITIVE_DATA_ORIGIN
        | TpmaObject::USER_WITH_AUTH
        | TpmaObject::NO_DA
        | TpmaObject::RESTRICTED
        | TpmaObject::DECRYPT;
    let parameters = TpmsEccParms {
        symmetric: TpmtSymDefObject {
            algorithm: TpmAlgId::Aes,
            key_bits: TpmuSymKeyBits::Aes(TpmUint16::new(128)),
            mode: TpmuSymMode::Aes(TpmAlgId::Cfb),
        },
        scheme: TpmtEccScheme::default(),
        curve_id: TpmEccCurve::NistP256,
        kdf: TpmtKdfScheme::default(),
    };
    public(attributes, parameters)
}

/// A key that signs.
pub(super) fn key() -> TpmtPublic {
    let attributes = NEEDED.iter().fold(TpmaObject::empty(), |all, (one, _)| all | *one);
    let scheme = TpmsSchemeHash { hash_alg: TpmAlgId::Sha256 };
    let parameters = TpmsEccParms {
        symmetric: null_cipher(),
        scheme: TpmtEccScheme { scheme: TpmAlgId::Ecdsa, details: TpmuAsymScheme::Hash(scheme) },
        curve_id: TpmEccCurve::NistP256,
        kdf: TpmtKdfScheme::default(),
    };
    public(attributes, parameters)
}

fn public(object_attributes: TpmaObject, parameters: TpmsEccParms) -> TpmtPublic {
    TpmtPublic {
        object_type: TpmAlgId::Ecc,
        name_alg: TpmAlgId::Sha256,
        object_attributes,
        parameters: TpmuPublicParms::Ecc(parameters),
        unique: TpmuPublicId::Ecc(TpmsEccPoint::default()),
        ..TpmtPublic::default()
    }
}

fn null_cipher() -> TpmtSymDefObject {
    TpmtSymDefObject { algorithm: TpmAlgId::Null, key_bits: TpmuSymKeyBits::Null, mode: TpmuSymMode::Null }
}

/// Whether this is an object as we leave one in a TPM: the parent, or a key.
pub(super) fn is_ours(found: &TpmtPublic) -> bool {
    let without_point = TpmtPublic { unique: TpmuPublicId::Ecc(TpmsEccPoint::default()), ..found.clone() };
    without_point == parent() || without_point == key()
}

/// The public key of an object that is all a key has to be.
pub(super) fn check(found: &TpmtPublic) -> Result<PublicKey, Unfit> {
    let (TpmuPublicParms::Ecc(parameters), TpmuPublicId::Ecc(point)) = (&found.parameters, &found.unique)
    else {
        return Err(Unfit::Type);
    };
    let has = |attribute| found.object_attributes.contains(attribute);
    if let Some((_, unfit)) = NEEDED.iter().find(|(attribute, _)| !has(*attribute)) {
        return Err(*unfit);
    }
    let wanted = key();
    match () {
        () if has(TpmaObject::RESTRICTED) => Err(Unfit::Restricted),
        () if has(TpmaObject::DECRYPT) => Err(Unfit::Decrypt),
        () if found.object_attributes != wanted.object_attributes => {
            Err(Unfit::Further((found.object_attributes ^ wanted.object_attributes).bits()))
        }
        () if !found.auth_policy.is_empty() => Err(Unfit::Policy),
        () if found.name_alg != TpmAlgId::Sha256 => Err(Unfit::NameHash),
        () if parameters.curve_id != TpmEccCurve::NistP256 => Err(Unfit::Curve),
        () if TpmuPublicParms::Ecc(TpmsEccParms { scheme: parameters.scheme, ..null_parameters() })
            != wanted.parameters =>
        {
            Err(Unfit::Scheme)
        }
        () if found.parameters != wanted.parameters => Err(Unfit::Parameters),
        () => public_key(point).ok_or(Unfit::Point),
    }
}

fn null_parameters() -> TpmsEccParms {
    TpmsEccParms {
        symmetric: null_cipher(),
        scheme: TpmtEccScheme::default(),
        curve_id: TpmEccCurve::NistP256,
        kdf: TpmtKdfScheme::default(),
    }
}

fn public_key(point: &TpmsEccPoint) -> Option<PublicKey> {
    let octets = [[4].as_slice(), &padded(&point.x)?, &padded(&point.y)?].concat();
    PublicKey::from_octets(&octets).ok()
}

/// A number of at most 32 octets; a TPM may leave out zeros in front, or write more.
pub(super) fn padded(number: &Tpm2bEccParameter) -> Option<[u8; 32]> {
    let first = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    let digits = number.get(first..)?;
    let mut padded = [0; 32];
    padded.get_mut(32_usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    Some(padded)
}

/// The octets of a public area, which the TPM computes an object's name from.
pub(super) fn octets(public: &TpmtPublic) -> Result<Vec<u8>, TpmError> {
    let mut octets = [0; MAX_OCTETS];
    let mut writer = tpm2_protocol::TpmWriter::new(&mut octets);
    public.marshal(&mut writer).map_err(|_| TpmError::Unwritten)?;
    Ok(writer.as_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use avouch_wire::key::KeyType;

    use super::*;
    use crate::entropy::Fixed;
    use crate::secret::SecretKey;
    use tpm2_protocol::data::{Tpm2bDigest, Tpm2bPublicKeyRsa, TpmsRsaParms, TpmuKdfScheme};

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
        for (attribute, unfit) in NEEDED {
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
            public.parameters = TpmuPublicParms::Rsa(TpmsRsaParms::default());
            public.unique = TpmuPublicId::Rsa(Tpm2bPublicKeyRsa::default());
        });
        assert_eq!(rsa, Err(Unfit::Type));
    }

    #[test]
    fn only_what_we_leave_in_a_tpm_is_taken_for_ours() {
        let (public, _) = shown();
        assert!(is_ours(&public) && is_ours(&parent()));
        let mut other = parent();
        other.object_attributes ^= TpmaObject::NO_DA;
        assert!(!is_ours(&other));
        assert!(!is_ours(&TpmtPublic::default()));
    }

    #[test]
    fn a_number_is_padded_in_front_and_never_cut() {
        let padded = |octets: &[u8]| padded(&Tpm2bEccParameter::try_from(octets).unwrap());
        assert_eq!(padded(&[]), Some([0; 32]));
        assert_eq!(padded(&[1, 2]).map(|own| (own[29], own[30], own[31])), Some((0, 1, 2)));
        assert_eq!(padded(&[7; 32]), Some([7; 32]));
        assert_eq!(padded(&[[0].as_slice(), &[7; 32]].concat()), Some([7; 32]));
        assert_eq!(padded(&[7; 33]), None);
    }
}
