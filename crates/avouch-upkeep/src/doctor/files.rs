//! Who may read secrets, and who may change what decides.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use avouch_gateway::config::{Config, StorePlace};

use super::{About, Finding};

/// Permissions that a secret gives nobody but its owner.
const OTHERS: u32 = 0o077;

/// Permissions by which somebody else could change a file.
const WRITING: u32 = 0o022;

pub(super) fn examine(path: &Path, config: &Config) -> Vec<Finding> {
    let key = config.tls.iter().map(|tls| tls.key.as_path());
    let password = match &config.store.place {
        StorePlace::Shared(shared) => shared.password_file.as_deref(),
        StorePlace::Memory | StorePlace::File(_) => None,
    };
    let secrets = key.chain(config.secrets()).chain(password);
    let secrets = secrets.map(|file| closed(file, OTHERS, "is a secret, and open to others", "chmod 600"));
    let deciding = std::iter::once(path).chain(config.files()).chain(config.networks.files());
    let secret = |file: &&Path| config.tls.as_ref().is_some_and(|tls| tls.key == **file);
    let deciding = deciding
        .filter(|file| !secret(file))
        .map(|file| closed(file, WRITING, "decides who is who, and others may change it", "chmod go-w"));
    let found: Vec<_> = secrets.chain(deciding).collect();
    let wrong: Vec<_> = found.iter().flatten().cloned().collect();
    if wrong.is_empty() {
        let said = format!("{} files are closed to whoever has no business with them", found.len());
        return vec![Finding::fine(About::Files, said)];
    }
    wrong
}

/// A finding where a file has one of these permissions.
fn closed(file: &Path, permissions: u32, what: &str, command: &str) -> Option<Finding> {
    let shown = file.display();
    match file.metadata() {
        Ok(found) if found.permissions().mode() & permissions == 0 => None,
        Ok(found) => {
            let mode = found.permissions().mode() & 0o7777;
            let said = format!("{shown} {what} (mode {mode:04o})");
            Some(Finding::wrong(About::Files, said, format!("run `{command} {shown}`")))
        }
        Err(error) => {
            let fix = "run this as the user who runs the gateway";
            Some(Finding::unknown(About::Files, format!("{shown}: {error}"), fix))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    fn mode(file: &Path, mode: u32) {
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_secret_that_others_may_read_and_a_policy_that_they_may_change_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let text = "listen = '[::]:1'\nupstream = 'http://a:1'\n[policy]\nfile = 'policy'\n[tls]\ncert = 'cert'\nkey = 'key'";
        for (name, text) in [("file", text), ("policy", ""), ("cert", ""), ("key", "")] {
            std::fs::write(path(name), text).unwrap();
            mode(&path(name), 0o644);
        }
        let found = || examine(&path("file"), &Config::load(&path("file")).unwrap());
        let wrong = found();
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].said.contains("key is a secret") && wrong[0].said.contains("0644"), "{wrong:?}");
        mode(&path("key"), 0o600);
        assert_eq!(found()[0].standing, Standing::Fine);
        mode(&path("policy"), 0o664);
        let wrong = found();
        assert!(wrong[0].said.contains("policy decides") && wrong.len() == 1, "{wrong:?}");
        std::fs::remove_file(path("cert")).unwrap();
        assert_eq!(found().iter().filter(|finding| finding.standing == Standing::Unknown).count(), 1);
    }
}
