//! What DNS, and data on this machine, say of the client's address.

use super::delegation::delegated;
use super::held::MAX_RANGES_AGE;
use super::{Answer, Held, NetworkQuestion, Persistence, Records, Shortfall, Trail};
use crate::reason::Reason;
use crate::verdict::{CheckName, Mechanism, Outcome, Validation};
use avouch_wire::time::Time;
use std::net::IpAddr;
use std::sync::Arc;

/// What reverse and forward DNS, and data on this machine, say of the client's address.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// The names of the address (PTR), in lower case.
    pub pointers: Answer<Arc<Vec<String>>>,
    /// For each of them that counts, its addresses.
    pub confirmations: Vec<(String, Answer<Arc<Vec<IpAddr>>>)>,
    /// The addresses of the claimed domain.
    pub forward: Answer<Arc<Vec<IpAddr>>>,
    /// What stands at the `_saip` name that may name the address.
    pub delegation: Answer<Arc<Records>>,
    /// The autonomous systems that originate the address; none where the table does not know.
    pub origins: Held<Vec<u32>>,
    /// Whether the address lies in the ranges of the crawler that is claimed.
    pub in_ranges: Held<bool>,
}

impl Network {
    /// Whether the ranges of a crawler confirm it, so that nothing else needs to be asked.
    #[must_use]
    pub fn is_within_ranges(&self, now: Time) -> bool {
        self.in_ranges.current(now, MAX_RANGES_AGE) == Some(&true)
    }
}

/// What establishes that the address speaks for whoever is claimed.
pub(crate) fn located(
    question: &NetworkQuestion,
    network: &Network,
    address: IpAddr,
    now: Time,
    trail: &mut Trail,
) -> Result<Mechanism, Shortfall> {
    if question.crawler.is_some() {
        return crawls(question, network, address, now, trail);
    }
    let delegated = delegated(network, address, now, trail)?;
    let confirmed = confirm(question, network, address, now, trail);
    confirmed.or_else(|shortfall| delegated.map_err(|other| shortfall.or_undetermined(other)))
}

/// Whether the address is a crawler's, by its operator's ranges or by names: either suffices, and
/// the names decide where the ranges do not hold the address, for operators put addresses to use
/// before they list them. Where there are no names, the ranges decide alone.
fn crawls(
    question: &NetworkQuestion,
    network: &Network,
    address: IpAddr,
    now: Time,
    trail: &mut Trail,
) -> Result<Mechanism, Shortfall> {
    let (outcome, without_names) = match (&network.in_ranges, network.in_ranges.current(now, MAX_RANGES_AGE))
    {
        (_, Some(true)) => (Outcome::Pass, None),
        (_, Some(false)) => (Outcome::Fail, Some(Shortfall::Failed(Reason::CrawlerNotConfirmed))),
        (Held::Missing, None) => (Outcome::Skipped, Some(unknown(Reason::CrawlerNotCheckable))),
        (Held::Data { .. }, None) => (Outcome::Undetermined, Some(unknown(Reason::RangesStale))),
    };
    trail.note(CheckName::CrawlerRange, outcome, network.in_ranges.told(now), None);
    let Some(without_names) = without_names else {
        network.in_ranges.until(MAX_RANGES_AGE).into_iter().for_each(|until| trail.valid_until(until));
        return Ok(Mechanism::CrawlerRange);
    };
    match question.within.is_empty() {
        true => Err(without_names),
        false => confirm(question, network, address, now, trail),
    }
}

/// Data are missing or too old; others may come at any time.
const fn unknown(reason: Reason) -> Shortfall {
    Shortfall::Unknown(reason, Persistence::Temporary)
}

/// Whether names lead from the address to the domain and back: three ways it can come out.
fn confirm(
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
    for name in question.worth_confirming(names) {
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
