//! A key that a TPM wrapped, as text: `TSS2 PRIVATE KEY` in PEM (draft-bottomley-tpm2-keys), then its public half.
//!
//! Other programs read it: OpenSSL signs with it by its provider for TPMs.

use avouch_wire::attestation::Unfit;
use avouch_wire::key::PublicKey;
use pkcs8::der::asn1::{AnyRef, ContextSpecific, OctetStringRef};
use pkcs8::der::{Decode as _, ErrorKind, Header, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use pkcs8::{Document, LineEnding, ObjectIdentifier};
use tpm2_protocol::TpmUnmarshal as _;
use tpm2_protocol::data::{Tpm2bPrivate, TpmRh, TpmtPublic};

use super::problem::TpmError;
use super::template;
use crate::secret::KeyError;
use crate::spki;
use crate::store::{BlockError, block};

/// The label of the block.
pub(crate) const LABEL: &str = "TSS2 PRIVATE KEY";

/// id-loadablekey: to be loaded below its parent, and nothing but loaded.
const LOADABLE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.10.1.3");

/// The start of DER for what is always the same: the kind, `emptyAuth [0] TRUE`, and the owner's parent.
const HEAD: [u8; 19] = [
    0x06, 0x06, 0x67, 0x81, 0x05, 0x0a, 0x01, 0x03, 0xa0, 0x03, 0x01, 0x01, 0xff, 0x02, 0x04, 0x40, 0x00,
    0x00, 0x01,
];

/// Why a text is no wrapped key that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// No block of that label.
    #[error("holds no key of a TPM")]
    NoKey,
    /// It cannot be decoded, or is written in another way than by the rules.
    #[error("holds a damaged key: restore it from a copy")]
    Damaged,
    /// More than one key.
    #[error("holds more than one private key: keep one key per file")]
    Several,
    /// To be imported, sealed data, or of a kind that came later.
    #[error("holds no key that a TPM made and can load: make one with `avouch key new tpm:PATH`")]
    Kind,
    /// It has a password or a policy.
    #[error(
        "holds a key with a password or a policy, which avouch does not ask for: make one with `avouch key new tpm:PATH`"
    )]
    Guarded,
    /// It is below another parent than the standard one.
    #[error(
        "holds a key below another parent than the owner's standard storage key: make one with `avouch key new tpm:PATH`"
    )]
    Parent,
    /// The key is not what a key of avouch has to be.
    #[error("holds a key that {0}: make one with `avouch key new tpm:PATH`")]
    Unfit(#[from] Unfit),
    /// The block `PUBLIC KEY` beside it is damaged.
    #[error("shows a public key that cannot be read: delete its PUBLIC KEY block, or restore it from a copy")]
    PublicDamaged,
    /// The block `PUBLIC KEY` beside it belongs to another key.
    #[error("shows a public key that is not its own: somebody changed the file; restore it from a copy")]
    PublicDiffers,
}

impl From<BlockError> for BlobError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Open => Self::Damaged,
            BlockError::Several => Self::Several,
        }
    }
}

/// A key as its TPM handed it out: only that TPM can use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    area: TpmtPublic,
    private: Vec<u8>,
    public: PublicKey,
}

impl Blob {
    /// What a TPM made, if it is all that a key has to be.
    pub(super) fn new(area: TpmtPublic, private: &[u8]) -> Result<Self, BlobError> {
        let public = template::check(&area)?;
        match Tpm2bPrivate::try_from(private) {
            Ok(_) if !private.is_empty() => Ok(Self { area, private: private.to_vec(), public }),
            _ => Err(BlobError::Damaged),
        }
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn parse(text: &str) -> Result<Self, BlobError> {
        let pem = block(text, LABEL)?.ok_or(BlobError::NoKey)?;
        let (_, der) = Document::from_pem(pem).map_err(|_| BlobError::Damaged)?;
        let blob = Self::from_der(der.as_bytes())?;
        match block(text, spki::LABEL)?.map(spki::from_pem) {
            Some(None) => Err(BlobError::PublicDamaged),
            Some(Some(shown)) if shown != blob.public => Err(BlobError::PublicDiffers),
            _ => Ok(blob),
        }
    }

    /// Reads `TPMKey` in DER.
    ///
    /// # Errors
    /// [`BlobError`].
    pub fn from_der(der: &[u8]) -> Result<Self, BlobError> {
        let parts = Parts::read(der).map_err(|_| BlobError::Damaged)?;
        match () {
            () if parts.kind != LOADABLE => return Err(BlobError::Kind),
            () if !parts.empty_auth || parts.is_guarded => return Err(BlobError::Guarded),
            () if parts.parent != TpmRh::Owner as u32 => return Err(BlobError::Parent),
            () => {}
        }
        let area = sized(parts.public).and_then(|area| match TpmtPublic::unmarshal(area) {
            Ok((area, [])) => Ok(area),
            _ => Err(BlobError::Damaged),
        })?;
        Self::new(area, sized(parts.private)?)
    }

    /// The text of a file, ending in a line feed.
    ///
    /// # Errors
    /// [`KeyError::Refused`] is not expected: every blob has this form.
    pub fn to_text(&self) -> Result<String, KeyError> {
        let der = Document::try_from(self.to_der()?).map_err(|_| KeyError::Refused)?;
        let pem = der.to_pem(LABEL, LineEnding::LF).map_err(|_| KeyError::Refused)?;
        Ok(pem + &spki::to_pem(&self.public)?)
    }

    fn to_der(&self) -> Result<Vec<u8>, TpmError> {
        let (area, private) = (template::octets(&self.area)?, &self.private);
        let whole = |octets: &[u8]| -> Option<Vec<u8>> {
            let size = u16::try_from(octets.len()).ok()?.to_be_bytes();
            wrapped(0x04, &[size.as_slice(), octets].concat())
        };
        let parts =
            whole(&area).zip(whole(private)).map(|(area, private)| [&HEAD[..], &area, &private].concat());
        parts.and_then(|parts| wrapped(0x30, &parts)).ok_or(TpmError::Unwritten)
    }

    /// The public key.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(super) const fn area(&self) -> &TpmtPublic {
        &self.area
    }

    pub(super) fn private(&self) -> Result<Tpm2bPrivate, TpmError> {
        Tpm2bPrivate::try_from(self.private.as_slice()).map_err(|_| TpmError::Unwritten)
    }
}

/// `TPMKey`, taken apart.
struct Parts<'a> {
    kind: ObjectIdentifier,
    empty_auth: bool,
    /// A policy, a secret, or what a parent of another kind needs.
    is_guarded: bool,
    parent: u32,
    public: &'a [u8],
    private: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Result<Self, pkcs8::der::Error> {
        let mut reader = SliceReader::new(der)?;
        let header = Header::decode(&mut reader)?;
        if header.tag() != Tag::Sequence || header.length() != reader.remaining_len() {
            return Err(ErrorKind::Failed.into());
        }
        let kind = ObjectIdentifier::decode(&mut reader)?;
        // Some write TRUE as 01, which is BER.
        let empty_auth = ContextSpecific::<AnyRef<'a>>::decode_explicit(&mut reader, TagNumber(0))?;
        let is_true = |flag: AnyRef<'_>| flag.tag() == Tag::Boolean && matches!(flag.value(), [0x01 | 0xff]);
        let mut is_guarded = false;
        for number in 1..=5 {
            let found = ContextSpecific::<AnyRef<'a>>::decode_explicit(&mut reader, TagNumber(number))?;
            is_guarded |= found.is_some();
        }
        let parts = Self {
            kind,
            empty_auth: empty_auth.is_some_and(|flag| is_true(flag.value)),
            is_guarded,
            parent: u32::decode(&mut reader)?,
            public: <&OctetStringRef>::decode(&mut reader)?.as_bytes(),
            private: <&OctetStringRef>::decode(&mut reader)?.as_bytes(),
        };
        if reader.is_finished() { Ok(parts) } else { Err(ErrorKind::Failed.into()) }
    }
}

/// What follows its own length in two octets, and nothing beside.
fn sized(octets: &[u8]) -> Result<&[u8], BlobError> {
    let (size, content) = octets.split_first_chunk::<2>().ok_or(BlobError::Damaged)?;
    if content.len() == usize::from(u16::from_be_bytes(*size)) {
        Ok(content)
    } else {
        Err(BlobError::Damaged)
    }
}

/// DER of one tag; `None` beyond what two octets count.
fn wrapped(tag: u8, content: &[u8]) -> Option<Vec<u8>> {
    let [high, low] = u16::try_from(content.len()).ok()?.to_be_bytes();
    let head = match (high, low) {
        (0, 0..=0x7f) => vec![tag, low],
        (0, _) => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    Some([head, content.to_vec()].concat())
}

#[cfg(test)]
mod tests {
    use avouch_wire::key::KeyType;
    use tpm2_protocol::data::{Tpm2bEccParameter, TpmaObject, TpmsEccPoint, TpmuPublicId};

    use super::*;
    use crate::entropy::Fixed;
    use crate::secret::SecretKey;

    fn area(seed: u64) -> TpmtPublic {
        let key = SecretKey::generate(KeyType::P256, &mut Fixed(seed)).unwrap().public().clone();
        let coordinate = |at: usize| Tpm2bEccParameter::try_from(&key.octets()[at..at + 32]).unwrap();
        let point = TpmsEccPoint { x: coordinate(1), y: coordinate(33) };
        TpmtPublic { unique: TpmuPublicId::Ecc(point), ..template::key() }
    }

    fn blob() -> Blob {
        Blob::new(area(1), &[7; 126]).unwrap()
    }

    fn pem(der: &[u8]) -> String {
        let text = data_encoding::BASE64.encode(der);
        let lines: Vec<_> =
            text.as_bytes().chunks(64).map(|line| core::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN {LABEL}-----\n{}\n-----END {LABEL}-----\n", lines.join("\n"))
    }

    /// What comes of DER in which these octets are replaced.
    fn replaced(from: &[u8], to: &[u8]) -> Result<Blob, BlobError> {
        assert_eq!(from.len(), to.len());
        let mut der = blob().to_der().unwrap();
        let at = der.windows(from.len()).position(|window| window == from).unwrap();
        der[at..at + to.len()].copy_from_slice(to);
        Blob::parse(&pem(&der))
    }

    #[test]
    fn what_is_written_is_read_alike_with_or_without_its_public_half() {
        for length in [1, 126, 300, 1408] {
            let blob = Blob::new(area(1), &vec![7; length]).unwrap();
            let text = blob.to_text().unwrap();
            assert_eq!(Blob::parse(&text), Ok(blob.clone()));
            assert_eq!(Blob::parse(&format!("a comment\n{text}and more")), Ok(blob.clone()));
            assert_eq!(Blob::parse(&pem(&blob.to_der().unwrap())), Ok(blob));
        }
        assert!(Blob::new(area(1), &[7; 1409]).is_err() && Blob::new(area(1), &[]).is_err());
    }

    #[test]
    fn a_public_half_of_another_key_is_refused() {
        let (own, other) =
            (blob().to_text().unwrap(), Blob::new(area(2), &[7; 126]).unwrap().to_text().unwrap());
        let (wrapped, _) = own.split_once("-----BEGIN PUBLIC").unwrap();
        let (_, public) = other.split_once("-----BEGIN PUBLIC").unwrap();
        assert_eq!(
            Blob::parse(&format!("{wrapped}-----BEGIN PUBLIC{public}")),
            Err(BlobError::PublicDiffers)
        );
        let broken = own.replace("MFkw", "MFkx");
        assert_eq!(Blob::parse(&broken), Err(BlobError::PublicDamaged));
    }

    #[test]
    fn keys_of_another_kind_password_policy_or_parent_are_refused() {
        let kind = [0x67, 0x81, 0x05, 0x0a, 0x01];
        let of = |last: u8| [kind.as_slice(), &[last]].concat();
        assert_eq!(replaced(&of(3), &of(4)), Err(BlobError::Kind), "to be imported");
        assert_eq!(replaced(&of(3), &of(5)), Err(BlobError::Kind), "sealed data");
        assert_eq!(replaced(&[0x01, 0x01, 0xff], &[0x01, 0x01, 0x00]), Err(BlobError::Guarded));
        assert_eq!(replaced(&[0x01, 0x01, 0xff], &[0x01, 0x01, 0x01]), Ok(blob()));
        assert_eq!(replaced(&[0x01, 0x01, 0xff], &[0x02, 0x01, 0xff]), Err(BlobError::Guarded), "no BOOLEAN");
        assert_eq!(
            replaced(&[0x40, 0, 0, 1], &[0x40, 0, 0, 0x0b]),
            Err(BlobError::Parent),
            "the endorsement's"
        );
        assert_eq!(replaced(&[0xa0, 0x03], &[0xa5, 0x03]), Err(BlobError::Guarded), "below an RSA parent");
        let without_sign = (area(1).object_attributes ^ TpmaObject::SIGN_ENCRYPT).bits().to_be_bytes();
        let attributes = area(1).object_attributes.bits().to_be_bytes();
        assert_eq!(replaced(&attributes, &without_sign), Err(BlobError::Unfit(Unfit::Sign)));
    }

    #[test]
    fn whatever_octets_change_what_is_read_can_be_written_and_is_read_alike() {
        let der = blob().to_der().unwrap();
        for at in 0..der.len() {
            for change in [0x01, 0x80, 0xff, 0x20] {
                let mut changed = der.clone();
                changed[at] ^= change;
                if let Ok(read) = Blob::from_der(&changed) {
                    assert_eq!(Blob::parse(&read.to_text().unwrap()), Ok(read), "{at}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_lengthened_or_doubled_is_damaged() {
        let der = blob().to_der().unwrap();
        for length in 0..der.len() {
            assert_eq!(Blob::parse(&pem(&der[..length])).err(), Some(BlobError::Damaged), "{length}");
        }
        assert_eq!(Blob::parse(&pem(&[der.as_slice(), &[0]].concat())).err(), Some(BlobError::Damaged));
        // One octet more inside of the outermost sequence, and of each of the two that count themselves.
        let content = &der[3..];
        let longer = wrapped(0x30, &[content, &[0x05, 0]].concat()).unwrap();
        assert_eq!(Blob::parse(&pem(&longer)).err(), Some(BlobError::Damaged));
        assert_eq!(replaced(&[0x00, 0x7e, 7], &[0x00, 0x7d, 7]), Err(BlobError::Damaged));
        assert_eq!(replaced(&[0x00, 0x58, 0x00], &[0x00, 0x57, 0x00]), Err(BlobError::Damaged));
        let text = blob().to_text().unwrap();
        assert_eq!(Blob::parse(&format!("{text}{text}")), Err(BlobError::Several));
        assert_eq!(Blob::parse(&text.replace("END TSS2", "END TSS")), Err(BlobError::Damaged));
        assert_eq!(Blob::parse(""), Err(BlobError::NoKey));
    }
}
