//! OpenSSL opens the key files made here, and its files are opened here.

use std::path::Path;
use std::process::Command;

use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::passphrase::Passphrase;
use avouch_keys::spki;
use avouch_keys::store::{Protection, create, open};
use avouch_wire::key::KeyType;
use testkit::peers::{Peers, require};

/// What `openssl` prints when run in `folder`.
fn openssl(peers: &Peers, folder: &Path, arguments: &[&str]) -> String {
    let done = Command::new(peers.path("openssl")).args(arguments).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

fn words() -> Passphrase {
    Passphrase::from_line(b"correct horse\n".to_vec()).unwrap()
}

#[test]
fn openssl_opens_keys_made_here() {
    let Some(peers) = require(&["openssl"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let key = SecretKey::generate(key_type, &mut SystemEntropy).unwrap();
        let public = spki::to_pem(key.public()).unwrap();
        let words = words();
        for (name, protection) in [("sealed", Protection::Passphrase(&words)), ("plain", Protection::None)] {
            let file = format!("{name}.{}", key_type.name());
            create(&folder.path().join(&file), &key, protection).unwrap();
            let read = ["pkey", "-in", &file, "-passin", "pass:correct horse", "-pubout"];
            let shown = openssl(&peers, folder.path(), &read);
            assert_eq!(shown, public, "the private part of {file}");
            let shown = openssl(&peers, folder.path(), &["pkey", "-in", &file, "-pubin", "-pubout"]);
            assert_eq!(shown, public, "the public part of {file}");
        }
    }
}

#[test]
fn keys_made_by_openssl_open_here() {
    let Some(peers) = require(&["openssl"]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let make: [(&str, &[&str]); 2] = [
        ("ed", &["genpkey", "-algorithm", "ed25519", "-out", "ed"]),
        ("ec", &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec"]),
    ];
    for (name, arguments) in make {
        openssl(&peers, folder.path(), arguments);
        let public = openssl(&peers, folder.path(), &["pkey", "-in", name, "-pubout"]);
        let (scrypt, pbkdf2) = (format!("{name}.scrypt"), format!("{name}.pbkdf2"));
        let convert = ["pkcs8", "-topk8", "-in", name, "-passout", "pass:correct horse", "-out"];
        openssl(&peers, folder.path(), &[&convert[..], &[&scrypt, "-scrypt"]].concat());
        openssl(&peers, folder.path(), &[&convert[..], &[&pbkdf2, "-v2", "aes-256-cbc"]].concat());
        for file in [name, &scrypt, &pbkdf2] {
            let key = open(&folder.path().join(file), Some(&words())).unwrap();
            assert_eq!(spki::to_pem(key.public()).unwrap(), public, "{file}");
        }
    }
}
