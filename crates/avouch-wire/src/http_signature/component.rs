//! Component identifiers: which parts of a message a signature covers.

use crate::structured::{BareItem, Item, Parameters};
use crate::target::is_token;
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// Why an item is not a component identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ComponentError {
    /// Not a string, or one with escapes.
    #[error("{0} is not the name of a component, which is a string without escapes")]
    NotAName(String),
    /// A derived component that RFC 9421 does not know.
    #[error("\"{0}\" is no derived component of RFC 9421")]
    Unknown(String),
    /// Not a field name in lower case.
    #[error("\"{0}\" is not a field name in lower case")]
    NotAField(String),
    /// A parameter that means nothing there, has no such value, or stands beside one it excludes.
    #[error("{0} may not have the parameter {1}")]
    Parameter(String, String),
    /// `name` is missing, without which `@query-param` covers nothing.
    #[error("\"@query-param\" lacks its name")]
    NoName,
    /// The same component twice (RFC 9421 section 2.5, which forbids it).
    #[error("{0} stands twice")]
    Repeated(String),
}

/// One covered component (RFC 9421 section 2): which part of which message.
#[derive(Clone, Debug)]
pub struct Component<'a> {
    /// The identifier as it is signed.
    text: Cow<'a, str>,
    part: Part<'a>,
    of_request: bool,
}

/// A part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// `@method` (section 2.2.1).
    Method,
    /// `@target-uri` (section 2.2.2).
    TargetUri,
    /// `@authority` (section 2.2.3).
    Authority,
    /// `@scheme` (section 2.2.4).
    Scheme,
    /// `@request-target` (section 2.2.5).
    RequestTarget,
    /// `@path` (section 2.2.6).
    Path,
    /// `@query` (section 2.2.7).
    Query,
    /// `@query-param` of this name, percent-encoded (section 2.2.8).
    QueryParam(&'a str),
    /// `@status` (section 2.2.9).
    Status,
    /// A field (section 2.1).
    Field {
        /// Its name, in lower case.
        name: &'a str,
        /// How its value is taken.
        form: Form<'a>,
        /// Whether it stands in the trailers (`tr`, section 2.1.4).
        trailer: bool,
    },
}

/// How the value of a field is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// Its lines, joined (section 2.1).
    Joined,
    /// In the one serialisation of structured fields (`sf`, section 2.1.1).
    Structured,
    /// One member of a dictionary (`key`, section 2.1.2).
    Member(&'a str),
    /// Each line as a byte sequence (`bs`, section 2.1.3).
    Bytes,
}

impl<'a> Component<'a> {
    /// A component without parameters, named as in `Signature-Input` but without quotes.
    ///
    /// # Errors
    /// [`ComponentError`].
    pub fn named(name: &'a str) -> Result<Self, ComponentError> {
        Self::of(&Item { bare: BareItem::String(name), parameters: Parameters::default() }, None)
    }

    /// One member of a field that is a dictionary.
    ///
    /// # Errors
    /// [`ComponentError`].
    pub fn member(field: &'a str, key: &'a str) -> Result<Self, ComponentError> {
        let mut parameters = Parameters::default();
        parameters.push("key", BareItem::String(key));
        Self::of(&Item { bare: BareItem::String(field), parameters }, None)
    }

    /// A component of the request that a response answers.
    ///
    /// # Errors
    /// [`ComponentError`].
    pub fn of_request(name: &'a str) -> Result<Self, ComponentError> {
        let mut parameters = Parameters::default();
        parameters.push("req", BareItem::Boolean(true));
        Self::of(&Item { bare: BareItem::String(name), parameters }, None)
    }

    /// Reads a component identifier; `text` is its one serialisation, where that is at hand.
    ///
    /// # Errors
    /// [`ComponentError`] says which rule it breaks.
    pub(super) fn of(item: &Item<'a>, text: Option<&'a str>) -> Result<Self, ComponentError> {
        let Some(name) = item.bare.plain_string() else {
            return Err(ComponentError::NotAName(item.bare.to_string()));
        };
        let read = match name.strip_prefix('@') {
            Some(_) => derived(name, item),
            None => field(name, item),
        };
        let (part, of_request) = read?;
        let text = text.map_or_else(|| Cow::Owned(item.to_string()), Cow::Borrowed);
        Ok(Self { text, part, of_request })
    }

    /// Which part of the message it is.
    #[must_use]
    pub const fn part(&self) -> Part<'a> {
        self.part
    }

    /// Whether it is taken from the request that a response answers (`req`, section 2.4).
    #[must_use]
    pub const fn is_of_request(&self) -> bool {
        self.of_request
    }

    /// The identifier as it stands in the signature base.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether both mean the same, in whatever order their parameters stand.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.part == other.part && self.of_request == other.of_request
    }
}

impl fmt::Display for Component<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn derived<'a>(name: &'a str, item: &Item<'a>) -> Result<(Part<'a>, bool), ComponentError> {
    let (mut of_request, mut query_param) = (false, None);
    for (parameter, value) in item.parameters.iter() {
        match (parameter, value) {
            ("req", BareItem::Boolean(true)) => of_request = true,
            ("name", value) if name == "@query-param" && value.plain_string().is_some() => {
                query_param = value.plain_string();
            }
            _ => return Err(wrong(item, parameter)),
        }
    }
    let part = match name {
        "@method" => Part::Method,
        "@target-uri" => Part::TargetUri,
        "@authority" => Part::Authority,
        "@scheme" => Part::Scheme,
        "@request-target" => Part::RequestTarget,
        "@path" => Part::Path,
        "@query" => Part::Query,
        "@query-param" => Part::QueryParam(query_param.ok_or(ComponentError::NoName)?),
        "@status" if of_request => return Err(wrong(item, "req")),
        "@status" => Part::Status,
        _ => return Err(ComponentError::Unknown(name.to_owned())),
    };
    Ok((part, of_request))
}

fn field<'a>(name: &'a str, item: &Item<'a>) -> Result<(Part<'a>, bool), ComponentError> {
    if !is_token(name) || name.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return Err(ComponentError::NotAField(name.to_owned()));
    }
    let (mut of_request, mut trailer, mut structured, mut form) = (false, false, false, Form::Joined);
    for (parameter, value) in item.parameters.iter() {
        match (parameter, value) {
            ("req", BareItem::Boolean(true)) => of_request = true,
            ("tr", BareItem::Boolean(true)) => trailer = true,
            ("sf", BareItem::Boolean(true)) => structured = true,
            ("bs", BareItem::Boolean(true)) if form == Form::Joined => form = Form::Bytes,
            ("key", value) if form == Form::Joined && value.plain_string().is_some() => {
                form = value.plain_string().map_or(form, Form::Member);
            }
            _ => return Err(wrong(item, parameter)),
        }
    }
    form = match (form, structured) {
        (Form::Joined, true) => Form::Structured,
        (Form::Bytes, true) => return Err(wrong(item, "bs")),
        (form, _) => form,
    };
    Ok((Part::Field { name, form, trailer }, of_request))
}

fn wrong(item: &Item<'_>, parameter: &str) -> ComponentError {
    ComponentError::Parameter(item.bare.to_string(), parameter.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(text: &str) -> Result<Component<'_>, ComponentError> {
        Component::of(&Item::parse(text).unwrap(), None)
    }

    #[test]
    fn each_component_reads_and_is_written_as_it_came() {
        for text in [
            "\"@method\"",
            "\"@target-uri\"",
            "\"@authority\"",
            "\"@scheme\"",
            "\"@request-target\"",
            "\"@path\"",
            "\"@query\"",
            "\"@query-param\";name=\"a%20b\"",
            "\"@status\"",
            "\"@method\";req",
            "\"date\"",
            "\"date\";tr",
            "\"a\";sf",
            "\"a\";bs",
            "\"a\";bs;tr;req",
            "\"a\";req;key=\"b\"",
            "\"a\";sf;key=\"b\"",
            "\"@query-param\";req;name=\"x\"",
        ] {
            assert_eq!(component(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn each_rule_refuses_its_near_miss() {
        for text in [
            "method",
            "1",
            "\"a\\\"b\"",
            "\"@method\";sf",
            "\"@nothing\"",
            "\"@signature-params\"",
            "\"@\"",
            "\"Date\"",
            "\"\"",
            "\"a b\"",
            "\"a\";bs;sf",
            "\"a\";sf;bs",
            "\"a\";bs;key=\"b\"",
            "\"a\";key=\"b\";bs",
            "\"a\";key=b",
            "\"a\";sf=?0",
            "\"a\";sf=1",
            "\"a\";x",
            "\"@query-param\"",
            "\"@query-param\";name=a",
            "\"@path\";name=\"a\"",
            "\"@status\";req",
            "\"a\";name=\"b\"",
            "\"@method\";tr",
        ] {
            assert!(component(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_of_parameters_makes_no_difference() {
        let is_same = |one, other| component(one).unwrap().is_same(&component(other).unwrap());
        assert!(is_same("\"a\";bs;tr", "\"a\";tr;bs"));
        assert!(!is_same("\"a\";bs;tr", "\"a\";bs"));
        assert!(!is_same("\"a\"", "\"a\";req"));
        assert!(!is_same("\"a\";key=\"b\"", "\"a\";key=\"c\""));
        assert!(is_same("\"a\";key=\"b\"", "\"a\";sf;key=\"b\""), "a member is structured either way");
    }
}
