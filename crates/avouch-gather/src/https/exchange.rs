//! The connection, and what is said over it.

use super::public::is_public;
use super::{AGENT, Client, Document, Get, Got, HttpsError, Post};
use avouch_engine::evidence::Answer;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HOST, IF_MODIFIED_SINCE, IF_NONE_MATCH, USER_AGENT,
};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::net::IpAddr;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most octets of the head of an answer.
const MAX_HEAD: usize = 16 * 1024;

/// Most fields of the head of an answer.
const MAX_FIELDS: usize = 64;

/// Addresses of a host that are tried.
const MAX_ADDRESSES: usize = 3;

/// Whom a URL names, and what there.
pub(super) struct Place<'a> {
    authority: Authority<'a>,
    target: Target<'a>,
}

/// What sends requests, and the task of their connection.
pub(super) type Opened = (http1::SendRequest<Full<Bytes>>, JoinSet<()>);

impl Client {
    /// Fetches a document.
    ///
    /// # Errors
    /// [`HttpsError`], for whatever is neither the document nor word that it did not change.
    pub async fn get(&self, get: Get<'_>, now: Time) -> Result<Got, HttpsError> {
        let place = Place::of(get.url)?;
        let mut head = place.head(Method::GET).header(ACCEPT, get.accept);
        if let Some(unless) = get.unless {
            let etag = unless.etag.iter().map(|value| (IF_NONE_MATCH, value));
            let date = unless.last_modified.iter().map(|value| (IF_MODIFIED_SINCE, value));
            head = etag.chain(date).fold(head, |head, (name, value)| head.header(name, value));
        }
        let request = head.body(Full::default()).map_err(|_| HttpsError::Url)?;
        let conditional = get.unless.is_some();
        self.exchange(&place, request, now, async |answer| {
            if answer.status() == StatusCode::NOT_MODIFIED && conditional {
                return Ok(Got::Unchanged(answer.into_parts().0.headers));
            }
            receive(answer, &place, get.limit).await.map(Got::Document)
        })
        .await
    }

    /// Delivers a document. Any answer of the class 2xx means that it was taken; what else it says is not read.
    ///
    /// # Errors
    /// [`HttpsError`], for any other answer or none.
    pub async fn post(&self, post: Post<'_>, now: Time) -> Result<(), HttpsError> {
        let place = Place::of(post.url)?;
        let mut head = place.head(Method::POST).header(CONTENT_TYPE, post.content_type);
        if let Some(coding) = post.content_encoding {
            head = head.header(CONTENT_ENCODING, coding);
        }
        let request = head.body(Full::new(post.body)).map_err(|_| HttpsError::Url)?;
        self.exchange(&place, request, now, async |answer| match answer.status() {
            status if status.is_success() => Ok(()),
            gone @ (StatusCode::NOT_FOUND | StatusCode::GONE) => Err(HttpsError::Gone(gone)),
            other => Err(HttpsError::Status(other)),
        })
        .await
    }

    /// Sends a request over a connection of its own, which ends when `read` is done with the answer or patience ends.
    pub(super) async fn exchange<T>(
        &self,
        place: &Place<'_>,
        request: Request<Full<Bytes>>,
        now: Time,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, HttpsError>,
    ) -> Result<T, HttpsError> {
        let exchange = async {
            // Ends with this function, also where patience does: a host that takes nothing more would keep open what
            // says farewell to it.
            let (mut sender, _connection) = self.open(place, now).await?;
            match sender.send_request(request).await {
                Ok(answer) => read(answer).await,
                Err(error) => Err(error.into()),
            }
        };
        timeout(self.patience, exchange).await.unwrap_or(Err(HttpsError::Timeout))
    }

    /// A connection to whom a place names, and the task that keeps it until it is dropped.
    pub(super) async fn open(&self, place: &Place<'_>, now: Time) -> Result<Opened, HttpsError> {
        let (host, port) = (place.authority.host(), place.authority.port().unwrap_or(443));
        let stream = self.connect(host, port, now).await?;
        let secured = self.connector.connect(host, stream).await.map_err(HttpsError::Connect)?;
        let mut client = http1::Builder::new();
        client.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
        let (sender, connection) = client.handshake(TokioIo::new(secured)).await?;
        let mut connections = JoinSet::new();
        connections.spawn(async move { drop(connection.await) });
        Ok((sender, connections))
    }

    /// Connects to the first address that answers, of those that a stranger may have us connect to.
    async fn connect(&self, host: &str, port: u16, now: Time) -> Result<TcpStream, HttpsError> {
        let addresses = match self.dns.addresses(host, now).await {
            Answer::Found { value, .. } => value,
            Answer::Absent { .. } | Answer::Unknown(_) => return Err(HttpsError::Name),
        };
        let may = |address: &&IpAddr| {
            is_public(**address)
                || self.allowed.iter().any(|network| network.contains(&address.to_canonical()))
        };
        let mut last = HttpsError::NotPublic;
        for address in addresses.iter().filter(may).take(MAX_ADDRESSES) {
            match timeout(self.patience / 2, TcpStream::connect((*address, port))).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = HttpsError::Connect(error),
                Err(_) => last = HttpsError::Timeout,
            }
        }
        Err(last)
    }
}

impl<'a> Place<'a> {
    pub(super) fn of(url: &'a str) -> Result<Self, HttpsError> {
        let target = Target::parse("GET", url).map_err(|_| HttpsError::Url)?;
        let (scheme, authority) = target.origin().ok_or(HttpsError::Url)?;
        let authority = Authority::parse(authority, scheme).map_err(|_| HttpsError::Url)?;
        if scheme != Scheme::Https {
            return Err(HttpsError::Url);
        }
        Ok(Self { authority, target })
    }

    pub(super) fn head(&self, method: Method) -> Builder {
        let head = Request::builder().method(method).uri(self.target.path());
        head.header(HOST, self.authority.as_str()).header(USER_AGENT, AGENT)
    }
}

async fn receive(
    answer: Response<Incoming>,
    place: &Place<'_>,
    limit: usize,
) -> Result<Document, HttpsError> {
    match answer.status() {
        StatusCode::OK => {}
        gone @ (StatusCode::NOT_FOUND | StatusCode::GONE) => return Err(HttpsError::Gone(gone)),
        other => return Err(HttpsError::Status(other)),
    }
    let (head, body) = answer.into_parts();
    if head.headers.get(CONTENT_ENCODING).is_some_and(|value| value != "identity") {
        return Err(HttpsError::Encoded);
    }
    let body = Limited::new(body, limit).collect().await.map_err(|_| HttpsError::Body(limit))?.to_bytes();
    Ok(Document {
        body,
        headers: head.headers,
        authority: place.authority.to_string(),
        path: place.target.path().to_owned(),
    })
}
