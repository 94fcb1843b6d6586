//! A request as it is judged: read once from its head, and certain in every part afterwards.

mod fields;
mod peer;
mod transport;

pub use fields::{PassField, SaipField, SignatureFields};
pub use peer::{AddressEvidence, Peer, is_private};
pub use transport::{Indicators, Transport, certified_domain};

use avouch_wire::authority::{Authority, AuthorityError, Scheme};
use avouch_wire::content::{ContentDigest, ContentDigests};
use avouch_wire::http_signature::{Message, Start};
use avouch_wire::target::{Target, TargetError, is_token};
use thiserror::Error;

/// The head of a request as a server received it, nothing checked.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a, F> {
    /// The method as sent.
    pub method: &'a str,
    /// The request target as sent (HTTP/1.1), or `:path` (HTTP/2).
    pub target: &'a str,
    /// `:authority` of HTTP/2; `None` for HTTP/1.1, where it may stand in the target.
    pub authority: Option<&'a str>,
    /// The scheme the site is served under: from configuration, else the listener's.
    pub scheme: Scheme,
    /// Gives the fields, in order: name (any case) and value.
    pub fields: F,
    /// Who connected.
    pub peer: Peer,
    /// What is known of the content.
    pub content: Content,
}

/// What is known of a request's content when it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// There is none.
    Empty,
    /// All of it was read; these are its digests.
    Read(ContentDigests),
    /// It is still to come; whoever forwards it compares the digest.
    Streaming,
}

impl Content {
    /// The SHA-256 digest, where it is known.
    #[must_use]
    pub fn sha256(self) -> Option<ContentDigest> {
        match self {
            Self::Empty => Some(ContentDigest::of(b"")),
            Self::Read(digests) => Some(digests.sha256),
            Self::Streaming => None,
        }
    }

    /// All digests, where they are known.
    #[must_use]
    pub fn digests(self) -> Option<ContentDigests> {
        match self {
            Self::Empty => Some(ContentDigests::of(b"")),
            Self::Read(digests) => Some(digests),
            Self::Streaming => None,
        }
    }
}

/// Why a head cannot be read without doubt. The answer to each is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// The method is not a token (RFC 9110 section 9.1).
    #[error("the method is not a token")]
    Method,
    /// The target cannot be read.
    #[error("the request target: {0}")]
    Target(#[from] TargetError),
    /// No field says which site is meant.
    #[error("no Host field and no authority says which site is meant")]
    NoAuthority,
    /// More than one Host field.
    #[error("more than one Host field")]
    SeveralHosts,
    /// More than one User-Agent field: the site might read another than we.
    #[error("more than one User-Agent field")]
    SeveralUserAgents,
    /// The authority cannot be read.
    #[error("the authority: {0}")]
    Authority(#[from] AuthorityError),
    /// Host disagrees with the target or `:authority`.
    #[error("Host names another site than the request target")]
    Disagreement,
}

/// A request as it is judged.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    method: &'a str,
    target: Target<'a>,
    authority: Authority<'a>,
    peer: Peer,
    transport: Transport<'a>,
    saip: SaipField<'a>,
    pass: PassField<'a>,
    delegation: SaipField<'a>,
    user_agent: Option<&'a [u8]>,
    content: Content,
    sent: Sent<'a>,
    /// Boxed, for hardly any request has them.
    signature_fields: Option<Box<SignatureFields<'a>>>,
}

/// The first line as it was sent, which HTTP message signatures may cover.
#[derive(Clone, Copy, Debug)]
struct Sent<'a> {
    scheme: Scheme,
    target: &'a str,
}

impl<'a> Request<'a> {
    /// Reads a head.
    ///
    /// # Errors
    /// [`RequestError`]; the answer is 400, and no claim is read from such a request.
    pub fn read<F, I>(head: Head<'a, F>) -> Result<Self, RequestError>
    where
        F: Fn() -> I,
        I: Iterator<Item = (&'a str, &'a [u8])>,
    {
        if !is_token(head.method) {
            return Err(RequestError::Method);
        }
        let target = Target::parse(head.method, head.target)?;
        let read = fields::read((head.fields)())?;
        let named = match head.method {
            "CONNECT" => Some(head.target),
            _ => head.authority.or(target.origin().map(|(_, authority)| authority)),
        };
        let authority = authority(named, read.host, head.scheme)?;
        Ok(Self {
            method: head.method,
            target,
            authority,
            peer: head.peer,
            transport: Transport::Unseen,
            saip: read.saip,
            pass: read.pass,
            delegation: read.delegation,
            user_agent: read.user_agent,
            content: head.content,
            sent: Sent { scheme: head.scheme, target: head.target },
            signature_fields: read.is_signed.then(|| Box::new(SignatureFields::read((head.fields)()))),
        })
    }

    /// The method as sent.
    #[must_use]
    pub const fn method(&self) -> &'a str {
        self.method
    }

    /// The path with its query, as it is signed.
    #[must_use]
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// The site the request is meant for.
    #[must_use]
    pub const fn authority(&self) -> &Authority<'a> {
        &self.authority
    }

    /// Who connected.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The same request, and what was seen of TLS.
    #[must_use]
    pub fn over(self, transport: Transport<'a>) -> Self {
        Self { transport, ..self }
    }

    /// What was seen of TLS.
    #[must_use]
    pub const fn transport(&self) -> Transport<'a> {
        self.transport
    }

    /// The SAIP field.
    #[must_use]
    pub const fn saip(&self) -> SaipField<'a> {
        self.saip
    }

    /// The field with a delegation token.
    #[must_use]
    pub const fn delegation(&self) -> SaipField<'a> {
        self.delegation
    }

    /// The Privacy Pass token, if any.
    #[must_use]
    pub const fn pass(&self) -> PassField<'a> {
        self.pass
    }

    /// The User-Agent, which need not be text.
    #[must_use]
    pub const fn user_agent(&self) -> Option<&'a [u8]> {
        self.user_agent
    }

    /// What is known of the content.
    #[must_use]
    pub const fn content(&self) -> Content {
        self.content
    }

    /// The fields of HTTP message signatures, where there are any.
    #[must_use]
    pub fn signature_fields(&self) -> Option<&SignatureFields<'a>> {
        self.signature_fields.as_deref()
    }

    /// The request as HTTP message signatures cover it; without fields where there are none of theirs.
    pub(crate) fn message(&self) -> Message<'_> {
        let start = Start::Request {
            method: self.method,
            scheme: self.sent.scheme.as_str(),
            authority: self.authority.as_str(),
            path: self.path(),
            target: self.sent.target,
        };
        let fields = self.signature_fields().map_or(&[][..], |fields| &fields.all);
        Message { start, fields, trailers: &[], request: None }
    }
}

/// The one authority that target, `:authority` and Host agree on.
fn authority<'a>(
    named: Option<&'a str>,
    host: Option<&'a str>,
    scheme: Scheme,
) -> Result<Authority<'a>, RequestError> {
    let read = |text| Authority::parse(text, scheme);
    let (named, host) = (named.map(read).transpose()?, host.map(read).transpose()?);
    match (named, host) {
        (Some(named), Some(host)) if named != host => Err(RequestError::Disagreement),
        (Some(authority), _) | (None, Some(authority)) => Ok(authority),
        (None, None) => Err(RequestError::NoAuthority),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(
        method: &'a str,
        target: &'a str,
        authority: Option<&'a str>,
        fields: &[(&'a str, &'a str)],
    ) -> Result<Request<'a>, RequestError> {
        let fields = || fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        let peer = Peer::client([192, 0, 2, 1].into());
        Request::read(Head {
            method,
            target,
            authority,
            scheme: Scheme::Https,
            fields,
            peer,
            content: Content::Empty,
        })
    }

    #[test]
    fn target_authority_and_host_must_agree() {
        let host = [("Host", "Shop.example:443")];
        let of = |request: Result<Request<'_>, _>| request.map(|request| request.authority().to_string());
        assert_eq!(of(read("GET", "/", None, &host)), Ok("shop.example".into()));
        assert_eq!(of(read("GET", "https://shop.example/", None, &host)), Ok("shop.example".into()));
        assert_eq!(of(read("GET", "/", Some("shop.example"), &host)), Ok("shop.example".into()));
        assert_eq!(of(read("GET", "/", Some("shop.example"), &[])), Ok("shop.example".into()));
        assert_eq!(of(read("GET", "https://other.example/", None, &host)), Err(RequestError::Disagreement));
        assert_eq!(of(read("GET", "/", Some("other.example"), &host)), Err(RequestError::Disagreement));
        assert_eq!(of(read("CONNECT", "other.example:443", None, &host)), Err(RequestError::Disagreement));
        assert_eq!(of(read("GET", "/", None, &[])), Err(RequestError::NoAuthority));
        assert_eq!(of(read("GET", "/", None, &[host[0], host[0]])), Err(RequestError::SeveralHosts));
    }

    #[test]
    fn one_user_agent_at_most_speaks() {
        let (host, agent) = (("host", "shop.example"), ("User-Agent", "curl/8"));
        assert_eq!(read("GET", "/", None, &[host, agent]).unwrap().user_agent(), Some(&b"curl/8"[..]));
        assert_eq!(
            read("GET", "/", None, &[host, agent, agent]).err(),
            Some(RequestError::SeveralUserAgents)
        );
    }

    #[test]
    fn a_method_is_a_token() {
        let host = [("host", "shop.example")];
        assert!(read("PROPFIND", "/", None, &host).is_ok());
        for method in ["", "GET;x", "GE T", "GET=", "GÉT"] {
            assert_eq!(read(method, "/", None, &host).err(), Some(RequestError::Method), "{method}");
        }
    }
}
