//! The signer of a verifier's questions to registration entities (`docs/formats/registration-entity.md`).

use crate::secret::{KeyError, SecretKey};
use avouch_wire::entity::{Asker, Credentials, EventQuestion, KeyQuestion, VerifierDocument};
use avouch_wire::key::PublicKey;

/// Where keys of agents are asked for.
pub const KEY_PATH: &str = "/v1/verifiers/key";

/// Where it is asked what is revoked.
pub const EVENTS_PATH: &str = "/v1/verifiers/events";

/// A key by which a verifier proves whose questions it asks, and signs nothing else.
#[derive(Debug)]
pub struct VerifierKey(SecretKey);

/// A question as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Where to.
    pub path: &'static str,
    /// The content, to the octet.
    pub body: String,
    /// The value of `Authorization`.
    pub authorization: String,
}

impl VerifierKey {
    /// Dedicates a stored key to it.
    #[must_use]
    pub const fn new(key: SecretKey) -> Self {
        Self(key)
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.0.public()
    }

    /// What a site publishes so that a registration entity knows this key for its own.
    #[must_use]
    pub fn document(&self) -> VerifierDocument {
        VerifierDocument { keys: vec![self.public().clone()] }
    }

    /// Signs a question for keys of agents.
    ///
    /// # Errors
    /// The key refuses.
    pub fn ask_for_keys(&self, question: &KeyQuestion) -> Result<Asked, KeyError> {
        self.signed(KEY_PATH, question.write())
    }

    /// Signs a question for what is revoked from now on.
    ///
    /// # Errors
    /// The key refuses.
    pub fn ask_for_events(&self, question: &EventQuestion) -> Result<Asked, KeyError> {
        self.signed(EVENTS_PATH, question.write())
    }

    fn signed(&self, path: &'static str, body: String) -> Result<Asked, KeyError> {
        let signature = self.0.sign(&Asker::Verifier.string(path, body.as_bytes()))?;
        let key = *self.public().fingerprint().as_bytes();
        let authorization = Credentials { asker: Asker::Verifier, key, signature }.to_string();
        Ok(Asked { path, body, authorization })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::authority::{Authority, Scheme};
    use avouch_wire::entity::AgentQuestion;
    use avouch_wire::key::KeyType;
    use avouch_wire::name::{AgentId, Domain};

    fn questions() -> (KeyQuestion, EventQuestion) {
        let entity = Domain::parse("re.example").unwrap();
        let audience = Authority::parse("www.shop.example", Scheme::Https).unwrap().into_owned();
        let (time, nonce) = (1_790_000_000, "0123456789abcdef".to_owned());
        let (domain, agent) = (Domain::parse("acme.example").unwrap(), AgentId::parse("crawler-7").unwrap());
        let agents = vec![AgentQuestion { domain, agent, epoch: 5_966_666 }];
        let events = EventQuestion {
            entity: entity.clone(),
            audience: audience.clone(),
            time,
            nonce: nonce.clone(),
            after: 17,
        };
        (KeyQuestion { entity, audience, time, nonce, agents }, events)
    }

    #[test]
    fn a_question_is_signed_for_its_place_by_the_key_that_the_site_publishes() {
        let (keys, events) = questions();
        for key_type in [KeyType::Ed25519, KeyType::P256] {
            let key = VerifierKey::new(SecretKey::generate(key_type, &mut Fixed(1)).unwrap());
            let other = VerifierKey::new(SecretKey::generate(key_type, &mut Fixed(2)).unwrap());
            let (asked, followed) = (key.ask_for_keys(&keys).unwrap(), key.ask_for_events(&events).unwrap());
            assert_eq!(KeyQuestion::read(asked.body.as_bytes()), Ok(keys.clone()));
            assert_eq!(EventQuestion::read(followed.body.as_bytes()), Ok(events.clone()));
            for asked in [&asked, &followed] {
                let credentials = Credentials::parse(&asked.authorization).unwrap();
                let signer = |document: VerifierDocument, path, body: &str| {
                    document.signer(&credentials, path, body.as_bytes()).is_some()
                };
                assert!(signer(key.document(), asked.path, &asked.body));
                assert!(!signer(other.document(), asked.path, &asked.body));
                let elsewhere = if asked.path == KEY_PATH { EVENTS_PATH } else { KEY_PATH };
                assert!(!signer(key.document(), elsewhere, &asked.body));
                assert!(!signer(key.document(), asked.path, &asked.body.replace("0123", "1123")));
            }
        }
    }
}
