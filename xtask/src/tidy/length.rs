//! Lengths. What is longer says why, in a line `// tidy: reason`: a file as its first line, a
//! function directly above its signature.

use crate::finding::Finding;
use crate::house::File;

/// Lines of production code in a file: blank lines, comments and test modules do not count.
const LONGEST_FILE: usize = 600;

/// Lines of a function, from its signature to its closing brace. Tests are exempt.
const LONGEST_FUNCTION: usize = 70;

/// A `main.rs` dispatches; what it dispatches to is elsewhere.
const LONGEST_MAIN: usize = 59;

/// ARCHITECTURE.md is read in one sitting, or not at all.
const LONGEST_ARCHITECTURE: usize = 400;

const EXCUSE: &str = "// tidy: ";

/// Holds one file to the lengths.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let path = file.path.as_str();
    let all = file.text.lines().count();
    if path == "ARCHITECTURE.md" {
        return longer(path, all, LONGEST_ARCHITECTURE, "move detail to docs/").into_iter().collect();
    }
    let is_test = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    if !path.ends_with(".rs") || is_test {
        return Vec::new();
    }
    let lines = production(&file.text);
    let mut findings = long_functions(path, &lines);
    if path.starts_with("crates/") && path.ends_with("/src/main.rs") {
        findings.extend(longer(path, all, LONGEST_MAIN, "move it to a module"));
    }
    if !file.text.starts_with(EXCUSE) {
        let code = lines.iter().filter(|(_, line)| !is_quiet(line)).count();
        findings.extend(longer(
            path,
            code,
            LONGEST_FILE,
            "split it by noun, or say why in a first line `// tidy: …`",
        ));
    }
    findings
}

fn longer(place: &str, length: usize, limit: usize, mend: &str) -> Option<Finding> {
    (length > limit).then(|| Finding::new(place, format!("has {length} lines (limit {limit})"), mend))
}

fn is_quiet(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with("//")
}

/// The numbered lines outside test modules.
///
/// The layout is rustfmt's (`check` runs it first): a block closes in the column it opened in.
fn production(text: &str) -> Vec<(usize, &str)> {
    let mut kept = Vec::new();
    let mut in_tests = false;
    let mut marked = false;
    for (number, line) in (1..).zip(text.lines()) {
        if marked && line.starts_with("mod ") && line.ends_with('{') {
            in_tests = true;
        }
        if !in_tests {
            kept.push((number, line));
        }
        in_tests &= line != "}";
        marked = line == "#[cfg(test)]" || (marked && line.starts_with("#["));
    }
    kept
}

fn long_functions(path: &str, lines: &[(usize, &str)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut rest = lines;
    let mut above = "";
    while let [(number, line), after @ ..] = rest {
        if let Some((name, indent)) = function(line)
            && !above.trim_start().starts_with(EXCUSE)
            && let Some(length) = body(line, indent, rest)
        {
            let mend = "split it, or say why in a line `// tidy: …` above it";
            let place = format!("{path}:{number}: `{name}`");
            findings.extend(longer(&place, length, LONGEST_FUNCTION, mend));
        }
        above = line;
        rest = after;
    }
    findings
}

/// The name and indentation of the function whose signature begins in this line.
fn function(line: &str) -> Option<(&str, &str)> {
    let code = line.trim_start();
    let indent = line.strip_suffix(code)?;
    let (before, after) = code.split_once("fn ")?;
    let qualifier = |word: &str| {
        matches!(word, "pub" | "const" | "async" | "unsafe" | "extern" | "default")
            || word.starts_with("pub(")
    };
    let name = after.split(['(', '<']).next()?;
    (before.split_whitespace().all(qualifier) && name != after).then_some((name, indent))
}

/// The number of lines to the closing brace; `None` for a signature without a body.
fn body(first: &str, indent: &str, lines: &[(usize, &str)]) -> Option<usize> {
    if first.ends_with('}') {
        return Some(1);
    }
    let at_indent = |line: &str| line.strip_prefix(indent).is_some_and(|rest| rest.starts_with(['}', ')']));
    let mut opened = first.ends_with('{');
    for (count, (_, line)) in (1..).zip(lines) {
        if !opened && line.ends_with(';') {
            return None;
        }
        if opened && at_indent(line) && line.trim_start() == "}" {
            return Some(count);
        }
        opened |= line.ends_with('{');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: String) -> File {
        File { path: path.into(), text }
    }

    /// A method of that many lines in all, with `above` as the line before it.
    fn with_method(lines: usize, above: &str) -> File {
        let body = "        let x = 1;\n".repeat(lines - 2);
        let text =
            format!("impl A {{\n{above}    pub(crate) async fn long(\n{body}    ) -> B {{\n    }}\n}}\n");
        file("crates/a/src/b.rs", text.replacen("    ) -> B {\n", "", 1).replacen("long(", "long() {", 1))
    }

    #[test]
    fn a_function_of_71_lines_is_refused_and_one_of_70_is_not() {
        assert!(check(&with_method(70, "")).is_empty());
        let findings = check(&with_method(71, ""));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().starts_with("crates/a/src/b.rs:2: `long`: has 71 lines (limit 70)"));
    }

    #[test]
    fn a_reason_excuses_a_function_and_a_file() {
        assert!(check(&with_method(71, "    // tidy: one arm per reason code\n")).is_empty());
        let text = format!("// tidy: generated from the registry\n{}", "use a;\n".repeat(601));
        assert!(check(&file("crates/a/src/b.rs", text)).is_empty());
    }

    #[test]
    fn a_file_of_601_lines_of_code_is_refused_and_one_of_600_is_not() {
        let comments = "// why\n\n".repeat(50);
        assert!(
            check(&file("crates/a/src/b.rs", format!("{comments}{}", "use a;\n".repeat(600)))).is_empty()
        );
        assert_eq!(check(&file("crates/a/src/b.rs", "use a;\n".repeat(601))).len(), 1);
    }

    #[test]
    fn tests_do_not_count() {
        let tests = format!(
            "use a;\n\n#[cfg(test)]\nmod tests {{\n    fn f() {{\n{}    }}\n}}\n",
            "        x;\n".repeat(700)
        );
        assert!(check(&file("crates/a/src/b.rs", tests.clone())).is_empty());
        assert!(!check(&file("crates/a/src/b.rs", tests.replace("#[cfg(test)]\n", ""))).is_empty());
    }

    #[test]
    fn a_signature_without_a_body_has_no_length() {
        let text =
            format!("trait A {{\n    fn a(\n        self,\n    ) -> B;\n{}}}\n", "    fn b();\n".repeat(80));
        assert!(check(&file("crates/a/src/b.rs", text)).is_empty());
    }

    #[test]
    fn a_long_signature_counts_with_its_body() {
        let text = format!("fn a(\n    b: B,\n) -> C {{\n{}}}\n", "    x;\n".repeat(67));
        assert_eq!(check(&file("crates/a/src/b.rs", text.clone())).len(), 1);
        assert!(check(&file("crates/a/src/b.rs", text.replacen("    x;\n", "", 1))).is_empty());
    }

    #[test]
    fn a_main_of_60_lines_is_refused() {
        assert!(check(&file("crates/a/src/main.rs", "use a;\n".repeat(59))).is_empty());
        assert_eq!(check(&file("crates/a/src/main.rs", "use a;\n".repeat(60))).len(), 1);
    }
}
