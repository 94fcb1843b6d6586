//! Where words go: data to stdout, talk to stderr. A reader that has gone away is no error.

use crate::failure::Failure;
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write as _};
use tracing_subscriber::EnvFilter;

/// Writes a line of data.
pub(crate) fn data(line: impl Display) -> Result<(), Failure> {
    octets(format!("{line}\n").as_bytes())
}

/// Writes one JSON value as a line of data, as it comes: it may be longer than memory should be.
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    let written = serde_json::to_writer(&mut out, value).map_err(io::Error::from);
    heard(written.and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()))
}

/// Writes data as it is.
pub(crate) fn octets(data: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    heard(out.write_all(data).and_then(|()| out.flush()))
}

fn heard(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::unknown(format_args!("standard output: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says something to whoever watches. Nobody may, so a failure to say it is none.
pub(crate) fn talk(words: impl Display) {
    let _unheard = writeln!(io::stderr().lock(), "{words}");
}

/// Whether talk may be coloured: on a terminal, unless `NO_COLOR` is set (<https://no-color.org>).
pub(crate) fn is_coloured() -> bool {
    !is_colour_refused() && io::stderr().is_terminal()
}

/// The same of data.
pub(crate) fn is_data_coloured() -> bool {
    !is_colour_refused() && io::stdout().is_terminal()
}

/// How many characters a line of data may have, where a terminal shows it.
pub(crate) fn width() -> Option<usize> {
    terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| usize::from(width.0))
}

fn is_colour_refused() -> bool {
    #[expect(clippy::disallowed_methods, reason = "NO_COLOR is a promise between user and terminal programs")]
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Sends the log to stderr, as much of it as `filter` lets through.
pub(crate) fn start_log(filter: &str) {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
        .with_ansi(is_coloured());
    // Only a second subscriber could be refused, and there is none.
    let _first = subscriber.try_init();
}
