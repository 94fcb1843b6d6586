//! The project's own commands: what holds the code to the house rules, and what runs the tests.
//!
//! `cargo xtask help` lists them. Each rule is a pure function from texts to findings, in the
//! module of its name; each finding says what is wrong, where, and how to mend it.
//!
//! Out of scope: anything a user of avouch would run; that is the `avouch` command.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for developers speaks to a terminal"
)]

mod bench;
mod book;
mod cargo;
mod check;
mod conformance;
mod course;
mod failures;
mod finding;
mod fuzz;
mod house;
mod layers;
mod package;
mod peers;
mod sbom;
mod table;
mod test;
mod tidy;
mod wrappers;

use std::process::ExitCode;

use course::Course;

const HELP: &str = "\
cargo xtask check             format, lints, documentation and the house rules
cargo xtask layers            who may depend on whom (the table in ARCHITECTURE.md)
cargo xtask wrappers          who may touch which foreign library
cargo xtask tidy              lengths, words, names, the story
cargo xtask conformance       docs/conformance.md and docs/operate/fail-modes.md name what exists
cargo xtask test [--install]  check, then every test; --install brings the outside programs
cargo xtask fuzz              every fuzz target for some seconds
cargo xtask package           the Debian package, in target/package; --debug: of the program as it was built
cargo xtask sbom              what the program is made of, in CycloneDX
cargo xtask book              the manual as a book, in target/book (by mdbook)
cargo xtask bench             measure, write docs/performance.md, fail beyond a limit";

fn main() -> ExitCode {
    if let Some(code) = fuzz::wrapped() {
        return code;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut course = Course::default();
    match words.as_slice() {
        ["check"] => check::run(&mut course),
        ["layers"] => course.stage("layers", check::layers),
        ["wrappers"] => course.stage("wrappers", check::wrappers),
        ["tidy"] => course.stage("tidy", check::tidy),
        ["conformance"] => course.stage("conformance", check::conformance),
        ["test"] => test::run(&mut course, test::Peers::AsTheyAre),
        ["test", "--install"] => test::run(&mut course, test::Peers::Install),
        ["fuzz"] => course.stage("fuzz", fuzz::run),
        ["package"] => course.stage("package", || package::run(package::Program::Release)),
        ["package", "--debug"] => course.stage("package", || package::run(package::Program::AsBuilt)),
        ["book"] => course.stage("book", book::run),
        ["sbom"] => return sbom::print(),
        ["bench"] => course.stage("bench", bench::run),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    }
    course.finish()
}
