//! What the keys of a domain's directory prove, and those of its record beside them.

use super::proof::usable;
use super::signed::{covers_target, first_that_holds, holds, ours};
use super::test_keys::is_public_test_key;
use super::{Answer, Cause, Evidence, Proof, Shortfall, Trail};
use crate::claim::{Bot, BotRules, Candidate, Claim, check_times};
use crate::reason::Reason;
use crate::request::Request;
use crate::verdict::{CheckName, Mechanism, Outcome, Unchecked, Validation};
use avouch_wire::authority::Authority;
use avouch_wire::http_signature::{Thumbprint, VerificationKey};
use avouch_wire::key::Fingerprint;
use avouch_wire::time::Time;

/// Leaves the signatures that count now, and are meant for this site.
pub(crate) fn admit_signatures(
    claim: &mut Claim<'_>,
    request: &Request<'_>,
    authorities: &[Authority<'static>],
    rules: BotRules,
    now: Time,
    trail: &mut Trail,
) -> Result<(), Shortfall> {
    let timely = claim.keep_signatures(|one| check_times(&one.signature.input, now.seconds(), rules.times));
    trail.record(CheckName::Time, timely.map_err(Shortfall::Failed))?;
    ours(request, authorities, trail)
}

/// The first signature that holds under a key of the directory, or of the domain's record.
pub(crate) fn prove_by_directory(
    bot: &Bot<'_>,
    request: &Request<'_>,
    evidence: &Evidence,
    rules: BotRules,
    now: Time,
    trail: &mut Trail,
) -> Result<Proof, Shortfall> {
    not_revoked(evidence, now, trail)?;
    let first = bot.candidates.first().map(|candidate| &candidate.agent);
    // Only the first one's keys were looked up: by its URL, in the manner that it says.
    let looked_up = |candidate: &Candidate<'_>| {
        let own = &candidate.agent;
        first.is_some_and(|first| (&own.url, own.discovery) == (&first.url, first.discovery))
    };
    let candidates = bot.candidates.iter().enumerate().filter(|(_, candidate)| looked_up(candidate));
    let prove =
        |candidate: &Candidate<'_>, own: &mut Trail| prove_one(candidate, request, evidence, rules, now, own);
    let (at, key) = first_that_holds(candidates, trail, prove)?;
    let mechanism = Mechanism::WebBotAuth;
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

/// The domain's record can revoke everything of the domain. Where the DNS is out of order, the directory, which is
/// what the sender named, vouches alone, and the verdict says so. Whatever a sender could bring about to hide a
/// revocation, such as a budget that is spent, leaves the claim undetermined, and so does a forged answer.
fn not_revoked(evidence: &Evidence, now: Time, trail: &mut Trail) -> Result<(), Shortfall> {
    evidence.record.until().into_iter().for_each(|until| trail.valid_until(until));
    let result = match usable(&evidence.record, now) {
        Ok(Some(records)) if records.published.is_revoked() => Err(Shortfall::Failed(Reason::Revoked)),
        Ok(_) => Ok(()),
        Err(unknown) if out_of_order(&evidence.record) => {
            trail.not_checked.push(Unchecked::Revocation);
            trail.note(CheckName::Revocation, unknown.outcome(), "", None);
            return Ok(());
        }
        Err(unknown) => Err(unknown),
    };
    let outcome = result.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    trail.note(CheckName::Revocation, outcome, "", Validation::of(&evidence.record));
    result
}

const fn out_of_order<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Answer::Unknown(Cause::Timeout | Cause::ServerFailure | Cause::Unreachable))
}

fn prove_one(
    candidate: &Candidate<'_>,
    request: &Request<'_>,
    evidence: &Evidence,
    rules: BotRules,
    now: Time,
    trail: &mut Trail,
) -> Result<Option<Fingerprint>, Shortfall> {
    let key = key_of(candidate, evidence, now, trail)?;
    if is_public_test_key(candidate.thumbprint) {
        if rules.refuse_test_keys {
            return Err(Shortfall::Failed(Reason::PublicTestKey));
        }
        trail.noticed.push(Reason::PublicTestKey);
    }
    let input = &candidate.signature.input;
    holds(&candidate.signature, &key, (input.alg, rules.algorithms), request, trail)?;
    if !covers_target(input) {
        trail.not_checked.push(Unchecked::Target);
    }
    Ok(key.public().map(|key| *key.fingerprint()))
}

/// The key of this thumbprint: of the directory, else of the domain's record, which rescues a directory that is
/// out of reach.
fn key_of(
    candidate: &Candidate<'_>,
    evidence: &Evidence,
    now: Time,
    trail: &mut Trail,
) -> Result<VerificationKey, Shortfall> {
    let listed = match &evidence.directory {
        Answer::Unknown(cause) => Err(Shortfall::unknown(*cause)),
        answer => match answer.found(now) {
            Some(directory) => Ok(directory.find(&candidate.thumbprint)),
            None => Err(Shortfall::of_expired_answer()),
        },
    };
    let seconds = now.seconds();
    let result = listed.and_then(|jwk| {
        let jwk = jwk.ok_or(Shortfall::Failed(Reason::KeyNotListed))?;
        let is_live = jwk.not_before.is_none_or(|from| from <= seconds)
            && jwk.expires.is_none_or(|until| seconds < until);
        if is_live { Ok(jwk) } else { Err(Shortfall::Failed(Reason::KeyExpired)) }
    });
    let outcome = result.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    let detail = [candidate.agent.dialect.name(), " ", candidate.label, ", ", &candidate.agent.url].concat();
    trail.note(CheckName::DirectoryKey, outcome, detail, None);
    let shortfall = match result {
        Ok(jwk) => {
            evidence.directory.until().into_iter().for_each(|until| trail.valid_until(until));
            jwk.expires.into_iter().for_each(|until| trail.valid_until(Time::from_seconds(until)));
            return Ok(jwk.key.clone());
        }
        Err(shortfall) => shortfall,
    };
    let records = usable(&evidence.record, now).ok().flatten().filter(|records| !records.wildcard);
    let keys = records.filter(|records| records.published.limit(now).is_none());
    let own = keys.into_iter().flat_map(|records| records.published.keys(now));
    let live =
        own.into_iter().find(|live| !live.testing && Thumbprint::of(live.value) == candidate.thumbprint);
    let Some(live) = live else { return Err(shortfall) };
    trail.note(CheckName::DnsKey, Outcome::Pass, "", Validation::of(&evidence.record));
    trail.valid_until(live.until);
    Ok(live.value.clone().into())
}

#[cfg(test)]
mod tests {
    use super::super::{Dnssec, Records};
    use super::*;
    use avouch_wire::record::{Level, Published};
    use std::sync::Arc;

    const NOW: Time = Time::from_seconds(1_790_000_000);

    fn came(record: Answer<Arc<Records>>) -> (Result<(), Shortfall>, bool) {
        let (evidence, mut trail) = (Evidence { record, ..Evidence::default() }, Trail::new());
        let result = not_revoked(&evidence, NOW, &mut trail);
        (result, trail.not_checked == [Unchecked::Revocation])
    }

    #[test]
    fn only_a_dns_that_is_out_of_order_leaves_the_directory_to_vouch_alone() {
        for cause in [Cause::Timeout, Cause::ServerFailure, Cause::Unreachable] {
            assert_eq!(came(Answer::Unknown(cause)), (Ok(()), true), "{cause:?}");
        }
        for cause in [Cause::NotAsked, Cause::Budget, Cause::Bogus, Cause::Indeterminate] {
            assert_eq!(came(Answer::Unknown(cause)), (Err(Shortfall::unknown(cause)), false), "{cause:?}");
        }
        let absent = |until| came(Answer::Absent { dnssec: Dnssec::Insecure, until });
        assert_eq!(absent(NOW.after(std::time::Duration::from_millis(1))), (Ok(()), false));
        assert_eq!(absent(NOW), (Err(Shortfall::of_expired_answer()), false));
    }

    #[test]
    fn a_record_with_an_empty_key_revokes_and_another_does_not() {
        let found = |record: &str| {
            let value = Arc::new(Records {
                published: Published::unite([record.as_bytes()], Level::Domain),
                wildcard: false,
            });
            let until = NOW.after(std::time::Duration::from_secs(1));
            came(Answer::Found { value, dnssec: Dnssec::Insecure, until }).0
        };
        assert_eq!(found("v=saip1; pk="), Err(Shortfall::Failed(Reason::Revoked)));
        assert_eq!(found("v=saip1; ip=192.0.2.0/24"), Ok(()));
    }
}
