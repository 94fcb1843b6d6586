//! What every profile of HTTP message signatures asks of them, and whose each one is.

use super::{Bot, KeyRegister, Partner, Unreadable};
use crate::reason::Reason;
use crate::request::SignatureFields;
use avouch_wire::http_signature::{
    self, ComponentError, Part, SignatureError, SignatureInput, TimeError, TimeRules,
};

/// What the signatures of a request claim: as a bot's, and under keys that the operator registered. One signature is
/// never both, for the tag of a bot's is registered for no key.
pub(super) fn claims<'a>(
    fields: &'a SignatureFields<'a>,
    reads_bots: bool,
    register: &'a KeyRegister,
) -> Result<(Option<Bot<'a>>, Option<Partner<'a>>), Unreadable> {
    if !reads_bots && register.is_empty() {
        return Ok((None, None));
    }
    let Some(input) = &fields.input else {
        let missing = Unreadable::because(Reason::SignatureMissing);
        return if reads_bots { Err(missing) } else { Ok((None, None)) };
    };
    let signatures = http_signature::read(input, fields.signature.as_deref().unwrap_or_default());
    let partner = if register.is_empty() { None } else { Partner::read(input, &signatures, register)? };
    let bot = if reads_bots { Bot::read(fields, input, signatures)? } else { None };
    Ok((bot, partner))
}

/// Whether it covers anything, and the site it is meant for.
pub(crate) fn check_site(input: &SignatureInput<'_>) -> Result<(), Reason> {
    if input.components().is_empty() {
        return Err(Reason::CoverageEmpty);
    }
    match input.covers(|component| matches!(component.part(), Part::Authority | Part::TargetUri)) {
        true => Ok(()),
        false => Err(Reason::AuthorityUncovered),
    }
}

/// Whether it counts at `now` (Unix seconds).
pub(crate) fn check_times(input: &SignatureInput<'_>, now: u64, rules: TimeRules) -> Result<(), Reason> {
    input.check_times(now, rules).map_err(|error| match error {
        TimeError::NoCreated | TimeError::NoExpires => Reason::TimesMissing,
        TimeError::Lifetime(_) => Reason::LifetimeTooLong,
        TimeError::Ahead(_) => Reason::AheadOfTime,
        TimeError::Expired(_) => Reason::Expired,
    })
}

/// The nonce, and the seconds at which the signature begins and ends; `None` if it was made without one.
pub(crate) fn used_once<'a>(input: &SignatureInput<'a>) -> Option<(&'a str, (u64, u64))> {
    Some((input.nonce?, (input.created?, input.expires?)))
}

/// Leaves only the signatures that pass. When none does all of them stay, as what was claimed, and the first says why.
pub(super) fn keep<T>(all: &mut Vec<T>, check: impl Fn(&T) -> Result<(), Reason>) -> Result<(), Reason> {
    let checked: Vec<_> = all.iter().map(check).collect();
    if checked.iter().any(Result::is_ok) {
        let mut checked = checked.into_iter();
        all.retain(|_| checked.next().is_some_and(|one| one.is_ok()));
        return Ok(());
    }
    checked.into_iter().next().unwrap_or(Err(Reason::SignatureMissing))
}

/// A signature that cannot be read.
pub(super) fn unreadable(error: &SignatureError) -> Unreadable {
    let reason = match error {
        SignatureError::Component(ComponentError::Repeated(_)) => Reason::ComponentRepeated,
        _ => Reason::SignatureMalformed,
    };
    Unreadable::with(reason, error.to_string())
}
