//! A tree with all its nodes in memory.

use super::{Hash, node};

/// A tree of one leaf at least. It takes 64 octets for each leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// The leaves, then the nodes of each level; the last level is the root alone.
    levels: Vec<Vec<Hash>>,
    root: Hash,
}

impl Tree {
    /// The tree of these leaves, hashed already ([`leaf`](super::leaf)); `None` without any.
    #[must_use]
    pub fn of(leaves: Vec<Hash>) -> Option<Self> {
        let mut levels = vec![leaves];
        loop {
            match levels.last()?.as_slice() {
                [] => return None,
                [root] => return Some(Self { root: *root, levels }),
                below => {
                    let above = below.chunks(2).map(parent).collect();
                    levels.push(above);
                }
            }
        }
    }

    /// How many leaves it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Its root.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.root
    }

    /// The hashes that lead from the leaf of this index to the root; `None` where there is no such leaf.
    #[must_use]
    pub fn path(&self, index: u64) -> Option<Vec<Hash>> {
        let mut at = usize::try_from(index).ok()?;
        self.levels.first()?.get(at)?;
        let mut path = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            // Without a sibling the node itself stands at the level above.
            path.extend(level.get(at ^ 1));
            at /= 2;
        }
        Some(path)
    }
}

/// Of two nodes their parent; one without a sibling moves up as it is.
fn parent(pair: &[Hash]) -> Hash {
    match pair {
        [left, right] => node(left, right),
        [single, ..] => *single,
        [] => Hash::default(),
    }
}
