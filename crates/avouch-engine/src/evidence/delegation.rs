//! Whether a domain's own record names the network of the client: by its addresses (`ip`), or by the
//! autonomous system that originates them (`asn`).

use super::held::MAX_ASN_AGE;
use super::proof::usable;
use super::{Held, Network, Persistence, Records, Shortfall, Trail};
use crate::reason::Reason;
use crate::verdict::{CheckName, Mechanism, Outcome, Validation};
use avouch_wire::time::Time;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Weighs the record.
///
/// # Errors
/// Whatever else holds, such a domain speaks for nobody: it is revoked, or may be.
pub(super) fn delegated(
    network: &Network,
    address: IpAddr,
    now: Time,
    trail: &mut Trail,
) -> Result<Result<Mechanism, Shortfall>, Shortfall> {
    let dnssec = Validation::of(&network.delegation);
    let records = match usable(&network.delegation, now) {
        Ok(Some(records)) if records.published.is_revoked() => Err(Shortfall::Failed(Reason::Revoked)),
        other => other,
    };
    let records = records.inspect_err(|shortfall| {
        trail.note(CheckName::DelegationRecord, shortfall.outcome(), "", dnssec);
    })?;
    let (weighed, detail) = match records {
        Some(records) => weigh(records, &network.origins, address, now),
        None => (Err(Shortfall::Failed(Reason::NotConfirmed)), String::new()),
    };
    let outcome = weighed.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    trail.note(CheckName::DelegationRecord, outcome, detail, dnssec);
    Ok(weighed.map(|until| {
        network.delegation.until().into_iter().chain([until]).for_each(|until| trail.valid_until(until));
        Mechanism::DelegationRecord
    }))
}

/// Until when the record names the network of this address, and what to tell of it.
fn weigh(
    records: &Records,
    origins: &Held<Vec<u32>>,
    address: IpAddr,
    now: Time,
) -> (Result<Time, Shortfall>, String) {
    if records.wildcard {
        return (Err(Shortfall::Failed(Reason::WildcardRecord)), String::new());
    }
    let mut networks = records.published.networks(now);
    if let Some(live) = networks.find(|live| !live.testing && live.value.contains(address)) {
        return (Ok(live.until), String::new());
    }
    let mut asns = records.published.asns(now).filter(|live| !live.testing).peekable();
    if asns.peek().is_none() {
        return (Err(Shortfall::Failed(Reason::NotConfirmed)), String::new());
    }
    let known = origins.current(now, MAX_ASN_AGE).filter(|known| !known.is_empty());
    let Some(known) = known else {
        let unknown = Shortfall::Unknown(Reason::AsnUnknown, Persistence::Temporary);
        return (Err(unknown), told(origins, now));
    };
    let live = asns.find(|live| known.contains(live.value));
    let until = live.map(|live| live.until.min(origins.until(MAX_ASN_AGE).unwrap_or(live.until)));
    (until.ok_or(Shortfall::Failed(Reason::NotConfirmed)), told(origins, now))
}

/// The origins as far as they are known, and how old the data are: `AS64500 AS64501, data 3 d old`.
pub(super) fn told(origins: &Held<Vec<u32>>, now: Time) -> String {
    let mut told = String::new();
    if let Held::Data { value, .. } = origins {
        for (at, asn) in value.iter().enumerate() {
            let between = if at == 0 { "" } else { " " };
            let _ = write!(told, "{between}AS{asn}");
        }
        told.push_str(if value.is_empty() { "not in the table, " } else { ", " });
    }
    told.push_str(&origins.told(now));
    told
}
