//! Keys that a TPM wrapped, as the text of a file or as its octets: what is read is written, and read alike.
#![no_main]

use avouch_keys::tpm::Blob;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let read = match core::str::from_utf8(octets) {
        Ok(text) if text.contains("-----BEGIN") => Blob::parse(text),
        _ => Blob::from_der(octets),
    };
    if let Ok(blob) = read {
        let text = blob.to_text().expect("what was read can be written");
        assert_eq!(Blob::parse(&text), Ok(blob));
    }
});
