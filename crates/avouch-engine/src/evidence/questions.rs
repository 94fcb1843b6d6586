//! What has to be looked up for a claim.

use crate::claim::Claim;
use avouch_wire::name::{AgentId, Domain, NameError};
use avouch_wire::saip::{Header, Mode};

/// What has to be looked up for a claim. Names are as DNS takes them, without the trailing dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// The `_saip` name whose record decides.
    pub record: Option<String>,
    /// The `_saip` names whose revocations bind; asked only after `record` gave something live.
    pub revocations: Vec<String>,
    /// What to find out about the client's address.
    pub network: Option<NetworkQuestion>,
}

/// What to find out about the client's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkQuestion {
    /// The domains within which a PTR name counts; names found there are looked up forward.
    pub within: Vec<Domain<'static>>,
    /// A name that may itself resolve to the address.
    pub forward: Option<Domain<'static>>,
}

impl NetworkQuestion {
    /// Whether a name found by reverse look-up is worth confirming.
    #[must_use]
    pub fn counts(&self, host: &str) -> bool {
        self.within.iter().any(|domain| domain.contains(host))
    }
}

impl Questions {
    /// The questions of a claim that does not contradict itself.
    ///
    /// # Errors
    /// [`NameError`] when agent and domain together are too long a name for DNS.
    pub(crate) fn of(claim: &Claim<'_>) -> Result<Self, NameError> {
        let Some(header) = claim.header() else { return Ok(Self::of_crawler(claim)) };
        let Some(domain) = &header.domain else { return Ok(Self::of_crawler(claim)) };
        match header.signed.as_ref().map(|signed| &signed.mode) {
            None => Self::of_bare_claim(domain),
            Some(Mode::Rolling { .. } | Mode::Direct) => Ok(Self {
                record: Some(header.agent.record_name(domain)?),
                revocations: header.agent.ancestor_names(domain),
                network: None,
            }),
            Some(Mode::Stateless { .. }) => Self::of_stateless(header, domain),
        }
    }

    /// The key must stand at the domain's own name; the agent's name and those above it can revoke.
    fn of_stateless(header: &Header<'_>, domain: &Domain<'_>) -> Result<Self, NameError> {
        let record = itself()?.record_name(domain)?;
        let mut revocations = vec![header.agent.record_name(domain)?];
        revocations.extend(header.agent.ancestor_names(domain));
        revocations.retain(|name| *name != record);
        Ok(Self { record: Some(record), revocations, network: None })
    }

    fn of_bare_claim(domain: &Domain<'_>) -> Result<Self, NameError> {
        let domain = domain.clone().into_owned();
        Ok(Self {
            record: Some(itself()?.record_name(&domain)?),
            revocations: Vec::new(),
            network: Some(NetworkQuestion { within: vec![domain.clone()], forward: Some(domain) }),
        })
    }

    fn of_crawler(claim: &Claim<'_>) -> Self {
        let hosts = claim.crawler().map(|crawler| crawler.hosts().to_vec()).filter(|hosts| !hosts.is_empty());
        Self { network: hosts.map(|within| NetworkQuestion { within, forward: None }), ..Self::default() }
    }
}

fn itself() -> Result<AgentId<'static>, NameError> {
    AgentId::parse("_")
}
