//! Sockets that the service manager opened before the gateway started (`sd_listen_fds(3)`).
//!
//! They outlive the gateway: while it is started anew, connections wait in the kernel and none is refused.

use std::io;

use listenfd::ListenFd;

use super::Door;

/// The sockets that were passed, by name; several can have one.
#[derive(Default)]
pub struct Passed {
    sockets: Option<ListenFd>,
    /// The name of each, in their order; `None` once taken.
    names: Vec<Option<String>>,
}

/// Why sockets that were passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// What the service manager says of them contradicts itself.
    #[error(
        "the service manager passed sockets and not what they are (LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES): {0}"
    )]
    Unreadable(io::Error),
    /// None has this name.
    #[error(
        "listen \"systemd:{name}\": no socket of that name was passed{}: start the gateway by a socket unit that has \
         FileDescriptorName={name}, or write an address", others(.there)
    )]
    Absent {
        /// Which name.
        name: String,
        /// The names of those that are left.
        there: Vec<String>,
    },
    /// It is no listening socket for streams.
    #[error(
        "listen \"systemd:{name}\": it is no socket that listens for streams ({source}): in its socket unit write \
         ListenStream= and Accept=no"
    )]
    Unfit {
        /// Which name.
        name: String,
        /// What is wrong with it.
        source: io::Error,
    },
}

fn others(there: &[String]) -> String {
    match there {
        [] => " (nor is any other left)".to_owned(),
        there => format!(" (there are {})", there.join(", ")),
    }
}

impl Passed {
    /// Those that were passed to this process. To be called once, before threads are started: what tells of them is
    /// taken out of the environment, so that no child believes it has them.
    ///
    /// # Errors
    ///
    /// What tells of them cannot be read.
    pub fn from_environment() -> Result<Self, PassedError> {
        let named = sd_notify::listen_fds_with_names().map_err(PassedError::Unreadable)?;
        let names: Vec<_> = named.map(|(_, name)| Some(name)).collect();
        Ok(Self { sockets: (!names.is_empty()).then(ListenFd::from_env), names })
    }

    /// Takes every socket of this name; at least one.
    pub(crate) fn take(&mut self, name: &str) -> Result<Vec<Door>, PassedError> {
        let asked = |one: &(usize, &Option<String>)| one.1.as_deref() == Some(name);
        let places: Vec<usize> =
            self.names.iter().enumerate().filter(asked).map(|(place, _)| place).collect();
        if places.is_empty() {
            return Err(PassedError::Absent { name: name.to_owned(), there: self.left() });
        }
        let unfit = |source| PassedError::Unfit { name: name.to_owned(), source };
        places.into_iter().map(|place| self.door(place).map_err(unfit)).collect()
    }

    /// The names of those that nothing took: who connects to one waits for good.
    pub(crate) fn left(&self) -> Vec<String> {
        self.names.iter().flatten().cloned().collect()
    }

    fn door(&mut self, place: usize) -> io::Result<Door> {
        if let Some(name) = self.names.get_mut(place) {
            *name = None;
        }
        let sockets = self.sockets.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let unix = sockets.take_unix_listener(place);
        match unix {
            Ok(Some(listener)) => {
                listens(&listener)?;
                Door::passed_unix(listener)
            }
            Ok(None) | Err(_) => {
                let listener = sockets.take_tcp_listener(place)?.ok_or(io::ErrorKind::NotFound)?;
                listens(&listener)?;
                Door::passed_tcp(listener)
            }
        }
    }
}

/// Refuses a socket of a connection, as inetd passes it: nobody can be accepted at it.
fn listens(socket: &impl std::os::fd::AsFd) -> io::Result<()> {
    match rustix::net::sockopt::socket_acceptconn(socket)? {
        true => Ok(()),
        false => Err(io::ErrorKind::NotConnected.into()),
    }
}
