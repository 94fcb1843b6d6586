//! HTTP message signatures (RFC 9421), made by a key of ours.
//!
//! The signed string always begins with a quote, which no other statement of avouch's does.

use crate::secret::{KeyError, SecretKey};
use avouch_wire::http_signature::{
    self, BaseError, Message, SignatureError, SignatureInput, SignaturesError,
};
use data_encoding::BASE64;

/// Why a message was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The message does not have what is to be covered.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The label is none, or a parameter holds what no string can.
    #[error("the label, or a parameter, cannot be written: {0}")]
    Unwritable(String),
    /// The library failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// One member of each of the two fields; those of several signatures are joined by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Of `Signature-Input`.
    pub signature_input: String,
    /// Of `Signature`.
    pub signature: String,
}

/// Signs what `input` covers of a message, under a label.
///
/// # Errors
/// [`SignError`] says what stands in the way. Whatever is returned can be read again.
pub fn sign(
    key: &SecretKey,
    label: &str,
    input: SignatureInput<'_>,
    message: &Message<'_>,
) -> Result<Members, SignError> {
    let input = input.with_parameters();
    let octets = key.sign(input.base(message)?.as_bytes())?;
    let members = Members {
        signature_input: format!("{label}={input}"),
        signature: format!("{label}=:{}:", BASE64.encode(&octets)),
    };
    let unwritable = |error: SignaturesError| SignError::Unwritable(error.to_string());
    let read = http_signature::read(&members.signature_input, &members.signature).map_err(unwritable)?;
    match read.as_slice() {
        [one] => match &one.signature {
            Ok(signature) if signature.input.to_string() == input.to_string() => Ok(members),
            Ok(_) => Err(SignError::Unwritable("it would be read as something else".to_owned())),
            Err(error) => Err(SignError::Unwritable(SignatureError::to_string(error))),
        },
        _ => Err(SignError::Unwritable("it would be read as several signatures".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::http_signature::{Algorithms, Component, Start, VerificationKey};
    use avouch_wire::key::KeyType;

    const START: Start<'_> = Start::Request {
        method: "GET",
        scheme: "https",
        authority: "www.shop.example",
        path: "/",
        target: "/",
    };

    fn input<'a>(names: &[&'a str]) -> SignatureInput<'a> {
        let components = names.iter().map(|name| Component::named(name).unwrap()).collect();
        let mut input = SignatureInput::covering(components).unwrap();
        (input.created, input.expires, input.tag) =
            (Some(1_790_000_000), Some(1_790_000_060), Some("web-bot-auth"));
        input
    }

    fn message<'a>(fields: &'a [(&'a str, &'a [u8])]) -> Message<'a> {
        Message { start: START, fields, trailers: &[], request: None }
    }

    #[test]
    fn what_is_signed_verifies_and_nothing_else_does() {
        for key_type in [KeyType::Ed25519, KeyType::P256] {
            let key = SecretKey::generate(key_type, &mut Fixed(1)).unwrap();
            let members = sign(&key, "sig1", input(&["@authority", "a"]), &message(&[("a", b"1")])).unwrap();
            let read = http_signature::read(&members.signature_input, &members.signature).unwrap().remove(0);
            let signature = read.signature.unwrap();
            let public = VerificationKey::from(key.public().clone());
            let algorithm = public.algorithm(signature.input.alg, Algorithms::DEFAULT).unwrap();
            let holds = |fields: &[(&str, &[u8])]| {
                let base = signature.input.base(&message(fields)).unwrap();
                public.verify(algorithm, &base, signature.octets).is_ok()
            };
            assert!(holds(&[("a", b"1")]));
            assert!(!holds(&[("a", b"2")]));
        }
    }

    #[test]
    fn what_could_not_be_read_is_not_made() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap();
        let sign = |label: &str, input: SignatureInput<'_>| sign(&key, label, input, &message(&[])).map(drop);
        assert_eq!(sign("sig1", input(&["@authority"])), Ok(()));
        assert!(matches!(sign("Sig", input(&["@authority"])), Err(SignError::Unwritable(_))));
        assert!(matches!(sign("a=(), b", input(&["@authority"])), Err(SignError::Unwritable(_))));
        assert!(matches!(sign("sig1", input(&["a"])), Err(SignError::Base(_))));
        for keyid in ["a\"b", "a\\", "a\";tag=\"x", "\u{e9}", "a\nb"] {
            let mut input = input(&["@authority"]);
            input.keyid = Some(keyid);
            assert!(matches!(sign("sig1", input), Err(SignError::Unwritable(_))), "{keyid}");
        }
    }
}
