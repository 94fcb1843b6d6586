//! Public keys, in records, headers and PEM files.
#![no_main]

use avouch_keys::spki;
use avouch_wire::key::PublicKey;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Ok(key) = PublicKey::from_record_octets(octets) {
        assert_eq!(PublicKey::from_octets(key.octets()).as_ref(), Ok(&key));
    }
    if let Ok(key) = PublicKey::from_octets(octets) {
        assert_eq!(key.octets(), octets);
        let _ = key.verify(b"", &[1; 64]);
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let _ = PublicKey::from_b64u(text);
    if let Some(key) = spki::from_pem(text) {
        let pem = spki::to_pem(&key).expect("a key is written");
        assert_eq!(spki::from_pem(&pem), Some(key));
    }
});
