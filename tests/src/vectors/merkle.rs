//! Proofs of Merkle trees that others made, good ones and spoilt ones. They are no part of the project.

use avouch_wire::b64u;
use avouch_wire::merkle::{Hash, Position};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn the_inclusion_proofs_of_others_come_out_as_they_say() {
    let Some(folder) = testkit::peers::beside("shared/vectors/merkle/inclusion") else { return };
    let (mut accepted, mut refused) = (0, 0);
    for file in files(&folder) {
        let vector: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let fails = vector["wantErr"].as_bool().unwrap();
        assert_eq!(proves(&vector), !fails, "{}", file.display());
        *(if fails { &mut refused } else { &mut accepted }) += 1;
    }
    assert!(accepted > 5 && refused > 50, "{accepted} accepted, {refused} refused");
}

/// Whether its leaf and path lead to its root.
fn proves(vector: &Value) -> bool {
    let position = Position::new(vector["leafIdx"].as_u64().unwrap(), vector["treeSize"].as_u64().unwrap());
    let path = vector["proof"].as_array().map_or(&[][..], Vec::as_slice).iter().map(hash).collect();
    let (Some(position), Some(leaf), Some(path)): (_, _, Option<Vec<Hash>>) =
        (position, hash(&vector["leafHash"]), path)
    else {
        return false;
    };
    position.root(&leaf, &path).is_some_and(|root| Some(root) == hash(&vector["root"]))
}

/// A hash in base64, with padding and the other alphabet.
fn hash(value: &Value) -> Option<Hash> {
    let text = value.as_str()?.trim_end_matches('=').replace('+', "-").replace('/', "_");
    b64u::decode_vec(&text).unwrap().try_into().ok()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|at| if at.is_dir() { files(&at) } else { vec![at] }).collect()
}
