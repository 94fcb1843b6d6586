//! A signed name server on loopback, for demonstrations and tests.

mod tree;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use hickory_proto::serialize::txt::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::TrustAnchor;
use crate::own::{AtParent, both};
use tree::{Fault, Tree};

/// What the root zone holds beside the records given. Absence is cached for a second only.
const ROOT: &str = "$ORIGIN .\n$TTL 300\n\
    @ 1 SOA ns.invalid. hostmaster.invalid. 1 7200 900 1209600 1\n\
    @ NS ns.invalid.\n";

/// What a client may receive over UDP that does not say more (RFC 1035 section 4.2.1).
const UDP_WITHOUT_EDNS: u16 = 512;

/// How long the server of a delegation may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A name server on `127.0.0.1`, UDP and TCP, for a root zone in memory that is signed with a key
/// made at start. Changes hold from the next question on. It ends when dropped.
///
/// One signed zone `.` holds all names, without delegations: a key, a signature, and absence
/// proved by NSEC. A name given an NS record begins a zone that is provably unsigned; one that is
/// [delegated](SignedZones::delegate) a zone of another server, which is asked as resolvers do. Faults
/// apply to a name and everything below it until [`SignedZones::mend`].
pub struct SignedZones {
    tree: Arc<Mutex<Tree>>,
    address: SocketAddr,
    anchor: TrustAnchor,
    /// Dropped, and with it the server's tasks ended, together with this handle.
    _tasks: JoinSet<()>,
}

/// Why a server or a record could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The records are not zone-file text.
    #[error("these records are not zone-file text: {0}")]
    Records(String),
    /// No socket could be had.
    #[error("no port on 127.0.0.1 could be opened")]
    Socket(#[from] std::io::Error),
    /// No key could be made.
    #[error("no signing key could be made: {0}")]
    Key(String),
}

impl SignedZones {
    /// Starts a server for `records`, RFC 1035 zone-file text relative to the root, with a
    /// default TTL of 300 seconds. A start of authority for the root is supplied. Must run within
    /// a tokio runtime, which it needs for as long as it serves.
    ///
    /// # Errors
    /// [`ServeError`] when the text is not zone-file text or no port is free.
    pub async fn start(records: &str) -> Result<Self, ServeError> {
        let tree = Tree::new(parse(&format!("{ROOT}{records}\n"))?)
            .map_err(|error| ServeError::Key(error.to_string()))?;
        let anchor = TrustAnchor::of_zone(Name::root(), tree.dnskey().clone());
        let tree = Arc::new(Mutex::new(tree));
        let (udp, tcp, address) = both((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&tree)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&tree)));
        Ok(Self { tree, address, anchor, _tasks: tasks })
    }

    /// Where it listens, for UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key that its root zone is signed with.
    #[must_use]
    pub fn trust_anchor(&self) -> TrustAnchor {
        self.anchor.clone()
    }

    /// Replaces all records of one type at `name` by the one that `data` describes in zone-file
    /// syntax (a TXT record's text in quotes). `record_type` is a mnemonic such as `TXT`.
    ///
    /// # Errors
    /// [`ServeError::Records`] when these are not a record.
    pub fn set(&self, name: &str, record_type: &str, ttl: u32, data: &str) -> Result<(), ServeError> {
        let records = parse(&entry(name, record_type, ttl, data))?;
        let mut tree = self.lock();
        for record in &records {
            tree.remove(&record.name, record.record_type());
        }
        records.into_iter().for_each(|record| tree.add(record));
        Ok(())
    }

    /// Adds one record to those of its type at `name`.
    ///
    /// # Errors
    /// As [`SignedZones::set`].
    pub fn add(&self, name: &str, record_type: &str, ttl: u32, data: &str) -> Result<(), ServeError> {
        let records = parse(&entry(name, record_type, ttl, data))?;
        records.into_iter().for_each(|record| self.lock().add(record));
        Ok(())
    }

    /// Removes all records of one type at `name`; the next question finds them proved absent.
    pub fn remove(&self, name: &str, record_type: &str) {
        if let (Some(name), Ok(record_type)) = (absolute(name), record_type.parse::<RecordType>()) {
            self.lock().remove(&name, record_type);
        }
    }

    /// Delegates the zone that begins at a name: its NS and DS records stand here (no DS where `ds` is empty, for
    /// an unsigned zone), and whatever else is asked for in it is
    /// asked of `server`, as by a resolver without a cache. Removing it ([`SignedZones::undelegate`]) is what an owner does
    /// who takes a delegation away.
    ///
    /// # Errors
    /// As [`SignedZones::set`].
    pub fn delegate(&self, at_parent: &AtParent, server: SocketAddr) -> Result<(), ServeError> {
        let AtParent { zone, ttl, servers, ds } = at_parent;
        self.undelegate(zone);
        servers.iter().try_for_each(|name| self.add(zone, "NS", *ttl, &format!("{name}.")))?;
        if !ds.is_empty() {
            self.set(zone, "DS", *ttl, ds)?;
        }
        if let Some(name) = absolute(zone) {
            self.lock().delegated.insert(name.to_lowercase(), server);
        }
        Ok(())
    }

    /// Takes a delegation away: from the next question on nothing is there, nor below.
    pub fn undelegate(&self, zone: &str) {
        self.remove(zone, "NS");
        self.remove(zone, "DS");
        if let Some(name) = absolute(zone) {
            self.lock().delegated.remove(&name.to_lowercase());
        }
    }

    /// Questions for `name` and below get no answer from now on.
    pub fn mute(&self, name: &str) {
        self.fault(name, Some(Fault::Mute));
    }

    /// Ends [`SignedZones::mute`].
    pub fn unmute(&self, name: &str) {
        self.mend(name);
    }

    /// Questions for `name` and below get SERVFAIL from now on.
    pub fn fail(&self, name: &str) {
        self.fault(name, Some(Fault::Fail));
    }

    /// Signatures at `name` and below do not verify from now on.
    pub fn forge(&self, name: &str) {
        self.fault(name, Some(Fault::Forge));
    }

    /// Signatures at `name` and below are from the past from now on.
    pub fn expire(&self, name: &str) {
        self.fault(name, Some(Fault::Expire));
    }

    /// Signatures at `name` and below are missing from now on.
    pub fn strip(&self, name: &str) {
        self.fault(name, Some(Fault::Strip));
    }

    /// Questions for DS records at `name` and below are answered, wrongly, from the zone below the
    /// delegation, as servers do that have both zones and do not know better.
    pub fn misplace_ds(&self, name: &str) {
        self.fault(name, Some(Fault::ChildSide));
    }

    /// Ends whatever fault `name` was given.
    pub fn mend(&self, name: &str) {
        self.fault(name, None);
    }

    /// Whether answers carry the AD bit from now on, as those of a validating resolver do.
    pub fn claim_validated(&self, claimed: bool) {
        self.lock().claims_validated = claimed;
    }

    fn fault(&self, name: &str, fault: Option<Fault>) {
        if let Some(name) = absolute(name) {
            self.lock().set_fault(name, fault);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(name: &str, record_type: &str, ttl: u32, data: &str) -> String {
    let name = name.trim_end_matches('.');
    format!("$ORIGIN .\n{name}. {ttl} {record_type} {data}\n")
}

fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn parse(text: &str) -> Result<Vec<Record>, ServeError> {
    let (_, sets) = Parser::new(text, None, Some(Name::root()))
        .parse()
        .map_err(|error| ServeError::Records(error.to_string()))?;
    Ok(sets.into_values().flat_map(|set| set.into_parts().records).collect())
}

async fn serve_udp(socket: UdpSocket, tree: Arc<Mutex<Tree>>) {
    let socket = Arc::new(socket);
    let mut asking = JoinSet::new();
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        let octets = buffer.get(..length).unwrap_or_default().to_vec();
        let (socket, tree) = (Arc::clone(&socket), Arc::clone(&tree));
        // Another server may be waited for, and nobody waits with it.
        asking.spawn(async move {
            if let Some(octets) = respond(&octets, &tree, false).await {
                let _sent = socket.send_to(&octets, client).await;
            }
        });
        while asking.try_join_next().is_some() {}
    }
}

async fn serve_tcp(listener: TcpListener, tree: Arc<Mutex<Tree>>) {
    let mut clients = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let tree = Arc::clone(&tree);
        clients.spawn(async move {
            // A client that goes away ends its connection and nothing else.
            let _ended = serve_stream(stream, &tree).await;
        });
        while clients.try_join_next().is_some() {}
    }
}

async fn serve_stream(mut stream: TcpStream, tree: &Mutex<Tree>) -> std::io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut octets = vec![0; usize::from(length)];
        stream.read_exact(&mut octets).await?;
        let Some(octets) = respond(&octets, tree, true).await else { return Ok(()) };
        stream.write_u16(u16::try_from(octets.len()).unwrap_or(u16::MAX)).await?;
        stream.write_all(&octets).await?;
    }
}

/// The response to a message, as octets, from here or from the server of a delegation; `None` when there is to be none.
async fn respond(octets: &[u8], tree: &Mutex<Tree>, over_tcp: bool) -> Option<Vec<u8>> {
    let request = Message::from_vec(octets).ok()?;
    let payload =
        request.edns.as_ref().map_or(UDP_WITHOUT_EDNS, |edns| edns.max_payload().max(UDP_WITHOUT_EDNS));
    let room = if over_tcp { u16::MAX } else { payload };
    let elsewhere = {
        let tree = tree.lock().unwrap_or_else(PoisonError::into_inner);
        request.queries.first().and_then(|query| tree.elsewhere(query))
    };
    let Some(server) = elsewhere else { return within(answer(&request, tree)?, room) };
    let asked = tokio::time::timeout(PATIENCE, crate::direct::exchange(server, octets));
    match asked.await {
        Ok(Ok(answer)) if answer.len() <= usize::from(room) => Some(answer),
        Ok(Ok(answer)) => within(Message::from_vec(&answer).ok()?, room),
        // As a resolver says it.
        Ok(Err(_)) | Err(_) => {
            let mut failed = Message::error_msg(request.metadata.id, OpCode::Query, ResponseCode::ServFail);
            failed.queries.extend(request.queries.first().cloned());
            within(failed, room)
        }
    }
}

/// The response to a request; `None` when there is to be none.
fn answer(request: &Message, tree: &Mutex<Tree>) -> Option<Message> {
    let query = request.queries.first()?;
    let tree = tree.lock().unwrap_or_else(PoisonError::into_inner);
    let mut response = Message::response(request.metadata.id, OpCode::Query);
    response.metadata.message_type = MessageType::Response;
    response.metadata.authoritative = true;
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.authentic_data = tree.claims_validated;
    response.metadata.checking_disabled = request.metadata.checking_disabled;
    response.queries.push(query.clone());
    response.edns = request.edns.clone();
    let proving = request.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
    match tree.fault(&query.name) {
        Some(Fault::Mute) => return None,
        Some(Fault::Fail) => response.metadata.response_code = ResponseCode::ServFail,
        _ if tree.answer(query, proving, &mut response).is_err() => {
            response.metadata.response_code = ResponseCode::ServFail;
        }
        _ => {}
    }
    Some(response)
}

/// The response as octets; without its records and marked as truncated when it has no room.
fn within(mut response: Message, room: u16) -> Option<Vec<u8>> {
    let octets = response.to_vec().ok()?;
    if octets.len() <= usize::from(room) {
        return Some(octets);
    }
    response.metadata.truncation = true;
    response.answers.clear();
    response.authorities.clear();
    response.to_vec().ok()
}
