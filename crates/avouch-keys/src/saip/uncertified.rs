//! A request signed by its rolling key, which the long-term key has still to certify.

use avouch_wire::b64u::{self, Text};
use avouch_wire::content::ContentDigest;
use avouch_wire::key::KeyType;
use avouch_wire::saip::{BatchProof, Form, Mode, Seal, Signed, rcert_tbs, request_string};
use avouch_wire::time::Time;

use super::{Draft, RequestToSign, SignError, Signer, Speaker};
use crate::entropy::Entropy;
use crate::secret::SecretKey;

/// All of a header but the certificate. The rolling key is wiped before this exists: what waits holds no secret.
pub(crate) struct Uncertified {
    speaker: Speaker,
    audience: String,
    timestamp: u64,
    nonce: String,
    content: Option<ContentDigest>,
    algorithm: KeyType,
    key: String,
    signature: [u8; 64],
}

impl Signer {
    /// Makes a rolling key, signs the request with it, and wipes it. Draws the nonce and then the key.
    ///
    /// Gives beside it what a certificate of its own signs, and what is the leaf of a batch.
    pub(crate) fn prepare(
        &self,
        request: RequestToSign<'_>,
        key_type: KeyType,
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Result<(Uncertified, Vec<u8>), SignError> {
        if self.speaker.domain.is_none() {
            return Err(SignError::NoDomain);
        }
        let mut buffer = String::new();
        let draft = Draft::of(request, now, entropy, &mut buffer)?;
        let rolling = SecretKey::generate(key_type, entropy)?;
        // The canonical string names the rolling key and no mode.
        let signed = draft.signed(&rolling, Mode::Direct);
        let (header, audience) = (self.speaker.header(None), request.authority.as_str());
        let (mut string, mut tbs) = (Vec::new(), Vec::new());
        request_string(&mut string, &header, &signed, Some(rolling.public().fingerprint()), draft.parts());
        rcert_tbs(&mut tbs, &header, &signed, audience, rolling.public().octets(), draft.parts());
        let request = Uncertified {
            speaker: self.speaker.clone(),
            audience: audience.to_owned(),
            timestamp: draft.timestamp,
            content: request.content,
            algorithm: key_type,
            key: b64u::encode(rolling.public().octets()),
            signature: rolling.sign(&string)?,
            nonce: draft.nonce,
        };
        Ok((request, tbs))
    }
}

impl Uncertified {
    /// The header with its certificate, or with that of the batch and the proof that it is in it.
    pub(crate) fn header(&self, certificate: &[u8; 64], proof: Option<BatchProof<'_>>) -> String {
        let mut buffers = [const { String::new() }; 3];
        let [certified, signature, content] = &mut buffers;
        let signed = Signed {
            mode: Mode::Rolling { key: &self.key, certificate: Text::of(certificate, certified), proof },
            form: Form::Full(&self.audience),
            timestamp: self.timestamp,
            nonce: &self.nonce,
            content: self.content.map(|digest| Text::of(&digest.0, content)),
            seal: Seal::Signature {
                algorithm: self.algorithm,
                signature: Text::of(&self.signature, signature),
            },
        };
        self.speaker.header(Some(signed)).to_string()
    }
}
