//! The sockets of a zone, for UDP and TCP.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_wire::time::Time;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Zone;
use super::answer::Way;

/// Connections at once: resolvers ask over TCP where an answer had no room, which here is rare.
const CONNECTIONS: usize = 256;

/// Connections at once from one address, so that no one holds all of them.
const FROM_ONE: usize = 16;

/// How long a client may take for its next question, and for taking the answer (RFC 7766 section 6.2.3).
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest that a connection lasts.
const LASTS: Duration = Duration::from_secs(60);

/// Octets of a question: a name, and what resolvers add.
const QUESTION: usize = 4_096;

/// Who answers datagrams of one socket at the same time: a signature takes some time, and there are cores.
const READERS: usize = 4;

/// How long to wait when the kernel gives no connection or datagram for want of something.
const PAUSE: Duration = Duration::from_millis(50);

/// How often a free port is looked for that is free for UDP and TCP alike.
const PORT_ATTEMPTS: usize = 16;

/// Where the present is asked for: signatures begin and end by it.
pub type Now = Arc<dyn Fn() -> Time + Send + Sync>;

/// Why a server does not listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}, for UDP and TCP: {source}")]
pub struct BindError {
    /// Where.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

/// Sockets that are open, and not served yet.
#[derive(Debug)]
pub struct Server {
    sockets: Vec<(UdpSocket, TcpListener, SocketAddr)>,
}

impl Server {
    /// Opens sockets for UDP and TCP at each address; where it has no port, at one that is free for both.
    ///
    /// # Errors
    /// [`BindError`]: which is taken, or not ours.
    pub async fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let mut sockets = Vec::with_capacity(addresses.len());
        for address in addresses {
            let failed = |source| BindError { address: *address, source };
            sockets.push(both(*address).await.map_err(failed)?);
        }
        Ok(Self { sockets })
    }

    /// Where it listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(|(_, _, address)| *address).collect()
    }

    /// Serves a zone until `stop` is done; what is under way is cut off, and asked again by whoever asked.
    pub async fn serve(self, zone: Arc<Zone>, now: Now, stop: impl Future<Output = ()> + Send) {
        let mut tasks = JoinSet::new();
        for (udp, tcp, _) in self.sockets {
            let udp = Arc::new(udp);
            for _ in 0..READERS {
                tasks.spawn(datagrams(Arc::clone(&udp), Arc::clone(&zone), Arc::clone(&now)));
            }
            tasks.spawn(streams(tcp, Arc::clone(&zone), Arc::clone(&now)));
        }
        stop.await;
    }
}

/// Sockets for UDP and TCP at one address, and where that is.
pub(crate) async fn both(wanted: SocketAddr) -> io::Result<(UdpSocket, TcpListener, SocketAddr)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    let attempts = if wanted.port() == 0 { PORT_ATTEMPTS } else { 1 };
    for _ in 0..attempts {
        let tcp = TcpListener::bind(wanted).await?;
        let address = tcp.local_addr()?;
        match UdpSocket::bind(address).await {
            Ok(udp) => return Ok((udp, tcp, address)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn datagrams(socket: Arc<UdpSocket>, zone: Arc<Zone>, now: Now) {
    let mut buffer = vec![0; QUESTION];
    loop {
        let (length, client) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // Of what could not be delivered to somebody before; nothing waits to be read.
            Err(_) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let question = buffer.get(..length).unwrap_or_default();
        if let Some(answer) = zone.answer(question, Way::Datagram(client.ip()), now()) {
            let _lost = socket.send_to(&answer, client).await;
        }
    }
}

/// Who is connected, by address.
#[derive(Default)]
struct Guests(Mutex<HashMap<IpAddr, usize>>);

/// One connection among those of its address, until it is dropped.
struct Guest {
    guests: Arc<Guests>,
    address: IpAddr,
}

impl Guest {
    /// `None` where its address has as many as it may.
    fn enter(guests: &Arc<Guests>, address: IpAddr) -> Option<Self> {
        let mut counts = guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= FROM_ONE {
            return None;
        }
        *count += 1;
        Some(Self { guests: Arc::clone(guests), address })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

async fn streams(listener: TcpListener, zone: Arc<Zone>, now: Now) {
    let (room, guests) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Guests::default()));
    let mut connections = JoinSet::new();
    loop {
        // Nobody closes the room.
        let place = Arc::clone(&room).acquire_owned().await.ok();
        let Ok((stream, client)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        if let Some(guest) = Guest::enter(&guests, client.ip()) {
            let (zone, now) = (Arc::clone(&zone), Arc::clone(&now));
            connections.spawn(async move {
                // A client that goes away, or stays too long, ends its connection and nothing else.
                let _ended = tokio::time::timeout(LASTS, converse(stream, &zone, &now)).await;
                drop((guest, place));
            });
        }
        while connections.try_join_next().is_some() {}
    }
}

/// Answers one question after the other (RFC 7766).
async fn converse(mut stream: TcpStream, zone: &Zone, now: &Now) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; QUESTION];
    loop {
        let read = tokio::time::timeout(PATIENCE, question(&mut stream, &mut buffer));
        let question = read.await??;
        let Some(answer) = zone.answer(question, Way::Stream, now()) else { return Ok(()) };
        let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
        let message = [&length.to_be_bytes(), answer.as_slice()].concat();
        tokio::time::timeout(PATIENCE, stream.write_all(&message)).await??;
    }
}

/// A question with its length before it; one that is longer than any is an error.
async fn question<'b>(stream: &mut TcpStream, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let length = usize::from(stream.read_u16().await?);
    let question = buffer.get_mut(..length).ok_or(io::ErrorKind::InvalidData)?;
    stream.read_exact(question).await?;
    Ok(question)
}
