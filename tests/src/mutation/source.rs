//! A copy of the sources, to be changed and built.

use std::fs;
use std::path::{Path, PathBuf};

/// What is not source.
const LEFT_OUT: [&str; 4] = ["target", ".git", "node_modules", "venv"];

/// A copy of the workspace.
pub(super) struct Copy {
    root: PathBuf,
}

impl Copy {
    /// Makes the copy, or brings an earlier one up to date. Files that are the same already are
    /// left alone, so that cargo builds what changed and nothing else.
    pub(super) fn of_workspace(root: &Path) -> Self {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        mirror(workspace, root);
        Self { root: root.to_owned() }
    }

    /// Where it is.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Replaces texts in a file, each of which must stand there exactly once.
    pub(super) fn replace(&self, file: &str, changes: &[(&str, &str)]) {
        let path = self.root.join(file);
        let mut text = fs::read_to_string(&path).unwrap();
        for (from, to) in changes {
            assert_eq!(text.matches(from).count(), 1, "{file}: {from}");
            text = text.replace(from, to);
        }
        fs::write(path, text).unwrap();
    }
}

/// Makes `to` hold what `from` holds, and nothing else.
fn mirror(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(to).unwrap().map(Result::unwrap) {
        if !from.join(entry.file_name()).exists() {
            remove(&entry.path());
        }
    }
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (name, target) = (entry.file_name(), to.join(entry.file_name()));
        if LEFT_OUT.iter().any(|left_out| name == *left_out) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            mirror(&entry.path(), &target);
        } else {
            let content = fs::read(entry.path()).unwrap();
            if fs::read(&target).ok().as_ref() != Some(&content) {
                fs::write(&target, content).unwrap();
            }
        }
    }
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}
