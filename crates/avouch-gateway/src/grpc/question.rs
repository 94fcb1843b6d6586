//! A request, as Envoy describes it in `AttributeContext`.

use std::net::IpAddr;

use avouch_engine::request::Content;
use avouch_wire::authority::Scheme;
use avouch_wire::content::ContentDigests;
use envoy_types::ext_authz::v3::pb::{Address, CheckRequest};
use envoy_types::pb::envoy::service::auth::v3::AttributeContext;
use envoy_types::pb::envoy::service::auth::v3::attribute_context::HttpRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::listen::Shown;
use crate::received::{self, MAX_FIELDS, Received};
use crate::trust::TrustedProxies;

/// Where Envoy says whether content was cut; it takes away what the client sent by this name.
const PARTIAL: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");

/// Why a question describes no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuestionError {
    #[error("whoever asks says who the client is: name this address (or \"unix\") in `trusted_proxies`")]
    Stranger,
    #[error("`attributes.request.http` is missing: only requests of HTTP can be judged")]
    NoRequest,
    #[error("`method` is not a method (RFC 9110 section 9.1)")]
    Method,
    #[error("`scheme` is neither `http` nor `https`")]
    Scheme,
    #[error("`path` is not a path with its query, or `*`, without fragment")]
    Path,
    #[error("`{0}` is not empty: it belongs into `path`")]
    Apart(&'static str),
    #[error("`host` is missing or no value of a field, or `Host` among the fields says another")]
    Host,
    #[error("both `headers` and `header_map` are there, and either may be the client's")]
    TwoHeads,
    #[error(
        "field {0} is not one: its name is not a token, its value holds control characters or is there twice, in \
         `value` and `raw_value`"
    )]
    Field(usize),
    #[error("field {0} says another method, path, host or scheme than `attributes.request.http`")]
    Disagrees(usize),
    #[error("there are more than {MAX_FIELDS} fields")]
    Fields,
    #[error("`attributes.source.address` is not an IP address")]
    Address,
}

/// The request that is described, by a proxy that is trusted.
pub(super) fn received(asked: &CheckRequest, trusted: &TrustedProxies) -> Result<Received, QuestionError> {
    let attributes = asked.attributes.as_ref().ok_or(QuestionError::NoRequest)?;
    let http = attributes.request.as_ref().and_then(|request| request.http.as_ref());
    let http = http.ok_or(QuestionError::NoRequest)?;
    let mut request = http::Request::new(());
    *request.method_mut() = Method::from_bytes(http.method.as_bytes()).map_err(|_| QuestionError::Method)?;
    *request.uri_mut() = target(http)?;
    let mut fields = fields(http)?;
    let host = HeaderValue::from_str(&http.host).ok().filter(|host| !host.is_empty());
    let host = host.ok_or(QuestionError::Host)?;
    if fields.get_all(header::HOST).iter().any(|said| *said != host) {
        return Err(QuestionError::Host);
    }
    fields.insert(header::HOST, host);
    let content = content(http, &mut fields);
    let scheme = match attributes.tls_session {
        // By HTTP/2 a client says which scheme it means, and could mean another than it uses.
        Some(_) => Scheme::Https,
        None => Scheme::parse(&http.scheme).ok_or(QuestionError::Scheme)?,
    };
    let peer = trusted.behind(source(attributes)?, scheme, &fields);
    *request.headers_mut() = fields;
    Ok(Received { parts: request.into_parts().0, peer, content, shown: shown(attributes) })
}

fn target(http: &HttpRequest) -> Result<Uri, QuestionError> {
    for (name, value) in [("query", &http.query), ("fragment", &http.fragment)] {
        if !value.is_empty() {
            return Err(QuestionError::Apart(name));
        }
    }
    received::target(http.path.as_bytes()).ok_or(QuestionError::Path)
}

/// The fields in the order they were sent, where Envoy tells it (`encode_raw_headers`).
fn fields(http: &HttpRequest) -> Result<HeaderMap, QuestionError> {
    let raw = http.header_map.as_ref().map(|map| &map.headers[..]).unwrap_or_default();
    if !raw.is_empty() && !http.headers.is_empty() {
        return Err(QuestionError::TwoHeads);
    }
    if raw.len() > MAX_FIELDS || http.headers.len() > MAX_FIELDS {
        return Err(QuestionError::Fields);
    }
    let mut fields = HeaderMap::with_capacity(raw.len().max(http.headers.len()));
    let joined = http.headers.iter().map(|(name, value)| (name, value.as_bytes(), true));
    let raw = raw.iter().map(|field| match field.value.is_empty() {
        true => (&field.key, &field.raw_value[..], true),
        false => (&field.key, field.value.as_bytes(), field.raw_value.is_empty()),
    });
    for (at, (name, value, once)) in raw.chain(joined).enumerate() {
        if name.starts_with(':') {
            agrees(http, name, value).then_some(()).ok_or(QuestionError::Disagrees(at))?;
            continue;
        }
        let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| once);
        let field = name.zip(HeaderValue::from_bytes(value).ok());
        let (name, value) = field.ok_or(QuestionError::Field(at))?;
        fields.append(name, value);
    }
    Ok(fields)
}

/// Whether a pseudo-field (RFC 9113 section 8.3.1) says what stands beside the fields.
fn agrees(http: &HttpRequest, name: &str, value: &[u8]) -> bool {
    let said = match name {
        ":method" => &http.method,
        ":path" => &http.path,
        ":authority" => &http.host,
        ":scheme" => &http.scheme,
        _ => return false,
    };
    said.as_bytes() == value
}

/// What is known of the content. It is whole where `Content-Length` says so: Envoy calls content whole as well that
/// fills what it may hold to the last octet, whatever follows. What stands in `body` Envoy may have changed.
fn content(http: &HttpRequest, fields: &mut HeaderMap) -> Content {
    let says_once = |fields: &HeaderMap, name: HeaderName, expected: &str| {
        let mut said = fields.get_all(name).iter();
        said.next().is_some_and(|said| said == expected) && said.next().is_none()
    };
    let is_complete = says_once(fields, PARTIAL, "false");
    fields.remove(PARTIAL);
    let is_whole = says_once(fields, header::CONTENT_LENGTH, &http.raw_body.len().to_string());
    match is_complete && is_whole && !http.raw_body.is_empty() {
        true => Content::Read(ContentDigests::of(&http.raw_body)),
        false => Content::Streaming,
    }
}

/// The address of who connected to Envoy; `None` where it has none, as behind a Unix socket.
fn source(attributes: &AttributeContext) -> Result<Option<IpAddr>, QuestionError> {
    let address = attributes.source.as_ref().and_then(|source| source.address.as_ref());
    match address.and_then(|address| address.address.as_ref()) {
        Some(Address::SocketAddress(socket)) => {
            socket.address.parse().map(Some).map_err(|_| QuestionError::Address)
        }
        _ => Ok(None),
    }
}

/// What Envoy saw of TLS, where it tells (`include_tls_session`). Who the client's certificate is for is a domain, or
/// something else, which says nothing.
fn shown(attributes: &AttributeContext) -> Shown {
    let Some(session) = &attributes.tls_session else { return Shown::Untold };
    let server_name = Some(session.sni.as_str()).filter(|name| !name.is_empty());
    let principal = attributes.source.as_ref().map(|source| source.principal.as_str());
    Shown::elsewhere(server_name, principal.as_slice())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use envoy_types::ext_authz::v3::pb::HeaderValue as FieldValue;
    use envoy_types::pb::envoy::config::core::v3::{self as core, SocketAddress};
    use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, Peer, TlsSession};

    use super::*;
    use crate::trust::Through;

    fn field(key: &str, value: &[u8]) -> FieldValue {
        FieldValue { key: key.into(), raw_value: value.to_vec(), ..Default::default() }
    }

    fn at(address: &str) -> Peer {
        let socket = SocketAddress { address: address.into(), ..Default::default() };
        let address = core::Address { address: Some(Address::SocketAddress(socket)) };
        Peer { address: Some(address), ..Default::default() }
    }

    /// A question as Envoy asks it, changed.
    fn ask(change: impl FnOnce(&mut AttributeContext, &mut HttpRequest)) -> Result<Received, QuestionError> {
        let fields = [
            field(":authority", b"www.shop.example"),
            field(":method", b"POST"),
            field("accept", b"b"),
            field("Accept", b"\xe9"),
            field("content-length", b"2"),
        ];
        let mut http = HttpRequest {
            method: "POST".into(),
            path: "/a?b=%20".into(),
            host: "www.shop.example".into(),
            scheme: "https".into(),
            header_map: Some(core::HeaderMap { headers: fields.to_vec() }),
            ..Default::default()
        };
        let mut attributes = AttributeContext { source: Some(at("203.0.113.9")), ..Default::default() };
        change(&mut attributes, &mut http);
        attributes.request = Some(attribute_context::Request { http: Some(http), ..Default::default() });
        received(&CheckRequest { attributes: Some(attributes) }, &TrustedProxies::default())
    }

    fn map(http: &mut HttpRequest) -> &mut Vec<FieldValue> {
        &mut http.header_map.as_mut().unwrap().headers
    }

    #[test]
    fn a_question_describes_a_request() {
        let Received { parts, peer, content, .. } = ask(|_, _| ()).unwrap();
        assert_eq!((parts.method.as_str(), parts.uri.to_string()), ("POST", "/a?b=%20".into()));
        assert_eq!(parts.headers["host"], "www.shop.example");
        let lines: Vec<_> = parts.headers.get_all("accept").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(lines, [&b"b"[..], b"\xe9"]);
        assert_eq!((peer.address, peer.scheme), ([203, 0, 113, 9].into(), Scheme::Https));
        assert_eq!(content, Content::Streaming);
        let joined = ask(|_, http| {
            http.header_map = None;
            http.headers = HashMap::from([("accept".into(), "a,b".into())]);
        });
        assert_eq!(joined.unwrap().parts.headers["accept"], "a,b");
    }

    #[test]
    fn what_describes_no_request_is_refused() {
        type Change = fn(&mut AttributeContext, &mut HttpRequest);
        let cases: [(Change, QuestionError); 23] = [
            (|_, http| http.method = "PO ST".into(), QuestionError::Method),
            (|_, http| http.method.clear(), QuestionError::Method),
            (|_, http| http.scheme = "ftp".into(), QuestionError::Scheme),
            (|_, http| http.scheme.clear(), QuestionError::Scheme),
            (|_, http| http.path.clear(), QuestionError::Path),
            (|_, http| http.path = "a".into(), QuestionError::Path),
            (|_, http| http.path = "/a#b".into(), QuestionError::Path),
            (|_, http| http.path = "/a b".into(), QuestionError::Path),
            (|_, http| http.path = "https://www.shop.example/a".into(), QuestionError::Path),
            (|_, http| http.path = "www.shop.example:443".into(), QuestionError::Path),
            (|_, http| http.query = "b".into(), QuestionError::Apart("query")),
            (|_, http| http.fragment = "b".into(), QuestionError::Apart("fragment")),
            (|_, http| http.host = "other.example".into(), QuestionError::Disagrees(0)),
            (
                |_, http| {
                    http.host.clear();
                    map(http).remove(0);
                },
                QuestionError::Host,
            ),
            (|_, http| map(http).push(field("host", b"other.example")), QuestionError::Host),
            (|_, http| map(http).push(field(":path", b"/other")), QuestionError::Disagrees(5)),
            (|_, http| map(http).push(field(":protocol", b"websocket")), QuestionError::Disagrees(5)),
            (|_, http| map(http).push(field("a b", b"")), QuestionError::Field(5)),
            (|_, http| map(http).push(field("a", b"b\r\nc: d")), QuestionError::Field(5)),
            (
                |_, http| map(http).push(FieldValue { value: "1".into(), ..field("a", b"2") }),
                QuestionError::Field(5),
            ),
            (|_, http| *map(http) = vec![field("a", b"b"); MAX_FIELDS + 1], QuestionError::Fields),
            (|_, http| _ = http.headers.insert("a".into(), "b".into()), QuestionError::TwoHeads),
            (|attributes, _| attributes.source = Some(at("localhost")), QuestionError::Address),
        ];
        for (at, (change, expected)) in cases.into_iter().enumerate() {
            assert_eq!(ask(change).err(), Some(expected), "case {at}");
        }
        for nothing in [None, Some(AttributeContext::default())] {
            let asked = CheckRequest { attributes: nothing };
            assert!(matches!(received(&asked, &TrustedProxies::default()), Err(QuestionError::NoRequest)));
        }
    }

    #[test]
    fn who_connected_is_the_client_and_who_has_no_address_is_nobody() {
        let through = |source| {
            let asked = ask(|attributes, http| {
                attributes.source = source;
                map(http).push(field("x-forwarded-for", b"192.0.2.1"));
            });
            let peer = asked.unwrap().peer;
            (peer.address.to_string(), peer.through)
        };
        assert_eq!(through(Some(at("::ffff:203.0.113.9"))), ("203.0.113.9".into(), Through::TrustedProxy));
        assert_eq!(through(None), ("0.0.0.0".into(), Through::UntrustedProxy));
        assert_eq!(through(Some(Peer::default())).1, Through::UntrustedProxy);
        assert_eq!(through(Some(at("0.0.0.0"))).1, Through::UntrustedProxy);
    }

    #[test]
    fn by_tls_the_scheme_is_https_whatever_the_client_calls_it() {
        let scheme = |tls_session| {
            let asked = ask(|attributes, http| {
                attributes.tls_session = tls_session;
                http.scheme = "http".into();
            });
            asked.unwrap().peer.scheme
        };
        assert_eq!(scheme(None), Scheme::Http);
        assert_eq!(scheme(Some(TlsSession { sni: String::new() })), Scheme::Https);
    }

    #[test]
    fn content_is_read_where_all_of_it_is_there_as_it_was_sent() {
        let content = |change: fn(&mut HttpRequest)| {
            let asked = ask(|_, http| {
                http.raw_body = b"hi".to_vec();
                map(http).push(field("x-envoy-auth-partial-body", b"false"));
                change(http);
            });
            let Received { parts, content, .. } = asked.unwrap();
            assert!(!parts.headers.contains_key(PARTIAL), "no field of the client's");
            content
        };
        assert_eq!(content(|_| ()), Content::Read(ContentDigests::of(b"hi")));
        let near: [fn(&mut HttpRequest); 6] = [
            |http| map(http)[5].raw_value = b"true".to_vec(),
            |http| _ = map(http).pop(),
            |http| map(http).push(field("x-envoy-auth-partial-body", b"false")),
            // As much as Envoy may hold, and more follows.
            |http| map(http)[4].raw_value = b"3".to_vec(),
            |http| _ = map(http).remove(4),
            |http| {
                http.body = "hi".into();
                http.raw_body.clear();
            },
        ];
        for (at, change) in near.into_iter().enumerate() {
            assert_eq!(content(change), Content::Streaming, "case {at}");
        }
    }
}
