//! What a registration entity vouches for: that the domain names it, that it knows the agent, and that the MAC is by the
//! key it made for this site (SAIP and VICDM draft section 6.4.6).

use super::proof::{Signing, not_revoked, usable};
use super::{Answer, Evidence, Proof, Shortfall, Trail};
use crate::reason::Reason;
use crate::verdict::{CheckName, Mechanism, Outcome, Validation};
use avouch_wire::entity::{VerifierKey, agent_name};
use avouch_wire::name::Domain;
use avouch_wire::record::{Limit, Live};
use avouch_wire::saip::{Registry, Seal};
use avouch_wire::time::Time;
use std::sync::Arc;

/// What a registration entity says of an agent that it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It may speak.
    Active {
        /// The key of this site, agent and epoch, and during a rotation that of the secret before: any of them counts.
        keys: Vec<VerifierKey>,
        /// The least sequence number that counts.
        floor: u64,
    },
    /// It was revoked.
    Revoked,
}

/// Whose requests are counted, and how far this one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// What stands for entity, domain and agent.
    pub(crate) agent: [u8; 32],
    /// The sequence number.
    pub(crate) number: u64,
    /// The least that counts.
    pub(crate) floor: u64,
}

/// Checks entity, revocations, key and MAC, in this order.
pub(super) fn prove_registered_agent(
    signing: &Signing<'_>,
    (registry, domain): (&Registry<'_>, &Domain<'_>),
    evidence: &Evidence,
    now: Time,
    trail: &mut Trail,
) -> Result<Proof, Shortfall> {
    let named = named(&registry.entity, evidence, now, trail)?;
    let (testing, until) = (named.testing, named.until);
    not_revoked(evidence, now, trail)?;
    let (keys, floor) = trail.record(CheckName::EntityKey, keys(&evidence.registered, now))?;
    trail.record(CheckName::Signature, holds(signing, registry.sequence, keys))?;
    evidence.registered.until().into_iter().for_each(|until| trail.valid_until(until));
    trail.valid_until(until);
    trail.noticed.push(Reason::NotTransferable);
    let agent = agent_name(&registry.entity, domain, &signing.header.agent);
    let counted = Some(Box::new(Counted { agent, number: registry.sequence, floor }));
    let mechanism = Mechanism::SaipRegistry;
    Ok(Proof { mechanism, key: None, candidate: None, published: true, testing, root: None, counted })
}

/// The domain's own record must name the entity.
fn named<'e>(
    entity: &Domain<'_>,
    evidence: &'e Evidence,
    now: Time,
    trail: &mut Trail,
) -> Result<Live<'e, Domain<'static>>, Shortfall> {
    let result = usable(&evidence.record, now).and_then(|records| {
        let records = records.ok_or(Shortfall::Failed(Reason::EntityNotNamed))?;
        let published = &records.published;
        if published.is_revoked() {
            return Err(Shortfall::Failed(Reason::Revoked));
        }
        if records.wildcard {
            return Err(Shortfall::Failed(Reason::WildcardRecord));
        }
        // Too many keys are no matter here; too many records are not read at all.
        if let Some(Limit::Records | Limit::Octets) = published.limit(now) {
            return Err(Shortfall::Failed(Reason::RecordLimit));
        }
        let mut live = published.entities(now);
        let live = live.find(|live| live.value.as_str() == entity.as_str());
        live.ok_or(Shortfall::Failed(Reason::EntityNotNamed))
    });
    let outcome = result.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    trail.note(CheckName::DnsKey, outcome, "re", Validation::of(&evidence.record));
    evidence.record.until().into_iter().for_each(|until| trail.valid_until(until));
    result
}

/// The keys that the entity gave, and the least sequence number.
fn keys(answer: &Answer<Arc<Registered>>, now: Time) -> Result<(&[VerifierKey], u64), Shortfall> {
    match answer {
        Answer::Unknown(cause) => Err(Shortfall::unknown(*cause)),
        Answer::Found { until, .. } | Answer::Absent { until, .. } if now >= *until => {
            Err(Shortfall::of_expired_answer())
        }
        Answer::Absent { .. } => Err(Shortfall::Failed(Reason::NotRegistered)),
        Answer::Found { value, .. } => match &**value {
            Registered::Active { keys, floor } => Ok((keys, *floor)),
            Registered::Revoked => Err(Shortfall::Failed(Reason::Revoked)),
        },
    }
}

/// Whether the MAC is by one of the keys.
fn holds(signing: &Signing<'_>, sequence: u64, keys: &[VerifierKey]) -> Result<(), Shortfall> {
    let Seal::Mac(mac) = signing.signed.seal else {
        return Err(Shortfall::Failed(Reason::AlgorithmMismatch));
    };
    let (message, mac) = (signing.string(None), mac.octets());
    let instance = signing.header.instance_text();
    let is_by = |key: &VerifierKey| key.verify(instance, sequence, &message, &mac).is_ok();
    if keys.iter().any(is_by) { Ok(()) } else { Err(Shortfall::Failed(Reason::SignatureInvalid)) }
}

#[cfg(test)]
mod tests;
