//! What keys prove that the operator registered. Nothing is looked up for them: whose they are stands in the
//! configuration, and so does, by its absence, that one was revoked.

use super::signed::{covers_target, first_that_holds, holds, ours};
use super::{Proof, Shortfall, Trail};
use crate::claim::{Claim, KeyRegister, Partner, Presented, check_site, check_times};
use crate::reason::Reason;
use crate::request::Request;
use crate::verdict::{CheckName, Mechanism, Outcome, Unchecked};
use avouch_wire::authority::Authority;
use avouch_wire::key::Fingerprint;
use avouch_wire::time::Time;

/// Leaves the signatures that count now, cover what they have to, and are meant for this site.
pub(crate) fn admit_registered(
    claim: &mut Claim<'_>,
    request: &Request<'_>,
    site: (&[Authority<'static>], &KeyRegister),
    now: Time,
    trail: &mut Trail,
) -> Result<(), Shortfall> {
    let (authorities, register) = site;
    let timely = claim.keep_presented(|one| check_times(&one.signature.input, now.seconds(), register.times));
    trail.record(CheckName::Time, timely.map_err(Shortfall::Failed))?;
    let covered = claim.keep_presented(|one| {
        let input = &one.signature.input;
        check_site(input)?;
        let is_met = one.key.coverage().is_met(input, request);
        if is_met { Ok(()) } else { Err(Reason::ComponentUncovered) }
    });
    trail.record(CheckName::Coverage, covered.map_err(Shortfall::Failed))?;
    ours(request, authorities, trail)
}

/// The first signature that holds under its key.
pub(crate) fn prove_registered(
    partner: &Partner<'_>,
    request: &Request<'_>,
    now: Time,
    trail: &mut Trail,
) -> Result<Proof, Shortfall> {
    let prove = |presented: &Presented<'_>, own: &mut Trail| prove_one(presented, request, now, own);
    let (at, key) = first_that_holds(partner.candidates.iter().enumerate(), trail, prove)?;
    let mechanism = Mechanism::HttpSignature;
    Ok(Proof {
        mechanism,
        key,
        candidate: Some(at),
        published: true,
        testing: false,
        root: None,
        counted: None,
    })
}

fn prove_one(
    presented: &Presented<'_>,
    request: &Request<'_>,
    now: Time,
    trail: &mut Trail,
) -> Result<Option<Fingerprint>, Shortfall> {
    let (own, input) = (presented.key, &presented.signature.input);
    let live = own.live(now.seconds());
    let outcome = if live.is_ok() { Outcome::Pass } else { Outcome::Fail };
    trail.note(CheckName::RegisteredKey, outcome, [presented.label, ", ", own.keyid()].concat(), None);
    let until = live.map_err(Shortfall::Failed)?;
    until.into_iter().for_each(|until| trail.valid_until(Time::from_seconds(until)));
    holds(&presented.signature, own.key(), (own.alg(input.alg), own.algorithms()), request, trail)?;
    if !covers_target(input) && !own.coverage().binds_target() {
        trail.not_checked.push(Unchecked::Target);
    }
    Ok(own.key().public().map(|key| *key.fingerprint()))
}
