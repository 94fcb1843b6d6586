//! Authorities: what is read is in normal form.
#![no_main]

use avouch_wire::authority::{Authority, Scheme};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for scheme in [Scheme::Http, Scheme::Https] {
        let Ok(authority) = Authority::parse(text, scheme) else { continue };
        assert!(!authority.as_str().bytes().any(|octet| octet.is_ascii_uppercase()));
        assert!(authority.as_str().starts_with(authority.host()));
        assert_eq!(Authority::parse(authority.as_str(), scheme).as_ref(), Ok(&authority));
    }
});
