//! One name server, asked without recursion: what it has itself, from no cache.
//!
//! Such an answer proves nothing to others; it says whether a server does what its zone's owner means it to do.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::BinEncodable as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// How long a server may take for one answer, the connection included.
pub const MAX_ANSWER: Duration = Duration::from_secs(3);

/// Longest datagram without EDNS (RFC 1035 section 4.2.1), and room.
const DATAGRAM: usize = 1232;

/// How often a datagram is sent: one may be lost.
const DATAGRAMS: usize = 2;

/// Why a server did not say what it has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Not a domain name.
    #[error("`{0}` is no domain name")]
    Name(String),
    /// It cannot be reached, or said nothing in time.
    #[error("the name server {server} cannot be reached: {fault}")]
    Unreachable {
        /// Which.
        server: SocketAddr,
        /// What went wrong.
        fault: String,
    },
    /// What came back is no answer to the question.
    #[error("{0} answered with something that is no answer")]
    Form(SocketAddr),
    /// It answers with an error.
    #[error("{server} refuses to answer: {code}")]
    Refused {
        /// Which.
        server: SocketAddr,
        /// Its response code, in words.
        code: &'static str,
    },
    /// It answers, but not for this name.
    #[error("{server} is not authoritative for {name}")]
    NotAuthoritative {
        /// Which.
        server: SocketAddr,
        /// The name.
        name: String,
    },
    /// An alias stands at the name.
    #[error("{name} is an alias (CNAME) for {target}")]
    Alias {
        /// The name.
        name: String,
        /// Where it leads.
        target: String,
    },
}

/// The first name of the zone that holds `name`, as the server has it: absolute, without the dot at the end.
///
/// # Errors
/// [`AskError`]: it cannot be reached, or has no such zone.
pub async fn zone_of(server: SocketAddr, name: &str) -> Result<String, AskError> {
    let name = absolute(name)?;
    let answer = authoritative(server, &name, over_tcp(server, &name, RecordType::SOA).await?)?;
    let starts = answer.answers.iter().chain(&answer.authorities);
    let zone = starts.filter(|record| matches!(record.data, RData::SOA(_))).map(|record| &record.name);
    let zone = zone.filter(|zone| zone.zone_of(&name)).max_by_key(|zone| zone.num_labels());
    zone.map(shown).ok_or(AskError::Form(server))
}

/// What a resolver says now: what it has in its cache, or finds out. Proves nothing; it shows what others still see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The TXT records, each with its strings joined.
    pub texts: Vec<Vec<u8>>,
    /// For how many seconds it may go on saying so.
    pub ttl: u32,
}

/// Asks a resolver for the TXT records at `name`, aliases followed by it.
///
/// # Errors
/// [`AskError`]: it cannot be reached, or does not answer.
pub async fn cached(resolver: SocketAddr, name: &str) -> Result<Cached, AskError> {
    let question = Question::new(resolver, &absolute(name)?, RecordType::TXT)?.with_recursion()?;
    let answer = question.ask_as_resolvers_do().await?;
    let records = || answer.answers.iter().chain(&answer.authorities);
    let texts = answer.answers.iter().filter_map(|record| match &record.data {
        RData::TXT(txt) => Some(txt.txt_data.concat()),
        _ => None,
    });
    Ok(Cached { texts: texts.collect(), ttl: records().map(|record| record.ttl).min().unwrap_or(0) })
}

/// A name as it is written, without the dot at the end.
pub(crate) fn shown(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

pub(crate) fn absolute(text: &str) -> Result<Name, AskError> {
    let mut name = Name::from_ascii(text).map_err(|_| AskError::Name(text.to_owned()))?;
    name.set_fqdn(true);
    Ok(name.to_lowercase())
}

/// The same answer if it is one with authority, that the name has records or has none.
pub(crate) fn authoritative(server: SocketAddr, name: &Name, answer: Message) -> Result<Message, AskError> {
    if answer.metadata.authoritative {
        return Ok(answer);
    }
    Err(AskError::NotAuthoritative { server, name: shown(name) })
}

/// Asks over TCP, as changes are sent.
pub(crate) async fn over_tcp(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, AskError> {
    Question::new(server, name, kind)?.ask_over_tcp().await
}

/// Asks as resolvers do: in a datagram, and over TCP where the answer is cut short.
pub(crate) async fn as_resolvers_do(
    server: SocketAddr,
    name: &Name,
    kind: RecordType,
) -> Result<Message, AskError> {
    Question::new(server, name, kind)?.ask_as_resolvers_do().await
}

/// A question as it is sent, and what its answer is held to.
struct Question {
    server: SocketAddr,
    asked: Query,
    id: u16,
    octets: Vec<u8>,
}

impl Question {
    fn new(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Self, AskError> {
        Self::of(server, Query::query(name.clone(), kind), false)
    }

    fn with_recursion(self) -> Result<Self, AskError> {
        Self::of(self.server, self.asked, true)
    }

    fn of(server: SocketAddr, asked: Query, recursion: bool) -> Result<Self, AskError> {
        let mut message = Message::query();
        message.metadata.recursion_desired = recursion;
        message.add_query(asked.clone());
        let octets = message.to_bytes().map_err(|_| AskError::Name(shown(asked.name())))?;
        Ok(Self { server, asked, id: message.metadata.id, octets })
    }

    async fn ask_over_tcp(&self) -> Result<Message, AskError> {
        self.read(&in_time(self.server, exchange(self.server, &self.octets)).await?)
    }

    async fn ask_as_resolvers_do(&self) -> Result<Message, AskError> {
        let mut failed = AskError::Form(self.server);
        for _ in 0..DATAGRAMS {
            match in_time(self.server, datagram(self.server, self)).await {
                Ok(answer) => match self.read(&answer)? {
                    cut if cut.metadata.truncation => return self.ask_over_tcp().await,
                    whole => return Ok(whole),
                },
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Whether octets are an answer to this question, whatever it says.
    fn parse(&self, answer: &[u8]) -> Option<Message> {
        let message = Message::from_vec(answer).ok()?;
        let is_answer = message.metadata.id == self.id
            && message.metadata.message_type == MessageType::Response
            && message.queries.first().is_none_or(|asked| {
                asked.name() == self.asked.name() && asked.query_type() == self.asked.query_type()
            });
        is_answer.then_some(message)
    }

    fn read(&self, answer: &[u8]) -> Result<Message, AskError> {
        let server = self.server;
        let message = self.parse(answer).ok_or(AskError::Form(server))?;
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(message),
            code => Err(AskError::Refused { server, code: words(code) }),
        }
    }
}

const fn words(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::Refused => "REFUSED",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::NotAuth => "NOTAUTH",
        _ => "an error of another kind",
    }
}

async fn in_time<T>(
    server: SocketAddr,
    asked: impl Future<Output = std::io::Result<T>>,
) -> Result<T, AskError> {
    let unreachable = |fault: String| AskError::Unreachable { server, fault };
    match tokio::time::timeout(MAX_ANSWER, asked).await {
        Ok(answer) => answer.map_err(|error| unreachable(error.to_string())),
        Err(_) => Err(unreachable(format!("no answer within {} s", MAX_ANSWER.as_secs()))),
    }
}

/// Sends a message with its length before it, and reads the answer to it (RFC 7766).
pub(crate) async fn exchange(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let length = u16::try_from(message.len()).map_err(|_| std::io::ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// Sends a datagram, and reads until one comes that answers it.
async fn datagram(server: SocketAddr, question: &Question) -> std::io::Result<Vec<u8>> {
    let local: SocketAddr = match server {
        SocketAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(local).await?;
    socket.connect(server).await?;
    socket.send(&question.octets).await?;
    loop {
        let mut answer = vec![0; DATAGRAM];
        let length = socket.recv(&mut answer).await?;
        answer.truncate(length);
        // Whatever else comes is another's, or forged.
        if question.parse(&answer).is_some() {
            return Ok(answer);
        }
    }
}
