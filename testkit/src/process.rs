//! A program that runs beside a test.

use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long a line may be waited for: programs start in well under a second, tests run side by side.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program and what it says on standard error; it is killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: mpsc::Receiver<String>,
}

impl Process {
    /// Starts `command`, with nothing on standard input and output.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let silent = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = silent.stderr(Stdio::piped()).spawn()?;
        let talk = child.stderr.take();
        let (say, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in talk.into_iter().flat_map(|talk| BufReader::new(talk).lines().map_while(Result::ok)) {
                // The pipe is emptied also when nobody listens any more.
                let _ = say.send(line);
            }
        });
        Ok(Self { child, said })
    }

    /// Waits for the next line of which `read` makes something.
    ///
    /// # Errors
    /// It ended, or said nothing of that kind for half a minute; with what it said instead.
    pub fn hear<T>(&self, read: impl Fn(&str) -> Option<T>) -> io::Result<T> {
        let mut heard = String::new();
        while let Ok(line) = self.said.recv_timeout(PATIENCE) {
            if let Some(found) = read(&line) {
                return Ok(found);
            }
            heard.extend([&*line, "\n"]);
        }
        Err(io::Error::other(format!("waited in vain; it said:\n{heard}")))
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Errors
    /// There is no shell.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        // The shell's own, because not every system has a program of that name.
        Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status().map(drop)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Where it has ended already, nothing is left to do.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
