//! The `avouch` program, as it was built beside the tests.

use std::path::PathBuf;

/// Where `avouch` is: two folders above the running test, where cargo puts both.
///
/// # Panics
/// When it was not built; the message says how. Testing one package alone does not build it.
#[must_use]
#[expect(clippy::panic, reason = "without the program there is nothing to test")]
pub fn path() -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let beside = test.ancestors().nth(2).map(|folder| folder.join("avouch"));
    match beside.filter(|program| program.is_file()) {
        Some(program) => program,
        None => panic!("`avouch` is not built: run `cargo build --workspace` first"),
    }
}
