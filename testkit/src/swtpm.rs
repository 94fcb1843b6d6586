//! A software TPM, swtpm, for an ordinary user, in a folder of its own; and a relay that makes one slow.

use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::peers::Peers;
use crate::process::Process;

/// The programs that a test asks [`crate::peers::require`] for.
pub const PROGRAMS: [&str; 1] = ["swtpm"];

/// Ports below those that the system gives to whoever connects: while a TPM is down, nobody happens to get its port.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How often it is looked whether it listens, and the pause between: half a minute together. It takes some 20 ms.
const LOOKS: u32 = 3000;
const PAUSE: Duration = Duration::from_millis(10);

/// Where the length and the number of a command are, in its header of ten octets.
const HEADER: usize = 10;

/// TPM2_Sign.
const SIGN: [u8; 4] = [0, 0, 1, 0x5d];

#[derive(Debug)]
enum Place {
    Socket,
    Port(u16),
}

/// A TPM that can be stopped, held still and started again with what it knew; it ends when dropped.
#[derive(Debug)]
pub struct Swtpm {
    process: Option<Process>,
    place: Place,
    program: PathBuf,
    folder: TempDir,
}

impl Swtpm {
    /// A new TPM at a Unix socket; it answers when this returns.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(tools: &Peers) -> io::Result<Self> {
        Self::at(tools, Place::Socket, |_| Ok(()))
    }

    /// The same, in whose folder of state something was made before it starts.
    pub(crate) fn start_made(tools: &Peers, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<Self> {
        Self::at(tools, Place::Socket, make)
    }

    /// A new TPM at a port of 127.0.0.1.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_tcp(tools: &Peers) -> io::Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        Self::at(tools, Place::Port(PORTS.start + free % (PORTS.end - PORTS.start)), |_| Ok(()))
    }

    fn at(tools: &Peers, place: Place, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let state = folder.path().join("state");
        std::fs::create_dir(&state)?;
        make(&state)?;
        let mut tpm = Self { process: None, place, program: tools.path("swtpm").to_owned(), folder };
        tpm.run()?;
        Ok(tpm)
    }

    /// Starts it, where it was killed, as after switching a machine on.
    ///
    /// # Errors
    /// As [`Swtpm::start`].
    pub fn run(&mut self) -> io::Result<()> {
        // A socket is left over from before it was killed.
        let _ = std::fs::remove_file(self.socket());
        let server = match self.place {
            Place::Socket => format!("type=unixio,path={}", self.socket().display()),
            Place::Port(port) => format!("type=tcp,port={port},bindaddr=127.0.0.1"),
        };
        let state = format!("dir={}", self.folder.path().join("state").display());
        let mut command = Command::new(&self.program);
        command.args([
            "socket",
            "--tpm2",
            "--flags",
            "startup-clear",
            "--tpmstate",
            &state,
            "--server",
            &server,
        ]);
        self.process = Some(Process::start(&mut command)?);
        for _ in 0..LOOKS {
            if self.is_listening() {
                return Ok(());
            }
            pause(PAUSE);
        }
        Err(io::Error::other("swtpm does not listen"))
    }

    fn is_listening(&self) -> bool {
        match self.place {
            Place::Socket => UnixStream::connect(self.socket()).is_ok(),
            Place::Port(port) => TcpStream::connect(("127.0.0.1", port)).is_ok(),
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("tpm.sock")
    }

    /// Where it is, as `tpm:PATH?…` names it.
    #[must_use]
    pub fn device(&self) -> String {
        match self.place {
            Place::Socket => format!("swtpm={}", self.socket().display()),
            Place::Port(port) => format!("swtpm=127.0.0.1:{port}"),
        }
    }

    /// Sends a whole command, and gives the answer.
    ///
    /// # Errors
    /// It cannot be reached, or gives none.
    pub fn exchange(&self, command: &[u8]) -> io::Result<Vec<u8>> {
        match self.place {
            Place::Socket => exchange(&mut UnixStream::connect(self.socket())?, command),
            Place::Port(port) => exchange(&mut TcpStream::connect(("127.0.0.1", port))?, command),
        }
    }

    /// SIGKILL. What it made stays in its folder.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Sends a signal: after `STOP` it takes connections and never answers, until `CONT`.
    ///
    /// # Errors
    /// As [`Process::signal`].
    pub fn signal(&self, name: &str) -> io::Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(name))
    }
}

fn exchange(stream: &mut (impl io::Read + io::Write), command: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(command)?;
    message(stream)
}

/// A command or an answer, whole.
fn message(stream: &mut impl io::Read) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEADER];
    stream.read_exact(&mut message)?;
    let length = message.get(2..6).and_then(|octets| octets.try_into().ok()).map_or(0, u32::from_be_bytes);
    message.resize(usize::try_from(length).unwrap_or(HEADER).max(HEADER), 0);
    stream.read_exact(message.get_mut(HEADER..).unwrap_or_default())?;
    Ok(message)
}

/// A way to a TPM on which each signature takes some time longer: chips are slow, swtpm is not.
#[derive(Debug)]
pub struct Slow {
    folder: TempDir,
    signatures: Arc<AtomicU64>,
}

impl Slow {
    /// Listens in front of a TPM. One signature after the other takes `delay` more.
    ///
    /// # Errors
    /// There is no room for a socket.
    pub fn start(tpm: &Swtpm, delay: Duration) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = UnixListener::bind(folder.path().join("slow.sock"))?;
        let signatures = Arc::new(AtomicU64::new(0));
        let (socket, count) = (tpm.socket(), Arc::clone(&signatures));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // Whoever hangs up makes room for the next.
                let _ = relay(client, &socket, delay, &count);
            }
        });
        Ok(Self { folder, signatures })
    }

    /// Where it is, as [`Swtpm::device`].
    #[must_use]
    pub fn device(&self) -> String {
        format!("swtpm={}", self.folder.path().join("slow.sock").display())
    }

    /// How many signatures were asked for.
    #[must_use]
    pub fn signatures(&self) -> u64 {
        self.signatures.load(Ordering::Relaxed)
    }
}

fn relay(mut client: UnixStream, socket: &Path, delay: Duration, count: &AtomicU64) -> io::Result<()> {
    let mut tpm = UnixStream::connect(socket)?;
    loop {
        let command = message(&mut client)?;
        if command.get(6..HEADER) == Some(&SIGN) {
            count.fetch_add(1, Ordering::Relaxed);
            pause(delay);
        }
        client.write_all(&exchange(&mut tpm, &command)?)?;
    }
}

#[expect(clippy::disallowed_methods, reason = "swtpm does not say when it listens; and a slow TPM is slow")]
fn pause(pause: Duration) {
    thread::sleep(pause);
}
