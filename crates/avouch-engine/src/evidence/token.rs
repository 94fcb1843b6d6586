//! What a delegation token proves: that a key the domain publishes authorised whoever sends this request, for it.

use super::delegation::told;
use super::held::MAX_ASN_AGE;
use super::proof::decisive;
use super::{Answer, Evidence, Persistence, Records, Shortfall, Trail};
use crate::claim::{Claim, Misfit};
use crate::reason::Reason;
use crate::request::{AddressEvidence, Peer, Request};
use crate::verdict::{CheckName, Outcome};
use avouch_wire::authority::Authority;
use avouch_wire::delegation::{Subject, Token};
use avouch_wire::target::NormalPath;
use avouch_wire::time::Time;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// The token is in force, and fits its request: the header, the site, and what is asked for.
pub(crate) fn admit_token(
    claim: &Claim<'_>,
    token: &Token<'_>,
    request: &Request<'_>,
    ours: &[Authority<'static>],
    now: Time,
    trail: &mut Trail,
) -> Result<(), Shortfall> {
    let grant = token.grant();
    let authority = request.authority();
    let (reason, detail) = if let Err(misfit) = claim.fit(token).map_err(Misfit::told) {
        (Reason::DelegationMismatch, misfit)
    } else if !grant.is_for(authority) {
        (Reason::DelegationMismatch, "aud does not name this site")
    } else if !grant.audience.is_empty() && !ours.is_empty() && !ours.contains(authority) {
        (Reason::AuthorityNotOurs, "")
    } else if !grant.admits(request.method(), &NormalPath::of(request.path())) {
        (Reason::DelegationMismatch, "scope does not hold this method and path")
    } else if !grant.is_in_force(now) {
        (Reason::DelegationNotInForce, "")
    } else {
        return Ok(());
    };
    trail.note(CheckName::DelegationToken, Outcome::Fail, detail, None);
    Err(Shortfall::Failed(reason))
}

/// What a token comes to by itself, whoever presents it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// It is in force, and a live key of the domain signed it.
    Holds {
        /// Whether that key is published for testing only, so that the token proves nothing yet.
        testing: bool,
        /// When the token or the key ends, or the record has to be looked up anew, if that is earlier.
        until: Option<Time>,
    },
    /// It proves nothing.
    Fails(Reason),
    /// It could not be found out.
    Unknown(Reason, Persistence),
}

impl Issued {
    /// Examines a token by what stands at `_saip.` of its domain.
    #[must_use]
    pub fn examine(token: &Token<'_>, record: Answer<Arc<Records>>, now: Time) -> Self {
        let (mut trail, evidence) = (Trail::default(), Evidence { record, ..Evidence::default() });
        let examined = match token.grant().is_in_force(now) {
            true => decisive(&evidence, now, &mut trail),
            false => Err(Shortfall::Failed(Reason::DelegationNotInForce)),
        };
        match examined.and_then(|records| issued(token, records, now, &mut trail)) {
            Ok(testing) => Self::Holds { testing, until: trail.valid_until },
            Err(Shortfall::Failed(reason)) => Self::Fails(reason),
            Err(Shortfall::Unknown(reason, persistence)) => Self::Unknown(reason, persistence),
        }
    }
}

/// Whether a live key of the domain signed the token; it says if that key is for testing only.
pub(super) fn issued(
    token: &Token<'_>,
    records: &Records,
    now: Time,
    trail: &mut Trail,
) -> Result<bool, Shortfall> {
    let named = records.published.keys(now).find(|live| live.value.fingerprint() == token.key());
    let live = named.filter(|live| token.verify(live.value).is_ok());
    let live =
        trail.record(CheckName::DelegationToken, live.ok_or(Shortfall::Failed(Reason::DelegationInvalid)))?;
    trail.valid_until(live.until.min(Time::from_seconds(token.grant().expires)));
    Ok(live.testing)
}

/// Whether the token was issued by the domain, and the client's address lies in the network it names. It says if the
/// key it was issued by is for testing only.
pub(crate) fn acts_for(
    token: &Token<'_>,
    evidence: &Evidence,
    peer: &Peer,
    now: Time,
    trail: &mut Trail,
) -> Result<bool, Shortfall> {
    let testing = issued(token, decisive(evidence, now, trail)?, now, trail)?;
    if peer.evidence == AddressEvidence::UntrustedProxy {
        trail.note(CheckName::DelegatedNetwork, Outcome::Skipped, "peer-is-untrusted-proxy", None);
        return Err(Shortfall::of_untrusted_proxy());
    }
    let (result, detail) = within(token.grant().subject, evidence, peer.address, now, trail);
    let outcome = result.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    trail.note(CheckName::DelegatedNetwork, outcome, detail, None);
    result.map(|()| testing)
}

/// Whether nobody knows if the client's address lies in the network that the token names.
pub(crate) fn is_anywhere(token: &Token<'_>, evidence: &Evidence, now: Time) -> bool {
    matches!(token.grant().subject, Subject::Asn(_)) && origins(evidence, now).is_none()
}

/// The autonomous systems that originate the client's address, where they are known.
fn origins(evidence: &Evidence, now: Time) -> Option<&[u32]> {
    let known = evidence.network.origins.current(now, MAX_ASN_AGE)?;
    (!known.is_empty()).then_some(known)
}

fn within(
    subject: Subject,
    evidence: &Evidence,
    address: IpAddr,
    now: Time,
    trail: &mut Trail,
) -> (Result<(), Shortfall>, Cow<'static, str>) {
    let mismatch = Err(Shortfall::Failed(Reason::DelegationMismatch));
    let asn = match subject {
        Subject::Network(network) if network.contains(address) => return (Ok(()), "".into()),
        Subject::Network(_) | Subject::Key(_) => return (mismatch, "".into()),
        Subject::Asn(asn) => asn,
    };
    let held = &evidence.network.origins;
    let detail = told(held, now).into();
    match origins(evidence, now) {
        None => (Err(Shortfall::Unknown(Reason::AsnUnknown, Persistence::Temporary)), detail),
        Some(known) if known.contains(&asn) => {
            held.until(MAX_ASN_AGE).into_iter().for_each(|until| trail.valid_until(until));
            (Ok(()), detail)
        }
        Some(_) => (mismatch, detail),
    }
}
