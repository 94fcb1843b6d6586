//! What has to be looked up for a claim.

use super::{Answer, Records};
use crate::claim::Claim;
use avouch_wire::delegation::{Subject, Token};
use avouch_wire::entity::epoch_of;
use avouch_wire::name::{AgentId, Domain, NameError, ancestors};
use avouch_wire::saip::{Form, Header, Mode, Signed};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Agent, Discovery};
use std::iter;
use std::sync::Arc;

/// The agent id that stands for the domain itself.
const DOMAIN_ITSELF: &str = "_";

/// What has to be looked up for a claim. Names are as DNS takes them, without the trailing dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// The agent's own `_saip` name. What stands there or at a name above it can revoke the agent.
    name: Option<String>,
    /// Whether the record that decides stands at the domain's name rather than the agent's own.
    by_domain: bool,
    /// What to find out about the client's address.
    pub network: Option<NetworkQuestion>,
    /// Which keys to fetch.
    pub directory: Option<DirectoryQuestion>,
    /// What to ask a registration entity; only after [`Questions::record`] named it.
    pub entity: Option<Box<EntityQuestion>>,
}

/// What to ask a registration entity: the key of an agent, for this site and one epoch. Only entities that the operator
/// configured are asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EntityQuestion {
    /// The entity.
    pub entity: Domain<'static>,
    /// The authority of the site.
    pub audience: String,
    /// The agent's domain.
    pub domain: Domain<'static>,
    /// The agent.
    pub agent: AgentId<'static>,
    /// The epoch that the request was signed in.
    pub epoch: u64,
}

/// Where keys of Web Bot Auth signatures stand.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectoryQuestion {
    /// The URL, by which an answer is kept too.
    pub url: String,
    /// What stands there.
    pub discovery: Discovery,
}

/// What to find out about the client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkQuestion {
    /// The domains within which a PTR name counts; names found there are looked up forward.
    pub within: Vec<Domain<'static>>,
    /// A name that may itself resolve to the address.
    pub forward: Option<Domain<'static>>,
    /// The `_saip` name whose record may name the address or its autonomous system.
    pub delegation: Option<String>,
    /// The name of the crawler whose address ranges count, where a crawler is claimed. Otherwise
    /// the autonomous systems that originate the address count.
    pub crawler: Option<Box<str>>,
}

/// How many names of one address are followed. Real addresses have one or two; whoever owns an
/// address can give it hundreds, each of which would cost a look-up.
const MAX_NAMES: usize = 4;

impl NetworkQuestion {
    /// Of the names found by reverse look-up those that are worth confirming; the others say nothing.
    pub fn worth_confirming<'n>(&self, names: &'n [String]) -> impl Iterator<Item = &'n String> {
        names.iter().filter(|name| self.counts(name)).take(MAX_NAMES)
    }

    fn counts(&self, host: &str) -> bool {
        self.within.iter().any(|domain| domain.contains(host))
    }
}

impl Questions {
    /// The `_saip` name whose record decides.
    #[must_use]
    pub fn record(&self) -> Option<&str> {
        let own = self.name.as_deref()?;
        if self.by_domain { ancestors(own).last().or(Some(own)) } else { Some(own) }
    }

    /// The other `_saip` names whose revocations bind, nearest first; to be asked only after
    /// [`Questions::record`] gave something live.
    pub fn revocations(&self) -> impl Iterator<Item = &str> {
        let names = self.name.iter().flat_map(|own| iter::once(&**own).chain(ancestors(own)));
        let decisive = self.record();
        names.filter(move |name| Some(*name) != decisive)
    }

    /// Whether what stands at [`Questions::record`] is worth asking further for: a live key, or the registration entity
    /// of the claim.
    #[must_use]
    pub fn lead_on(&self, record: &Answer<Arc<Records>>, now: Time) -> bool {
        let Some(records) = record.found(now) else { return false };
        match &self.entity {
            None => records.published.keys(now).next().is_some(),
            Some(question) => records.published.entities(now).any(|live| *live.value == question.entity),
        }
    }

    /// The questions of a claim.
    ///
    /// # Errors
    /// [`NameError`] when agent and domain together are too long a name for DNS.
    pub(crate) fn of(claim: &Claim<'_>) -> Result<Self, NameError> {
        // Of registered keys there is nothing to find out, and what they come to is never open.
        if claim.partner().is_some() {
            return Ok(Self::default());
        }
        if let Some(candidate) = claim.bot().and_then(|bot| bot.candidates.first()) {
            return Self::of_bot(claim, &candidate.agent);
        }
        if let Some((_, vouching)) = claim.vouching() {
            return Self::of_attester(vouching.issuer.attester());
        }
        let grant = claim.token().map(Token::grant);
        if let Some(grant) = grant.filter(|grant| !matches!(grant.subject, Subject::Key(_))) {
            return Self::of_token(&grant.issuer, grant.subject);
        }
        Self::of_others(claim)
    }

    /// The keys stand at the URL, and may stand in the domain's own record; one of them, for the signatures of one
    /// request shall not make many look-ups.
    fn of_bot(claim: &Claim<'_>, agent: &Agent) -> Result<Self, NameError> {
        let directory = DirectoryQuestion { url: agent.url.clone(), discovery: agent.discovery };
        Ok(Self {
            name: Some(AgentId::parse(DOMAIN_ITSELF)?.record_name(&agent.domain)?),
            by_domain: true,
            directory: Some(directory),
            entity: None,
            network: Self::of_others(claim)?.network,
        })
    }

    /// Whether the attester behind a Privacy Pass token can be verified stands in its domain's record.
    fn of_attester(attester: &Domain<'_>) -> Result<Self, NameError> {
        let name = Some(AgentId::parse(DOMAIN_ITSELF)?.record_name(attester)?);
        Ok(Self { name, by_domain: true, ..Self::default() })
    }

    /// The key that signed a token stands at the domain's own name. Of the client's address only its origins matter,
    /// where they are what the token names.
    fn of_token(domain: &Domain<'_>, subject: Subject) -> Result<Self, NameError> {
        let origins = NetworkQuestion { within: Vec::new(), forward: None, delegation: None, crawler: None };
        Ok(Self {
            name: Some(AgentId::parse(DOMAIN_ITSELF)?.record_name(domain)?),
            by_domain: true,
            network: matches!(subject, Subject::Asn(_)).then_some(origins),
            directory: None,
            entity: None,
        })
    }

    fn of_others(claim: &Claim<'_>) -> Result<Self, NameError> {
        let Some(header) = claim.header() else { return Ok(Self::of_crawler(claim)) };
        let Some(domain) = &header.domain else { return Ok(Self::of_crawler(claim)) };
        let Some(signed) = &header.signed else { return Self::of_bare_claim(domain) };
        // A key that travels along must stand at the domain's own name, and a registration entity be named there.
        let by_domain = matches!(signed.mode, Mode::Stateless { .. } | Mode::Registry(_));
        let entity = EntityQuestion::of(header, signed, domain).map(Box::new);
        Ok(Self { name: Some(header.agent.record_name(domain)?), by_domain, entity, ..Self::default() })
    }

    fn of_bare_claim(domain: &Domain<'_>) -> Result<Self, NameError> {
        let domain = domain.clone().into_owned();
        let delegation = Some(AgentId::parse(DOMAIN_ITSELF)?.record_name(&domain)?);
        let within = vec![domain.clone()];
        let network = NetworkQuestion { within, forward: Some(domain), delegation, crawler: None };
        Ok(Self { network: Some(network), ..Self::default() })
    }

    /// What to find out about the address for the crawler that the user agent names.
    pub(crate) fn of_crawler(claim: &Claim<'_>) -> Self {
        let network = claim.crawler().map(|crawler| NetworkQuestion {
            within: crawler.hosts().to_vec(),
            forward: None,
            delegation: None,
            crawler: Some(crawler.name().into()),
        });
        Self { network, ..Self::default() }
    }
}

impl EntityQuestion {
    /// The question of a header in registry mode.
    fn of(header: &Header<'_>, signed: &Signed<'_>, domain: &Domain<'_>) -> Option<Self> {
        let (Mode::Registry(registry), Form::Full(aud)) = (&signed.mode, signed.form) else { return None };
        Some(Self {
            entity: registry.entity.clone().into_owned(),
            audience: aud.to_owned(),
            domain: domain.clone().into_owned(),
            agent: header.agent.clone().into_owned(),
            epoch: epoch_of(signed.timestamp),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn questions(name: &str, by_domain: bool) -> Questions {
        Questions { name: Some(name.to_owned()), by_domain, ..Questions::default() }
    }

    #[test]
    fn the_own_name_decides_and_those_above_revoke() {
        let asked = questions("a.b._saip.acme.example", false);
        assert_eq!(asked.record(), Some("a.b._saip.acme.example"));
        assert!(asked.revocations().eq(["b._saip.acme.example", "_saip.acme.example"]));
    }

    #[test]
    fn where_the_domain_decides_the_own_name_can_revoke() {
        let asked = questions("a.b._saip.acme.example", true);
        assert_eq!(asked.record(), Some("_saip.acme.example"));
        assert!(asked.revocations().eq(["a.b._saip.acme.example", "b._saip.acme.example"]));
    }

    #[test]
    fn above_the_domain_itself_nobody_revokes() {
        for by_domain in [false, true] {
            let asked = questions("_saip.acme.example", by_domain);
            assert_eq!((asked.record(), asked.revocations().count()), (Some("_saip.acme.example"), 0));
        }
        assert_eq!((Questions::default().record(), Questions::default().revocations().count()), (None, 0));
    }
}
