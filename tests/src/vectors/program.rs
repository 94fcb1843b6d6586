//! Each vector that its options can express, judged by `avouch verify`.

use super::{compare, difference, written};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use testkit::binary;
use testkit::vector::{Case, Expect, NetworkFiles, Vector};

#[test]
fn every_vector_is_judged_by_the_program_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.toml"), "").unwrap();
    let mut differences = Vec::new();
    for vector in Vector::all() {
        for case in vector.cases().filter(is_expressible) {
            differences.extend(difference(&case.name, &case.expect, &came(case, folder.path())));
        }
    }
    compare(&differences);
}

/// `avouch verify` asks for no tokens, so it knows of none that answers it.
fn is_expressible(case: &&Case) -> bool {
    !case.draft && !case.authorities.is_empty() && case.passes.is_none()
}

/// What the program prints of a case, judged in this folder.
fn came(case: &Case, folder: &Path) -> Expect {
    let mut verify = Command::new(binary::path());
    verify.current_dir(folder).args(["verify", "--json", "--policy", "model.toml"]);
    verify.args(["--at", &case.now.seconds().to_string()]);
    for (name, text) in case.zone_texts() {
        std::fs::write(folder.join(&name), text).unwrap();
        verify.args(["--zone", &name]);
    }
    for authority in &case.authorities {
        verify.args(["--authority", authority]);
    }
    for (at, (url, text)) in case.directory_texts().into_iter().enumerate() {
        let name = format!("directory-{at}");
        std::fs::write(folder.join(&name), text).unwrap();
        verify.args(["--directory", &format!("{url}={name}")]);
    }
    if let Some(file) = case.write_registered(folder).unwrap() {
        verify.arg("--registered").arg(file);
    }
    let NetworkFiles { asn, ranges } = case.write_networks(folder).unwrap();
    if let Some(table) = asn {
        verify.arg("--asn").arg(table);
    }
    for (crawler, file) in ranges {
        verify.arg("--ranges").arg(format!("{crawler}={}", file.display()));
    }
    if !case.unlisted_proxy {
        verify.args(["--peer", &case.peer.to_string()]);
    }
    if let Some(sni) = &case.sni {
        verify.args(["--sni", sni]);
    }
    for name in &case.certificate_names {
        verify.args(["--certificate-name", name]);
    }
    std::fs::write(folder.join("request"), &case.message).unwrap();
    let output = verify.arg("request").output().unwrap();
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{}: {error}\n{}", case.name, String::from_utf8_lossy(&output.stderr))
    });
    match printed.get("refused") {
        Some(_) => Expect::Refused,
        None => written(&printed, &printed["decision"]),
    }
}
