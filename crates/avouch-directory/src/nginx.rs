//! The same for nginx: a location with document and signatures in it.
//!
//! nginx makes no signatures, so they end while it goes on serving them; the location has to be written again, and
//! nginx told, before that.

use crate::directory::Directory;
use crate::document::Document;
use avouch_keys::http_signature::Members;
use avouch_keys::web_bot_auth::SignError;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{MEDIA_TYPE, WELL_KNOWN};

/// The longest word of a configuration that nginx reads: its buffer holds 4 096 octets, quotes and a part of the line
/// among them.
const MAX_WORD: usize = 4000;

/// How long an answer may be kept, in seconds; nginx may serve it until shortly before its signatures end.
const KEPT: u64 = 3600;

/// Why there is no such location.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NginxError {
    /// The document, or the signatures, are longer than a word of nginx may be.
    #[error("nginx reads words of {MAX_WORD} octets at most, and this is longer: give fewer keys")]
    TooLong,
    /// The directory could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A location for the server of the bot's domain, with signatures made now.
///
/// # Errors
/// [`NginxError`].
pub fn signed(directory: &Directory, now: Time) -> Result<String, NginxError> {
    let Members { signature_input, signature } = directory.sign(now)?;
    let kept = directory.lifetime().kept().min(KEPT);
    location(directory.document(), kept, &[("Signature-Input", signature_input), ("Signature", signature)])
}

/// The same without signatures, which need not be written again.
///
/// # Errors
/// [`NginxError::TooLong`].
pub fn unsigned(document: &Document) -> Result<String, NginxError> {
    location(document, KEPT, &[])
}

/// Neither documents nor fields hold what means something within single quotes.
fn location(document: &Document, kept: u64, fields: &[(&str, String)]) -> Result<String, NginxError> {
    let document: String = document.as_str().lines().map(str::trim).collect();
    let words = fields.iter().map(|(_, value)| value).chain([&document]);
    if words.into_iter().any(|word| word.len() > MAX_WORD) {
        return Err(NginxError::TooLong);
    }
    let fields = fields.iter().map(|(name, value)| format!("    add_header {name} '{value}';\n"));
    let fields: String = fields.collect();
    Ok(format!(
        "location = {WELL_KNOWN} {{\n    default_type {MEDIA_TYPE};\n    add_header Cache-Control max-age={kept};\n\
         {fields}    return 200 '{document}';\n}}\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Validity;
    use avouch_keys::SecretKey;
    use avouch_keys::entropy::SystemEntropy;
    use avouch_wire::key::{KeyType, PublicKey};

    #[test]
    fn a_location_holds_what_nginx_can_read() {
        let key = |_| SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap().public().clone();
        let keys: Vec<PublicKey> = (0..40).map(key).collect();
        let of = |count: usize| unsigned(&Document::new(&keys[..count], Validity::default()).unwrap());
        let eight = of(8).unwrap();
        assert_eq!(eight.matches('\'').count(), 2, "{eight}");
        assert!(!eight.contains(['$', '\\']), "{eight}");
        assert_eq!(of(40), Err(NginxError::TooLong));
    }
}
