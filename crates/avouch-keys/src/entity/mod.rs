//! Both sides of a registration entity that hold secrets (`docs/formats/registration-entity.md`): who asks it signs
//! ([`ask`]), an agent keeps what it was told and signs requests by it ([`Secrets`]), and the entity itself derives the
//! secrets of its agents ([`Root`]). The steward of a list of entities signs its lines ([`append`]).

mod members;
mod root;
mod secrets;
#[cfg(test)]
mod tests;

pub use members::{AppendError, append};
pub use root::{Registered, Root, RootError};
pub use secrets::{Secrets, SecretsError};

use avouch_wire::b64u;
use avouch_wire::entity::{Credentials, Question};

use crate::entropy::{Entropy, NoRandomness};
use crate::secret::{KeyError, SecretKey};

/// 144 bits, 24 characters exactly.
const NONCE_OCTETS: usize = 18;

/// A question as it is sent: by POST to `https://<re>` and [`Question::PATH`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The value of `Authorization`.
    pub authorization: String,
    /// The body, in JSON. Not an octet of it may be changed.
    pub body: String,
}

/// Signs a question: a verifier's by a key that its site lists, an agent's by its long-term key.
///
/// # Errors
/// The key refuses.
pub fn ask<Q: Question>(key: &SecretKey, question: &Q) -> Result<Asked, KeyError> {
    let body = question.text();
    let signature = key.sign(&Q::ASKER.string(Q::PATH, body.as_bytes()))?;
    let credentials = Credentials { asker: Q::ASKER, key: *key.public().fingerprint().as_bytes(), signature };
    Ok(Asked { authorization: credentials.to_string(), body })
}

/// A nonce for a question. A question that is asked again has another, for each counts once.
///
/// # Errors
/// [`NoRandomness`].
pub fn nonce(entropy: &mut impl Entropy) -> Result<String, NoRandomness> {
    let mut octets = [0; NONCE_OCTETS];
    entropy.fill(&mut octets)?;
    Ok(b64u::encode(&octets))
}
