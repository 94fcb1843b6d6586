//! A passkey in software: it signs whatever it is told to.

use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::{Value, json};

use avouch_keys::entropy::{Entropy as _, SystemEntropy};

/// DER before the octets of an Ed25519 key (RFC 8410 section 4).
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// User present, user verified.
const PRESENT_AND_VERIFIED: u8 = 0x05;

pub(super) struct Passkey {
    key: SigningKey,
    id: [u8; 16],
}

impl Passkey {
    pub(super) fn new() -> Self {
        let (mut seed, mut id) = ([0; 32], [0; 16]);
        SystemEntropy.fill(&mut seed).unwrap();
        SystemEntropy.fill(&mut id).unwrap();
        Self { key: SigningKey::from_bytes(&seed), id }
    }

    /// Its public half, as browsers give it.
    pub(super) fn spki(&self) -> String {
        b64u::encode(&[&SPKI[..], self.key.verifying_key().as_bytes()].concat())
    }

    /// Shows itself at an origin, for a host.
    pub(super) fn show(&self, challenge: &str, origin: &str, host: &str) -> Value {
        let client = json!({ "type": "webauthn.get", "challenge": challenge, "origin": origin }).to_string();
        let data = [&ContentDigest::of(host.as_bytes()).0[..], &[PRESENT_AND_VERIFIED, 0, 0, 0, 0]].concat();
        let signed = [&data[..], &ContentDigest::of(client.as_bytes()).0].concat();
        let signature = self.key.sign(&signed).to_bytes();
        json!({
            "id": b64u::encode(&self.id),
            "client_data": b64u::encode(client.as_bytes()),
            "authenticator_data": b64u::encode(&data),
            "signature": b64u::encode(&signature),
        })
    }
}
