//! Writes the made-up access log that `avouch audit` is measured on, with its zones and ranges.
//!
//! `cargo run -p testkit --example access_log -- FOLDER LINES`

use std::fs::{self, File};
use std::io::{BufWriter, Error, Write as _};
use std::path::PathBuf;
use testkit::access_log;

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().unwrap_or_else(|| ".".to_owned()));
    let lines = words.next().and_then(|word| word.parse().ok()).unwrap_or(1_000_000);
    let mut log = BufWriter::new(File::create(folder.join("access.log"))?);
    access_log::write(lines, &mut log)?;
    log.flush()?;
    fs::write(folder.join("dns.zone"), access_log::zones())?;
    fs::write(folder.join("gptbot.json"), access_log::RANGES)
}
