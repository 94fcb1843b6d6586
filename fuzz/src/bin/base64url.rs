//! Base64url: each value has one spelling.
#![no_main]

use avouch_wire::b64u;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(octets) = b64u::decode_vec(text) else { return };
    assert!(b64u::is_alphabet(text));
    assert_eq!(b64u::encode(&octets), text);
});
