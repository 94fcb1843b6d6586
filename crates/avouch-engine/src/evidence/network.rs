//! What DNS says of the client's address.

use super::proof::usable;
use super::{Answer, Evidence, NetworkQuestion, Shortfall, Trail};
use crate::reason::Reason;
use crate::verdict::{CheckName, Mechanism, Outcome, Validation};
use avouch_wire::time::Time;
use std::net::IpAddr;
use std::sync::Arc;

/// What reverse and forward DNS say of the client's address.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The names of the address (PTR), in lower case.
    pub pointers: Answer<Arc<Vec<String>>>,
    /// For each of them that counts, its addresses.
    pub confirmations: Vec<(String, Answer<Arc<Vec<IpAddr>>>)>,
    /// The addresses of the claimed domain.
    pub forward: Answer<Arc<Vec<IpAddr>>>,
}

/// Whether names lead from the address to the domain and back: three ways it can come out.
pub(crate) fn confirm(
    question: &NetworkQuestion,
    network: &Network,
    address: IpAddr,
    now: Time,
    trail: &mut Trail,
) -> Result<Mechanism, Shortfall> {
    let reverse = forward_confirmed(question, network, address, now);
    trail.note(CheckName::ForwardConfirmed, reverse.outcome(), reverse.detail(), reverse.dnssec());
    if let Way::Confirmed(_, _, until) = reverse {
        trail.valid_until(until);
        return Ok(Mechanism::ForwardConfirmed);
    }
    if question.forward.is_none() {
        return Err(reverse.shortfall(Reason::CrawlerNotConfirmed));
    }
    let forward = forward_address(network, address, now);
    trail.note(CheckName::ForwardAddress, forward.outcome(), forward.detail(), forward.dnssec());
    if let Way::Confirmed(_, _, until) = forward {
        trail.valid_until(until);
        return Ok(Mechanism::ForwardAddress);
    }
    let (reverse, forward) =
        (reverse.shortfall(Reason::NotConfirmed), forward.shortfall(Reason::NotConfirmed));
    Err(reverse.or_undetermined(forward))
}

/// Whether the domain's own record names a network that holds the address.
pub(crate) fn delegated(
    evidence: &Evidence,
    address: IpAddr,
    now: Time,
    trail: &mut Trail,
) -> Result<Mechanism, Shortfall> {
    let result = usable(&evidence.record, now).and_then(|records| match records {
        Some(records) if records.published.is_revoked() => Err(Shortfall::Failed(Reason::Revoked)),
        Some(records) if records.wildcard => Err(Shortfall::Failed(Reason::WildcardRecord)),
        Some(records) => {
            let mut networks = records.published.networks(now);
            let live = networks.find(|live| !live.testing && live.value.contains(address));
            live.ok_or(Shortfall::Failed(Reason::NotConfirmed))
        }
        None => Err(Shortfall::Failed(Reason::NotConfirmed)),
    });
    let outcome = result.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    trail.note(CheckName::DelegationRecord, outcome, "", Validation::of(&evidence.record));
    let live = result?;
    evidence.record.until().into_iter().chain([live.until]).for_each(|until| trail.valid_until(until));
    Ok(Mechanism::DelegationRecord)
}

/// The three ways a look-up for confirmation comes out.
enum Way {
    Confirmed(String, Option<Validation>, Time),
    Contradicted,
    Unknown(super::Cause),
}

impl Way {
    const fn outcome(&self) -> Outcome {
        match self {
            Self::Confirmed(..) => Outcome::Pass,
            Self::Contradicted => Outcome::Fail,
            Self::Unknown(_) => Outcome::Undetermined,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Confirmed(name, ..) => name.clone(),
            Self::Contradicted | Self::Unknown(_) => String::new(),
        }
    }

    fn dnssec(&self) -> Option<Validation> {
        match self {
            Self::Confirmed(_, dnssec, _) => *dnssec,
            Self::Contradicted => None,
            Self::Unknown(cause) => Validation::of(&Answer::<()>::Unknown(*cause)),
        }
    }

    const fn shortfall(&self, negative: Reason) -> Shortfall {
        match self {
            Self::Unknown(cause) => Shortfall::unknown(*cause),
            Self::Confirmed(..) | Self::Contradicted => Shortfall::Failed(negative),
        }
    }
}

fn forward_confirmed(question: &NetworkQuestion, network: &Network, address: IpAddr, now: Time) -> Way {
    let names = match &network.pointers {
        Answer::Unknown(cause) => return Way::Unknown(*cause),
        pointers => pointers.found(now).map_or(&[][..], |names| names.as_slice()),
    };
    let mut unknown = None;
    for name in names.iter().filter(|name| question.counts(name)) {
        let answer =
            network.confirmations.iter().find(|(confirmed, _)| confirmed == name).map(|(_, answer)| answer);
        match answer {
            Some(Answer::Unknown(cause)) => unknown = unknown.or(Some(*cause)),
            Some(answer) if answer.found(now).is_some_and(|addresses| addresses.contains(&address)) => {
                let until = network.pointers.until().min(answer.until()).unwrap_or(now);
                return Way::Confirmed(name.clone(), weaker(&network.pointers, answer), until);
            }
            Some(_) => {}
            None => unknown = unknown.or(Some(super::Cause::NotAsked)),
        }
    }
    unknown.map_or(Way::Contradicted, Way::Unknown)
}

fn forward_address(network: &Network, address: IpAddr, now: Time) -> Way {
    match &network.forward {
        Answer::Unknown(cause) => Way::Unknown(*cause),
        answer if answer.found(now).is_some_and(|addresses| addresses.contains(&address)) => {
            Way::Confirmed(address.to_string(), Validation::of(answer), answer.until().unwrap_or(now))
        }
        _ => Way::Contradicted,
    }
}

/// A chain of two answers is validated only as well as the weaker of them.
fn weaker<T, U>(one: &Answer<T>, other: &Answer<U>) -> Option<Validation> {
    match (Validation::of(one), Validation::of(other)) {
        (Some(Validation::Secure), other) => other,
        (one, _) => one,
    }
}
