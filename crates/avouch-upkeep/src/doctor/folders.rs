//! Folders that the gateway writes: whether it may, whether others may look, and how much room there is.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use avouch_gateway::config::{Config, LogTarget, StorePlace};
use rustix::fs::{Access, access, statvfs};

use super::{About, Finding};

/// Octets of an entry of the replay table, saved; and what the tables beside it hold in quarters of it.
const ENTRY: u64 = 16;

/// Room that reports take at most (docs/formats/report.md), and fetched ranges of a hundred crawlers.
const REPORTS: u64 = 128 << 20;
const RANGES: u64 = 256 << 20;

/// Room that a certificate with its key takes at most, and the account.
const CERTIFICATE: u64 = 1 << 20;

/// Room that a log should have left: at a kilobyte a line, half an hour of 500 requests a second.
const LOG: u64 = 1 << 30;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let nonces = u64::try_from(config.limits.nonces).unwrap_or(u64::MAX).saturating_mul(ENTRY);
    let table = nonces.saturating_add(nonces / 4 * 3);
    let mut found = Vec::new();
    match &config.store.place {
        StorePlace::File(path) => found.push(folder(path, table, true)),
        StorePlace::Memory if !config.store.fresh => {
            let said = "[store] is memory: after each start, what is signed up to 30 s later is refused";
            let fix = "write `[store] url = \"file:/var/lib/avouch/replay\"`";
            found.push(Finding::wrong(About::Store, said, fix));
        }
        StorePlace::Memory => {
            let said =
                "[store] is memory with `fresh = true`: after each start, what was accepted can be replayed";
            let fix = "write `[store] url = \"file:/var/lib/avouch/replay\"`, and remove `fresh`";
            found.push(Finding::wrong(About::Store, said, fix));
        }
        StorePlace::Shared(_) => {}
    }
    found.extend(config.reports.iter().map(|reports| folder(&reports.folder, REPORTS, true)));
    found.extend(config.fetch.iter().map(|fetch| folder(&fetch.folder, RANGES, true)));
    found.extend(config.acme.iter().map(|acme| folder(&acme.settings.folder, CERTIFICATE, true)));
    let audit = config.audit.as_ref().and_then(|audit| Some((audit.folder.as_ref()?, audit.size)));
    found.extend(audit.map(|(path, day)| folder(path, day, false)));
    if let LogTarget::File(file) = &config.log {
        found.push(folder(file.parent().unwrap_or(Path::new("/")), LOG, false));
    }
    found
}

/// Looks at a folder, or at the one it is made in, for this much room.
fn folder(path: &Path, room: u64, own: bool) -> Finding {
    let shown = path.display();
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let is_there = there == path;
    let fix = format!("run `install -d -o avouch -g avouch -m 0700 {shown}`");
    match path.metadata() {
        Ok(found) if !found.is_dir() => {
            return Finding::wrong(About::Folders, format!("{shown} is no folder"), "name another");
        }
        Ok(found) if own && found.permissions().mode() & 0o077 != 0 => {
            let said =
                format!("{shown} is open to others (mode {:04o})", found.permissions().mode() & 0o7777);
            return Finding::wrong(About::Folders, said, format!("run `chmod 700 {shown}`"));
        }
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Finding::unknown(About::Folders, format!("{shown}: {error}"), fix);
        }
        Ok(_) | Err(_) => {}
    }
    if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        let what = if is_there { "cannot be written" } else { "cannot be made" };
        return Finding::wrong(About::Folders, format!("{shown} {what}: {error}"), fix);
    }
    let free = match statvfs(there) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            let said = format!("how much room there is for {shown}: {error}");
            return Finding::unknown(About::Folders, said, "see what the system says of the disk");
        }
    };
    let (free_mib, room_mib) = (free >> 20, room >> 20);
    if free < room {
        let said = format!("{shown} has {free_mib} MiB of room, and needs {room_mib}");
        return Finding::wrong(About::Folders, said, "make room on its disk, or name another folder");
    }
    Finding::fine(About::Folders, format!("{shown} can be written, with {free_mib} MiB of room"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    #[test]
    fn a_folder_is_fine_while_it_is_closed_and_has_room() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("replay");
        assert_eq!(folder(&path, 1, true).standing, Standing::Fine, "it can be made");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(folder(&path, 1, true).said.contains("open to others"));
        assert_eq!(folder(&path, 1, false).standing, Standing::Fine);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert_eq!(folder(&path, 1, true).standing, Standing::Fine);
        assert!(folder(&path, u64::MAX, true).said.contains("MiB of room, and needs"));
        std::fs::write(place.path().join("file"), "").unwrap();
        assert_eq!(folder(&place.path().join("file"), 1, true).standing, Standing::Wrong);
    }
}
