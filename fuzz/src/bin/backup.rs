//! The list of a backup: what is read leads nowhere else, is within bounds, and is written and read alike.
#![no_main]

use avouch_wire::backup::{MAX_FILES, Manifest, is_path};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    if let Ok(manifest) = Manifest::parse(octets) {
        assert!(manifest.files.len() <= MAX_FILES);
        assert!(manifest.files.iter().all(|file| is_path(&file.path) && file.mode & !0o755 == 0));
        assert_eq!(Manifest::parse(manifest.write().as_bytes()), Ok(manifest));
    }
});
