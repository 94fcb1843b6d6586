//! Raw HTTP/1.1 messages, and the claim that is read from one.
#![no_main]

use avouch_engine::claim::{Catalogue, Claim, KeyRegister, Reads, RegisteredKey};
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::Mechanism;
use avouch_wire::authority::Scheme;
use avouch_wire::capture::Capture;
use avouch_wire::content::ContentDigests;
use avouch_wire::http_signature::{Algorithm, VerificationKey};
use avouch_wire::name::Identity;
use std::sync::LazyLock;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::built_in().expect("it is tested"));

/// The name that the vectors have for a partner's key.
static REGISTER: LazyLock<KeyRegister> = LazyLock::new(|| {
    let (identity, key) = (Identity::parse("partner.example"), VerificationKey::hmac(&[7; 32]));
    let identity = identity.expect("a good name");
    let key = RegisteredKey::new("partner-ed25519", key, identity, Some(&[Algorithm::HmacSha256]));
    let mut register = KeyRegister::default();
    register.add(key.expect("a good key")).expect("the first");
    register
});

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Ok(capture) = Capture::parse(octets) else { return };
    assert!(capture.body().len() <= octets.len());
    let request = Request::read(Head {
        method: capture.method(),
        target: capture.target(),
        authority: None,
        scheme: Scheme::Https,
        fields: || capture.fields(),
        peer: Peer::client([192, 0, 2, 1].into()),
        content: Content::Read(ContentDigests::of(capture.body())),
    });
    let Ok(request) = request else { return };
    if let Ok(claim) = Claim::read(&request, &CATALOGUE, Reads { bots: true, passes: true }, &REGISTER) {
        for mechanism in [Mechanism::SaipRolling, Mechanism::HttpSignature, Mechanism::WebBotAuth] {
            assert!(claim.identity(mechanism).is_none() || claim.name().is_some());
        }
    }
});
