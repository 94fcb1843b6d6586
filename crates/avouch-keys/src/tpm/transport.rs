//! The ways to a TPM: a command goes there, its answer comes back, within a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::device::Device;
use super::problem::TpmError;

/// The largest command and answer: TPM_PT_MAX_RESPONSE_SIZE is 4096 in the PC client profile.
pub(super) const MAX_OCTETS: usize = 4096;

/// Tag, length and code.
pub(super) const HEADER: usize = 10;

/// Until when something is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "a chip that hangs must not hang whoever asks it")]
    pub(super) fn within(patience: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(patience).unwrap_or(now))
    }

    /// What is left, which is more than nothing.
    #[expect(clippy::disallowed_methods, reason = "a chip that hangs must not hang whoever asks it")]
    pub(super) fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Waits a while, if so much is left.
    #[expect(clippy::disallowed_methods, reason = "a TPM tells nobody when it is ready again")]
    pub(super) fn pause(self, pause: Duration) -> Option<()> {
        self.left().filter(|left| pause < *left)?;
        std::thread::sleep(pause);
        Some(())
    }
}

/// A way to one TPM.
///
/// Contract: an error leaves it out of step, and it is not used again.
pub(super) trait Transport: Send {
    /// Sends a whole command, and gives the whole answer: 10–4096 octets, as many as its header says.
    fn exchange(&mut self, command: &[u8], deadline: Deadline) -> Result<Vec<u8>, TpmError>;
}

/// Opens the way to a TPM.
pub(super) fn open(device: &Device, deadline: Deadline) -> Result<Box<dyn Transport>, TpmError> {
    let left = deadline.left().ok_or(TpmError::NoAnswer)?;
    match device {
        Device::Kernel(path) => Ok(Box::new(Kernel::open(path)?)),
        Device::Tcp(address) => {
            let stream =
                TcpStream::connect_timeout(address, left).map_err(|error| TpmError::reaching(&error))?;
            // A command is one write, and its answer is waited for.
            stream.set_nodelay(true).map_err(|error| TpmError::reaching(&error))?;
            Ok(Box::new(Socket(stream)))
        }
        Device::Unix(path) => {
            Ok(Box::new(Socket(connect_within(path, left).map_err(|error| TpmError::reaching(&error))?)))
        }
    }
}

/// Connects to a Unix socket, at which others may wait: the standard library would wait without end.
fn connect_within(path: &Path, left: Duration) -> io::Result<UnixStream> {
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(left))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// A stream whose waits end.
trait Timed: Read + Write + Send {
    fn wait_at_most(&self, left: Duration) -> io::Result<()>;
}

impl Timed for TcpStream {
    fn wait_at_most(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left)).and_then(|()| self.set_write_timeout(Some(left)))
    }
}

impl Timed for UnixStream {
    fn wait_at_most(&self, left: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(left)).and_then(|()| self.set_write_timeout(Some(left)))
    }
}

/// swtpm's data channel: commands and answers, one after the other.
struct Socket<S>(S);

impl<S: Timed> Socket<S> {
    /// Does one step of reading or writing, within what is left.
    fn step(
        &mut self,
        deadline: Deadline,
        mut step: impl FnMut(&mut S) -> io::Result<usize>,
    ) -> Result<usize, TpmError> {
        loop {
            let left = deadline.left().ok_or(TpmError::NoAnswer)?;
            self.0.wait_at_most(left).map_err(|error| TpmError::speaking(&error))?;
            match step(&mut self.0) {
                Ok(0) => return Err(TpmError::Closed),
                Ok(octets) => return Ok(octets),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(TpmError::speaking(&error)),
            }
        }
    }

    fn fill(&mut self, mut space: &mut [u8], deadline: Deadline) -> Result<(), TpmError> {
        while !space.is_empty() {
            let octets = self.step(deadline, |stream| stream.read(space))?;
            space = space.get_mut(octets..).unwrap_or_default();
        }
        Ok(())
    }
}

impl<S: Timed> Transport for Socket<S> {
    fn exchange(&mut self, mut command: &[u8], deadline: Deadline) -> Result<Vec<u8>, TpmError> {
        while !command.is_empty() {
            let octets = self.step(deadline, |stream| stream.write(command))?;
            command = command.get(octets..).unwrap_or_default();
        }
        let mut header = [0; HEADER];
        self.fill(&mut header, deadline)?;
        let mut answer = header.to_vec();
        answer.resize(length(&header)?, 0);
        self.fill(answer.get_mut(HEADER..).unwrap_or_default(), deadline)?;
        Ok(answer)
    }
}

/// The length that a header says, within bounds.
fn length(header: &[u8; HEADER]) -> Result<usize, TpmError> {
    let [_, _, a, b, c, d, ..] = *header;
    let octets = u32::from_be_bytes([a, b, c, d]);
    match usize::try_from(octets) {
        Ok(length) if length < HEADER => Err(TpmError::Garbled),
        Ok(length) if length <= MAX_OCTETS => Ok(length),
        _ => Err(TpmError::Oversize { octets }),
    }
}

/// A device of the kernel's, which takes a command by one write and gives its answer by reads.
struct Kernel(File);

impl Kernel {
    fn open(path: &Path) -> Result<Self, TpmError> {
        let reaching = |error: io::Error| TpmError::reaching(&error);
        // Looked at by name first: opening something else may have effects.
        if !path.metadata().map_err(reaching)?.file_type().is_char_device() {
            return Err(TpmError::NotADevice);
        }
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
        let flags = i32::try_from(flags).map_err(|_| TpmError::NotADevice)?;
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        Ok(Self(file.map_err(reaching)?))
    }

    /// Waits until it can be read or written.
    fn wait(&self, flags: PollFlags, deadline: Deadline) -> Result<(), TpmError> {
        let left = deadline.left().ok_or(TpmError::NoAnswer)?;
        let left = Timespec::try_from(left).map_err(|_| TpmError::NoAnswer)?;
        match poll(&mut [PollFd::new(&self.0, flags)], Some(&left)) {
            Ok(0) => Err(TpmError::NoAnswer),
            Ok(_) => Ok(()),
            Err(error) => Err(TpmError::speaking(&error.into())),
        }
    }

    fn read(&mut self, space: &mut [u8], deadline: Deadline) -> Result<usize, TpmError> {
        loop {
            self.wait(PollFlags::IN, deadline)?;
            match self.0.read(space) {
                Ok(0) => return Err(TpmError::Closed),
                Ok(octets) => return Ok(octets),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(TpmError::speaking(&error)),
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Transport for Kernel {
    /// The kernel waits for the chip by itself, each command as long as the specification grants it; whoever closes the
    /// device meanwhile waits for that, too.
    fn exchange(&mut self, command: &[u8], deadline: Deadline) -> Result<Vec<u8>, TpmError> {
        // A command is one write: the kernel refuses parts.
        loop {
            self.wait(PollFlags::OUT, deadline)?;
            match self.0.write(command) {
                Ok(octets) if octets == command.len() => break,
                Ok(_) => return Err(TpmError::Garbled),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(TpmError::speaking(&error)),
            }
        }
        let mut answer = vec![0; MAX_OCTETS];
        let mut got = 0_usize;
        loop {
            let space = answer.get_mut(got..).unwrap_or_default();
            got = got.saturating_add(self.read(space, deadline)?);
            let Some(header) = answer.first_chunk::<HEADER>().filter(|_| got >= HEADER) else { continue };
            match length(header)? {
                length if length == got => break,
                length if length < got => return Err(TpmError::Garbled),
                _ => {}
            }
        }
        answer.truncate(got);
        Ok(answer)
    }
}
