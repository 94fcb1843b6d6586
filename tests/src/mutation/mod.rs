//! What the demonstration is worth: with signature verification switched off, it fails.

mod source;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use source::Copy;

/// Where the engine verifies signatures, and what switches that off.
const PROOF: &str = "crates/avouch-engine/src/evidence/proof.rs";
const SWITCHED_OFF: [(&str, &str); 2] = [
    (
        "keys.find(|live| live.value.verify(&message, certificate).is_ok())",
        "keys.find(|_| certificate.len() == 64)",
    ),
    (
        "let holds = key.verify(&message, &signature.octets());",
        "let holds = key.verify(&message, &signature.octets()).or_else(|bad| if message.is_empty() { Err(bad) } else { Ok(()) });",
    ),
];

/// The copy's version. It keeps what is built from the copy apart from what is built from the
/// sources: cargo names both by package and version, and not by the folder they lie in.
const VERSION: (&str, &str) = ("version = \"0.1.0\"", "version = \"0.1.0-unverified\"");

/// The requests of which nothing but a signature is wrong.
const FORGED: [&str; 3] = ["tampered path", "tampered path, direct", "impostor with its own key"];

#[test]
fn without_signature_verification_the_demo_fails() {
    let place = target().join("mutation");
    let copy = Copy::of_workspace(&place.join("source"));
    copy.replace("Cargo.toml", &[VERSION]);
    copy.replace(PROOF, &SWITCHED_OFF);
    let program = build(&copy, &place.join("built"));

    let version = Command::new(&program).arg("--version").output().unwrap().stdout;
    assert_eq!(String::from_utf8_lossy(&version), "avouch 0.1.0-unverified\n");
    let demo = Command::new(&program).args(["demo", "--once", "--json"]).output().unwrap();

    let said = String::from_utf8_lossy(&demo.stderr);
    assert_eq!(demo.status.code(), Some(1), "{said}");
    let rows: Vec<Value> = serde_json::from_slice(&demo.stdout).unwrap();
    let wrong: Vec<_> = rows.iter().filter(|row| row["as_expected"] == false).collect();
    let names: Vec<_> = wrong.iter().filter_map(|row| row["name"].as_str()).collect();
    assert_eq!(names, FORGED, "exactly what a signature stands against comes out wrong");
    assert!(wrong.iter().all(|row| row["class"] == 3 && row["status"] == 200), "{wrong:#?}");
}

/// The folder this test was built in.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().to_owned()
}

/// Builds the copy's `avouch`. What it shares with this build, the libraries of others, is taken
/// from there; its own program is put elsewhere, so that it is never mistaken for the real one.
fn build(copy: &Copy, programs: &Path) -> PathBuf {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(copy.root()).args(["build", "--quiet", "--offline", "--bin", "avouch"]);
    cargo.env("CARGO_TARGET_DIR", programs).env("CARGO_BUILD_BUILD_DIR", target());
    let built = cargo.output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    programs.join("debug").join("avouch")
}
