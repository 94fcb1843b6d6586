//! Batched rolling certificates: one signature of the master key for many requests.

use crate::b64u;
use crate::context;
use crate::merkle::{Hash, Position, Tree};
use thiserror::Error;

/// Most requests that share a certificate: what waits for a slow signer at a busy moment, many times over. Their
/// proofs have 16 hashes at most.
pub const MAX_BATCH: u64 = 1 << 16;

/// Index and size, before the hashes.
const HEAD: usize = 16;

/// The longest proof, decoded.
const LONGEST: usize = HEAD + 16 * size_of::<Hash>();

/// Why an `rproof` proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// Not base64url, or too short for index and size.
    #[error("is not the base64url of an index, a size and hashes")]
    Encoding,
    /// No batch has this size.
    #[error("names a batch of {0}; its size is 1 to {MAX_BATCH}")]
    Size(u64),
    /// No request of the batch has this index.
    #[error("names the request {index} of a batch of {size}, which are counted from 0")]
    Index {
        /// Counted from 0.
        index: u64,
        /// The size of the batch.
        size: u64,
    },
    /// A hash too many or too few, or a part of one.
    #[error("is not of the length that index and size ask for, {0} octets")]
    Length(usize),
}

/// The proof that a rolling certificate is one of a batch, checked in all but its hashes: the value `rproof`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchProof<'a> {
    text: &'a str,
    position: Position,
}

impl<'a> BatchProof<'a> {
    /// Reads `b64u(u64(index) ‖ u64(size) ‖ hashes from leaf to root)`.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn parse(text: &'a str) -> Result<Self, ProofError> {
        let (index, size) = head(text).ok_or(ProofError::Encoding)?;
        if !(1..=MAX_BATCH).contains(&size) {
            return Err(ProofError::Size(size));
        }
        let position = Position::new(index, size).ok_or(ProofError::Index { index, size })?;
        let octets = HEAD + position.path_length() * size_of::<Hash>();
        match b64u::holds(text, octets) {
            Ok(()) => Ok(Self { text, position }),
            Err(b64u::B64uError::Length) => Err(ProofError::Length(octets)),
            Err(b64u::B64uError::Encoding) => Err(ProofError::Encoding),
        }
    }

    /// The proof of a tree's leaf, written into `buffer` in place of what is there; `None` where there is no such leaf,
    /// or the tree is larger than [`MAX_BATCH`].
    #[must_use]
    pub fn of(tree: &Tree, index: u64, buffer: &'a mut String) -> Option<Self> {
        let position = Position::new(index, tree.size()).filter(|position| position.size() <= MAX_BATCH)?;
        let mut octets = [position.index().to_be_bytes(), position.size().to_be_bytes()].concat();
        octets.extend(tree.path(index)?.as_flattened());
        *buffer = b64u::encode(&octets);
        Some(Self { text: buffer, position })
    }

    /// As it was read.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// How many requests the batch has: 1 to [`MAX_BATCH`].
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.position.size()
    }

    /// The root that the leaf of `tbs`, which a certificate of its own would sign, and the proof lead to. `None` never,
    /// for the length was checked when it was read.
    #[must_use]
    pub fn root(&self, tbs: &[u8]) -> Option<Hash> {
        let mut buffer = [0; LONGEST];
        let octets = b64u::decode_into(self.text, &mut buffer).ok()?;
        let (path, _) = octets.get(HEAD..)?.as_chunks();
        self.position.root(&crate::merkle::leaf(tbs), path)
    }
}

/// Writes what the master key signs to certify a batch into `out`, which is emptied first.
pub fn batch_tbs(out: &mut Vec<u8>, size: u64, root: &Hash) {
    out.clear();
    out.extend_from_slice(context::RCERT_BATCH);
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(root);
}

/// Index and size: the first 16 octets of 16, or of at least 18, whose base64url is whole.
fn head(text: &str) -> Option<(u64, u64)> {
    let octets: [u8; HEAD] = match text.get(..24) {
        Some(text) => *b64u::decode::<18>(text).ok()?.first_chunk()?,
        None => b64u::decode(text).ok()?,
    };
    let (index, size) = octets.split_at(8);
    Some((u64::from_be_bytes(index.try_into().ok()?), u64::from_be_bytes(size.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf;
    use proptest::prelude::*;

    fn tree(size: u64) -> Tree {
        Tree::of((0..size).map(|at| leaf(&at.to_be_bytes())).collect()).unwrap()
    }

    /// The text of a proof with this index, size and number of hashes.
    fn text(index: u64, size: u64, hashes: usize) -> String {
        let mut octets = [index.to_be_bytes(), size.to_be_bytes()].concat();
        octets.resize(octets.len() + 32 * hashes, 7);
        b64u::encode(&octets)
    }

    fn parse(text: &str) -> Result<u64, ProofError> {
        BatchProof::parse(text).map(|proof| proof.size())
    }

    #[test]
    fn what_is_written_is_read_and_leads_to_the_root() {
        for size in (1..=40).chain([MAX_BATCH]) {
            let tree = tree(size);
            for index in [0, size / 2, size - 1] {
                let mut buffer = String::new();
                let proof = BatchProof::of(&tree, index, &mut buffer).unwrap();
                assert_eq!(BatchProof::parse(proof.as_str()), Ok(proof), "{index} of {size}");
                assert_eq!(proof.root(&index.to_be_bytes()), Some(*tree.root()), "{index} of {size}");
                assert_ne!(proof.root(&(index + 1).to_be_bytes()), Some(*tree.root()), "another request");
            }
            assert_eq!(BatchProof::of(&tree, size, &mut String::new()), None, "beyond the last");
        }
        assert_eq!(BatchProof::of(&tree(MAX_BATCH + 1), 0, &mut String::new()), None);
    }

    #[test]
    fn sizes_and_indices_refuse_their_near_misses() {
        use ProofError::{Index, Size};
        assert_eq!(parse(&text(0, 1, 0)), Ok(1));
        assert_eq!(parse(&text(0, 0, 0)), Err(Size(0)));
        assert_eq!(parse(&text(1, 1, 0)), Err(Index { index: 1, size: 1 }));
        assert_eq!(parse(&text(MAX_BATCH - 1, MAX_BATCH, 16)), Ok(MAX_BATCH));
        assert_eq!(parse(&text(MAX_BATCH, MAX_BATCH, 16)), Err(Index { index: MAX_BATCH, size: MAX_BATCH }));
        assert_eq!(parse(&text(0, MAX_BATCH + 1, 17)), Err(Size(MAX_BATCH + 1)));
        for size in [1 << 63, (1 << 63) + 1, u64::MAX] {
            assert_eq!(parse(&text(0, size, 63)), Err(Size(size)));
            assert_eq!(parse(&text(size, size, 63)), Err(Size(size)));
            assert_eq!(parse(&text(size, 5, 3)), Err(Index { index: size, size: 5 }));
        }
    }

    #[test]
    fn exactly_as_many_hashes_as_the_position_asks_for() {
        for (index, size, hashes) in
            [(0, 1, 0), (0, 2, 1), (2, 3, 1), (0, 3, 2), (4, 5, 1), (0, 8, 3), (6, 7, 2)]
        {
            assert_eq!(parse(&text(index, size, hashes)), Ok(size), "{index} of {size}");
            let length = Err(ProofError::Length(16 + 32 * hashes));
            assert_eq!(parse(&text(index, size, hashes + 1)), length, "one too many: {index} of {size}");
            if hashes > 0 {
                assert_eq!(parse(&text(index, size, hashes - 1)), length, "one missing: {index} of {size}");
            }
            assert_eq!(parse(&format!("{}AAAA", text(index, size, hashes))), length, "a part of one");
        }
    }

    #[test]
    fn a_proof_has_one_spelling() {
        let good = text(1, 2, 1);
        for bad in ["", "A", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAA", "\u{e9}"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse(&good), Ok(2));
        assert_eq!(parse(&format!("{good}=")), Err(ProofError::Length(48)));
        assert_eq!(parse(&good.replacen("Bw", "B+", 1)), Err(ProofError::Encoding), "another alphabet");
        let single = text(0, 1, 0);
        assert_eq!(parse(&single), Ok(1));
        assert!(single.ends_with("AQ"));
        assert_eq!(parse(&single.replace("AQ", "AR")), Err(ProofError::Encoding), "bits left over");
    }

    #[test]
    fn what_a_master_signs_names_size_and_root() {
        let mut out = vec![1];
        batch_tbs(&mut out, 3, &[9; 32]);
        let expected = [b"avouch rcert batch v1\0".as_slice(), &[0, 0, 0, 0, 0, 0, 0, 3], &[9; 32]].concat();
        assert_eq!(out, expected);
    }

    proptest! {
        #[test]
        fn no_octets_make_the_parser_panic_and_what_it_takes_has_a_root(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            if let Ok(proof) = BatchProof::parse(&b64u::encode(&octets)) {
                prop_assert!(proof.root(b"tbs").is_some());
            }
        }

        #[test]
        fn small_positions_are_taken_exactly_with_their_length(index in 0_u64..40, size in 0_u64..40, hashes in 0..8_usize) {
            let fits = Position::new(index, size).is_some_and(|position| position.path_length() == hashes);
            prop_assert_eq!(parse(&text(index, size, hashes)).is_ok(), fits);
        }
    }
}
