//! What our pages name in backticks is there: files by their path, tests by their name.

use std::collections::BTreeSet;

use crate::finding::Finding;
use crate::house::File;

/// Pages that name tests as what holds a promise. (`docs/conformance.md` has a check of its own.)
const PROMISES: [&str; 3] = ["ARCHITECTURE.md", "SECURITY.md", "docs/attacks.md"];

/// Folders whose files are named by their path from the root.
const FOLDERS: [&str; 6] = ["benches/", "crates/", "docs/", "testkit/", "tests/", "xtask/"];

/// Words joined in the name of a test; names of settings and figures are shorter or begin with ours.
const WORDS: usize = 4;

/// Holds every page to the files and functions it names.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let functions = functions(files);
    let pages = files.iter().filter(|file| file.path.ends_with(".md"));
    let names = pages.flat_map(|page| quoted(&page.text).map(move |(line, name)| (page, line, name)));
    let missing = names.filter(|(page, _, name)| {
        let gone_test = PROMISES.contains(&page.path.as_str()) && is_test(name) && !functions.contains(name);
        gone_test || (is_path(name) && !exists(files, name))
    });
    let finding = |(page, line, name): (&File, usize, &str)| {
        let place = format!("{}:{line}", page.path);
        Finding::new(place, format!("names `{name}`, which is not there"), "name what is there now")
    };
    missing.map(finding).collect()
}

fn functions(files: &[File]) -> BTreeSet<&str> {
    let sources = files.iter().filter(|file| file.path.ends_with(".rs"));
    let after_fn = sources.flat_map(|file| file.text.split("fn ").skip(1));
    after_fn.filter_map(|rest| rest.split_once('(')).map(|(name, _)| name).collect()
}

/// What stands in backticks, with its line.
fn quoted(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.starts_with("    "));
    lines.flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |name| (number, name)))
}

fn is_test(name: &str) -> bool {
    let plain =
        name.bytes().all(|octet| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'_');
    plain && name.split('_').count() >= WORDS && !name.starts_with("avouch_")
}

fn is_path(name: &str) -> bool {
    let plain = !name.contains(['#', ' ', '*', '<', '…']);
    plain && FOLDERS.iter().any(|folder| name.starts_with(folder))
}

fn exists(files: &[File], path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(page: &str, text: &str) -> usize {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        check(&[file(page, text), file("crates/a/src/b.rs", "fn a_test_that_holds() {}")]).len()
    }

    #[test]
    fn files_and_tests_that_exist_are_accepted() {
        for name in ["crates/a/src/b.rs", "crates/a/", "a_test_that_holds", "trusted_proxies", "avouch_a_b_c"]
        {
            assert_eq!(findings("SECURITY.md", &format!("See `{name}`.\n")), 0, "{name}");
        }
    }

    #[test]
    fn files_and_tests_that_are_gone_are_found() {
        for name in ["crates/a/src/c.rs", "docs/none.md", "a_test_that_is_gone"] {
            assert_eq!(findings("SECURITY.md", &format!("See `{name}`.\n")), 1, "{name}");
        }
        assert_eq!(findings("README.md", "`a_test_that_is_gone`, `crates/none`\n"), 1);
    }
}
