//! How a command ends: the one table of exit codes.

use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};
use std::process::ExitCode;

/// Where a defect is reported.
const REPORT: &str = "https://avouch.example/report";

/// How a command ends. `docs/operate/commands.md` shows the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, and the answer is yes: verified, answered with 2xx or 3xx, nothing wrong found.
    Positive = 0,
    /// Done, and the answer is no: not verified, answered with 4xx or 5xx, something wrong found.
    Negative = 1,
    /// The command line cannot be read.
    Usage = 2,
    /// A file, key or setting is wrong or missing.
    Configuration = 3,
    /// It could not be found out: DNS, the network or a stream failed.
    Unknown = 4,
    /// A defect of avouch.
    Bug = 70,
}

impl Exit {
    /// Positive iff `yes`.
    pub(crate) const fn from_answer(yes: bool) -> Self {
        if yes { Self::Positive } else { Self::Negative }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Runs a command, and makes of a panic an honest word and [`Exit::Bug`].
pub(crate) fn guard(command: impl FnOnce() -> Exit) -> Exit {
    set_hook(Box::new(confess));
    catch_unwind(AssertUnwindSafe(command)).unwrap_or(Exit::Bug)
}

#[expect(clippy::print_stderr, reason = "whatever broke, this must be said")]
fn confess(panic: &PanicHookInfo<'_>) {
    eprintln!(
        "avouch: this is a defect of avouch, not of what you gave it.\n\
         Please report it at {REPORT} with the command and these lines:\n\
         avouch {}: {panic}",
        env!("CARGO_PKG_VERSION"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_in_code_70_and_a_command_as_it_says() {
        assert_eq!(guard(|| panic!("a defect, made for this test")), Exit::Bug);
        assert_eq!(guard(|| Exit::Negative), Exit::Negative);
        assert_eq!(Exit::Bug as u8, 70);
    }
}
