//! What a Privacy Pass token proves: that an attester vouches for the client, once, at this site.

use super::proof::decisive;
use super::token::issued;
use super::{Evidence, Persistence, Proof, Shortfall, Trail};
use crate::claim::{Claim, Issuer, PassRules, Unrecognised, Vouching};
use crate::reason::Reason;
use crate::request::{Content, Request};
use crate::verdict::{CheckName, Mechanism, Outcome, Unchecked};
use avouch_wire::authority::Authority;
use avouch_wire::target::NormalPath;
use avouch_wire::time::Time;

/// Checks all that needs no look-up: key, site, challenge, signature. A token beside a claim that names somebody
/// must hold too, but is not redeemed, for it would add nothing.
pub(crate) fn admit_pass<'a>(
    claim: &mut Claim<'a>,
    request: &Request<'_>,
    ours: &[Authority<'static>],
    rules: &'a PassRules,
    now: Time,
    trail: &mut Trail,
) -> Result<(), Shortfall> {
    let Some(token) = claim.pass().map(|pass| &pass.token) else { return Ok(()) };
    trail.pass(CheckName::Syntax);
    let origin = request.authority();
    // Whoever may name any site may relay the challenge for that site to its visitors.
    let authority =
        if ours.contains(origin) { Ok(()) } else { Err(Shortfall::Failed(Reason::AuthorityNotOurs)) };
    trail.record(CheckName::Authority, authority)?;
    let issuer = rules.issuer(token).ok_or(Shortfall::Failed(Reason::PassKeyUnknown))?;
    let challenge = rules.recognise(token, issuer, origin, ours, now).map_err(Shortfall::from);
    let (epoch, key) = trail.record(CheckName::Challenge, challenge)?;
    let signed = issuer.key().verify(token).map_err(|_| Shortfall::Failed(Reason::PassInvalid));
    trail.record(CheckName::Signature, signed)?;
    if claim.names_somebody() {
        trail.noticed.push(Reason::PassUnneeded);
    } else {
        claim.vouched_for_by(Vouching { issuer, epoch, key });
    }
    Ok(())
}

/// Whether the attester can be verified itself, and names the issuer: its delegation token is in force, holds for
/// what is asked, and is signed by a live key at its `_saip` name.
pub(crate) fn vouched(
    issuer: &Issuer,
    request: &Request<'_>,
    evidence: &Evidence,
    now: Time,
    trail: &mut Trail,
) -> Result<Proof, Shortfall> {
    let records = decisive(evidence, now, trail).map_err(of_attester)?;
    let grant = issuer.delegation().grant();
    let path = NormalPath::of(request.path());
    let holds =
        grant.is_in_force(now) && grant.is_for(request.authority()) && grant.admits(request.method(), &path);
    let undelegated = Shortfall::Failed(Reason::AttesterUndelegated);
    let testing = match holds {
        true => issued(issuer.delegation(), records, now, trail).map_err(|_| undelegated),
        false => Err(undelegated),
    };
    let outcome = testing.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    let detail = format!("{} for {}", issuer.name(), issuer.attester().as_str());
    trail.note(CheckName::Attester, outcome, detail, None);
    let testing = testing?;
    // Whoever has the token may ask for anything with it, once.
    trail.not_checked.push(Unchecked::Target);
    if request.content() != Content::Empty {
        trail.not_checked.push(Unchecked::Body);
    }
    let mechanism = Mechanism::PrivacyPass;
    Ok(Proof { mechanism, key: None, candidate: None, published: true, testing, root: None, counted: None })
}

impl From<Unrecognised> for Shortfall {
    fn from(unrecognised: Unrecognised) -> Self {
        match unrecognised {
            Unrecognised::NotOurs(reason) => Self::Failed(reason),
            Unrecognised::KeyNotFoundOut => {
                Self::Unknown(Reason::ReplayStoreUnreachable, Persistence::Temporary)
            }
        }
    }
}

/// What it means for the client that its attester falls short.
const fn of_attester(shortfall: Shortfall) -> Shortfall {
    match shortfall {
        Shortfall::Failed(Reason::Revoked) | Shortfall::Unknown(..) => shortfall,
        Shortfall::Failed(_) => Shortfall::Failed(Reason::AttesterUnverified),
    }
}
