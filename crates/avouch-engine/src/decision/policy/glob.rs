//! Patterns for names and paths. `*` always stands for whole labels or whole segments, so that
//! `*gptbot` cannot be written and `notgptbot` cannot slip through.

use avouch_wire::name::{AgentId, Domain, Identity};
use avouch_wire::settings::Fault;
use avouch_wire::target::NormalPath;

/// A dotted name or everything below one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// This name.
    Exact(Box<str>),
    /// `*.suffix`: one or more whole labels in front of it. Kept with its leading dot.
    Below(Box<str>),
}

impl Labels {
    fn read<'t>(text: &'t str, check: impl Fn(&'t str) -> Option<String>) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(suffix) => check(suffix).map(|suffix| Self::Below(format!(".{suffix}").into())),
            None => check(text).map(|name| Self::Exact(name.into())),
        }
    }

    /// A domain: `acme.example`, `*.acme.example`. A suffix may be a public one (`*.gov.uk`).
    pub(super) fn domain(text: &str) -> Result<Self, Fault> {
        let check = |name| Domain::host(name).ok().map(|domain| domain.as_str().to_owned());
        Self::read(text, check).ok_or_else(|| not("a domain", text, DOMAIN_FIX))
    }

    /// An authority as requests carry it: host, and port when it is not the scheme's own.
    pub(super) fn authority(text: &str) -> Result<Self, Fault> {
        let check = |name: &str| {
            let written = !name.is_empty() && name.bytes().all(|b| b"[]:.-".contains(&b) || is_lower(b));
            written.then(|| name.to_owned())
        };
        Self::read(text, check).ok_or_else(|| {
            let fix = "write a host in lower case, with its port unless that is the scheme's own: \
                       \"shop.example\", \"shop.example:8443\", \"*.shop.example\"";
            not("an authority", text, fix)
        })
    }

    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *name,
            Self::Below(suffix) => name.len() > suffix.len() && name.ends_with(&**suffix),
        }
    }

    /// The one name this matches, if it is only one.
    pub(super) fn exact(&self) -> Option<&str> {
        match self {
            Self::Exact(exact) => Some(exact),
            Self::Below(_) => None,
        }
    }

    /// A name this matches.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Exact(exact) => exact.to_string(),
            Self::Below(suffix) => format!("x{suffix}"),
        }
    }
}

const fn is_lower(octet: u8) -> bool {
    octet.is_ascii_lowercase() || octet.is_ascii_digit()
}

fn not(what: &str, text: &str, fix: &str) -> Fault {
    Fault::new(format!("is not {what}: \"{}\"", text.escape_debug()), fix)
}

const DOMAIN_FIX: &str = "write a domain in full, \"acme.example\", or \"*.acme.example\" for those below it";

/// A written identity: `acme.example` (the domain and all its agents), `*@acme.example` (any
/// agent), `_@acme.example` (no agent named), `gptbot@…`, `*.gptbot@…`, each also with `*.` before
/// the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdentityGlob {
    agent: AgentGlob,
    domain: Labels,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum AgentGlob {
    Whatever,
    None,
    Any,
    Named(Labels),
}

impl IdentityGlob {
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        let (agent, domain) = match text.split_once('@') {
            Some((agent, domain)) => (AgentGlob::read(agent), domain),
            None => (Some(AgentGlob::Whatever), text),
        };
        let fix = "write \"acme.example\", \"crawler-7@acme.example\", \"*.fleet@acme.example\" or \"*@acme.example\"";
        let agent = agent.ok_or_else(|| not("an identity", text, fix))?;
        let domain = Labels::domain(domain).map_err(|_| not("an identity", text, fix))?;
        Ok(Self { agent, domain })
    }

    pub(super) fn matches(&self, identity: &Identity) -> bool {
        self.domain.matches(identity.domain.as_str()) && self.agent.matches(identity.agent.as_ref())
    }

    pub(super) const fn domain(&self) -> &Labels {
        &self.domain
    }
}

impl AgentGlob {
    fn read(text: &str) -> Option<Self> {
        match text {
            "*" => Some(Self::Any),
            "_" => Some(Self::None),
            _ => {
                let check = |name| AgentId::parse(name).ok().filter(|id| !id.is_domain_itself());
                Labels::read(text, |name| check(name).map(|id| id.as_str().to_owned())).map(Self::Named)
            }
        }
    }

    fn matches(&self, agent: Option<&AgentId<'static>>) -> bool {
        match (self, agent) {
            (Self::Whatever, _) | (Self::None, None) | (Self::Any, Some(_)) => true,
            (Self::Named(labels), Some(agent)) => labels.matches(agent.as_str()),
            (Self::None, Some(_)) | (Self::Any | Self::Named(_), None) => false,
        }
    }
}

/// A path: `/login` (this one), `/api/*` (`/api` and everything below it), `/shop/*/cart` (any one
/// segment in the middle). Matched on normalised paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathGlob {
    Exact(Box<str>),
    Below(Box<str>),
    Segments(Box<str>),
}

impl PathGlob {
    pub(super) fn read(text: &str) -> Result<Self, Fault> {
        if !text.starts_with('/') || text.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b"?#".contains(&b)) {
            return Err(not("a path", text, "begin with \"/\" and leave out query and blanks: \"/api/*\""));
        }
        let normal = NormalPath::of(text);
        if normal.is_ambiguous() {
            let fix = "leave out %2F, %5C, %00, \"\\\" and \"//\": such paths match no rule that allows";
            return Err(not("an unambiguous path", text, fix));
        }
        if normal.as_str() != text {
            let fix = format!("write \"{}\", the form paths are matched in", normal.as_str());
            return Err(not("a normalised path", text, &fix));
        }
        if text.split('/').any(|segment| segment.contains('*') && segment != "*") {
            let fix = "let `*` stand for a whole segment: \"/api/*\", \"/shop/*/cart\"";
            return Err(not("a path pattern", text, fix));
        }
        Ok(Self::compile(text))
    }

    fn compile(text: &str) -> Self {
        match text.strip_suffix("/*") {
            _ if !text.contains('*') => Self::Exact(text.into()),
            Some(prefix) if !prefix.contains('*') => Self::Below(prefix.into()),
            _ => Self::Segments(text.into()),
        }
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => **exact == *path,
            Self::Below(prefix) => {
                path.strip_prefix(&**prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
            Self::Segments(pattern) => segments_match(pattern, path),
        }
    }

    /// A path this matches.
    pub(super) fn example(&self) -> String {
        match self {
            Self::Exact(exact) => exact.to_string(),
            Self::Below(prefix) => format!("{prefix}/x"),
            Self::Segments(pattern) => pattern.replace('*', "x"),
        }
    }
}

/// A `*` in the middle stands for one segment that is not empty, at the end for any rest.
fn segments_match(pattern: &str, path: &str) -> bool {
    let (pattern, open) = pattern.strip_suffix("/*").map_or((pattern, false), |pattern| (pattern, true));
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        match segments.next() {
            Some(segment) if wanted == segment || (wanted == "*" && !segment.is_empty()) => {}
            Some(_) | None => return false,
        }
    }
    open || segments.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(pattern: &str, written: &str) -> bool {
        IdentityGlob::read(pattern).unwrap().matches(&Identity::parse(written).unwrap())
    }

    #[test]
    fn a_bare_domain_means_it_and_all_its_agents() {
        assert!(identity("acme.example", "acme.example"));
        assert!(identity("acme.example", "a.b@acme.example"));
        assert!(!identity("acme.example", "sub.acme.example"));
        assert!(!identity("acme.example", "notacme.example"));
    }

    #[test]
    fn a_star_is_one_or_more_whole_leftmost_labels() {
        assert!(identity("*.gptbot@openai.example", "nyc-042.gptbot@openai.example"));
        assert!(identity("*.gptbot@openai.example", "a.b.gptbot@openai.example"));
        assert!(!identity("*.gptbot@openai.example", "gptbot@openai.example"));
        assert!(!identity("*.gptbot@openai.example", "notgptbot@openai.example"));
        assert!(!identity("*.gptbot@openai.example", "gptbot.evil@openai.example"));
        assert!(!identity("*.gptbot@openai.example", "a.gptbot@openai.example.evil.test"));
        assert!(identity("*.acme.example", "x@a.acme.example"));
        assert!(!identity("*.acme.example", "acme.example"));
    }

    #[test]
    fn agents_can_be_any_none_or_one() {
        assert!(identity("*@acme.example", "a.b@acme.example"));
        assert!(!identity("*@acme.example", "acme.example"));
        assert!(identity("_@acme.example", "acme.example"));
        assert!(!identity("_@acme.example", "a@acme.example"));
        assert!(identity("a@acme.example", "a@acme.example"));
        assert!(!identity("a@acme.example", "b@acme.example"));
        assert!(!identity("a@acme.example", "acme.example"));
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        for text in [
            "*",
            "*gptbot@acme.example",
            "a.*@acme.example",
            "@acme.example",
            "acme",
            "A@acme.example",
            "*.*@a.b",
        ] {
            assert!(IdentityGlob::read(text).is_err(), "{text}");
        }
        assert!(Labels::domain("*.gov.uk").is_ok());
        assert!(Labels::domain("*").is_err());
    }

    #[test]
    fn authorities_are_matched_whole() {
        let matches = |pattern, name| Labels::authority(pattern).unwrap().matches(name);
        assert!(matches("shop.example:8443", "shop.example:8443"));
        assert!(!matches("shop.example:8443", "shop.example"));
        assert!(matches("*.shop.example", "www.shop.example"));
        assert!(!matches("*.shop.example", "wwwshop.example"));
        assert!(Labels::authority("Shop.example").is_err());
    }

    #[test]
    fn paths_match_at_segment_boundaries() {
        let matches = |pattern, path| PathGlob::read(pattern).unwrap().matches(path);
        for path in ["/api", "/api/", "/api/x", "/api/x/y"] {
            assert!(matches("/api/*", path), "{path}");
        }
        for path in ["/apix", "/", "/v1/api/x", "/API/x"] {
            assert!(!matches("/api/*", path), "{path}");
        }
        assert!(matches("/api", "/api") && !matches("/api", "/api/"));
        assert!(matches("/*", "/") && matches("/*", "/x") && !matches("/*", "*"));
        assert!(matches("/shop/*/cart", "/shop/7/cart") && !matches("/shop/*/cart", "/shop/7/8/cart"));
        assert!(!matches("/shop/*/cart", "/shop//cart"));
        assert!(matches("/shop/*/cart/*", "/shop/7/cart/x/y") && matches("/shop/*/cart/*", "/shop/7/cart"));
        assert!(!matches("/shop/*/cart/*", "/shop/7/cartoon"));
    }

    #[test]
    fn paths_no_request_can_have_are_refused_with_the_form_they_have() {
        assert!(PathGlob::read("/%61pi").unwrap_err().fix.contains("\"/api\""));
        assert!(PathGlob::read("/a/../b").unwrap_err().fix.contains("\"/b\""));
        for text in ["api", "", "/a?b", "/a//b", "/a%2Fb", "/a*", "/*.png", "/a b"] {
            assert!(PathGlob::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn examples_match_their_pattern() {
        for pattern in ["/api/*", "/shop/*/cart", "/x", "/*"] {
            let glob = PathGlob::read(pattern).unwrap();
            assert!(glob.matches(&glob.example()), "{pattern}");
        }
        for pattern in ["acme.example", "*.acme.example"] {
            let labels = Labels::domain(pattern).unwrap();
            assert!(labels.matches(&labels.example()), "{pattern}");
        }
    }
}
