//! What is wrong in a settings file, where, and what would put it right.

use core::fmt;

/// What is wrong with one value, before its place in the file is known.
///
/// The text is the product here: an operator reads it, no code does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong, as the end of a sentence that begins with the key: "is not a duration: 5".
    pub what: String,
    /// What to write instead, as an instruction.
    pub fix: String,
}

impl Fault {
    /// A fault: `what` continues a sentence that begins with the key, `fix` is an instruction.
    pub fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}

/// One problem of a settings file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line it stands in, from 1.
    pub line: usize,
    /// The character within the line, from 1.
    pub column: usize,
    /// What is wrong, naming the key.
    pub what: String,
    /// What to do about it, as an instruction.
    pub fix: String,
}

/// All problems of one settings file, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problems {
    /// The file, as the operator named it.
    pub file: String,
    /// The problems, at most [`MAX_PROBLEMS`](super::MAX_PROBLEMS).
    pub list: Vec<Problem>,
    /// How many further problems were found and not kept.
    pub more: usize,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Problem { line, column, what, fix } in &self.list {
            writeln!(f, "{}:{line}:{column}: {what}\n  fix: {fix}", self.file)?;
        }
        match self.more {
            0 => Ok(()),
            more => writeln!(f, "{}: and {more} more", self.file),
        }
    }
}

/// The longest piece of a value that is repeated in a message, in characters.
const MAX_SHOWN: usize = 60;

/// A value as a message repeats it: shortened, control characters escaped, so that a file can
/// neither flood nor steer the terminal it is reported on.
pub(super) fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(MAX_SHOWN).flat_map(escaped).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        out.push('…');
    }
    out
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let keep = !c.is_control();
    keep.then_some(c).into_iter().chain((!keep).then(|| c.escape_unicode()).into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_repeated_is_short_and_harmless() {
        assert_eq!(shown("a\u{1b}[2J"), "a\\u{1b}[2J");
        assert_eq!(shown(&"x".repeat(61)), format!("{}…", "x".repeat(60)));
        assert_eq!(shown(&"x".repeat(60)), "x".repeat(60));
    }

    #[test]
    fn problems_are_written_with_place_and_fix() {
        let problem = Problem {
            line: 12,
            column: 1,
            what: "unknown key `lisen`".into(),
            fix: "did you mean `listen`?".into(),
        };
        let problems = Problems { file: "gateway.toml".into(), list: vec![problem], more: 2 };
        assert_eq!(
            problems.to_string(),
            "gateway.toml:12:1: unknown key `lisen`\n  fix: did you mean `listen`?\ngateway.toml: and 2 more\n"
        );
    }
}
