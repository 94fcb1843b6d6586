//! The string that is signed.

use super::query::{MAX_PARAMETERS, Parameters};
use super::{Component, Form, Message, Part, SignatureInput, Start};
use crate::octets;
use crate::structured::{Dictionary, List};
use data_encoding::BASE64;
use std::cell::OnceCell;
use std::fmt::Write as _;
use thiserror::Error;

/// Longest signature base in octets: bounds the work of a request that covers one long field in
/// every form.
const MAX_BASE: usize = 64 * 1024;

/// Why there is no signature base for a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{component}: {hindrance}")]
pub struct BaseError {
    /// The component that stands in the way.
    pub component: String,
    /// What is wrong with it.
    pub hindrance: Hindrance,
}

/// What is wrong with a covered component of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Hindrance {
    /// The message does not have it.
    #[error("the message does not have it")]
    Missing,
    /// It stands more than once, so that no one value is meant.
    #[error("it stands more than once")]
    Ambiguous,
    /// Its value is not visible ASCII; `bs` would be for that.
    #[error("its value is not visible ASCII")]
    NotText,
    /// Its value is no structured field.
    #[error("its value is no structured field")]
    NotStructured,
    /// The base would be longer than any signer's.
    #[error("what is covered is longer than {MAX_BASE} octets")]
    TooLong,
    /// The query has more parameters than are told apart.
    #[error("the query has more than {MAX_PARAMETERS} parameters")]
    TooMany,
}

impl SignatureInput<'_> {
    /// The signature base of a message (RFC 9421 section 2.5).
    ///
    /// # Errors
    /// [`BaseError`] when the message does not have what is covered.
    pub fn base(&self, message: &Message<'_>) -> Result<String, BaseError> {
        let mut base = String::with_capacity(512);
        // Only a request has a query, and no base is made of two.
        let parameters = OnceCell::new();
        for component in self.components() {
            base.extend([component.as_str(), ": "]);
            let written = put(component, message, &parameters, &mut base);
            let fits = if base.len() > MAX_BASE { Err(Hindrance::TooLong) } else { Ok(()) };
            written
                .and(fits)
                .map_err(|hindrance| BaseError { component: component.to_string(), hindrance })?;
            base.push('\n');
        }
        base.extend(["\"@signature-params\": ", self.as_str()]);
        Ok(base)
    }
}

/// The parameters of the query, read when the first of them is wanted.
type Query = OnceCell<Result<Parameters, Hindrance>>;

fn put(
    component: &Component<'_>,
    message: &Message<'_>,
    parameters: &Query,
    base: &mut String,
) -> Result<(), Hindrance> {
    let message = match component.is_of_request() {
        true => message.request.ok_or(Hindrance::Missing)?,
        false => message,
    };
    match component.part() {
        Part::Field { name, form, trailer } => field(message, name, form, trailer, base),
        part => derived(message.start, part, parameters, base),
    }
}

fn derived(start: Start<'_>, part: Part<'_>, parameters: &Query, base: &mut String) -> Result<(), Hindrance> {
    let (method, scheme, authority, path, target) = match start {
        Start::Request { method, scheme, authority, path, target } => {
            (method, scheme, authority, path, target)
        }
        Start::Response { status } if part == Part::Status => {
            let _ = write!(base, "{status:03}");
            return Ok(());
        }
        Start::Response { .. } => return Err(Hindrance::Missing),
    };
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    match part {
        Part::Method => base.push_str(method),
        Part::Scheme => base.push_str(scheme),
        Part::Authority => base.push_str(authority),
        Part::RequestTarget => base.push_str(target),
        Part::TargetUri => {
            [scheme, "://", authority, path.trim_start_matches('*')]
                .iter()
                .for_each(|part| base.push_str(part));
            query.into_iter().for_each(|query| base.extend(["?", query]));
        }
        Part::Path if matches!(path, "" | "*") => base.push('/'),
        Part::Path => base.push_str(path),
        Part::Query => {
            base.extend(["?", query.unwrap_or_default()]);
        }
        Part::QueryParam(name) => {
            let parameters = parameters.get_or_init(|| Parameters::read(query.unwrap_or_default()));
            base.push_str(parameters.as_ref().map_err(|hindrance| *hindrance)?.get(name)?);
        }
        Part::Status | Part::Field { .. } => return Err(Hindrance::Missing),
    }
    Ok(())
}

fn field(
    message: &Message<'_>,
    name: &str,
    form: Form<'_>,
    trailer: bool,
    base: &mut String,
) -> Result<(), Hindrance> {
    let mut values = message.values(name, trailer).peekable();
    if values.peek().is_none() {
        return Err(Hindrance::Missing);
    }
    match form {
        Form::Joined => join(values, base),
        Form::Bytes => {
            for (at, value) in values.enumerate() {
                let _ = write!(base, "{}:{}:", if at > 0 { ", " } else { "" }, BASE64.encode(value));
            }
            Ok(())
        }
        Form::Structured => {
            let mut joined = String::new();
            join(values, &mut joined)?;
            // A text that can be read as a dictionary and as a list is written the same as both.
            match (Dictionary::parse(&joined), List::parse(&joined)) {
                (Ok(dictionary), _) => write!(base, "{dictionary}"),
                (Err(_), Ok(list)) => write!(base, "{list}"),
                (Err(_), Err(_)) => return Err(Hindrance::NotStructured),
            }
            .map_err(|_| Hindrance::NotStructured)
        }
        Form::Member(key) => {
            let mut joined = String::new();
            join(values, &mut joined)?;
            let dictionary = Dictionary::parse(&joined).map_err(|_| Hindrance::NotStructured)?;
            let member = dictionary.get(key).ok_or(Hindrance::Missing)?;
            write!(base, "{member}").map_err(|_| Hindrance::NotStructured)
        }
    }
}

/// The lines of a field as one (RFC 9110 section 5.3).
fn join<'a>(values: impl Iterator<Item = &'a [u8]>, joined: &mut String) -> Result<(), Hindrance> {
    for (at, value) in values.enumerate() {
        if at > 0 {
            joined.push_str(", ");
        }
        let is_text = |octet: u8| (octet == b'\t') | ((0x20..=0x7e).contains(&octet));
        let text = if octets::all(value, is_text) { std::str::from_utf8(value).ok() } else { None };
        joined.push_str(text.ok_or(Hindrance::NotText)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    type Fields<'a> = &'a [(&'a str, &'a [u8])];

    fn request<'a>(path: &'a str, fields: Fields<'a>) -> Message<'a> {
        let start = Start::Request {
            method: "GET",
            scheme: "https",
            authority: "www.example.com",
            path,
            target: path,
        };
        Message { start, fields, trailers: &[], request: None }
    }

    fn value(component: &str, message: &Message<'_>) -> Result<String, Hindrance> {
        let input = format!("s=({component})");
        let signature = read(&input, "s=::").unwrap().remove(0).signature.unwrap();
        let base = signature.input.base(message).map_err(|error| error.hindrance)?;
        let (line, params) = base.split_once("\n\"@signature-params\": ").unwrap();
        assert_eq!(params, format!("({component})"));
        Ok(line.strip_prefix(&format!("{component}: ")).unwrap().to_owned())
    }

    #[test]
    fn derived_components_are_as_section_2_2_shows() {
        let message = request("/path?param=value&foo=bar&baz=batman&qux=", &[]);
        for (component, expected) in [
            ("\"@method\"", "GET"),
            ("\"@target-uri\"", "https://www.example.com/path?param=value&foo=bar&baz=batman&qux="),
            ("\"@authority\"", "www.example.com"),
            ("\"@scheme\"", "https"),
            ("\"@request-target\"", "/path?param=value&foo=bar&baz=batman&qux="),
            ("\"@path\"", "/path"),
            ("\"@query\"", "?param=value&foo=bar&baz=batman&qux="),
            ("\"@query-param\";name=\"baz\"", "batman"),
            ("\"@query-param\";name=\"qux\"", ""),
        ] {
            assert_eq!(value(component, &message).as_deref(), Ok(expected), "{component}");
        }
        for component in ["\"@query-param\";name=\"nothing\"", "\"@status\"", "\"@method\";req", "\"date\""] {
            assert_eq!(value(component, &message), Err(Hindrance::Missing), "{component}");
        }
        assert_eq!(
            value("\"@query-param\";name=\"a\"", &request("/?a=1&a=2", &[])),
            Err(Hindrance::Ambiguous)
        );
    }

    #[test]
    fn targets_without_path_or_query_have_their_own_forms() {
        for (path, component, expected) in [
            ("/path", "\"@query\"", "?"),
            ("/path?", "\"@query\"", "?"),
            ("*", "\"@path\"", "/"),
            ("*", "\"@target-uri\"", "https://www.example.com"),
            ("*", "\"@request-target\"", "*"),
            ("", "\"@path\"", "/"),
            ("/a%2fb/../c", "\"@path\"", "/a%2fb/../c"),
            ("/x?", "\"@target-uri\"", "https://www.example.com/x?"),
        ] {
            assert_eq!(value(component, &request(path, &[])).as_deref(), Ok(expected), "{path} {component}");
        }
    }

    #[test]
    fn fields_are_joined_and_trimmed_as_section_2_1_shows() {
        let fields: Fields<'_> = &[
            ("Host", b"www.example.com"),
            ("X-OWS-Header", b"  Leading and trailing whitespace.   "),
            ("Cache-Control", b"max-age=60"),
            ("cache-control", b"   must-revalidate"),
            ("X-Empty-Header", b""),
            ("Example-Dict", b"  a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
            ("Bytes", b"\xff"),
            ("Bytes", b"a"),
        ];
        let message = request("/", fields);
        for (component, expected) in [
            ("\"host\"", "www.example.com"),
            ("\"x-ows-header\"", "Leading and trailing whitespace."),
            ("\"cache-control\"", "max-age=60, must-revalidate"),
            ("\"x-empty-header\"", ""),
            ("\"example-dict\"", "a=1,    b=2;x=1;y=2,   c=(a   b   c), d"),
            ("\"example-dict\";sf", "a=1, b=2;x=1;y=2, c=(a b c), d"),
            ("\"example-dict\";key=\"a\"", "1"),
            ("\"example-dict\";key=\"b\"", "2;x=1;y=2"),
            ("\"example-dict\";key=\"c\"", "(a b c)"),
            ("\"example-dict\";key=\"d\"", "?1"),
            ("\"bytes\";bs", ":/w==:, :YQ==:"),
        ] {
            assert_eq!(value(component, &message).as_deref(), Ok(expected), "{component}");
        }
        for (component, hindrance) in [
            ("\"bytes\"", Hindrance::NotText),
            ("\"x-ows-header\";sf", Hindrance::NotStructured),
            ("\"x-ows-header\";key=\"a\"", Hindrance::NotStructured),
            ("\"example-dict\";key=\"e\"", Hindrance::Missing),
            ("\"host\";tr", Hindrance::Missing),
        ] {
            assert_eq!(value(component, &message), Err(hindrance), "{component}");
        }
    }

    #[test]
    fn a_response_can_cover_its_request_and_its_trailers() {
        let request = request("/path", &[("a", b"request")]);
        let response = Message {
            start: Start::Response { status: 503 },
            fields: &[("a", b"response")],
            trailers: &[("Expires", b"soon"), ("a", b"trailer")],
            request: Some(&request),
        };
        for (component, expected) in [
            ("\"@status\"", "503"),
            ("\"@path\";req", "/path"),
            ("\"a\"", "response"),
            ("\"a\";req", "request"),
            ("\"a\";tr", "trailer"),
            ("\"expires\";tr", "soon"),
        ] {
            assert_eq!(value(component, &response).as_deref(), Ok(expected), "{component}");
        }
        assert_eq!(value("\"@path\"", &response), Err(Hindrance::Missing));
        assert_eq!(value("\"expires\"", &response), Err(Hindrance::Missing));
    }

    #[test]
    fn what_is_covered_has_a_limit() {
        let long = vec![b'a'; MAX_BASE];
        assert_eq!(value("\"a\"", &request("/", &[("a", &long)])), Err(Hindrance::TooLong));
    }
}
