//! The house as the rules see it: its text files and its crates.

use std::path::{Path, PathBuf};
use std::{fs, io};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use crate::finding::Finding;

/// One text file of the repository.
pub(crate) struct File {
    /// From the root, with `/` between folders.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// One member of the workspace.
pub(crate) struct Crate {
    pub(crate) name: String,
    /// Folder from the root.
    pub(crate) folder: String,
    /// Direct dependencies, normal and build, ours and foreign. Those of tests are exempt.
    pub(crate) needs: Vec<String>,
}

/// Where the repository lies.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// All text files, sorted by path; build output and foreign folders left out.
pub(crate) fn files() -> Result<Vec<File>, Vec<Finding>> {
    let mut files = Vec::new();
    walk(&root(), "", &mut files).map_err(|error| {
        vec![Finding::new("the repository", format!("could not be read: {error}"), "check permissions")]
    })?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn walk(folder: &Path, prefix: &str, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            let foreign =
                matches!(path.as_str(), ".git" | "fuzz/corpus" | "fuzz/artifacts") || name == "target";
            if !foreign {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if name != ".git"
            && let Ok(text) = String::from_utf8(fs::read(entry.path())?)
        {
            files.push(File { path, text });
        }
    }
    Ok(())
}

/// The text of one file, or a finding that it is not there.
pub(crate) fn text<'a>(files: &'a [File], path: &str) -> Result<&'a str, Vec<Finding>> {
    match files.iter().find(|file| file.path == path) {
        Some(file) => Ok(&file.text),
        None => Err(vec![Finding::new(path, "does not exist", "write it")]),
    }
}

/// What cargo says about the workspace at `manifest` (a path from the root).
pub(crate) fn metadata(manifest: &str) -> Result<Metadata, Vec<Finding>> {
    MetadataCommand::new()
        .manifest_path(root().join(manifest))
        .exec()
        .map_err(|error| vec![Finding::new(manifest, error.to_string(), "run `cargo metadata` and read on")])
}

/// The members of the workspace.
pub(crate) fn crates() -> Result<Vec<Crate>, Vec<Finding>> {
    let metadata = metadata("Cargo.toml")?;
    let root = root();
    let members = metadata.workspace_packages().into_iter().map(|package| {
        let folder = package.manifest_path.parent().map(|path| path.as_std_path().to_path_buf());
        let folder = folder.unwrap_or_default();
        let needs = package.dependencies.iter().filter(|need| need.kind != DependencyKind::Development);
        Crate {
            name: package.name.to_string(),
            folder: folder.strip_prefix(&root).unwrap_or(&folder).to_string_lossy().into_owned(),
            needs: needs.map(|need| need.name.clone()).collect(),
        }
    });
    Ok(members.collect())
}
