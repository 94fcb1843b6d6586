//! Running programs: quietly, with their output shown only when they fail, or openly.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use crate::finding::Finding;
use crate::house;

/// A command in the root of the repository.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(house::root());
    command
}

/// Runs it quietly; a failure carries what it printed.
pub(crate) fn quiet(command: &mut Command, mend: &str) -> Vec<Finding> {
    let line = line(command);
    match command.output() {
        Ok(output) if output.status.success() => Vec::new(),
        Ok(output) => vec![Finding::new(line, format!("failed\n{}", printed(&output)), mend)],
        Err(error) => vec![Finding::new(line, format!("could not be started: {error}"), mend)],
    }
}

/// Runs it with its output on the terminal.
pub(crate) fn open(command: &mut Command, mend: &str) -> Vec<Finding> {
    let line = line(command);
    match command.status() {
        Ok(status) if status.success() => Vec::new(),
        Ok(status) => vec![Finding::new(line, format!("failed ({status}); see above"), mend)],
        Err(error) => vec![Finding::new(line, format!("could not be started: {error}"), mend)],
    }
}

/// Runs it with its output on the terminal, and calls `read` with each line of its stderr.
pub(crate) fn followed(command: &mut Command, mend: &str, mut read: impl FnMut(&str)) -> Vec<Finding> {
    let line = line(command);
    let failure = |what: String| vec![Finding::new(line, what, mend)];
    let mut child = match command.stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return failure(format!("could not be started: {error}")),
    };
    for text in child.stderr.take().into_iter().flat_map(|stderr| BufReader::new(stderr).lines()) {
        let Ok(text) = text else { break };
        eprintln!("{text}");
        read(&text);
    }
    match child.wait() {
        Ok(status) if status.success() => Vec::new(),
        Ok(status) => failure(format!("failed ({status}); see above")),
        Err(error) => failure(format!("could not be waited for: {error}")),
    }
}

/// Its standard output, when it succeeds.
pub(crate) fn output(command: &mut Command, mend: &str) -> Result<String, Vec<Finding>> {
    let line = line(command);
    match command.stderr(Stdio::inherit()).output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        Ok(output) => Err(vec![Finding::new(line, format!("failed\n{}", printed(&output)), mend)]),
        Err(error) => Err(vec![Finding::new(line, format!("could not be started: {error}"), mend)]),
    }
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
