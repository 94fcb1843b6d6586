//! Trees against RFC 6962's own definition. The vectors of others are tried by `tests/src/vectors/merkle.rs`.

use super::*;
use proptest::prelude::*;

/// MTH of RFC 6962 section 2.1, as it is written there.
fn defined(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => hash(&digest(&SHA256, b"")),
        [one] => *one,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node(&defined(left), &defined(right))
        }
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|at| leaf(&at.to_be_bytes())).collect()
}

fn tree(count: u64) -> Tree {
    Tree::of(leaves(count)).unwrap()
}

/// The tree of RFC 6962's reference implementation over its eight test inputs.
#[test]
fn a_known_tree_has_its_known_root() {
    let inputs: [&[u8]; 8] = [
        b"",
        &[0],
        &[0x10],
        &[0x20, 0x21],
        &[0x30, 0x31],
        &[0x40, 0x41, 0x42, 0x43],
        &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
        &[0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f],
    ];
    let tree = Tree::of(inputs.map(leaf).to_vec()).unwrap();
    let root = crate::b64u::encode(tree.root());
    assert_eq!(root, "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz-Nw7_RgQyg");
}

#[test]
fn a_node_never_passes_for_a_leaf() {
    let [one, two] = [[1; 32], [2; 32]];
    assert_ne!(leaf(&[one, two].concat()), node(&one, &two));
    assert_ne!(leaf(&[&[NODE], one.as_slice(), &two].concat()), node(&one, &two));
}

#[test]
fn without_leaves_there_is_no_tree_and_no_position() {
    assert_eq!(Tree::of(Vec::new()), None);
    assert_eq!(Position::new(0, 0), None);
    assert_eq!(tree(5).path(5), None);
}

#[test]
fn every_leaf_of_every_small_tree_is_proved_and_at_no_other_place() {
    for size in 1..=33 {
        let (tree, leaves) = (tree(size), leaves(size));
        assert_eq!(*tree.root(), defined(&leaves), "{size}");
        for (index, leaf) in (0..).zip(&leaves) {
            let path = tree.path(index).unwrap();
            let root = |index, size, leaf: &Hash| {
                Position::new(index, size).and_then(|position| position.root(leaf, &path))
            };
            assert_eq!(root(index, size, leaf), Some(*tree.root()), "{index} of {size}");
            for other in (0..size).filter(|other| *other != index) {
                assert_ne!(root(other, size, leaf), Some(*tree.root()), "{other} for {index} of {size}");
            }
            assert_ne!(root(index, size, &[9; 32]), Some(*tree.root()), "another leaf at {index} of {size}");
        }
    }
}

#[test]
fn the_longest_sizes_are_counted_without_overflow() {
    let length = |index, size| Position::new(index, size).map(Position::path_length);
    for (index, size, expected) in [
        (0, 1, 0),
        (0, 1 << 63, 63),
        ((1 << 63) - 1, 1 << 63, 63),
        (1 << 63, (1 << 63) + 1, 1),
        (0, (1 << 63) + 1, 64),
        (0, u64::MAX, 64),
        (u64::MAX - 1, u64::MAX, 63),
    ] {
        assert_eq!(length(index, size), Some(expected), "{index} of {size}");
    }
    assert_eq!(length(u64::MAX, u64::MAX), None);
    assert_eq!(length(1 << 63, 1 << 63), None);
    let far = Position::new(0, u64::MAX).unwrap();
    assert!(far.root(&[0; 32], &[[0; 32]; 64]).is_some());
    assert_eq!(far.root(&[0; 32], &[[0; 32]; 63]), None, "a hash is missing");
    assert_eq!(far.root(&[0; 32], &[[0; 32]; 65]), None, "a hash too many");
}

proptest! {
    #[test]
    fn a_changed_proof_leads_elsewhere(size in 1_u64..300, index: prop::sample::Index, at: prop::sample::Index, bit in 0..8) {
        let index = index.index(size as usize) as u64;
        let (tree, position) = (tree(size), Position::new(index, size).unwrap());
        let leaf = leaves(size)[index as usize];
        let path = tree.path(index).unwrap();
        prop_assert_eq!(path.len(), position.path_length());
        prop_assert_eq!(position.root(&leaf, &path), Some(*tree.root()));
        prop_assert_eq!(position.root(&leaf, &[path.as_slice(), &[[0; 32]]].concat()), None);
        if let Some((_, shorter)) = path.split_last() {
            prop_assert_eq!(position.root(&leaf, shorter), None);
            let mut bent = path.clone();
            bent[at.index(path.len())][at.index(32)] ^= 1_u8 << bit;
            prop_assert_ne!(position.root(&leaf, &bent), Some(*tree.root()));
        }
    }
}
