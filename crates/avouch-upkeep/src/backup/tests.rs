use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use avouch_wire::backup::{MAX_FILE, MAX_MANIFEST, Manifest, Why};
use avouch_wire::time::Time;

use super::*;

const NOW: Time = Time::from_seconds(1_800_000_000);

/// A gateway's files, and a place to restore them.
struct Place(tempfile::TempDir);

impl Place {
    /// With everything that a configuration can name.
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let text = "listen = '[::]:1'\nupstream = 'http://a:1'\nauthorities = 'a.example'\npolicy.file = 'policy.toml'\n\
                    tls.cert = 'cert.pem'\ntls.key = 'key.pem'\nstore.url = 'file:{}/replay'\nlog.access = 'access.log'\n\
                    admin.listen = '127.0.0.1:1'\nconsole = { origin = 'http://localhost:1', users = 'users.toml' }\n\
                    [reports]\norganization = 'a'\ncontact = 'a@b.example'\nfolder = 'reports'\n\
                    [[http_signature]]\nkeyid = 'a'\nkey = 'secret'\nidentity = 'a.example'\nalgorithms = 'hmac-sha256'\n";
        let text = text.replace("{}", &place.path("own").display().to_string());
        for (name, content) in [
            ("own/gateway.toml", text.as_str()),
            ("own/policy.toml", "# a policy\n"),
            ("own/users.toml", "# users of the console\n"),
            ("own/cert.pem", "-----BEGIN CERTIFICATE-----\n"),
            ("own/key.pem", "-----BEGIN PRIVATE KEY-----\nsecret of TLS\n-----END PRIVATE KEY-----\n"),
            ("own/secret", "secret of a partner\n"),
            ("own/access.log", "a line\n"),
            ("own/replay/replay.table", "n0nces\n"),
            ("own/reports/waiting/1.json", "{}"),
            ("own/reports/reports.lock", ""),
            (
                "own/agent.key",
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\na\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ),
        ] {
            place.write(name, content);
        }
        fs::set_permissions(place.path("own/policy.toml"), Permissions::from_mode(0o666)).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        fs::canonicalize(self.0.path()).unwrap().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    }

    fn save(&self, also: &[&str]) -> Result<Manifest, BackupError> {
        let also: Vec<_> = also.iter().map(|name| self.path(name)).collect();
        save(&self.path("own/gateway.toml"), &also, &self.path("backup"), NOW)
    }

    /// Where a file of the gateway's is, restored below a folder.
    fn restored(&self, below: &str, name: &str) -> PathBuf {
        self.path(below).join(self.path(name).strip_prefix("/").unwrap())
    }
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_saved_comes_back_and_secrets_and_used_nonces_are_not_in_it() {
    let place = Place::new();
    let manifest = place.save(&["own/agent.key"]).unwrap();
    assert_eq!(mode(&place.path("backup")), 0o600);
    let octets = fs::read(place.path("backup")).unwrap();
    for kept in ["secret of TLS", "secret of a partner", "n0nces", "a line"] {
        assert!(!octets.windows(kept.len()).any(|part| part == kept.as_bytes()), "{kept}");
    }
    let why = |name: &str| {
        let path = place.path(name).display().to_string();
        manifest.left_out.iter().find(|one| one.path == path).map(|one| one.why)
    };
    assert_eq!(why("own/key.pem"), Some(Why::PlainSecret));
    assert_eq!(why("own/secret"), Some(Why::PlainSecret));
    assert_eq!(why("own/replay"), Some(Why::UsedNonces));
    assert_eq!(why("own/access.log"), Some(Why::AccessLog));

    assert_eq!(verify(&place.path("backup")).unwrap(), manifest);
    fs::create_dir(place.path("there")).unwrap();
    let restored = restore(&place.path("backup"), &place.path("there")).unwrap();
    assert_eq!(restored.manifest, manifest);
    let names =
        ["gateway.toml", "policy.toml", "cert.pem", "agent.key", "users.toml", "reports/waiting/1.json"];
    for name in names.map(|name| format!("own/{name}")) {
        let back = place.restored("there", &name);
        assert_eq!(fs::read(&back).unwrap(), fs::read(place.path(&name)).unwrap(), "{name}");
        assert!(restored.files.contains(&back));
    }
    assert_eq!(restored.files.len(), names.len());
    assert_eq!(mode(&place.restored("there", "own/policy.toml")), 0o644, "nobody else may write");
    assert_eq!(mode(&place.restored("there", "own/gateway.toml")), 0o640);
}

#[test]
fn nothing_is_overwritten_and_where_one_file_is_there_none_is_restored() {
    let place = Place::new();
    place.save(&[]).unwrap();
    assert!(matches!(place.save(&[]), Err(BackupError::Exists(_))), "not a backup either");
    fs::create_dir(place.path("there")).unwrap();
    let there = place.restored("there", "own/policy.toml");
    fs::create_dir_all(there.parent().unwrap()).unwrap();
    fs::write(&there, "another's").unwrap();
    let refused = restore(&place.path("backup"), &place.path("there"));
    assert!(matches!(refused, Err(BackupError::Exists(path)) if path == there));
    assert_eq!(fs::read_to_string(&there).unwrap(), "another's");
    assert_eq!(fs::read_dir(there.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_plain_secret_is_refused_where_it_is_asked_for() {
    let place = Place::new();
    assert!(matches!(place.save(&["own/key.pem"]), Err(BackupError::PlainKey(_))));
    assert!(!place.path("backup").exists());
    let text = fs::read_to_string(place.path("own/gateway.toml")).unwrap();
    let url = format!("file:{}/replay", place.path("own").display());
    place.write("own/gateway.toml", &text.replace(&url, "redis://:s3cret@127.0.0.1'\nstore.group = 'a"));
    let refused = place.save(&[]).unwrap_err();
    let refused = refused.to_string();
    assert!(refused.contains("password_file") && !refused.contains("s3cret"), "{refused}");
    place.write("own/gateway.toml", &text.replace(&url, "redis://127.0.0.1'\nstore.group = 'a"));
    assert!(place.save(&[]).is_ok());
}

#[test]
fn every_changed_octet_is_noticed_or_says_nothing() {
    let place = Place::new();
    let manifest = place.save(&[]).unwrap();
    let whole = fs::read(place.path("backup")).unwrap();
    let changed = place.path("changed");
    // Of each block of tar one octet, another each time.
    for block in 0..whole.len() / 512 {
        let mut octets = whole.clone();
        octets[block * 512 + (block * 37) % 512] ^= 1;
        fs::write(&changed, &octets).unwrap();
        if let Ok(read) = verify(&changed) {
            assert_eq!(read, manifest, "padding");
        }
    }
    for length in [0, 100, 512, 1_536, whole.len() / 2, whole.len() - 1_536] {
        fs::write(&changed, &whole[..length]).unwrap();
        assert!(matches!(verify(&changed), Err(BackupError::Damaged { .. })), "{length}");
    }
    let at = whole.windows(10).position(|part| part == b"# a policy").unwrap();
    let mut octets = whole;
    octets[at] = b'!';
    fs::write(&changed, &octets).unwrap();
    fs::create_dir(place.path("there")).unwrap();
    assert!(restore(&changed, &place.path("there")).unwrap_err().to_string().contains("it was changed"));
    assert_eq!(fs::read_dir(place.path("there")).unwrap().count(), 0);
}

/// A backup by hand: this list, and entries of this kind, name and content.
fn made(path: &Path, manifest: &str, entries: &[(tar::EntryType, &str, &[u8])]) {
    let mut archive = tar::Builder::new(fs::File::create(path).unwrap());
    let digest = avouch_wire::b64u::encode(&avouch_wire::content::ContentDigest::of(manifest.as_bytes()).0);
    let regular = tar::EntryType::Regular;
    let list = [(regular, MANIFEST, manifest.as_bytes()), (regular, DIGEST, digest.as_bytes())];
    for (kind, name, content) in list.iter().chain(entries) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o777);
        // `append_data` would refuse names that lead elsewhere.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_link_name("/etc/passwd").unwrap();
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.finish().unwrap();
}

fn list(path: &str, content: &[u8]) -> String {
    let digest = avouch_wire::b64u::encode(&avouch_wire::content::ContentDigest::of(content).0);
    let number = rustix::process::geteuid().as_raw();
    format!(
        r#"{{"format":"avouch-backup-1","made":1,"files":[{{"path":"{path}","mode":"0600","owner":"{number}","group":"{number}","octets":{},"sha256":"{digest}"}}],"left_out":[]}}"#,
        content.len()
    )
}

#[test]
fn what_leads_elsewhere_is_refused_and_nothing_is_written() {
    let place = Place(tempfile::tempdir().unwrap());
    let (file, there) = (place.path("made"), place.path("there"));
    fs::create_dir(&there).unwrap();
    let regular = tar::EntryType::Regular;
    made(&file, &list("/a", b"abc"), &[(regular, "files/a", b"abc")]);
    restore(&file, &there).unwrap();
    assert_eq!(fs::read(there.join("a")).unwrap(), b"abc");
    assert_eq!(mode(&there.join("a")), 0o600, "what tar says of permissions does not count");
    fs::remove_file(there.join("a")).unwrap();

    for (list, entries) in [
        (list("/../a", b"abc"), vec![(regular, "files/../a", &b"abc"[..])]),
        (list("/a", b"abc"), vec![(regular, "files/../a", &b"abc"[..])]),
        (list("/a", b"abc"), vec![(regular, "/files/a", &b"abc"[..])]),
        (list("/a", b"abc"), vec![(tar::EntryType::Symlink, "files/a", &b"abc"[..])]),
        (list("/a", b""), vec![(tar::EntryType::Symlink, "files/a", &b""[..])]),
        (list("/a", b""), vec![(tar::EntryType::Link, "files/a", &b""[..])]),
        (list("/a", b"abc"), vec![(regular, "files/a", &b"abcd"[..])]),
        (list("/a", b"abc"), vec![(regular, "files/a", &b"abc"[..]), (regular, "files/b", &b"abc"[..])]),
        (list("/a", b"abc"), vec![]),
        ("{}".to_owned(), vec![]),
        (list("/a", b"abc").replace("\"octets\":3", &format!("\"octets\":{}", MAX_FILE + 1)), vec![]),
        (" ".repeat(MAX_MANIFEST + 1), vec![]),
    ] {
        made(&file, &list, &entries);
        let refused = restore(&file, &there);
        assert!(matches!(refused, Err(BackupError::Damaged { .. })), "{entries:?}: {refused:?}");
        assert_eq!(fs::read_dir(&there).unwrap().count(), 0);
    }
    // A link in the way is not followed.
    fs::create_dir(place.path("outside")).unwrap();
    symlink(place.path("outside"), there.join("b")).unwrap();
    made(&file, &list("/b/a", b"abc"), &[(regular, "files/b/a", b"abc")]);
    assert!(matches!(restore(&file, &there), Err(BackupError::Elsewhere(_))));
    assert_eq!(fs::read_dir(place.path("outside")).unwrap().count(), 0);
    fs::remove_file(there.join("b")).unwrap();
    restore(&file, &there).unwrap();
}
