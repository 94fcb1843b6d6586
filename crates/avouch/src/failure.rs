//! Why a command could not be done, told at the door.

use crate::exit::Exit;
use crate::output;
use std::fmt::{self, Display};
use std::path::Path;

/// A command that was not done: what is wrong, and how to mend it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    what: String,
    fix: Option<String>,
}

/// What is wrong, without what mends it.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what.trim_end())
    }
}

impl Failure {
    /// The command line asks for something that cannot be.
    pub(crate) fn usage(what: impl Display) -> Self {
        Self { exit: Exit::Usage, what: what.to_string(), fix: None }
    }

    /// A file, key or setting is wrong or missing.
    pub(crate) fn configuration(what: impl Display) -> Self {
        Self { exit: Exit::Configuration, what: what.to_string(), fix: None }
    }

    /// DNS, the network or a stream failed.
    pub(crate) fn unknown(what: impl Display) -> Self {
        Self { exit: Exit::Unknown, what: what.to_string(), fix: None }
    }

    /// Something failed that cannot fail.
    pub(crate) fn bug(what: impl Display) -> Self {
        Self {
            exit: Exit::Bug,
            what: what.to_string(),
            fix: Some("report this; it is a defect of avouch".into()),
        }
    }

    /// A file cannot be read or written.
    pub(crate) fn file(path: &Path, error: &std::io::Error) -> Self {
        Self::configuration(format_args!("{}: {error}", path.display()))
    }

    /// The same with what to do about it, as an instruction.
    pub(crate) fn fix(self, fix: impl Display) -> Self {
        Self { fix: Some(fix.to_string()), ..self }
    }

    /// Tells it on stderr.
    pub(crate) fn tell(&self) -> Exit {
        let (red, plain) = if output::is_coloured() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
        output::talk(format_args!("{red}error:{plain} {}", self.what.trim_end()));
        if let Some(fix) = &self.fix {
            output::talk(format_args!("  fix: {fix}"));
        }
        self.exit
    }
}
