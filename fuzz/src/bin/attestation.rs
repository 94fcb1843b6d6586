//! What TPMs attest, as octets or in base64url: areas, statements, signatures, and all of them held to each other.
#![no_main]

use avouch_wire::attestation::{Area, Evidence, Statement, certified, quoted, signature};
use avouch_wire::b64u;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let text = core::str::from_utf8(octets).unwrap_or_default();
    let decoded = b64u::decode_vec(text).unwrap_or_else(|_| octets.to_vec());
    let octets = decoded.as_slice();
    if let Ok(area) = Area::parse(octets) {
        let uses = [area.signing_key().is_ok(), area.attestation_key().is_ok(), area.endorsement_key().is_ok()];
        assert!(uses.into_iter().filter(|fits| *fits).count() <= 1, "an area has one use");
    }
    let _ = (Statement::parse(octets), signature(octets));
    let evidence = Evidence { attestation_key: octets, statement: octets, signature: octets };
    assert!(certified(&evidence, octets, &[0; 32]).is_err() && quoted(&evidence, 1, &[], &[0; 32]).is_err());
});
