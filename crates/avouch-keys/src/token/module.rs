//! Sessions with tokens, by cryptoki.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use avouch_wire::key::{KeyType, PublicKey};
use aws_lc_rs::digest::{SHA256, digest};
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::{Said, TokenError, TokenPlace};
use crate::store::{Problem, read_secret};

/// P-256 (RFC 5480), and the name of the Edwards curve (PKCS#11 3.0 §2.3.10), as tokens want them.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ED25519: [u8; 14] =
    [0x13, 0x0c, 0x65, 0x64, 0x77, 0x61, 0x72, 0x64, 0x73, 0x32, 0x35, 0x35, 0x31, 0x39];

/// Modules that were loaded. They stay for as long as the process: C_Initialize is once for all of it.
static LOADED: Mutex<Vec<(PathBuf, Pkcs11)>> = Mutex::new(Vec::new());

/// A key that a token holds.
pub(crate) struct TokenKey {
    place: TokenPlace,
    public: PublicKey,
    /// Opened again where the token was away.
    session: Mutex<Option<Opened>>,
}

/// A session in which the user is known, and the private key in it.
struct Opened {
    session: Session,
    key: ObjectHandle,
}

/// Makes a key.
pub(crate) fn create(place: &TokenPlace, key_type: KeyType) -> Result<TokenKey, TokenError> {
    let session = logged_in(place, true)?;
    let label = Attribute::Label(place.object.as_bytes().to_vec());
    for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
        if !session.find_objects(&[Attribute::Class(class), label.clone()]).map_err(failed)?.is_empty() {
            return Err(TokenError::Exists);
        }
    }
    let (mechanism, curve) = match key_type {
        KeyType::P256 => (Mechanism::EccKeyPairGen, P256.to_vec()),
        KeyType::Ed25519 => (Mechanism::EccEdwardsKeyPairGen, ED25519.to_vec()),
    };
    let of_public = [
        Attribute::Token(true),
        Attribute::Private(false),
        label.clone(),
        Attribute::EcParams(curve),
        Attribute::Verify(true),
    ];
    let of_private = [
        Attribute::Token(true),
        Attribute::Private(true),
        Attribute::Sensitive(true),
        Attribute::Extractable(false),
        label,
        Attribute::Sign(true),
    ];
    let made = session.generate_key_pair(&mechanism, &of_public, &of_private);
    made.map_err(|error| match error {
        Error::Pkcs11(
            RvError::MechanismInvalid | RvError::CurveNotSupported | RvError::DomainParamsInvalid,
            _,
        ) => TokenError::Type(key_type),
        other => failed(other),
    })?;
    drop(session);
    open(place)
}

/// Opens a key, which may not leave its token.
pub(crate) fn open(place: &TokenPlace) -> Result<TokenKey, TokenError> {
    let opened = enter(place)?;
    let public = read_public(&opened.session, place)?;
    Ok(TokenKey { place: place.clone(), public, session: Mutex::new(Some(opened)) })
}

/// What is public of a key, which no PIN is needed for.
pub(crate) fn public(place: &TokenPlace) -> Result<PublicKey, TokenError> {
    read_public(&session(place, false)?, place)
}

impl TokenKey {
    pub(crate) const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// As [`crate::SecretKey::sign`], for this crate alone.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], TokenError> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let signed = match session.take() {
            Some(opened) => self.signed(&opened, message).map(|signed| (opened, signed)),
            None => Err(TokenError::NoToken),
        };
        // Once more, in a new session: the token was pulled out, or somebody logged everybody out.
        let signed = signed.or_else(|_| {
            let opened = enter(&self.place)?;
            self.signed(&opened, message).map(|signed| (opened, signed))
        });
        let (opened, signature) = signed?;
        *session = Some(opened);
        drop(session);
        self.public.verify(message, &signature).map_err(|_| TokenError::BadSignature)?;
        Ok(signature)
    }

    fn signed(&self, opened: &Opened, message: &[u8]) -> Result<[u8; 64], TokenError> {
        let Opened { session, key } = opened;
        let signature = match self.public.key_type() {
            KeyType::P256 => session.sign(&Mechanism::Ecdsa, *key, digest(&SHA256, message).as_ref()),
            KeyType::Ed25519 => {
                session.sign(&Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Pure)), *key, message)
            }
        };
        signature.map_err(failed)?.try_into().map_err(|_| TokenError::BadSignature)
    }
}

/// A session with the private key.
fn enter(place: &TokenPlace) -> Result<Opened, TokenError> {
    let session = logged_in(place, false)?;
    let key = only(&session, place, ObjectClass::PRIVATE_KEY)?;
    let kept = [AttributeType::Sensitive, AttributeType::Extractable];
    let kept = session.get_attributes(key, &kept).map_err(failed)?;
    if !kept.contains(&Attribute::Sensitive(true)) || !kept.contains(&Attribute::Extractable(false)) {
        return Err(TokenError::MayLeave);
    }
    Ok(Opened { session, key })
}

fn logged_in(place: &TokenPlace, writes: bool) -> Result<Session, TokenError> {
    let pin = read_secret(&place.pin).map_err(|error| {
        TokenError::PinFile(match error.problem {
            Problem::Missing => "does not exist".into(),
            problem => said(problem),
        })
    })?;
    let pin = Zeroizing::new(pin.trim_end_matches(['\r', '\n']).to_owned());
    let session = session(place, writes)?;
    match session.login(UserType::User, Some(&AuthPin::new(pin.as_str().into()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _)) => {
            Err(TokenError::Pin)
        }
        Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(TokenError::PinLocked),
        Err(other) => Err(failed(other)),
    }
}

fn session(place: &TokenPlace, writes: bool) -> Result<Session, TokenError> {
    let module = module(&place.module)?;
    let mut found = None;
    for slot in module.get_slots_with_token().map_err(failed)? {
        let Ok(info) = module.get_token_info(slot) else { continue };
        let is_serial = place.serial.as_ref().is_none_or(|serial| info.serial_number().trim() == serial);
        if info.label().trim() == place.token && is_serial && found.replace(slot).is_some() {
            return Err(TokenError::SeveralTokens);
        }
    }
    let slot = found.ok_or(TokenError::NoToken)?;
    let session = if writes { module.open_rw_session(slot) } else { module.open_ro_session(slot) };
    session.map_err(failed)
}

fn module(path: &Path) -> Result<Pkcs11, TokenError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, module)) = loaded.iter().find(|(known, _)| known == path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(|error| {
        // The path stands in front of what is wrong with it.
        let what = error.to_string();
        TokenError::Module(what.rsplit(": ").next().unwrap_or_default().into())
    })?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(TokenError::Module(said(error))),
    }
    loaded.push((path.to_owned(), module.clone()));
    Ok(module)
}

/// The one object of a class that has the label.
fn only(session: &Session, place: &TokenPlace, class: ObjectClass) -> Result<ObjectHandle, TokenError> {
    let wanted = [Attribute::Class(class), Attribute::Label(place.object.as_bytes().to_vec())];
    match session.find_objects(&wanted).map_err(failed)?.as_slice() {
        [] => Err(TokenError::NoKey),
        [one] => Ok(*one),
        _ => Err(TokenError::SeveralKeys),
    }
}

fn read_public(session: &Session, place: &TokenPlace) -> Result<PublicKey, TokenError> {
    let object = only(session, place, ObjectClass::PUBLIC_KEY)?;
    let shown = session.get_attributes(object, &[AttributeType::EcPoint]).map_err(failed)?;
    let Some(Attribute::EcPoint(point)) = shown.into_iter().next() else { return Err(TokenError::OtherKey) };
    // An OCTET STRING with the point in it; some modules leave that out.
    let octets = match point.as_slice() {
        [0x04, length, octets @ ..] if usize::from(*length) == octets.len() => octets,
        octets => octets,
    };
    PublicKey::from_octets(octets).map_err(|_| TokenError::OtherKey)
}

fn failed(error: Error) -> TokenError {
    match error {
        Error::Pkcs11(RvError::TokenNotPresent | RvError::DeviceRemoved | RvError::TokenNotRecognized, _) => {
            TokenError::NoToken
        }
        other => TokenError::Failed(said(other)),
    }
}

fn said(what: impl ToString) -> Said {
    what.to_string().as_str().into()
}
