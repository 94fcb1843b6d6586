//! Names: a helper lives beside the noun it serves, and each crate has a page.

use crate::finding::Finding;
use crate::house::{Crate, File};

/// Names that say nothing, so that anything ends up under them.
const EMPTY_NAMES: [&str; 7] = ["common", "utils", "util", "types", "core", "helpers", "misc"];

/// Holds the path of one file, and the modules it opens, to the names.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let Some(stem) = file.path.strip_suffix(".rs") else { return Vec::new() };
    let opened =
        file.text.lines().filter_map(|line| line.strip_suffix(" {")?.trim_start().split_once("mod "));
    let opened =
        opened.filter(|(before, _)| before.is_empty() || before.starts_with("pub")).map(|(_, name)| name);
    let empty = stem.split('/').chain(opened).filter(|name| EMPTY_NAMES.contains(name));
    empty
        .map(|name| Finding::new(&file.path, format!("`{name}` names no noun"), "name it for what it holds"))
        .collect()
}

/// Each crate begins with its page.
pub(crate) fn check_pages(files: &[File], crates: &[Crate]) -> Vec<Finding> {
    let lacks_page = |krate: &&Crate| {
        let folder = format!("{}/src/", krate.folder);
        let mut roots = files.iter().filter(|file| {
            file.path.strip_prefix(&folder).is_some_and(|name| matches!(name, "lib.rs" | "main.rs"))
        });
        !roots.any(|file| file.text.starts_with("//! "))
    };
    let bare = crates.iter().filter(lacks_page);
    bare.map(|krate| Finding::new(&krate.folder, "has no page", "begin lib.rs with `//! One sentence.`"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: text.into() }
    }

    #[test]
    fn a_module_is_named_for_its_noun() {
        assert_eq!(check(&file("crates/a/src/utils.rs", "")).len(), 1);
        assert_eq!(check(&file("crates/a/src/core/verdict.rs", "")).len(), 1);
        assert_eq!(check(&file("crates/a/src/verdict.rs", "pub(crate) mod helpers {\n}\n")).len(), 1);
        assert_eq!(check(&file("crates/a/src/verdict.rs", "use core::fmt;\nmod scores {\n}\n")).len(), 0);
    }

    #[test]
    fn a_crate_without_a_page_is_named() {
        let krate = |folder: &str| Crate { name: folder.into(), folder: folder.into(), needs: Vec::new() };
        let files = [file("a/src/lib.rs", "//! A page.\n"), file("b/src/lib.rs", "mod x;\n")];
        let findings = check_pages(&files, &[krate("a"), krate("b")]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().starts_with("b: has no page"));
    }
}
