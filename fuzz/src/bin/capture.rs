//! Raw HTTP/1.1 messages, and the claim that is read from one.
#![no_main]

use avouch_engine::claim::{Catalogue, Claim, Reads};
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::Mechanism;
use avouch_wire::authority::Scheme;
use avouch_wire::capture::Capture;
use avouch_wire::content::ContentDigests;
use std::sync::LazyLock;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::built_in().expect("it is tested"));

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
    if let Ok(claim) = Claim::read(&request, &CATALOGUE, Reads { bots: true, passes: true }) {
        for mechanism in [Mechanism::SaipRolling, Mechanism::WebBotAuth] {
            assert!(claim.identity(mechanism).is_none() || claim.name().is_some());
        }
    }
});
