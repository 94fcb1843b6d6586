//! Passphrases: from a file, or asked for on the terminal.

use crate::failure::Failure;
use avouch_keys::passphrase::Passphrase;
use std::fs::File;
use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

/// As much of a passphrase file as is read; what is longer is refused as too long.
const MAX_FILE: u64 = 2 << 10;

/// The passphrase of an existing key: from the file, else asked for.
pub(crate) fn of_existing(file: Option<&Path>) -> Result<Passphrase, Failure> {
    match file {
        Some(file) => read(file),
        None => ask("Passphrase: "),
    }
}

/// The passphrase of a key about to be made: from the file, else asked for twice.
pub(crate) fn of_new(file: Option<&Path>) -> Result<Passphrase, Failure> {
    let Some(file) = file else {
        let (first, second) = (line("New passphrase: ")?, line("The same again: ")?);
        if first != second {
            return Err(Failure::usage("the two passphrases differ").fix("nothing was made; start again"));
        }
        return taken(first.as_bytes().to_vec());
    };
    read(file)
}

fn read(path: &Path) -> Result<Passphrase, Failure> {
    let mut content = Vec::with_capacity(usize::try_from(MAX_FILE).unwrap_or(0));
    let file = File::open(path).map_err(|error| Failure::file(path, &error))?;
    file.take(MAX_FILE).read_to_end(&mut content).map_err(|error| Failure::file(path, &error))?;
    Passphrase::from_line(content)
        .map_err(|error| Failure::configuration(format_args!("{}: {error}", path.display())))
}

fn ask(prompt: &str) -> Result<Passphrase, Failure> {
    taken(line(prompt)?.as_bytes().to_vec())
}

fn taken(line: Vec<u8>) -> Result<Passphrase, Failure> {
    Passphrase::from_line(line).map_err(Failure::usage)
}

fn line(prompt: &str) -> Result<zeroize::Zeroizing<String>, Failure> {
    if !std::io::stderr().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Failure::usage("the key's passphrase is needed, and there is no terminal to ask on")
            .fix("give it with --passphrase-file FILE (one line)"));
    }
    let line = rpassword::prompt_password(prompt);
    line.map(Into::into).map_err(|error| Failure::unknown(format_args!("the terminal: {error}")))
}
