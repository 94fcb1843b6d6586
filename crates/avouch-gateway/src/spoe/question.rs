//! A request, as HAProxy describes it in a message.

use std::net::IpAddr;

use avouch_engine::request::Content;
use avouch_wire::authority::Scheme;
use avouch_wire::spop::{Fields, Message, Value};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use crate::listen::Shown;
use crate::received::{self, MAX_FIELDS, Received};
use crate::trust::TrustedProxies;

/// The message that is understood.
const MESSAGE: &str = "avouch-request";

/// Why a question describes no request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum QuestionError {
    #[error("whoever asks says who the client is: name this address (or \"unix\") in `trusted_proxies`")]
    Stranger,
    #[error("a question is one message, `{MESSAGE}`")]
    Messages,
    #[error("an argument is there twice, or has another name than those of `avouch-spoe.conf`")]
    Arguments,
    #[error("`{0}` is missing or of another type: write it as in `avouch-spoe.conf`")]
    Argument(&'static str),
    #[error("`method` is not a method (RFC 9110 section 9.1)")]
    Method,
    #[error("`target` is not a path with its query, or `*`, without fragment: use `pathq`")]
    Target,
    #[error("`version` is not a version of HTTP: use `req.ver`")]
    Version,
    #[error("field {0} is not one: its name is not a token, or its value holds control characters")]
    Field(usize),
    #[error("there are more than {MAX_FIELDS} fields")]
    TooMany,
}

/// What a message may say, each thing once.
#[derive(Default)]
struct Arguments<'a> {
    method: Option<Value<'a>>,
    target: Option<Value<'a>>,
    version: Option<Value<'a>>,
    tls: Option<Value<'a>>,
    client: Option<Value<'a>>,
    fields: Option<Value<'a>>,
    server_name: Option<Value<'a>>,
    certificate: Option<Value<'a>>,
}

impl<'a> Arguments<'a> {
    fn of(messages: &[Message<'a>]) -> Result<Self, QuestionError> {
        let [Message { name: MESSAGE, arguments }] = messages else { return Err(QuestionError::Messages) };
        let mut read = Self::default();
        for (name, value) in arguments {
            let place = match *name {
                "method" => &mut read.method,
                "target" => &mut read.target,
                "version" => &mut read.version,
                "tls" => &mut read.tls,
                "client" => &mut read.client,
                "fields" => &mut read.fields,
                "server_name" => &mut read.server_name,
                "certificate" => &mut read.certificate,
                _ => return Err(QuestionError::Arguments),
            };
            if place.replace(*value).is_some() {
                return Err(QuestionError::Arguments);
            }
        }
        Ok(read)
    }
}

/// The request that is described, by a proxy that is trusted.
pub(super) fn received(
    messages: &[Message<'_>],
    trusted: &TrustedProxies,
) -> Result<Received, QuestionError> {
    let said = Arguments::of(messages)?;
    let mut request = http::Request::new(());
    let method = text("method", said.method)?;
    *request.method_mut() = Method::from_bytes(method).map_err(|_| QuestionError::Method)?;
    let target = text("target", said.target)?;
    *request.uri_mut() = received::target(target).ok_or(QuestionError::Target)?;
    *request.version_mut() = version(text("version", said.version)?)?;
    let fields = match said.fields {
        Some(Value::Binary(octets)) => fields(octets)?,
        _ => return Err(QuestionError::Argument("fields")),
    };
    let scheme = match said.tls {
        Some(Value::Bool(true)) => Scheme::Https,
        Some(Value::Bool(false)) => Scheme::Http,
        _ => return Err(QuestionError::Argument("tls")),
    };
    let peer = trusted.behind(client(said.client)?, scheme, &fields);
    let shown = shown(scheme, said.server_name, said.certificate)?;
    *request.headers_mut() = fields;
    Ok(Received { parts: request.into_parts().0, peer, content: Content::Streaming, shown })
}

fn text<'a>(name: &'static str, value: Option<Value<'a>>) -> Result<&'a [u8], QuestionError> {
    match value {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(QuestionError::Argument(name)),
    }
}

fn version(said: &[u8]) -> Result<Version, QuestionError> {
    match said {
        b"1.0" => Ok(Version::HTTP_10),
        b"1.1" => Ok(Version::HTTP_11),
        b"2.0" => Ok(Version::HTTP_2),
        b"3.0" => Ok(Version::HTTP_3),
        _ => Err(QuestionError::Version),
    }
}

/// The fields in the order they were sent, line by line. `Host` is among them: it names the site that HAProxy forwards
/// the request to, and judgement refuses a request that has not exactly one.
fn fields(octets: &[u8]) -> Result<HeaderMap, QuestionError> {
    let mut fields = HeaderMap::new();
    for (at, field) in Fields::of(octets).enumerate() {
        if at == MAX_FIELDS {
            return Err(QuestionError::TooMany);
        }
        let (name, value) = field.map_err(|_| QuestionError::Field(at))?;
        let field = HeaderName::from_bytes(name).ok().zip(HeaderValue::from_bytes(value).ok());
        let (name, value) = field.ok_or(QuestionError::Field(at))?;
        fields.append(name, value);
    }
    Ok(fields)
}

/// The address of who connected to HAProxy; `None` where it has none, as behind a Unix socket.
fn client(said: Option<Value<'_>>) -> Result<Option<IpAddr>, QuestionError> {
    match said {
        Some(Value::Address(address)) => Ok(Some(address)),
        Some(Value::Null) => Ok(None),
        _ => Err(QuestionError::Argument("client")),
    }
}

/// What HAProxy saw of TLS, where it tells. Who the client's certificate is for is a domain, or something else, which
/// says nothing.
fn shown(
    scheme: Scheme,
    server_name: Option<Value<'_>>,
    certificate: Option<Value<'_>>,
) -> Result<Shown, QuestionError> {
    let names =
        [("server_name", server_name), ("certificate", certificate)].map(|(name, value)| match value {
            None => Ok(None),
            Some(Value::Null) => Ok(Some("")),
            Some(Value::Text(text)) => Ok(Some(str::from_utf8(text).unwrap_or_default())),
            Some(_) => Err(QuestionError::Argument(name)),
        });
    let [server_name, certificate] = names;
    let (server_name, certificate) = (server_name?, certificate?);
    Ok(match (scheme, server_name) {
        (Scheme::Https, Some(name)) => {
            let certificate = certificate.filter(|name| !name.is_empty());
            Shown::elsewhere(Some(name).filter(|name| !name.is_empty()), certificate.as_slice())
        }
        _ => Shown::Untold,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Through;

    const FIELDS: &[u8] =
        b"\x04host\x10www.shop.example\x06accept\x01b\x0fx-forwarded-for\x09192.0.2.1\x06accept\x01\xe9\0\0";

    /// A question as HAProxy asks it, with this in place of what it says by default.
    fn ask<'a>(changed: &[(&'a str, Value<'a>)]) -> Received {
        let mut arguments = vec![
            ("method", Value::Text(b"PROPFIND")),
            ("target", Value::Text(b"/a?b=%20")),
            ("version", Value::Text(b"2.0")),
            ("tls", Value::Bool(true)),
            ("client", Value::Address([203, 0, 113, 9].into())),
            ("fields", Value::Binary(FIELDS)),
        ];
        arguments.retain(|(name, _)| !changed.iter().any(|(changed, _)| name == changed));
        arguments.extend_from_slice(changed);
        let trusted = TrustedProxies { networks: vec!["10.0.0.0/8".parse().unwrap()], unix: false };
        received(&[Message { name: MESSAGE, arguments }], &trusted).unwrap()
    }

    #[test]
    fn a_question_describes_a_request() {
        let Received { parts, peer, content, shown } = ask(&[]);
        assert_eq!((parts.method.as_str(), parts.uri.to_string()), ("PROPFIND", "/a?b=%20".into()));
        assert_eq!(parts.version, Version::HTTP_2);
        let lines: Vec<_> = parts.headers.get_all("accept").iter().map(HeaderValue::as_bytes).collect();
        assert_eq!(lines, [&b"b"[..], b"\xe9"]);
        assert_eq!((peer.address, peer.scheme), ([203, 0, 113, 9].into(), Scheme::Https));
        assert_eq!(content, Content::Streaming);
        assert!(matches!(shown, Shown::Untold), "nothing is told of TLS");
        assert_eq!(ask(&[("tls", Value::Bool(false))]).peer.scheme, Scheme::Http);
    }

    #[test]
    fn who_connected_is_the_client_unless_it_is_a_trusted_proxy_or_has_no_address() {
        let peer = |client| {
            let peer = ask(&[("client", client)]).peer;
            (peer.address.to_string(), peer.through)
        };
        let address = |text: &str| Value::Address(text.parse().unwrap());
        assert_eq!(peer(address("2001:db8::1")), ("2001:db8::1".into(), Through::TrustedProxy));
        assert_eq!(peer(address("10.0.0.1")), ("192.0.2.1".into(), Through::TrustedProxy));
        assert_eq!(peer(address("11.0.0.1")).0, "11.0.0.1", "what a client says of itself is not believed");
        assert_eq!(peer(Value::Null).1, Through::UntrustedProxy);
    }

    #[test]
    fn what_tls_showed_counts_where_there_was_tls_and_the_name_is_told() {
        let told = |tls, changed: &[(&'static str, Value<'static>)]| {
            let changed = [changed, &[("tls", Value::Bool(tls))]].concat();
            matches!(ask(&changed).shown, Shown::Told(_))
        };
        let name = ("server_name", Value::Text(b"www.shop.example"));
        assert!(told(true, &[name]));
        assert!(told(true, &[("server_name", Value::Null)]), "it was looked for, and not there");
        assert!(told(true, &[name, ("certificate", Value::Text(b"bot.example"))]));
        assert!(!told(false, &[name]));
        assert!(!told(true, &[]));
    }
}
