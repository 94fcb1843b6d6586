//! How far long work has come: one line on a terminal's stderr, and nothing anywhere else.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;

/// Cells of the bar.
const CELLS: u64 = 24;

/// Steps between two lines where the whole is not known: a mebibyte at the usual unit.
const UNKNOWN_STEP: u64 = 1 << 20;

/// One line that is written again and again, each time a hundredth more is done. It is taken away
/// when this is dropped.
pub(crate) struct Progress {
    what: &'static str,
    whole: Option<u64>,
    /// What was last shown; `None` where nobody watches.
    shown: Option<Mutex<u64>>,
}

impl Progress {
    /// Work of this many steps, where it is known.
    pub(crate) fn of(what: &'static str, whole: Option<u64>) -> Self {
        Self { what, whole, shown: io::stderr().is_terminal().then(Mutex::default) }
    }

    /// So many steps are done.
    pub(crate) fn done(&self, steps: u64) {
        let Some(Ok(mut shown)) = self.shown.as_ref().map(Mutex::lock) else { return };
        let now = match self.whole {
            Some(whole) => steps.saturating_mul(100) / whole.max(1),
            None => steps / UNKNOWN_STEP,
        };
        if now > *shown {
            *shown = now;
            let line = self.line(now);
            let _unseen = write!(io::stderr().lock(), "\r{line}\x1b[K");
        }
    }

    fn line(&self, now: u64) -> String {
        if self.whole.is_none() {
            return format!("{:<7} {now} MiB", self.what);
        }
        let (percent, full) = (now.min(100), now.min(100) * CELLS / 100);
        let bar: String = (0..CELLS).map(|cell| if cell < full { '█' } else { '░' }).collect();
        format!("{:<7} {bar} {percent:>3} %", self.what)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _unseen = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills_and_work_without_an_end_counts() {
        let line = |whole, now| Progress { what: "reading", whole, shown: None }.line(now);
        assert_eq!(line(Some(7), 50), format!("reading {}{}  50 %", "█".repeat(12), "░".repeat(12)));
        assert_eq!(line(Some(7), 300), format!("reading {} 100 %", "█".repeat(24)));
        assert_eq!(line(None, 9), "reading 9 MiB");
    }
}
