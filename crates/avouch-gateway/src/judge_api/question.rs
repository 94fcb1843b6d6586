//! A request, as whoever received it describes it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr};

use avouch_engine::request::Content;
use avouch_wire::authority::Scheme;
use avouch_wire::b64u::{self, B64uError};
use avouch_wire::content::{ContentDigest, ContentDigests};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use utoipa::ToSchema;

use crate::listen::Shown;
use crate::received::{MAX_FIELDS, Received};
use crate::trust::{Peer, Through, TrustedProxies};

/// A request as it was received, with nothing added and nothing left out: a signature may cover any field.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Question<'a> {
    /// The method as sent.
    #[serde(borrow)]
    #[schema(example = "GET")]
    method: Cow<'a, str>,
    /// The scheme the client used: `http` or `https`.
    #[serde(borrow)]
    #[schema(example = "https")]
    scheme: Cow<'a, str>,
    /// The request target as sent (RFC 9112 section 3.2): path with query as a rule; never decoded or cleaned.
    #[serde(borrow)]
    #[schema(example = "/products/42?colour=blue")]
    target: Cow<'a, str>,
    /// `:authority` of HTTP/2 and HTTP/3. In HTTP/1.1 the host stands in `headers`.
    #[serde(borrow)]
    authority: Option<Cow<'a, str>>,
    /// The fields as received, in order: name and value. One that came in several lines stands here as often. Each
    /// character of a value stands for an octet, U+0000 to U+00FF (ISO-8859-1).
    #[schema(example = json!([["Host", "www.shop.example"], ["User-Agent", "Googlebot"]]))]
    headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The client's address, IPv4 or IPv6 without zone. Without one, or where it is one of `trusted_proxies` and so no
    /// client's, what rests on the address cannot be checked.
    #[schema(value_type = Option<String>, example = "203.0.113.9")]
    address: Option<IpAddr>,
    /// What was seen of its TLS connection.
    #[serde(borrow)]
    #[schema(value_type = Option<TlsQuestion<'_>>)]
    tls: Option<Object<TlsQuestion<'a>>>,
    /// What is known of the content.
    #[serde(default)]
    content: ContentQuestion<'a>,
}

/// What is written as an object, its members by their names: by themselves, types with members take a list of them
/// as well.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(members))
            }
        }
        deserializer.deserialize_map(Members(PhantomData)).map(Self)
    }
}

/// What was seen of a TLS connection. It may lower what a request comes to, and never raises it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsQuestion<'a> {
    /// The host that the client asked for (SNI, RFC 6066 section 3).
    #[serde(borrow)]
    #[schema(example = "www.shop.example")]
    server_name: Option<Cow<'a, str>>,
    /// The DNS names in the client's certificate, where it sent one that was verified.
    #[serde(borrow, default)]
    certificate_names: Vec<Cow<'a, str>>,
}

/// What is known of the content of a request.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ContentQuestion<'a> {
    /// There may be some, and nobody looked: what a signature says of it is not checked.
    #[default]
    Unseen,
    /// There is none.
    None,
    /// It was read; these are its digests, base64url without padding.
    Read {
        /// SHA-256: 43 characters.
        #[serde(borrow)]
        sha256: Cow<'a, str>,
        /// SHA-512: 86 characters. Without it a signed `Content-Digest` of SHA-512 alone is not checked.
        #[serde(borrow)]
        sha512: Option<Cow<'a, str>>,
    },
}

/// Why a question describes no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuestionError {
    #[error("`method` is not a method (RFC 9110 section 9.1)")]
    Method,
    #[error("`scheme` is neither `http` nor `https`")]
    Scheme,
    #[error("`target` is not a path with its query, `*` or an absolute URL, without fragment: {0}")]
    Target(String),
    #[error("`authority` is not a host with its port: {0}")]
    Authority(String),
    #[error(
        "`headers[{0}]` is not a field: its name is not a token, or its value holds control characters or others above U+00FF; each stands for an octet"
    )]
    Field(usize),
    #[error("`headers` has more than {MAX_FIELDS} fields")]
    Fields,
    #[error("`address` is 0.0.0.0 or ::, which is nobody's; leave it out where it is not known")]
    Address,
    #[error("`content.read.{0}` {1}")]
    Digest(&'static str, B64uError),
}

impl Question<'_> {
    /// The request that is described.
    pub(super) fn received(&self, proxies: &TrustedProxies) -> Result<Received, QuestionError> {
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| QuestionError::Method)?;
        let scheme = Scheme::parse(&self.scheme).ok_or(QuestionError::Scheme)?;
        let mut request = http::Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = self.uri()?;
        *request.headers_mut() = self.fields()?;
        let peer = self.peer(scheme, proxies)?;
        let shown = match &self.tls {
            Some(Object(tls)) => Shown::elsewhere(tls.server_name.as_deref(), &tls.certificate_names),
            None => Shown::Untold,
        };
        Ok(Received { parts: request.into_parts().0, peer, content: self.content.known()?, shown })
    }

    fn peer(&self, scheme: Scheme, proxies: &TrustedProxies) -> Result<Peer, QuestionError> {
        let (address, through) = match self.address.map(|address| address.to_canonical()) {
            Some(address) if address.is_unspecified() => return Err(QuestionError::Address),
            // What a server behind a proxy takes for the client's.
            Some(address) if proxies.contains(address) => (address, Through::UntrustedProxy),
            Some(address) => (address, Through::TrustedProxy),
            None => (Ipv4Addr::UNSPECIFIED.into(), Through::UntrustedProxy),
        };
        Ok(Peer { address, through, scheme })
    }

    fn uri(&self) -> Result<Uri, QuestionError> {
        let wrong = |why: &str| QuestionError::Target(why.to_owned());
        // The library would drop it without a word.
        if self.target.contains('#') {
            return Err(wrong("it has one"));
        }
        let uri = Uri::try_from(&*self.target).map_err(|error| wrong(&error.to_string()))?;
        let Some(authority) = &self.authority else { return Ok(uri) };
        let authority = Authority::try_from(&**authority);
        let authority = authority.map_err(|error| QuestionError::Authority(error.to_string()))?;
        let mut parts = uri.into_parts();
        if parts.authority.is_some() {
            return Err(wrong("beside `authority` it names no host"));
        }
        (parts.scheme, parts.authority) = (Some(http::uri::Scheme::HTTPS), Some(authority));
        Uri::from_parts(parts).map_err(|error| wrong(&error.to_string()))
    }

    fn fields(&self) -> Result<HeaderMap, QuestionError> {
        if self.headers.len() > MAX_FIELDS {
            return Err(QuestionError::Fields);
        }
        let mut fields = HeaderMap::with_capacity(self.headers.len());
        for (at, (name, value)) in self.headers.iter().enumerate() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| QuestionError::Field(at))?;
            fields.append(name, octets(value).ok_or(QuestionError::Field(at))?);
        }
        Ok(fields)
    }
}

/// A value as it came: JSON has no octets, so each character stands for one, as in most servers' strings (RFC 9110
/// section 5.5 leaves those above 0x7F without meaning).
fn octets(value: &str) -> Option<HeaderValue> {
    if value.is_ascii() {
        return HeaderValue::from_str(value).ok();
    }
    let octets: Option<Vec<u8>> = value.chars().map(|character| u8::try_from(character).ok()).collect();
    HeaderValue::from_bytes(&octets?).ok()
}

impl ContentQuestion<'_> {
    fn known(&self) -> Result<Content, QuestionError> {
        match self {
            Self::Unseen => Ok(Content::Streaming),
            Self::None => Ok(Content::Empty),
            Self::Read { sha256, sha512 } => {
                let sha256 = b64u::decode(sha256).map_err(|error| QuestionError::Digest("sha256", error))?;
                let sha512 = sha512.as_deref().map(b64u::decode).transpose();
                let sha512 = sha512.map_err(|error| QuestionError::Digest("sha512", error))?;
                Ok(Content::Read(ContentDigests { sha256: ContentDigest(sha256), sha512 }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(change: impl Fn(&mut serde_json::Value)) -> Result<Received, String> {
        let mut question = serde_json::json!({
            "method": "GET", "scheme": "https", "target": "/a?b", "address": "203.0.113.9",
            "headers": [["Host", "www.shop.example"], ["Accept", "a"], ["accept", "\u{e9}"]],
        });
        change(&mut question);
        let text = question.to_string();
        let Object(question): Object<Question<'_>> =
            serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let proxies = TrustedProxies { networks: vec!["127.0.0.0/8".parse().unwrap()], unix: false };
        question.received(&proxies).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_describes_a_request() {
        let Received { parts, peer, content, .. } = ask(|_| ()).unwrap();
        assert_eq!((parts.method.as_str(), parts.uri.to_string()), ("GET", "/a?b".into()));
        let accepted: Vec<_> = parts.headers.get_all("accept").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(accepted, [&b"a"[..], b"\xe9"], "a character is an octet");
        assert_eq!((peer.address, peer.scheme), ([203, 0, 113, 9].into(), Scheme::Https));
        assert_eq!(content, Content::Streaming);
        let mapped = ask(|question| question["address"] = "::ffff:203.0.113.9".into()).unwrap();
        assert_eq!(mapped.peer.address, peer.address, "an address has one spelling");
        let unknown = ask(|question| question["address"] = serde_json::Value::Null).unwrap();
        assert_eq!(unknown.peer.through, Through::UntrustedProxy, "nobody's, and no evidence");
        for (proxys, through) in [
            ("127.0.0.1", Through::UntrustedProxy),
            ("::ffff:127.0.0.1", Through::UntrustedProxy),
            ("128.0.0.1", Through::TrustedProxy),
        ] {
            let asked = ask(|question| question["address"] = proxys.into()).unwrap();
            assert_eq!(asked.peer.through, through, "{proxys}: a proxy's address is no evidence of a client");
        }
    }

    #[test]
    fn the_target_is_as_it_was_sent() {
        let uri = |target: &str, authority: Option<&str>| {
            let asked = ask(|question| {
                question["target"] = target.into();
                question["authority"] = authority.into();
            });
            asked.map(|received| received.parts.uri.to_string())
        };
        for target in ["/a/../b%2f?c=%41", "*", "http://www.shop.example/a"] {
            assert_eq!(uri(target, None).as_deref(), Ok(target));
        }
        let with = |target| uri(target, Some("www.shop.example")).unwrap();
        assert_eq!(with("/a?b"), "https://www.shop.example/a?b");
        assert!(with("*").ends_with('*'));
        assert!(
            uri("http://www.shop.example/a", Some("www.shop.example")).is_err(),
            "one of them is not as sent"
        );
    }

    #[test]
    fn content_is_unseen_none_or_read() {
        let content = |content: serde_json::Value| {
            ask(|question| question["content"] = content.clone()).map(|received| received.content)
        };
        assert_eq!(content("none".into()), Ok(Content::Empty));
        assert_eq!(content("unseen".into()), Ok(Content::Streaming));
        let digests = ContentDigests::of(b"content");
        let (sha256, sha512) = (b64u::encode(&digests.sha256.0), b64u::encode(&digests.sha512.unwrap()));
        let read = content(serde_json::json!({ "read": { "sha256": sha256, "sha512": sha512 } }));
        assert_eq!(read, Ok(Content::Read(digests)));
        for near in [
            serde_json::json!({ "read": { "sha512": sha512 } }),
            serde_json::json!({ "read": { "sha256": sha512 } }),
            serde_json::json!({ "read": { "sha256": format!("{sha256}=") } }),
            serde_json::json!({ "read": { "sha256": sha256, "md5": "" } }),
            "empty".into(),
        ] {
            assert!(content(near.clone()).is_err(), "{near}");
        }
    }

    #[test]
    fn what_describes_no_request_is_refused_and_says_where() {
        let cases: [(&str, serde_json::Value, &str); 17] = [
            ("method", "GE T".into(), "`method`"),
            ("method", "".into(), "`method`"),
            ("scheme", "ftp".into(), "`scheme`"),
            ("target", "a b".into(), "`target`"),
            ("target", "".into(), "`target`"),
            ("target", "/#a".into(), "fragment"),
            ("authority", "a b".into(), "`authority`"),
            ("authority", "".into(), "`authority`"),
            ("address", "::".into(), "`address`"),
            ("address", "localhost".into(), "invalid IP address"),
            ("headers", serde_json::json!([["a", "b"], ["a b", "c"]]), "`headers[1]`"),
            ("headers", serde_json::json!([["a", "b\r\nc: d"]]), "`headers[0]`"),
            // Their low octets would be a line's end.
            ("headers", serde_json::json!([["a", "\u{10d}\u{10a}c: d"]]), "`headers[0]`"),
            ("headers", serde_json::json!({ "a": "b" }), "invalid type: map"),
            ("headers", vec![["a", "b"]; MAX_FIELDS + 1].into(), "more than"),
            ("header", serde_json::json!([]), "unknown field `header`"),
            ("tls", serde_json::json!(["www.shop.example", []]), "expected an object"),
        ];
        for (member, value, why) in cases {
            let error = ask(|question| question[member] = value.clone()).err().unwrap_or_default();
            assert!(error.contains(why), "{member} = {value}: {error}");
        }
    }
}
