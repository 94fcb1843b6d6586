//! HTTP message signatures: the two fields, the base of whatever they cover, digests and JWKs.
#![no_main]

use avouch_wire::http_signature::{self, FieldDigest, Jwk, Message, Start, Thumbprint, TimeRules};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(jwk) = Jwk::parse(text) {
        assert_eq!(Thumbprint::parse(&jwk.thumbprint.to_string()), Some(jwk.thumbprint));
    }
    if let Ok(digest) = FieldDigest::parse(text) {
        assert_eq!(FieldDigest::parse(&digest.to_string()), Ok(digest));
    }
    let (input, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (path, value) = rest.split_once('\n').unwrap_or((rest, ""));
    let fields = [("a", value.as_bytes()), ("A", path.as_bytes())];
    let start =
        Start::Request { method: "GET", scheme: "https", authority: "www.shop.example", path, target: path };
    let message = Message { start, fields: &fields, trailers: &[], request: None };
    let Ok(signatures) = http_signature::read(input, "s=::") else { return };
    for signature in signatures.iter().filter_map(|one| one.signature.as_ref().ok()) {
        let _ = signature.input.check_times(1_790_000_000, TimeRules::DEFAULT);
        let member = signature.input.to_string();
        let again = format!("s={member}");
        let again = http_signature::read(&again, "s=::").expect("what is written is read").remove(0);
        assert_eq!(again.signature.expect("what is written is read").input.to_string(), member);
        if let Ok(base) = signature.input.base(&message) {
            assert!(base.ends_with(&format!("\"@signature-params\": {member}")));
            assert_eq!(base.lines().count(), signature.input.components().len() + 1, "{base:?}");
        }
    }
});
