//! The house as the rules see it: its text files and its crates.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde_json::Value;

use crate::cargo;
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
            let foreign = matches!(path.as_str(), ".git" | "fuzz/corpus" | "fuzz/artifacts")
                || matches!(name.as_str(), "target" | "node_modules" | "venv");
            if !foreign {
                walk(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if name.ends_with(".png") {
            // Pages link to pictures, in which there is nothing to read.
            files.push(File { path, text: String::new() });
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

/// A workspace, as `cargo metadata` describes it.
pub(crate) struct Workspace(Value);

impl Workspace {
    /// Asks cargo about the workspace at `manifest`, a path from the root.
    pub(crate) fn at(manifest: &str) -> Result<Self, Vec<Finding>> {
        let words = ["metadata", "--no-deps", "--format-version", "1", "--manifest-path", manifest];
        let mend = "run it, and mend the manifest it names";
        let text = cargo::output(&mut cargo::command("cargo", &words), mend)?;
        let value = serde_json::from_str(&text);
        value.map(Self).map_err(|error| vec![Finding::new("cargo metadata", error.to_string(), mend)])
    }

    /// Where it is built.
    pub(crate) fn target_folder(&self) -> PathBuf {
        text_at(&self.0, "target_directory").into()
    }

    /// The version of a member.
    pub(crate) fn version(&self, name: &str) -> String {
        let member = list(&self.0, "packages").find(|package| text_at(package, "name") == name);
        member.map(|package| text_at(package, "version").to_owned()).unwrap_or_default()
    }

    /// The names of its programs.
    pub(crate) fn programs(&self) -> Vec<String> {
        let targets = list(&self.0, "packages").flat_map(|package| list(package, "targets"));
        let programs = targets.filter(|target| list(target, "kind").any(|kind| kind == "bin"));
        programs.map(|target| text_at(target, "name").to_owned()).collect()
    }

    /// Its members.
    pub(crate) fn crates(&self) -> Vec<Crate> {
        let root = root();
        list(&self.0, "packages").map(|package| member(package, &root)).collect()
    }
}

fn member(package: &Value, root: &Path) -> Crate {
    let folder = Path::new(text_at(package, "manifest_path")).parent().unwrap_or(root);
    let needs = list(package, "dependencies").filter(|need| text_at(need, "kind") != "dev");
    Crate {
        name: text_at(package, "name").to_owned(),
        folder: folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned(),
        needs: needs.map(|need| text_at(need, "name").to_owned()).collect(),
    }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn text_at<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The members of the workspace.
pub(crate) fn crates() -> Result<Vec<Crate>, Vec<Finding>> {
    Workspace::at("Cargo.toml").map(|workspace| workspace.crates())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_tests_are_exempt() {
        let text = r#"{ "packages": [{ "name": "a", "manifest_path": "/x/a/Cargo.toml", "dependencies": [
            { "name": "normal", "kind": null }, { "name": "build", "kind": "build" }, { "name": "dev", "kind": "dev" }
        ] }] }"#;
        let crates = Workspace(serde_json::from_str(text).unwrap()).crates();
        assert_eq!(crates.len(), 1);
        assert_eq!(crates[0].needs, ["normal", "build"]);
    }

    #[test]
    fn this_crate_is_among_the_members() {
        let crates = crates().unwrap();
        let own = crates.iter().find(|krate| krate.name == "xtask").unwrap();
        assert_eq!((own.folder.as_str(), own.needs.as_slice()), ("xtask", &["serde_json".to_owned()][..]));
    }
}
