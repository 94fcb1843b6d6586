//! Agent ids and instances.

use super::{Domain, MAX_NAME, NameError, labels};
use std::borrow::Cow;
use std::fmt;
use std::iter::successors;

/// Longest agent id or instance in octets.
const MAX_ID: usize = 128;

/// Most labels in an agent id: bounds the look-ups one claim can cause.
const MAX_LABELS: usize = 4;

/// The label below a domain that holds everything avouch publishes (VICDM draft section 6.2).
const DOMAIN_PREFIX: &str = "_saip.";

/// The agent id that stands for the domain itself.
const ITSELF: &str = "_";

/// The id of an agent within its domain: 1–128 octets of `a-z 0-9 . _ -`, read as at most four
/// labels of 1–63 octets, each beginning and ending with `a-z0-9`; or `_`, the domain itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId<'a>(Cow<'a, str>);

/// The machine on which an agent runs where several share a key. Alphabet of an [`AgentId`].
pub type Instance<'a> = AgentId<'a>;

impl<'a> AgentId<'a> {
    /// Reads an agent id. Upper case is refused, never lowered.
    ///
    /// # Errors
    /// [`NameError`] names the first rule broken.
    pub fn parse(text: &'a str) -> Result<Self, NameError> {
        if text != ITSELF {
            check(text)?;
        }
        Ok(Self(Cow::Borrowed(text)))
    }

    /// The id as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `_`, the domain itself.
    #[must_use]
    pub fn is_domain_itself(&self) -> bool {
        self.0 == ITSELF
    }

    /// The name at which this agent's key is published: `<id>._saip.<dom>`, or `_saip.<dom>` for `_`.
    ///
    /// # Errors
    /// [`NameError::TooLong`] when the whole name exceeds 253 octets.
    pub fn record_name(&self, domain: &Domain<'_>) -> Result<String, NameError> {
        let mut name = String::with_capacity(MAX_NAME);
        if !self.is_domain_itself() {
            name.push_str(&self.0);
            name.push('.');
        }
        name.push_str(DOMAIN_PREFIX);
        name.push_str(domain.as_str());
        if name.len() > MAX_NAME { Err(NameError::TooLong(MAX_NAME)) } else { Ok(name) }
    }

    /// A copy that owns its text.
    #[must_use]
    pub fn into_owned(self) -> AgentId<'static> {
        AgentId(Cow::Owned(self.0.into_owned()))
    }

    /// A copy that borrows from this one.
    #[must_use]
    pub fn borrowed(&self) -> AgentId<'_> {
        AgentId(Cow::Borrowed(&self.0))
    }
}

/// The names above an agent's record name: every parent label up to and including `_saip.<dom>`,
/// nearest first. An empty `pk=` at any of them revokes the agent. None above `_saip.<dom>` itself.
pub fn ancestors(record_name: &str) -> impl Iterator<Item = &str> {
    successors(above(record_name), |name| above(name))
}

/// No label of an agent id begins with an underscore, so the prefix is found only where it stands.
fn above(name: &str) -> Option<&str> {
    if name.starts_with(DOMAIN_PREFIX) { None } else { Some(name.split_once('.')?.1) }
}

impl fmt::Display for AgentId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > MAX_ID {
        return Err(NameError::TooLong(MAX_ID));
    }
    let found = labels(text, |octet| matches!(octet, b'_' | b'-'))?;
    if found.has_capital {
        let at = text.bytes().position(|octet| octet.is_ascii_uppercase());
        return Err(NameError::Octet(at.unwrap_or_default()));
    }
    if found.count > MAX_LABELS { Err(NameError::TooManyLabels) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> AgentId<'_> {
        AgentId::parse(text).unwrap()
    }

    #[test]
    fn each_rule_refuses_its_near_miss() {
        for text in ["crawler-7", "nyc-042.gptbot", "a.b.c.d", "a_b", "_", "0"] {
            assert!(AgentId::parse(text).is_ok(), "{text}");
        }
        let cases = [
            ("", NameError::Empty),
            ("Crawler", NameError::Octet(0)),
            ("a.b.c.d.e", NameError::TooManyLabels),
            ("a..b", NameError::Label(1)),
            ("_a", NameError::Label(0)),
            ("a-", NameError::Label(0)),
            ("__", NameError::Label(0)),
            ("a._", NameError::Label(1)),
            ("a b", NameError::Octet(1)),
            ("a;b", NameError::Octet(1)),
        ];
        for (text, error) in cases {
            assert_eq!(AgentId::parse(text), Err(error), "{text}");
        }
        let label = "a".repeat(64);
        assert_eq!(AgentId::parse(&label), Err(NameError::Label(0)));
        assert!(AgentId::parse(label.get(1..).unwrap()).is_ok());
    }

    #[test]
    fn an_agent_is_published_below_the_prefix_and_revoked_from_above() {
        let openai = Domain::parse("openai.example").unwrap();
        let agent = id("nyc-042.gptbot");
        assert_eq!(agent.record_name(&openai).unwrap(), "nyc-042.gptbot._saip.openai.example");
        let above: Vec<_> = ancestors("nyc-042.gptbot._saip.openai.example").collect();
        assert_eq!(above, ["gptbot._saip.openai.example", "_saip.openai.example"]);
    }

    #[test]
    fn the_domain_itself_is_published_at_the_prefix() {
        let acme = Domain::parse("acme.example").unwrap();
        assert_eq!(id("_").record_name(&acme).unwrap(), "_saip.acme.example");
        assert_eq!(ancestors("_saip.acme.example").count(), 0);
    }

    #[test]
    fn a_query_name_beyond_253_octets_is_refused() {
        let long = format!("{}.{}.example", "d".repeat(63), "e".repeat(63));
        let domain = Domain::parse(&long).unwrap();
        let agent = format!("{}.{}", "a".repeat(63), "b".repeat(63 - 37));
        let room = MAX_NAME - long.len() - "._saip.".len();
        assert!(id(&agent).record_name(&domain).is_ok(), "{room}");
        let agent = "a".repeat(63) + "." + &"b".repeat(room - 63);
        assert_eq!(id(&agent).record_name(&domain), Err(NameError::TooLong(253)));
    }
}
