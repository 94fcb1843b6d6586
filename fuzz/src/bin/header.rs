//! The SAIP header: what is read is written and read again alike.
#![no_main]

use avouch_wire::b64u;
use avouch_wire::saip::Header;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(header) = Header::parse(text) else { return };
    if let Some(signed) = &header.signed {
        assert!((16..=64).contains(&signed.nonce.len()) && b64u::is_alphabet(signed.nonce));
    }
    let written = header.to_string();
    let again = Header::parse(&written).expect("what is written is read");
    assert_eq!(again.to_string(), written);
    assert_eq!(Header { has_unknown: false, ..header }, again);
});
