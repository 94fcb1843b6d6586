//! What an HTTP message signature proves under a key that was found for it, whoever vouches for the key.

use super::{Shortfall, Trail};
use crate::reason::Reason;
use crate::request::{Content, Request};
use crate::verdict::{CheckName, Outcome, Unchecked};
use avouch_wire::authority::Authority;
use avouch_wire::http_signature::{
    Algorithms, Disagreement, FieldDigest, Hindrance, Part, Signature, SignatureInput, VerificationKey,
};

/// The authority is covered, so what is left to ask is whether it is ours.
pub(super) fn ours(
    request: &Request<'_>,
    ours: &[Authority<'static>],
    trail: &mut Trail,
) -> Result<(), Shortfall> {
    let is_ours = ours.is_empty() || ours.contains(request.authority());
    let result = if is_ours { Ok(()) } else { Err(Shortfall::Failed(Reason::AuthorityNotOurs)) };
    trail.record(CheckName::Authority, result)?;
    if ours.is_empty() {
        trail.noticed.push(Reason::AuthoritiesUnset);
    }
    Ok(())
}

/// The first of several that holds, and its place; otherwise what they fell short of. `own` is the trail of one of them.
pub(super) fn first_that_holds<T, C>(
    candidates: impl Iterator<Item = (usize, C)>,
    trail: &mut Trail,
    prove: impl Fn(C, &mut Trail) -> Result<T, Shortfall>,
) -> Result<(usize, T), Shortfall> {
    let mut shortfall = None;
    for (at, candidate) in candidates {
        let mut own = Trail::default();
        match prove(candidate, &mut own) {
            Ok(proved) => {
                trail.take(own);
                return Ok((at, proved));
            }
            Err(fell) => {
                let (before, _) = shortfall.get_or_insert((fell, own));
                // Not knowing about one of them is not knowing.
                *before = before.or_undetermined(fell);
            }
        }
    }
    let (fell, own) = shortfall.unwrap_or((Shortfall::Failed(Reason::SignatureMissing), Trail::default()));
    trail.take(own);
    Err(fell)
}

/// The signature must hold under the key, by an algorithm that key, `alg` and verifier agree on, and the content be
/// what was signed.
pub(super) fn holds(
    signature: &Signature<'_>,
    key: &VerificationKey,
    (alg, taken): (Option<&str>, Algorithms),
    request: &Request<'_>,
    trail: &mut Trail,
) -> Result<(), Shortfall> {
    let input = &signature.input;
    let algorithm = key.algorithm(alg, taken).map_err(|disagreement| {
        Shortfall::Failed(match disagreement {
            Disagreement::NotTaken(_) => Reason::AlgorithmRefused,
            Disagreement::Unknown | Disagreement::Key(_) | Disagreement::Open => Reason::AlgorithmMismatch,
        })
    })?;
    let base = input.base(&request.message()).map_err(|error| {
        trail.note(CheckName::Signature, Outcome::Fail, error.to_string(), None);
        Shortfall::Failed(match error.hindrance {
            Hindrance::Missing => Reason::ComponentMissing,
            Hindrance::Ambiguous
            | Hindrance::NotText
            | Hindrance::NotStructured
            | Hindrance::TooLong
            | Hindrance::TooMany => Reason::ComponentUnusable,
        })
    })?;
    let holds = key.verify(algorithm, &base, signature.octets);
    trail.record(CheckName::Signature, holds.map_err(|_| Shortfall::Failed(Reason::SignatureInvalid)))?;
    content(input, request, trail)
}

/// Whether method, path and query are signed.
pub(super) fn covers_target(input: &SignatureInput<'_>) -> bool {
    let covers = |wanted: Part<'_>| input.covers(|component| component.part() == wanted);
    let whole = covers(Part::TargetUri) || covers(Part::RequestTarget);
    covers(Part::Method) && (whole || (covers(Part::Path) && covers(Part::Query)))
}

/// The content must be what `Content-Digest` says, where a signature covers it and the content is at hand.
fn content(input: &SignatureInput<'_>, request: &Request<'_>, trail: &mut Trail) -> Result<(), Shortfall> {
    let field =
        request.signature_fields().and_then(|fields| fields.content_digest.as_deref()).unwrap_or_default();
    let signed = match FieldDigest::covered_by(input, field) {
        Ok(Some(signed)) => signed,
        Ok(None) => {
            if request.content() != Content::Empty {
                trail.not_checked.push(Unchecked::Body);
            }
            return Ok(());
        }
        Err(_) => return trail.record(CheckName::Body, Err(Shortfall::Failed(Reason::DigestUnusable))),
    };
    match request.content().digests().and_then(|digests| signed.is_of(&digests)) {
        Some(true) => trail.record(CheckName::Body, Ok(())),
        Some(false) => trail.record(CheckName::Body, Err(Shortfall::Failed(Reason::BodyMismatch))),
        None => {
            trail.not_checked.push(Unchecked::Body);
            Ok(())
        }
    }
}
