//! docs/operate/fail-modes.md: every failure with the figure that shows it and the tests that make it, and those exist.

use crate::conformance::is_test;
use crate::finding::Finding;
use crate::house::File;
use crate::table::{self, Row};

const DOCUMENT: &str = "docs/operate/fail-modes.md";

/// Columns: failure, claims, answer, figure, what to do, tests.
const FIGURE: usize = 3;
const TESTS: usize = 5;

/// How the name of every figure begins.
const PREFIX: &str = "avouch_";

/// Holds each row of each table to the files.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return vec![Finding::new(DOCUMENT, "does not exist", "write it")];
    };
    let rows = table::rows(&document.text, "failure");
    if rows.is_empty() {
        return vec![Finding::new(DOCUMENT, "holds no failures", "begin a table with the heading `failure`")];
    }
    rows.iter().flat_map(|row| check_row(row, files)).collect()
}

fn check_row(row: &Row<'_>, files: &[File]) -> Vec<Finding> {
    let place = format!("{DOCUMENT}:{} ({})", row.line, row.cell(0));
    let finding = |what: String, mend: &str| Finding::new(&place, what, mend);
    let (figures, tests) = (table::quoted(row.cell(FIGURE)), table::quoted(row.cell(TESTS)));
    let no_tests = tests.is_empty().then(|| finding("names no test".into(), "name `file.rs#test`"));
    let ghosts = tests.iter().filter(|test| !is_test(files, test));
    let ghosts =
        ghosts.map(|test| finding(format!("`{test}` is no test"), "name the test that makes it fail"));
    let unknown = figures.iter().filter_map(|figure| {
        let name = figure.split('{').next().filter(|name| name.starts_with(PREFIX))?;
        let quoted = format!("\"{name}\"");
        let made = files.iter().any(|file| file.path.starts_with("crates/") && file.text.contains(&quoted));
        (!made).then(|| finding(format!("`{name}` is no figure"), "name one that the code makes"))
    });
    no_tests.into_iter().chain(ghosts).chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in a document with this one row.
    fn findings(row: &str) -> Vec<String> {
        let head = "| failure | claims | answer | figure | what to do | tests |\n|---|---|---|---|---|---|\n";
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let files = [
            file(DOCUMENT, &format!("{head}{row}\n")),
            file("crates/a/src/b.rs", "counter!(\"avouch_a_total\")\n#[test]\nfn holds() {}\n"),
        ];
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_row_whose_figure_and_test_exist_is_accepted_and_its_near_misses_are_named() {
        let row = |figure: &str, test: &str| format!("| DNS down | x | x | {figure} | x | {test} |");
        let test = "`crates/a/src/b.rs#holds`";
        assert_eq!(findings(&row("`avouch_a_total{b=\"c\"}`", test)), [""; 0]);
        assert_eq!(findings(&row("none", test)), [""; 0]);
        assert!(findings(&row("`avouch_b_total`", test))[0].contains("`avouch_b_total` is no figure"));
        assert!(findings(&row("`avouch_a_total`", ""))[0].contains("names no test"));
        let gone = findings(&row("`avouch_a_total`", "`crates/a/src/b.rs#gone`"));
        assert!(
            gone[0].contains("fail-modes.md:3 (DNS down): `crates/a/src/b.rs#gone` is no test"),
            "{gone:?}"
        );
    }
}
