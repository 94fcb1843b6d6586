//! Merkle trees as RFC 6962 section 2.1 hashes them: leaves and nodes, and proofs that a leaf is in a tree.
//!
//! In scope: [`leaf`], trees that are small enough to be in memory ([`Tree`]), and the root that a leaf and a path
//! lead to ([`Position::root`]). Whether that root is the one somebody vouches for is for whoever asks.
//!
//! Leaves and nodes are hashed with different first octets, so that no node passes for a leaf. A position knows how
//! long its path is before anything is hashed, and sizes up to 2^64 − 1 are counted without overflow.
//!
//! ```
//! use avouch_wire::merkle::{Position, Tree, leaf};
//!
//! let tree = Tree::of([b"a", b"b", b"c"].map(|content| leaf(content)).to_vec()).ok_or("no leaves")?;
//! let position = Position::new(2, tree.size()).ok_or("not in the tree")?;
//! let path = tree.path(position.index()).ok_or("not in the tree")?;
//! assert_eq!(position.root(&leaf(b"c"), &path), Some(*tree.root()));
//! # Ok::<(), &str>(())
//! ```

mod tree;

#[cfg(test)]
mod tests;

pub use tree::Tree;

use aws_lc_rs::digest::{Context, Digest, SHA256, digest};

/// SHA-256 of a leaf or of a node.
pub type Hash = [u8; 32];

/// The first octet of what is hashed for a leaf.
const LEAF: u8 = 0;

/// The first octet of what is hashed for a node.
const NODE: u8 = 1;

/// The hash of a leaf.
#[must_use]
pub fn leaf(content: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF]);
    context.update(content);
    hash(&context.finish())
}

/// The hash of a node.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut content = [NODE; 65];
    content.iter_mut().skip(1).zip(left.iter().chain(right)).for_each(|(to, from)| *to = *from);
    hash(&digest(&SHA256, &content))
}

fn hash(digest: &Digest) -> Hash {
    let mut hash = [0; 32];
    hash.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    hash
}

/// Where a leaf stands: its index, in a tree of so many leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    index: u64,
    size: u64,
}

impl Position {
    /// A leaf by its index, from 0; `None` unless it is below the size.
    #[must_use]
    pub const fn new(index: u64, size: u64) -> Option<Self> {
        if index < size { Some(Self { index, size }) } else { None }
    }

    /// From 0, and below the size.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many leaves the tree has, 1 at least.
    #[must_use]
    pub const fn size(self) -> u64 {
        self.size
    }

    /// How many hashes lead from the leaf to the root: 0–64.
    #[must_use]
    pub const fn path_length(self) -> usize {
        (self.inner() + self.border()) as usize
    }

    /// The root that a leaf here and its path, from leaf to root, lead to (RFC 9162 section 2.1.3.2); `None` for a
    /// path of another length.
    #[must_use]
    pub fn root(self, leaf: &Hash, path: &[Hash]) -> Option<Hash> {
        if path.len() != self.path_length() {
            return None;
        }
        let mut root = *leaf;
        for (level, other) in (0_u32..).zip(path) {
            let is_left = level < self.inner() && (self.index >> level) & 1 == 0;
            root = if is_left { node(&root, other) } else { node(other, &root) };
        }
        Some(root)
    }

    /// The levels at which the way of this leaf and that of the last one run apart: there it has a sibling on either
    /// side. Above them it has siblings on the left only.
    const fn inner(self) -> u32 {
        u64::BITS - (self.index ^ (self.size - 1)).leading_zeros()
    }

    /// The levels above those at which there is a sibling.
    const fn border(self) -> u32 {
        match self.index.checked_shr(self.inner()) {
            Some(above) => above.count_ones(),
            None => 0,
        }
    }
}
