//! Lines and words: what never belongs in a committed file.

use crate::finding::Finding;
use crate::house::File;

/// Holds one file to the words, and its layout to what editors agree on.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if has_suffix(file, &[".rs", ".md", ".toml", ".yml", ".yaml", ".html"]) {
        findings.extend(check_end(file));
    }
    for (number, line) in (1..).zip(file.text.lines()) {
        let breaches = forbidden(line).into_iter().chain(layout(file, line)).chain(source(file, line));
        findings
            .extend(breaches.map(|(what, mend)| Finding::new(format!("{}:{number}", file.path), what, mend)));
    }
    findings
}

type Breach = (String, &'static str);

fn has_suffix(file: &File, suffixes: &[&str]) -> bool {
    suffixes.iter().any(|suffix| file.path.ends_with(suffix))
}

fn check_end(file: &File) -> Option<Finding> {
    let clean = file.text.ends_with('\n') && !file.text.ends_with("\n\n");
    (!clean).then(|| Finding::new(&file.path, "does not end in exactly one newline", "mend its end"))
}

fn layout(file: &File, line: &str) -> Option<Breach> {
    let strict = has_suffix(file, &[".rs", ".md", ".toml"]);
    let dirty = line.ends_with([' ', '\t', '\r']) || line.contains('\t');
    (strict && dirty)
        .then(|| ("holds a tab or blanks at its end".to_owned(), "use spaces, and none at the end"))
}

/// Words are put together here, so that this file does not trip over itself.
fn forbidden(line: &str) -> Option<Breach> {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["X", "XX"]].map(|parts| parts.concat());
    let is_word = |mark: &String| line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == mark);
    if let Some(mark) = marks.iter().find(|mark| is_word(mark)) {
        return Some((format!("says {mark}"), "do it now, or open an issue and take it out"));
    }
    let paths =
        [["/wo", "rk/"], ["/fa", "rm/"], ["/tmp/", "hq"], ["shared/", "design"]].map(|parts| parts.concat());
    let begins = |path: &String| {
        line.match_indices(path.as_str()).any(|(at, _)| {
            !path.starts_with('/')
                || !line.get(..at).unwrap_or_default().ends_with(|c: char| c.is_alphanumeric())
        })
    };
    let path = paths.iter().find(|path| begins(path))?;
    Some((format!("names `{path}`, a place on one machine"), "name it from the root of the repository"))
}

/// Packages come from the public registry, by its public name; skips are announced in one place.
fn source(file: &File, line: &str) -> Option<Breach> {
    let public = "source = \"registry+https://github.com/rust-lang/crates.io-index\"";
    if file.path.ends_with("Cargo.lock") && line.starts_with("source = ") && line != public {
        return Some((line.to_owned(), "take it from crates.io, with no mirror in the lock file"));
    }
    let announcement = ["SKIP", "PED"].concat();
    let elsewhere = file.path.ends_with(".rs") && file.path != "testkit/src/peers.rs";
    (elsewhere && line.contains(&announcement)).then(|| {
        ("announces a skipped test by itself".to_owned(), "call `testkit::peers::require`, which fails in CI")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&File { path: path.into(), text: text.into() }).len()
    }

    #[test]
    fn marks_of_unfinished_work_are_refused_and_words_that_hold_them_are_not() {
        assert_eq!(findings("a.rs", &format!("// {}{}: later\n", "TO", "DO")), 1);
        assert_eq!(findings("a.rs", &format!("// {}{}\n", "FIX", "ME")), 1);
        assert_eq!(findings("a.rs", "// mktemp XXXXXX, TODOS, todo\n"), 0);
    }

    #[test]
    fn places_on_one_machine_are_refused_and_relative_paths_are_not() {
        assert_eq!(findings("a.md", &format!("see {}{}main\n", "/wo", "rk/")), 1);
        assert_eq!(findings("a.md", "see frame/work/main\n"), 0);
    }

    #[test]
    fn files_end_in_one_newline_without_blanks_or_tabs() {
        assert_eq!(findings("a.toml", "a = 1\n"), 0);
        assert_eq!(findings("a.toml", "a = 1"), 1);
        assert_eq!(findings("a.toml", "a = 1\n\n"), 1);
        assert_eq!(findings("a.toml", "a = 1 \n"), 1);
        assert_eq!(findings("a.toml", "\ta = 1\n"), 1);
        assert_eq!(findings("a.zone", "a\tIN\tA\n"), 0);
    }

    #[test]
    fn the_lock_file_names_only_the_public_registry() {
        assert_eq!(
            findings("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"),
            0
        );
        assert_eq!(findings("Cargo.lock", "source = \"registry+https://mirror.example/index\"\n"), 1);
    }

    #[test]
    fn a_test_does_not_skip_itself() {
        let text = format!("eprintln!(\"{}{}\");\n", "SKIP", "PED");
        assert_eq!(findings("tests/src/a.rs", &text), 1);
        assert_eq!(findings("testkit/src/peers.rs", &text), 0);
    }
}
