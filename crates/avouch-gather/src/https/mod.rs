//! HTTPS with hosts that strangers name: one document fetched, one delivered, or a question asked.
//!
//! In scope: the address is looked up here and connected to as it is, so that no second look-up can lead elsewhere; it
//! must be public, or of a network the operator lists. No redirect is followed, no answer is decoded, and everything
//! has a bound: the whole exchange in time, the head and the body of the answer in octets, the addresses tried.
//!
//! Out of scope: when to ask again and what to keep, which is the caller's.
//!
//! In files: `exchange` holds the connection and the two methods, `question` what is answered with a secret or does not
//! end, `public` which addresses belong to the Internet.

mod exchange;
mod public;
mod question;
#[cfg(test)]
mod tests;

use avouch_dns::Dns;
use avouch_tls::Connector;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, ETAG, LAST_MODIFIED};
use hyper::{HeaderMap, StatusCode};
use ipnet::IpNet;
use std::time::Duration;
use thiserror::Error;

pub use hyper::header::HeaderValue;
pub use public::is_public;
pub(crate) use question::{Asked, Question, Stream};

/// What is sent as `User-Agent`.
pub const AGENT: &str = concat!("avouch/", env!("CARGO_PKG_VERSION"));

/// Asks hosts that strangers name. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    dns: Dns,
    connector: Connector,
    /// Networks that are not public, and allowed all the same.
    allowed: Vec<IpNet>,
    /// How long one exchange may take, from the look-up to the last octet.
    patience: Duration,
}

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct Get<'a> {
    /// An `https` URL.
    pub url: &'a str,
    /// The media types that are of use, as in `Accept`.
    pub accept: &'static str,
    /// Most octets of the document.
    pub limit: usize,
    /// Of the document at hand: it is sent again only if it changed.
    pub unless: Option<&'a Validators>,
}

/// By what a host tells whether a document changed (RFC 9110 section 8.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Validators {
    /// `ETag`, as it was sent.
    pub etag: Option<HeaderValue>,
    /// `Last-Modified`, as it was sent.
    pub last_modified: Option<HeaderValue>,
}

/// What came of a fetch.
#[derive(Debug)]
pub enum Got {
    /// The document.
    Document(Document),
    /// What is at hand still stands there; the fields of the answer say for how long.
    Unchanged(HeaderMap),
}

/// A document and the head it came with.
#[derive(Debug)]
pub struct Document {
    /// Its octets, in no content coding.
    pub body: Bytes,
    /// The fields of the answer.
    pub headers: HeaderMap,
    /// The authority it was asked of.
    pub authority: String,
    /// The path and query it was asked by.
    pub path: String,
}

/// What is to be delivered.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// An `https` URL.
    pub url: &'a str,
    /// The media type of the body.
    pub content_type: &'static str,
    /// The content coding of the body, if it has one.
    pub content_encoding: Option<&'static str>,
    /// The octets.
    pub body: Bytes,
}

/// Why an exchange came to nothing.
#[derive(Debug, Error)]
pub enum HttpsError {
    /// Another scheme, or no URL at all.
    #[error("is not an https URL that can be asked")]
    Url,
    /// The DNS gives no address, or no answer.
    #[error("its host could not be looked up")]
    Name,
    /// Strangers may not have us connect to any of its addresses.
    #[error("its host has no public address")]
    NotPublic,
    /// TCP or TLS failed.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// The connection broke, or spoke no HTTP.
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    /// The host says that nothing is there (404, 410).
    #[error("nothing stands there: {0}")]
    Gone(StatusCode),
    /// Any other answer than the one wanted. Redirects are among these.
    #[error("the answer is not the one wanted but {0}")]
    Status(StatusCode),
    /// A content coding that was not asked for.
    #[error("the answer is encoded, which was not asked for")]
    Encoded,
    /// A media type that was not asked for.
    #[error("the answer is of another media type, or of none")]
    MediaType,
    /// The document is too long, or ended before its end.
    #[error("the answer is longer than {0} octets, or broke off")]
    Body(usize),
    /// Patience ended.
    #[error("no answer in time")]
    Timeout,
}

impl Client {
    /// Looks hosts up by `dns`, trusts the roots of `connector` (which is to offer HTTP/1.1), and connects to addresses
    /// that are public or in `allowed`. An exchange has `patience`, from the look-up to the last octet.
    #[must_use]
    pub const fn new(dns: Dns, connector: Connector, allowed: Vec<IpNet>, patience: Duration) -> Self {
        Self { dns, connector, allowed, patience }
    }
}

impl Validators {
    /// Those that an answer came with.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self { etag: headers.get(ETAG).cloned(), last_modified: headers.get(LAST_MODIFIED).cloned() }
    }
}

impl Document {
    /// Whether it says that it is JSON, once and by a media type that means so. A file that a host serves for
    /// others, as text or as octets, is not meant as what was asked for.
    #[must_use]
    pub fn is_json(&self) -> bool {
        is_json(&self.headers)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = essence(headers).unwrap_or_default();
    let subtype = essence.strip_prefix(b"application/").unwrap_or_default();
    subtype == b"json" || subtype.strip_suffix(b"+json").is_some_and(|name| !name.is_empty())
}

/// The media type, without its parameters and in lower case, where one is named once.
fn essence(headers: &HeaderMap) -> Option<Vec<u8>> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else { return None };
    let essence = value.as_bytes().split(|octet| *octet == b';').next().unwrap_or_default();
    Some(essence.trim_ascii().to_ascii_lowercase())
}
