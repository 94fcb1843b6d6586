//! Proofs of batched certificates: what is read has one spelling, bounds that hold, and a root.
#![no_main]

use avouch_wire::b64u;
use avouch_wire::merkle::Position;
use avouch_wire::saip::{BatchProof, MAX_BATCH};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(proof) = BatchProof::parse(text) else { return };
    assert_eq!(proof.as_str(), text);
    assert!((1..=MAX_BATCH).contains(&proof.size()));
    let octets = b64u::decode_vec(text).expect("what is read is base64url");
    assert_eq!(b64u::encode(&octets), text);
    let (index, rest) = octets.split_first_chunk().expect("an index");
    let (size, path) = rest.split_first_chunk().expect("a size");
    let (index, size) = (u64::from_be_bytes(*index), u64::from_be_bytes(*size));
    assert_eq!(size, proof.size());
    let position = Position::new(index, size).expect("the index is below the size");
    assert_eq!(path.len(), 32 * position.path_length());
    assert!(proof.root(b"tbs").is_some());
});
