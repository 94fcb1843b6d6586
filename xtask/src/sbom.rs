//! What the program is made of: a software bill of materials in CycloneDX 1.6, as JSON.
//!
//! From `cargo metadata`, which knows what is built for Linux with the features in use; nothing is looked up elsewhere,
//! so the same sources give the same document.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use std::process::ExitCode;

use crate::cargo;
use crate::finding::Finding;
use crate::house;

/// What is described.
const PROGRAM: &str = "avouch";

/// Prints the document.
pub(crate) fn print() -> ExitCode {
    match document() {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(findings) => {
            findings.iter().for_each(|finding| eprintln!("{finding}"));
            ExitCode::FAILURE
        }
    }
}

/// The document.
pub(crate) fn document() -> Result<String, Vec<Finding>> {
    let words =
        ["metadata", "--format-version", "1", "--locked", "--filter-platform", "x86_64-unknown-linux-gnu"];
    let mend = "run it, and mend what it names";
    let text = cargo::output(&mut cargo::command("cargo", &words), mend)?;
    let metadata: Value = serde_json::from_str(&text)
        .map_err(|error| vec![Finding::new("cargo metadata", error.to_string(), mend)])?;
    let lock = house::root().join("Cargo.lock");
    let lock = std::fs::read_to_string(&lock).map_err(|error| {
        vec![Finding::new("Cargo.lock", error.to_string(), "run `cargo generate-lockfile`")]
    })?;
    let document = describe(&metadata, &checksums(&lock));
    serde_json::to_string_pretty(&document)
        .map(|text| text + "\n")
        .map_err(|error| vec![Finding::new("sbom", error.to_string(), "report it")])
}

/// The digests of packages by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").skip(1);
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        line.and_then(|value| value.strip_suffix('"')).map(str::to_owned)
    };
    let entry = |package: &str| {
        Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?))
    };
    packages.filter_map(entry).collect()
}

/// What is built into the program: the packages that its own lead to, but for those of tests and of building alone.
fn built<'m>(metadata: &'m Value, root: &'m str) -> BTreeSet<&'m str> {
    let nodes: BTreeMap<&str, &Value> =
        list(metadata.get("resolve"), "nodes").map(|node| (text(node, "id"), node)).collect();
    let mut found = BTreeSet::new();
    let mut waiting = vec![root];
    while let Some(id) = waiting.pop() {
        if found.insert(id) {
            let needs = list(nodes.get(id).copied(), "deps");
            let normal =
                needs.filter(|need| list(Some(need), "dep_kinds").any(|kind| kind["kind"].is_null()));
            waiting.extend(normal.map(|need| text(need, "pkg")));
        }
    }
    found
}

fn describe(metadata: &Value, checksums: &BTreeMap<(String, String), String>) -> Value {
    let packages: BTreeMap<&str, &Value> =
        list(Some(metadata), "packages").map(|package| (text(package, "id"), package)).collect();
    let program = packages.iter().find(|(_, package)| text(package, "name") == PROGRAM);
    let Some((root, program)) = program else { return Value::Null };
    let built = built(metadata, root);
    let mut components: Vec<Value> = built
        .iter()
        .filter(|id| *id != root)
        .filter_map(|id| packages.get(id))
        .map(|package| component(package, checksums, "library"))
        .collect();
    components.sort_by_key(|component| component["bom-ref"].to_string());
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "component": component(program, checksums, "application") },
        "components": components,
    })
}

fn component(package: &Value, checksums: &BTreeMap<(String, String), String>, kind: &str) -> Value {
    let (name, version) = (text(package, "name"), text(package, "version"));
    let reference = format!("pkg:cargo/{name}@{version}");
    let mut component = json!({
        "type": kind,
        "bom-ref": reference,
        "name": name,
        "version": version,
        "licenses": [{ "expression": text(package, "license").replace('/', " OR ") }],
    });
    // What comes from the registry has a digest; ours has none there.
    let digest = checksums.get(&(name.to_owned(), version.to_owned()));
    if let (Some(digest), Some(members)) = (digest, component.as_object_mut()) {
        members.insert("purl".to_owned(), json!(reference));
        members.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": digest }]));
    }
    component
}

fn list<'a>(value: Option<&'a Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    value.and_then(|value| value.get(name)).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_program_is_named_with_licence_and_the_digest_of_the_lock_file() {
        let document: Value = serde_json::from_str(&document().unwrap()).unwrap();
        let lock = std::fs::read_to_string(house::root().join("Cargo.lock")).unwrap();
        let known = checksums(&lock);
        let parts: BTreeMap<String, &Value> =
            list(Some(&document), "components").map(|part| (text(part, "name").to_owned(), part)).collect();
        for needed in ["tokio", "rustls", "aws-lc-rs", "hickory-proto", "avouch-engine"] {
            assert!(parts.contains_key(needed), "{needed}");
        }
        // Of tests, of building, and of other systems.
        for other in ["proptest", "sfv", "cc", "windows-sys", "xtask", "testkit"] {
            assert!(!parts.contains_key(other), "{other}");
        }
        for part in list(Some(&document), "components") {
            let (name, version) = (text(part, "name"), text(part, "version"));
            assert_ne!(part["licenses"][0]["expression"], "", "{name}");
            let digest = known.get(&(name.to_owned(), version.to_owned()));
            assert_eq!(part["hashes"][0]["content"].as_str(), digest.map(String::as_str), "{name}");
            assert!(digest.is_some() || name.starts_with("avouch"), "{name}");
        }
    }

    #[test]
    fn a_digest_belongs_to_its_version() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1\"\nchecksum = \"x\"\n\n[[package]]\nname = \"a\"\nversion = \"2\"\n";
        let known = checksums(lock);
        assert_eq!(known.get(&("a".to_owned(), "1".to_owned())).map(String::as_str), Some("x"));
        assert_eq!(known.get(&("a".to_owned(), "2".to_owned())), None);
    }
}
