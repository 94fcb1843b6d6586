//! One document, fetched from a host that a stranger named.
//!
//! The address is looked up here and connected to as it is, so that no second look-up can lead elsewhere; it must be
//! public, or of a network the operator lists. No redirect is followed, and everything has a bound.

use super::public::is_public;
use super::storage::{self, Storage};
use avouch_dns::Dns;
use avouch_engine::evidence::Answer;
use avouch_tls::Connector;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::MAX_DIRECTORY;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ipnet::IpNet;
use std::net::IpAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the documents of a directory may take together, from the first look-up to the last octet.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Most octets of the head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// Most fields of the head of an answer.
const MAX_FIELDS: usize = 64;

/// Addresses of a host that are tried.
const MAX_ADDRESSES: usize = 3;

const AGENT: &str = concat!("avouch/", env!("CARGO_PKG_VERSION"));

const TYPES: &str =
    "application/http-message-signatures-directory+json, application/jwk-set+json, application/json";

/// Why a document was not fetched.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("is not an https URL that can be fetched")]
    Url,
    #[error("its host could not be looked up")]
    Name,
    #[error("its host has no public address")]
    NotPublic,
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("nothing stands there: {0}")]
    Gone(StatusCode),
    #[error("the answer is not 200 but {0}")]
    Status(StatusCode),
    #[error("the answer is encoded, which was not asked for")]
    Encoded,
    #[error("the answer is longer than {MAX_DIRECTORY} octets, or broke off")]
    Body,
    #[error("no connection in time")]
    Timeout,
}

/// A document and the head it came with.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) body: Bytes,
    pub(super) fields: Vec<(String, Vec<u8>)>,
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) storage: Storage,
}

impl Fetched {
    /// Whether it says that it is JSON, once and by a media type that means so. A file that a host serves for
    /// others, as text or as octets, is not meant as anybody's keys.
    pub(super) fn is_json(&self) -> bool {
        let mut types = self.fields.iter().filter(|(name, _)| name == CONTENT_TYPE.as_str());
        let (Some((_, value)), None) = (types.next(), types.next()) else { return false };
        let essence = value.split(|octet| *octet == b';').next().unwrap_or_default();
        let essence = essence.trim_ascii().to_ascii_lowercase();
        let subtype = essence.strip_prefix(b"application/").unwrap_or_default();
        subtype == b"json" || subtype.strip_suffix(b"+json").is_some_and(|name| !name.is_empty())
    }

    /// The fields of the request that it answers.
    pub(super) fn asked_with(&self) -> [(&str, &[u8]); 3] {
        [
            (HOST.as_str(), self.authority.as_bytes()),
            (USER_AGENT.as_str(), AGENT.as_bytes()),
            (ACCEPT.as_str(), TYPES.as_bytes()),
        ]
    }
}

/// Fetches documents.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) dns: Dns,
    pub(super) connector: Connector,
    /// Networks that are not public, and allowed all the same.
    pub(super) allowed: Vec<IpNet>,
}

impl Client {
    /// Fetches a document, for as long as the caller has patience.
    pub(super) async fn fetch(&self, url: &str, now: Time) -> Result<Fetched, FetchError> {
        let target = Target::parse("GET", url).map_err(|_| FetchError::Url)?;
        let (scheme, authority) = target.origin().ok_or(FetchError::Url)?;
        let authority = Authority::parse(authority, scheme).map_err(|_| FetchError::Url)?;
        if scheme != Scheme::Https {
            return Err(FetchError::Url);
        }
        let (host, port) = (authority.host(), authority.port().unwrap_or(443));
        let stream = self.connect(host, port, now).await?;
        let secured = self.connector.connect(host, stream).await.map_err(FetchError::Connect)?;
        let mut client = http1::Builder::new();
        client.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
        let (mut sender, connection) = client.handshake(TokioIo::new(secured)).await?;
        // Ends with the sender and the body, which end with this function.
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(request(&target, &authority)?).await;
        let fetched = match answer {
            Ok(answer) => receive(answer, &target, &authority).await,
            Err(error) => Err(error.into()),
        };
        connection.abort();
        fetched
    }

    /// Connects to the first address that answers, of those that a stranger may have us connect to.
    async fn connect(&self, host: &str, port: u16, now: Time) -> Result<TcpStream, FetchError> {
        let addresses = match self.dns.addresses(host, now).await {
            Answer::Found { value, .. } => value,
            Answer::Absent { .. } | Answer::Unknown(_) => return Err(FetchError::Name),
        };
        let may = |address: &&IpAddr| {
            is_public(**address)
                || self.allowed.iter().any(|network| network.contains(&address.to_canonical()))
        };
        let mut last = FetchError::NotPublic;
        for address in addresses.iter().filter(may).take(MAX_ADDRESSES) {
            match timeout(PATIENCE / 2, TcpStream::connect((*address, port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = FetchError::Connect(error),
                Err(_) => last = FetchError::Timeout,
            }
        }
        Err(last)
    }
}

fn request(target: &Target<'_>, authority: &Authority<'_>) -> Result<Request<Empty<Bytes>>, FetchError> {
    let request = Request::get(target.path())
        .header(HOST, authority.as_str())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, TYPES);
    request.body(Empty::new()).map_err(|_| FetchError::Url)
}

async fn receive(
    answer: Response<Incoming>,
    target: &Target<'_>,
    authority: &Authority<'_>,
) -> Result<Fetched, FetchError> {
    match answer.status() {
        StatusCode::OK => {}
        gone @ (StatusCode::NOT_FOUND | StatusCode::GONE) => return Err(FetchError::Gone(gone)),
        other => return Err(FetchError::Status(other)),
    }
    let (head, body) = answer.into_parts();
    if head.headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity") {
        return Err(FetchError::Encoded);
    }
    let storage = storage::of(&head.headers);
    let body = Limited::new(body, MAX_DIRECTORY).collect().await.map_err(|_| FetchError::Body)?.to_bytes();
    let field = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), value.as_bytes().to_vec())
    };
    Ok(Fetched {
        body,
        fields: head.headers.iter().map(field).collect(),
        authority: authority.to_string(),
        path: target.path().to_owned(),
        storage,
    })
}
