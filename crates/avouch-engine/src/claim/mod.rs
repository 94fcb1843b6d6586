//! What a request says about who sends it.

mod catalogue;

pub use catalogue::{Catalogue, Crawler};

use crate::reason::Reason;
use crate::request::{Request, SaipField};
use avouch_wire::name::{AgentId, Domain, Identity};
use avouch_wire::saip::{Header, HeaderError};

/// What a request says about who sends it: by a SAIP header, by its user agent, by both, or not at
/// all. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    header: Option<Header<'a>>,
    crawler: Option<&'a Crawler>,
}

/// A claim that cannot even be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Why.
    pub reason: Reason,
    /// Where the header breaks, when it is the header.
    pub error: Option<HeaderError>,
}

impl<'a> Claim<'a> {
    /// Reads the claim of a request.
    ///
    /// # Errors
    /// [`Unreadable`] when the request claims something in a way that cannot be read; it is then
    /// an invalid claim, never no claim.
    pub fn read(request: &Request<'a>, catalogue: &'a Catalogue) -> Result<Self, Unreadable> {
        let header = match request.saip() {
            SaipField::Absent => None,
            SaipField::One(text) => Some(Header::parse(text).map_err(Unreadable::header)?),
            SaipField::Repeated => return Err(Unreadable::because(Reason::HeaderRepeated)),
            SaipField::NotText => return Err(Unreadable::because(Reason::HeaderMalformed)),
            SaipField::Delegation => return Err(Unreadable::because(Reason::ModeUnsupported)),
        };
        let mut claim = Self { header, crawler: None };
        if !claim.hears_last() {
            claim.hear_user_agent(request, catalogue);
        }
        Ok(claim)
    }

    /// Whether the user agent is heard last: beside a signed header that names a domain it waits
    /// until the header did not fail, which nearly every forged one does for less than the search
    /// takes.
    pub(crate) fn hears_last(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.signed.is_some() && header.domain.is_some())
    }

    /// Adds what the user agent says.
    pub(crate) fn hear_user_agent(&mut self, request: &Request<'a>, catalogue: &'a Catalogue) {
        self.crawler = request.user_agent().and_then(|agent| catalogue.find(agent));
    }

    fn domain(&self) -> Option<&Domain<'a>> {
        self.header.as_ref()?.domain.as_ref()
    }

    /// The SAIP header.
    #[must_use]
    pub const fn header(&self) -> Option<&Header<'a>> {
        self.header.as_ref()
    }

    /// The crawler the user agent names, once it was heard.
    #[must_use]
    pub(crate) const fn crawler(&self) -> Option<&'a Crawler> {
        self.crawler
    }

    /// Whether header and user agent claim different domains, aliases and relaxed alignment
    /// considered, as far as the user agent was heard.
    #[must_use]
    pub(crate) fn conflicts(&self) -> bool {
        self.domain().zip(self.crawler).is_some_and(|(domain, crawler)| !crawler.speaks_for(domain))
    }

    /// Whoever is meant, if the claim holds: the signed agent, or the domain that a bare claim or a
    /// crawler's user agent names (an address speaks for a domain, not for one of its agents).
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let crawler = || self.crawler.map(|crawler| Identity::of_domain(crawler.domain().clone()));
        let Some(header) = &self.header else { return crawler() };
        let Some(domain) = header.domain.clone() else { return crawler() };
        let domain = domain.into_owned();
        if header.signed.is_none() {
            return Some(Identity::of_domain(domain));
        }
        let agent = Some(header.agent.clone().into_owned()).filter(|agent| !agent.is_domain_itself());
        let instance = header.instance.clone().map(AgentId::into_owned).or_else(|| agent.clone());
        Some(Identity { domain, agent, instance })
    }

    /// The name that is claimed, as logs show it.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let crawler = || self.crawler.map(|crawler| crawler.domain().as_str().to_owned());
        let Some(header) = &self.header else { return crawler() };
        let Some(domain) = &header.domain else { return crawler() };
        if header.agent.is_domain_itself() {
            return Some(domain.as_str().to_owned());
        }
        Some([header.agent.as_str(), "@", domain.as_str()].concat())
    }
}

impl Unreadable {
    /// Where the header breaks, in words.
    #[must_use]
    pub fn detail(&self) -> String {
        self.error.map(|error| error.to_string()).unwrap_or_default()
    }

    const fn because(reason: Reason) -> Self {
        Self { reason, error: None }
    }

    const fn header(error: HeaderError) -> Self {
        let reason = match error {
            HeaderError::Unsupported(_) => Reason::ModeUnsupported,
            _ => Reason::HeaderMalformed,
        };
        Self { reason, error: Some(error) }
    }
}
