//! HTTP with the authority: by TLS of ours, within bounds.

use std::error::Error as StdError;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use avouch_dns::Dns;
use avouch_engine::evidence::Answer;
use avouch_gather::clock::Clock;
use avouch_tls::Connector;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, RETRY_AFTER};
use hyper::http::uri::Scheme;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most octets of an answer: the longest are certificate chains.
const MOST: usize = 256 << 10;

/// How long one exchange may take, from the look-up to the last octet.
const PATIENCE: Duration = Duration::from_secs(30);

/// Addresses of the authority that are tried.
const MAX_ADDRESSES: usize = 3;

/// Asks the authority, by a connection for each question. Cheap to clone; clones are one.
#[derive(Clone)]
pub(crate) struct Exchange {
    dns: Dns,
    connector: Connector,
    clock: Arc<dyn Clock>,
    /// What a refusal said of when to come again.
    wait: Arc<Mutex<Option<Duration>>>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
enum ExchangeError {
    #[error("the authority's URL is not one of https")]
    Url,
    #[error("the authority's host could not be looked up")]
    Name,
    #[error("no connection to the authority: {0}")]
    Connect(#[from] std::io::Error),
    #[error("no answer of the authority: {0}")]
    Http(#[from] hyper::Error),
    #[error("the authority's answer is longer than {MOST} octets, or broke off: {0}")]
    Body(Box<dyn StdError + Send + Sync>),
    #[error("no answer of the authority in time")]
    Timeout,
}

impl Exchange {
    pub(crate) fn new(dns: Dns, connector: Connector, clock: Arc<dyn Clock>) -> Self {
        Self { dns, connector, clock, wait: Arc::default() }
    }

    /// What the last refusal said of when to come again; it is forgotten.
    pub(crate) fn take_wait(&self) -> Option<Duration> {
        self.wait.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn ask(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, ExchangeError> {
        let (mut parts, body) = request.into_parts();
        let uri = std::mem::take(&mut parts.uri);
        let authority = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTPS));
        let authority = authority.ok_or(ExchangeError::Url)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        parts
            .headers
            .insert(HOST, HeaderValue::from_str(authority.as_str()).map_err(|_| ExchangeError::Url)?);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = path.parse().map_err(|_| ExchangeError::Url)?;
        let stream = self.connect(host, authority.port_u16().unwrap_or(443)).await?;
        let secured = self.connector.connect(host, stream).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(secured)).await?;
        // Ends with this function.
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        let (head, body) = sender.send_request(Request::from_parts(parts, body)).await?.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(ExchangeError::Body)?.to_bytes();
        if head.status.is_client_error() || head.status.is_server_error() {
            let said =
                head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
            *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = said.map(Duration::from_secs);
        }
        Ok(Response::from_parts(head, Full::new(body)))
    }

    /// The authority is the operator's choice, so any address is.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, ExchangeError> {
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match self.dns.addresses(host, self.clock.now()).await {
                Answer::Found { value, .. } => value,
                Answer::Absent { .. } | Answer::Unknown(_) => return Err(ExchangeError::Name),
            },
        };
        let mut last = ExchangeError::Name;
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            match timeout(PATIENCE / 4, TcpStream::connect((address, port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error.into(),
                Err(_) => last = ExchangeError::Timeout,
            }
        }
        Err(last)
    }
}

impl HttpClient for Exchange {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let exchange = self.clone();
        Box::pin(async move {
            let answer =
                timeout(PATIENCE, exchange.ask(request)).await.unwrap_or(Err(ExchangeError::Timeout));
            answer.map(BytesResponse::from).map_err(|error| Error::Other(error.into()))
        })
    }
}
