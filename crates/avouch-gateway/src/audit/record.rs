//! What is written of one event: a line of JSON for files, and its main facts for syslog.

use avouch_wire::time::Time;

/// The longest line, in octets. Texts in it are cut at 1 KiB each, and a verdict holds a few dozen checks.
pub(super) const LONGEST: usize = 64 << 10;

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) time: Time,
    /// What kind: `request`, `start`, `reload`, `stop`.
    pub(crate) event: &'static str,
    pub(crate) severity: Severity,
    /// A JSON object and the end of its line.
    pub(crate) line: Vec<u8>,
    /// Names and values, as structured data of RFC 5424.
    pub(crate) facts: Vec<(&'static str, String)>,
    /// The same for people.
    pub(crate) message: String,
}

/// How much it matters (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    Warning = 4,
    Notice = 5,
    Info = 6,
}

impl Record {
    /// Whether strangers make it: it waits behind what they do not.
    pub(super) fn is_of_a_stranger(&self) -> bool {
        self.event == "request"
    }
}
