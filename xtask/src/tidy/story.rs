//! The story: five files that tell a reader what avouch is. They are short together.

use crate::finding::Finding;
use crate::house::{self, File};
use crate::table;

/// All lines of the five files, comments and tests included.
const LONGEST_STORY: usize = 900;

const CHAPTERS: usize = 5;

/// Holds the files listed in ARCHITECTURE.md under the table `chapter` to their length.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let architecture = match house::text(files, "ARCHITECTURE.md") {
        Ok(text) => text,
        Err(findings) => return findings,
    };
    let rows = table::rows(architecture, "chapter");
    let paths: Vec<&str> = rows.iter().flat_map(|row| table::quoted(row.cell(1))).collect();
    let mut findings = Vec::new();
    if paths.len() != CHAPTERS {
        let what = format!("the table of chapters names {} files, not {CHAPTERS}", paths.len());
        findings.push(Finding::new("ARCHITECTURE.md", what, "name one file per row, in backticks"));
    }
    let mut length = 0_usize;
    for path in paths {
        match house::text(files, path) {
            Ok(text) => length = length.saturating_add(text.lines().count()),
            Err(missing) => findings.extend(missing),
        }
    }
    if length > LONGEST_STORY {
        let what = format!("its chapters have {length} lines together (limit {LONGEST_STORY})");
        findings.push(Finding::new(
            "ARCHITECTURE.md",
            what,
            "move detail out of them, to where it is looked up",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A story whose first chapter has that many lines, and the four others one each.
    fn story(names: &[&str], lines: usize) -> Vec<Finding> {
        let rows: String = names.iter().map(|name| format!("| x | `{name}` |\n")).collect();
        let chapter = |name: &&str, text: String| File { path: (*name).to_owned(), text };
        let mut files: Vec<File> = names.iter().skip(1).map(|name| chapter(name, "x\n".into())).collect();
        files.extend(names.first().map(|name| chapter(name, "x\n".repeat(lines))));
        let text = format!("| chapter | file |\n|---|---|\n{rows}");
        files.push(File { path: "ARCHITECTURE.md".into(), text });
        check(&files)
    }

    #[test]
    fn the_story_has_at_most_900_lines() {
        assert!(story(&["a", "b", "c", "d", "e"], 896).is_empty());
        assert_eq!(story(&["a", "b", "c", "d", "e"], 897).len(), 1);
    }

    #[test]
    fn the_story_has_five_chapters() {
        assert_eq!(story(&["a", "b", "c", "d"], 1).len(), 1);
    }
}
