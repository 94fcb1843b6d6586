//! The units of systemd's that are installed, as far as they say something of the gateway.

use std::fs;
use std::path::{Path, PathBuf};

/// Where units stand, the first before the next (systemd.unit(5)).
const FOLDERS: [&str; 5] = [
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];

/// Whether systemd runs this machine (sd_booted(3)).
pub(super) fn is_booted() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// The units of a machine.
pub(super) struct Units(Vec<PathBuf>);

impl Units {
    pub(super) fn of_system() -> Self {
        Self(FOLDERS.map(PathBuf::from).to_vec())
    }

    /// A unit with all that changes it, the last word last.
    pub(super) fn text(&self, unit: &str) -> Option<String> {
        let mut text = self.0.iter().find_map(|folder| fs::read_to_string(folder.join(unit)).ok())?;
        let mut changes: Vec<_> =
            self.0.iter().flat_map(|folder| files(&folder.join(format!("{unit}.d")), "conf")).collect();
        changes.sort_by(|one, other| one.file_name().cmp(&other.file_name()));
        for change in changes.iter().filter_map(|change| fs::read_to_string(change).ok()) {
            text.extend(["\n", &change]);
        }
        Some(text)
    }

    /// The socket unit whose sockets have this name.
    pub(super) fn socket(&self, name: &str) -> Option<String> {
        let units = self.0.iter().flat_map(|folder| files(folder, "socket"));
        let names = units.filter_map(|unit| Some(unit.file_name()?.to_str()?.to_owned()));
        names.into_iter().find(|unit| {
            let text = self.text(unit).unwrap_or_default();
            setting(&text, "FileDescriptorName").unwrap_or(unit) == name
        })
    }
}

/// The last word of a unit on a setting.
pub(super) fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let set = text.lines().filter_map(|line| line.trim().strip_prefix(name)?.trim_start().strip_prefix('='));
    set.map(str::trim).next_back().filter(|value| !value.is_empty())
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|found| found == ending)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_setting_counts_and_sockets_are_found_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let units = Units(vec![folder.path().join("etc"), folder.path().join("lib")]);
        assert_eq!(units.text("a.service"), None);
        write("lib/a.service", "[Service]\nLimitNOFILE=1\n");
        write("etc/a.service.d/own.conf", "[Service]\nLimitNOFILE = 2\n");
        write("lib/a.socket", "[Socket]\nFileDescriptorName=site\n");
        write("lib/b.socket", "[Socket]\n#FileDescriptorName=other\n");
        assert_eq!(setting(&units.text("a.service").unwrap(), "LimitNOFILE"), Some("2"));
        assert_eq!(units.socket("site").as_deref(), Some("a.socket"));
        assert_eq!(units.socket("b.socket").as_deref(), Some("b.socket"));
        assert_eq!(units.socket("other"), None);
        assert_eq!(units.socket("a.socket"), None);
    }
}
