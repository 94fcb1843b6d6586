//! The `Signature-Agent` field, in its four dialects.

use super::FIELD;
use crate::authority::{Authority, Scheme};
use crate::http_signature::{Component, Form, Part, SignatureInput};
use crate::name::{Domain, NameError};
use crate::structured::{BareItem, Dictionary, Item, Member, StructuredError};
use crate::target::Target;
use thiserror::Error;

/// Where a directory stands at its origin (section 5.5 of the draft).
pub const WELL_KNOWN: &str = "/.well-known/http-message-signatures-directory";

/// Longest URL in octets, which is kept as the name of a directory.
pub(super) const MAX_URL: usize = 512;

/// A form the field has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// One string that holds an origin: draft-meunier-web-bot-auth-architecture, and nearly everyone.
    A,
    /// A dictionary whose members are strings that hold an origin:
    /// draft-meunier-http-message-signatures-directory-04.
    B,
    /// A dictionary whose members say how the keys are found, by `type`:
    /// draft-ietf-webbotauth-httpsig-protocol.
    C,
    /// The string is the URL of the keys itself; members of a dictionary that have parameters do not count.
    D,
}

impl Dialect {
    /// As written in logs and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "web-bot-auth-a",
            Self::B => "web-bot-auth-b",
            Self::C => "web-bot-auth-c",
            Self::D => "web-bot-auth-d",
        }
    }

    /// Reads the name of a dialect.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::A, Self::B, Self::C, Self::D].into_iter().find(|dialect| dialect.name() == name)
    }
}

/// How a URL leads to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discovery {
    /// The URL is an origin; the keys stand at its [`WELL_KNOWN`] path.
    Directory,
    /// The URL is that of a JWK Set.
    JwksUri,
    /// The URL is that of a Client ID Metadata Document, which holds keys or the URL of a JWK Set.
    Cimd,
}

/// Why a signature names no agent whose keys could be looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AgentError {
    /// Neither a string nor a dictionary.
    #[error("Signature-Agent {0}")]
    Structured(#[from] StructuredError),
    /// The signature covers no member that is its own.
    #[error("the signature covers no Signature-Agent of its own")]
    NotCovered,
    /// Not a string, or one with escapes.
    #[error("Signature-Agent is not a string without escapes")]
    NotAString,
    /// `type` is none that is known here.
    #[error("type is none of directory, jwks_uri and cimd")]
    Type,
    /// Not a URL of at most 512 octets.
    #[error("Signature-Agent is not an absolute URL of at most {MAX_URL} octets")]
    Url,
    /// A URL, but not of https.
    #[error("the URL in Signature-Agent is not of https")]
    Scheme,
    /// The URL's host can be nobody's name.
    #[error("the host in Signature-Agent {0}")]
    Host(NameError),
    /// A directory stands at an origin, which has no path.
    #[error("the URL of a directory has a path or query; an origin has none")]
    Path,
}

/// The field, read and not yet credited to anyone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agents<'a> {
    /// One string.
    Bare(Item<'a>),
    /// A dictionary.
    Members(Dictionary<'a>),
}

/// Who a signature says it is of, and where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The form it was said in.
    pub dialect: Dialect,
    /// The domain that answers for it.
    pub domain: Domain<'static>,
    /// How the URL leads to keys.
    pub discovery: Discovery,
    /// The URL that is fetched, its authority in normal form.
    pub url: String,
}

impl<'a> Agents<'a> {
    /// Reads the field, its lines joined by commas.
    ///
    /// # Errors
    /// [`AgentError::Structured`].
    pub fn parse(text: &'a str) -> Result<Self, AgentError> {
        // A string begins with a quote, which a dictionary never does.
        match text.trim_start_matches(' ').starts_with('"') {
            true => Ok(Self::Bare(Item::parse(text)?)),
            false => Ok(Self::Members(Dictionary::parse(text)?)),
        }
    }

    /// The agent that one string names, whoever signs it.
    ///
    /// # Errors
    /// [`AgentError`] says why it names none.
    pub fn named(&self) -> Result<Agent, AgentError> {
        match self {
            Self::Bare(item) => from_bare(item),
            Self::Members(_) => Err(AgentError::NotAString),
        }
    }

    /// The agent of the signature under `label`, of those the signature covers. `is_label` says whether
    /// another signature of the message has this label: its member is not this one's.
    ///
    /// # Errors
    /// [`AgentError`] says why there is none.
    pub fn of(
        &self,
        label: &str,
        input: &SignatureInput<'_>,
        is_label: impl Fn(&str) -> bool,
    ) -> Result<Agent, AgentError> {
        match self {
            Self::Bare(item) if covers_whole(input) => from_bare(item),
            Self::Bare(_) => Err(AgentError::NotCovered),
            Self::Members(dictionary) => {
                let covered = |key: &str| {
                    input.covers(|component| covers_member(component, key)) || covers_whole(input)
                };
                let own = dictionary.members().iter().find(|(key, _)| *key == label && covered(key));
                // Whoever passes a message on may rename the label, but not the member.
                let mut renamed =
                    dictionary.members().iter().filter(|(key, _)| covered(key) && !is_label(key));
                let (_, member) = match (own, renamed.next(), renamed.next()) {
                    (Some(own), ..) | (None, Some(own), None) => own,
                    _ => return Err(AgentError::NotCovered),
                };
                match member {
                    Member::Item(item) => from_member(item),
                    Member::List(_) => Err(AgentError::NotAString),
                }
            }
        }
    }
}

fn covers_whole(input: &SignatureInput<'_>) -> bool {
    input.covers(|component| {
        !component.is_of_request()
            && matches!(
                component.part(),
                Part::Field { name: FIELD, form: Form::Joined | Form::Structured, trailer: false }
            )
    })
}

fn covers_member(component: &Component<'_>, key: &str) -> bool {
    let is_own = |form| matches!(form, Form::Member(own) if own == key);
    !component.is_of_request()
        && matches!(component.part(), Part::Field { name: FIELD, form, trailer: false } if is_own(form))
}

fn from_bare(item: &Item<'_>) -> Result<Agent, AgentError> {
    let url = Url::parse(text(item)?)?;
    match url.is_origin() {
        true => Ok(url.agent(Dialect::A, Discovery::Directory)),
        false => Ok(url.agent(Dialect::D, Discovery::JwksUri)),
    }
}

fn from_member(item: &Item<'_>) -> Result<Agent, AgentError> {
    let kind = item.parameters.get("type");
    let discovery = match kind {
        None => None,
        Some(BareItem::Token("directory") | BareItem::String("directory")) => Some(Discovery::Directory),
        Some(BareItem::Token("jwks_uri") | BareItem::String("jwks_uri")) => Some(Discovery::JwksUri),
        Some(BareItem::Token("cimd") | BareItem::String("cimd")) => Some(Discovery::Cimd),
        Some(_) => return Err(AgentError::Type),
    };
    let url = Url::parse(text(item)?)?;
    match (discovery, url.is_origin()) {
        (Some(Discovery::Directory), false) => Err(AgentError::Path),
        (Some(discovery), _) => Ok(url.agent(Dialect::C, discovery)),
        (None, true) if item.parameters.is_empty() => Ok(url.agent(Dialect::B, Discovery::Directory)),
        (None, true) => Ok(url.agent(Dialect::C, Discovery::Directory)),
        (None, false) if item.parameters.is_empty() => Ok(url.agent(Dialect::D, Discovery::JwksUri)),
        (None, false) => Err(AgentError::Path),
    }
}

fn text<'a>(item: &Item<'a>) -> Result<&'a str, AgentError> {
    item.bare.plain_string().ok_or(AgentError::NotAString)
}

/// An absolute https URL, taken apart.
struct Url<'a> {
    authority: Authority<'a>,
    domain: Domain<'static>,
    target: Target<'a>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Result<Self, AgentError> {
        if text.len() > MAX_URL {
            return Err(AgentError::Url);
        }
        let target = Target::parse("GET", text).map_err(|_| AgentError::Url)?;
        let (scheme, authority) = target.origin().ok_or(AgentError::Url)?;
        if scheme != Scheme::Https {
            return Err(AgentError::Scheme);
        }
        let authority = Authority::parse(authority, scheme).map_err(|_| AgentError::Url)?;
        let domain = Domain::parse(authority.host()).map_err(AgentError::Host)?.into_owned();
        Ok(Self { authority, domain, target })
    }

    fn is_origin(&self) -> bool {
        self.target.path() == "/"
    }

    fn agent(self, dialect: Dialect, discovery: Discovery) -> Agent {
        let path = if discovery == Discovery::Directory { WELL_KNOWN } else { self.target.path() };
        let url = ["https://", self.authority.as_str(), path].concat();
        Agent { dialect, domain: self.domain, discovery, url }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http_signature;

    /// The agent of the signature `sig1` that covers these components, beside one labelled `other`.
    fn agent(field: &str, covered: &str) -> Result<Agent, AgentError> {
        let input = format!("sig1=({covered})");
        let signature = http_signature::read(&input, "sig1=::").unwrap().remove(0).signature.unwrap();
        Agents::parse(field)?.of("sig1", &signature.input, |label| label == "other")
    }

    fn own(field: &str) -> Result<(Dialect, Discovery, String), AgentError> {
        let covered =
            if field.starts_with('"') { "\"signature-agent\"" } else { "\"signature-agent\";key=\"sig1\"" };
        agent(field, covered).map(|agent| (agent.dialect, agent.discovery, agent.url))
    }

    #[test]
    fn each_dialect_is_told_by_its_form() {
        let well_known = |origin: &str| format!("{origin}{WELL_KNOWN}");
        let keys = || "https://bot.example/keys.json?v=2".to_owned();
        for (field, dialect, discovery, url) in [
            ("\"https://bot.example\"", Dialect::A, Discovery::Directory, well_known("https://bot.example")),
            (
                "\"https://Bot.Example:443/\"",
                Dialect::A,
                Discovery::Directory,
                well_known("https://bot.example"),
            ),
            (
                "\"https://bot.example:8443\";x=1",
                Dialect::A,
                Discovery::Directory,
                well_known("https://bot.example:8443"),
            ),
            (
                "sig1=\"https://bot.example\"",
                Dialect::B,
                Discovery::Directory,
                well_known("https://bot.example"),
            ),
            (
                "sig1=\"https://bot.example\";type=directory",
                Dialect::C,
                Discovery::Directory,
                well_known("https://bot.example"),
            ),
            (
                "sig1=\"https://bot.example/\";x",
                Dialect::C,
                Discovery::Directory,
                well_known("https://bot.example"),
            ),
            (
                "sig1=\"https://bot.example/keys.json?v=2\";type=jwks_uri",
                Dialect::C,
                Discovery::JwksUri,
                keys(),
            ),
            ("sig1=\"https://bot.example/keys.json?v=2\";type=\"cimd\"", Dialect::C, Discovery::Cimd, keys()),
            ("\"https://bot.example/keys.json?v=2\"", Dialect::D, Discovery::JwksUri, keys()),
            ("sig1=\"https://bot.example/keys.json?v=2\"", Dialect::D, Discovery::JwksUri, keys()),
        ] {
            assert_eq!(own(field), Ok((dialect, discovery, url)), "{field}");
            assert_eq!(Dialect::parse(dialect.name()), Some(dialect));
        }
    }

    #[test]
    fn each_rule_refuses_its_near_miss() {
        let long = format!("\"https://bot.example/{}\"", "a".repeat(MAX_URL));
        for (field, error) in [
            ("\"http://bot.example\"", AgentError::Scheme),
            ("\"bot.example\"", AgentError::Url),
            ("\"//bot.example\"", AgentError::Url),
            ("\"data:application/json,{}\"", AgentError::Url),
            ("\"https://user@bot.example\"", AgentError::Url),
            ("\"https://bot.example/#keys\"", AgentError::Url),
            ("\"https://bot.example/a b\"", AgentError::Url),
            ("\"https://\"", AgentError::Url),
            (&long, AgentError::Url),
            ("\"https://192.0.2.1\"", AgentError::Host(NameError::Numeric)),
            ("\"https://localhost\"", AgentError::Host(NameError::SingleLabel)),
            ("\"https://co.uk\"", AgentError::Host(NameError::PublicSuffix)),
            ("\"https://a\\\"b.example\"", AgentError::NotAString),
            ("sig1=bot", AgentError::NotAString),
            ("sig1=(\"https://bot.example\")", AgentError::NotAString),
            ("sig1=\"https://bot.example\";type=other", AgentError::Type),
            ("sig1=\"https://bot.example/keys\";type=directory", AgentError::Path),
            ("sig1=\"https://bot.example/keys\";x=1", AgentError::Path),
            ("sig2=\"https://bot.example\"", AgentError::NotCovered),
        ] {
            assert_eq!(own(field), Err(error), "{field}");
        }
        assert!(matches!(own("https://bot.example"), Err(AgentError::Structured(_))));
        assert!(matches!(own("\"https://[::1]\""), Err(AgentError::Host(_))));
    }

    #[test]
    fn a_signature_is_credited_with_what_it_covers_and_is_its_own() {
        let domain = |field: &str, covered: &str| agent(field, covered).map(|agent| agent.domain.to_string());
        let two =
            "sig1=\"https://own.example\", other=\"https://other.example\", third=\"https://third.example\"";
        let member = |key: &str| format!("\"signature-agent\";key=\"{key}\"");
        assert_eq!(domain(two, &member("sig1")).as_deref(), Ok("own.example"));
        assert_eq!(domain(two, &[member("other"), member("sig1")].join(" ")).as_deref(), Ok("own.example"));
        assert_eq!(domain(two, &member("other")), Err(AgentError::NotCovered), "another label's");
        assert_eq!(domain(two, &member("third")).as_deref(), Ok("third.example"), "a label may be renamed");
        assert_eq!(
            domain(two, &[member("other"), member("third")].join(" ")).as_deref(),
            Ok("third.example")
        );
        assert_eq!(domain(two, "\"@authority\""), Err(AgentError::NotCovered));
        assert_eq!(
            domain(two, "\"signature-agent\"").as_deref(),
            Ok("own.example"),
            "all of them are covered"
        );
        assert_eq!(domain(two, "\"signature-agent\";bs"), Err(AgentError::NotCovered));
        assert_eq!(domain("\"https://own.example\"", "\"signature-agent\";sf").as_deref(), Ok("own.example"));
        assert_eq!(domain("\"https://own.example\"", &member("sig1")), Err(AgentError::NotCovered));
    }
}
