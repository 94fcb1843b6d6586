//! Public keys as they are handed over, PEM or JWK: what is read has a name, and is read alike again.
#![no_main]

use avouch_wire::http_signature::{Thumbprint, given};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(key) = given(text) {
        assert_eq!(Thumbprint::parse(&key.thumbprint.to_string()), Some(key.thumbprint));
        assert_eq!(given(text).expect("it was read before").thumbprint, key.thumbprint);
    }
});
