//! OpenSSL opens the key files made here, and its files are opened here.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use avouch_wire::key::KeyType;

use super::{Protection, create, open};
use crate::entropy::SystemEntropy;
use crate::passphrase::Passphrase;
use crate::secret::SecretKey;
use crate::spki;

/// Runs `openssl` in `folder`; `None`, said loudly, where there is none.
fn openssl(folder: &Path, arguments: &[&str]) -> Option<String> {
    match Command::new("openssl").args(arguments).current_dir(folder).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("SKIPPED: openssl is not installed, so its reading of key files is not tested");
            None
        }
        done => {
            let done = done.unwrap();
            assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
            Some(String::from_utf8(done.stdout).unwrap())
        }
    }
}

fn words() -> Passphrase {
    Passphrase::from_line(b"correct horse\n".to_vec()).unwrap()
}

#[test]
fn openssl_opens_keys_made_here() {
    let folder = tempfile::tempdir().unwrap();
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let key = SecretKey::generate(key_type, &mut SystemEntropy).unwrap();
        let public = spki::to_pem(key.public()).unwrap();
        let words = words();
        for (name, protection) in [("sealed", Protection::Passphrase(&words)), ("plain", Protection::None)] {
            let file = format!("{name}.{}", key_type.name());
            create(&folder.path().join(&file), &key, protection).unwrap();
            let read = ["pkey", "-in", &file, "-passin", "pass:correct horse", "-pubout"];
            let Some(shown) = openssl(folder.path(), &read) else { return };
            assert_eq!(shown, public, "the private part of {file}");
            let shown = openssl(folder.path(), &["pkey", "-in", &file, "-pubin", "-pubout"]).unwrap();
            assert_eq!(shown, public, "the public part of {file}");
        }
    }
}

#[test]
fn keys_made_by_openssl_open_here() {
    let folder = tempfile::tempdir().unwrap();
    let make: [(&str, &[&str]); 2] = [
        ("ed", &["genpkey", "-algorithm", "ed25519", "-out", "ed"]),
        ("ec", &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "ec"]),
    ];
    for (name, arguments) in make {
        let Some(_) = openssl(folder.path(), arguments) else { return };
        let public = openssl(folder.path(), &["pkey", "-in", name, "-pubout"]).unwrap();
        let (scrypt, pbkdf2) = (format!("{name}.scrypt"), format!("{name}.pbkdf2"));
        let convert = ["pkcs8", "-topk8", "-in", name, "-passout", "pass:correct horse", "-out"];
        openssl(folder.path(), &[&convert[..], &[&scrypt, "-scrypt"]].concat()).unwrap();
        openssl(folder.path(), &[&convert[..], &[&pbkdf2, "-v2", "aes-256-cbc"]].concat()).unwrap();
        for file in [name, &scrypt, &pbkdf2] {
            let key = open(&folder.path().join(file), Some(&words())).unwrap();
            assert_eq!(spki::to_pem(key.public()).unwrap(), public, "{file}");
        }
    }
}
