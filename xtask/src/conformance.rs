//! docs/conformance.md: every requirement with the code and the test that holds it, and those exist.

use crate::finding::Finding;
use crate::house::File;
use crate::table::{self, Row};

const DOCUMENT: &str = "docs/conformance.md";

/// Columns: `id`, requirement, status, code, test, note.
const STATUS: usize = 2;
const CODE: usize = 3;
const TEST: usize = 4;
const NOTE: usize = 5;

/// Tests that are data: a vector is run by the test that reads its folder.
const VECTORS: &str = "tests/vectors/";

/// Holds each row of each table to the files.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let Some(document) = find(files, DOCUMENT) else {
        return vec![Finding::new(DOCUMENT, "does not exist", "write it")];
    };
    let rows = table::rows(&document.text, "id");
    if rows.is_empty() {
        return vec![Finding::new(
            DOCUMENT,
            "holds no table of requirements",
            "begin one with the heading `id`",
        )];
    }
    rows.iter().flat_map(|row| check_row(row, files)).collect()
}

fn check_row(row: &Row<'_>, files: &[File]) -> Vec<Finding> {
    let place = format!("{DOCUMENT}:{} ({})", row.line, row.cell(0));
    let code = table::quoted(row.cell(CODE));
    let tests = table::quoted(row.cell(TEST));
    let gap = match row.cell(STATUS) {
        "full" | "partial" if code.is_empty() => {
            Some(("names no code", "name the file in the column `code`"))
        }
        "full" | "partial" if tests.is_empty() => {
            Some(("names no test", "name `file.rs#test` in the column `test`"))
        }
        "departs" if row.cell(NOTE).is_empty() => {
            Some(("departs without a reason", "say why in the column `note`"))
        }
        "full" | "partial" | "departs" | "not yet" => None,
        _ => Some(("has no known status", "write full, partial, departs or not yet")),
    };
    let ghosts = code.iter().filter(|path| !exists(files, path)).map(|path| (path, "is not there"));
    let untested = tests.iter().filter(|test| !is_test(files, test)).map(|test| (test, "is no test"));
    let named = ghosts.chain(untested).map(|(name, what)| {
        Finding::new(
            &place,
            format!("`{name}` {what}"),
            "name what holds the requirement now, or lower its status",
        )
    });
    gap.into_iter().map(|(what, mend)| Finding::new(&place, what, mend)).chain(named).collect()
}

fn find<'a>(files: &'a [File], path: &str) -> Option<&'a File> {
    files.iter().find(|file| file.path == path)
}

fn exists(files: &[File], path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    files.iter().any(|file| file.path == path || file.path.starts_with(&folder))
}

/// Whether `name` is a vector, or `file.rs#function` with a test of that name.
pub(crate) fn is_test(files: &[File], name: &str) -> bool {
    match name.split_once('#') {
        None => name.starts_with(VECTORS) && exists(files, name),
        Some((path, function)) => find(files, path).is_some_and(|file| has_test(&file.text, function)),
    }
}

fn has_test(text: &str, function: &str) -> bool {
    let head = format!("fn {function}(");
    let mut marked = false;
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[") {
            marked |= line.contains("test]") || line.contains("test(");
        } else if marked && line.contains(&head) {
            return true;
        } else if !line.starts_with("//") {
            marked = false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "#[test]\n// why\nfn holds() {}\n\n#[tokio::test]\nasync fn waits() {}\n\nfn helper() {}\n";

    /// What is found in a document with this one row.
    fn findings(row: &str) -> Vec<String> {
        let head = "| id | requirement | status | code | test | note |\n|---|---|---|---|---|---|\n";
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let files = [
            file(DOCUMENT, &format!("{head}{row}\n")),
            file("crates/a/src/b.rs", SOURCE),
            file("tests/vectors/one.toml", ""),
        ];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn code_tests_and_vectors_that_exist_are_accepted() {
        for test in ["`crates/a/src/b.rs#holds`", "`crates/a/src/b.rs#waits`", "`tests/vectors/one.toml`"] {
            assert_eq!(findings(&format!("| V1 | x | full | `crates/a/src/b.rs` | {test} | |")), [""; 0]);
        }
        assert_eq!(findings("| V1 | x | full | `crates/a` | `tests/vectors/` | |"), [""; 0]);
        assert_eq!(findings("| V1 | x | not yet | | | |"), [""; 0]);
    }

    #[test]
    fn a_missing_test_is_named() {
        for test in ["#gone", "#helper", "#hold", ""] {
            let row = format!("| V1 | x | full | `crates/a/src/b.rs` | `crates/a/src/b.rs{test}` | |");
            let findings = findings(&row);
            assert_eq!(findings.len(), 1, "{row}");
            assert!(
                findings[0]
                    .contains(&format!("docs/conformance.md:3 (V1): `crates/a/src/b.rs{test}` is no test"))
            );
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let findings = findings("| V1 | x | partial | `crates/a/src/c.rs` | `tests/vectors/one.toml` | |");
        assert!(findings[0].contains("`crates/a/src/c.rs` is not there"));
    }

    #[test]
    fn what_is_said_to_hold_needs_code_and_a_test() {
        assert!(findings("| V1 | x | full | | `tests/vectors/one.toml` | |")[0].contains("names no code"));
        assert!(findings("| V1 | x | partial | `crates/a/src/b.rs` | | |")[0].contains("names no test"));
        assert!(findings("| V1 | x | departs | | | |")[0].contains("without a reason"));
        assert!(findings("| V1 | x | done | | | |")[0].contains("no known status"));
    }

    #[test]
    fn a_document_without_requirements_is_refused() {
        let file = File { path: DOCUMENT.into(), text: "# Conformance\n".into() };
        assert_eq!(check(&[file]).len(), 1);
    }
}
