//! The pipeline, top to bottom: a request makes a claim; evidence is gathered for it; a verdict
//! says who it is.
//!
//! Nothing here looks anything up. The caller (`avouch-gather`) carries the questions of
//! [`Opened`] to DNS and the nonce of [`Proved`] to the replay table, and brings the answers back;
//! the order of the stages is fixed by their types. Cheap checks come before dear ones, and the
//! nonce comes last, so that only a request whose every signature holds leaves a trace.
//!
//! What happens with the request is decided afterwards, in [`crate::decision`].

mod nonce;

pub(crate) use nonce::Freshness;
pub use nonce::{Committed, Nonce, NotCommitted, Share};

use crate::claim::{BotRules, Candidate, Catalogue, Claim, PassRules, Reads};
use crate::evidence::{self, Epoch, Evidence, Proof, Questions, Shortfall, Trail};
use crate::reason::Reason;
use crate::request::{AddressEvidence, Request};
use crate::verdict::{CheckName, Conclusion, Mechanism, Outcome, Verdict};
use avouch_wire::authority::Authority;
use avouch_wire::saip::{Form, Header, Signed, WINDOW_BEFORE};
use avouch_wire::time::Time;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a verifier knows of itself.
#[derive(Clone, Debug)]
pub struct Site {
    /// The authorities it serves. With none, a signature is compared with the request's own
    /// authority, and the class is at most 2.
    pub authorities: Vec<Authority<'static>>,
    /// Whether the draft form of the header is accepted, which does not bind the site.
    pub accept_draft: bool,
    /// The crawlers it knows.
    pub catalogue: Arc<Catalogue>,
    /// What it asks of Web Bot Auth signatures; `None`: it does not read them.
    pub bots: Option<BotRules>,
    /// What it asks of Privacy Pass tokens; `None`: it leaves them alone.
    pub passes: Option<PassRules>,
    /// The registrable domains its policy names, which have a reserved share of the replay table.
    pub named: BTreeSet<String>,
}

impl Site {
    const fn reads(&self) -> Reads {
        Reads { bots: self.bots.is_some(), passes: self.passes.is_some() }
    }

    fn share_of<'a>(&self, domain: &'a str) -> Share<'a> {
        Share::Domain { domain, named: self.named.contains(domain) }
    }
}

/// A stage either settles the matter or leads to the next.
#[derive(Debug)]
pub enum Step<T> {
    /// The verdict is reached.
    Settled(Box<Verdict>),
    /// There is more to find out.
    Next(T),
}

/// A claim that was read, is timely and meant for this site. Its questions are to be answered.
#[derive(Debug)]
pub struct Opened<'a> {
    request: &'a Request<'a>,
    site: &'a Site,
    claim: Claim<'a>,
    questions: Questions,
    trail: Trail,
}

/// A claim of which every signature holds. Its nonce is to be committed.
#[derive(Debug)]
pub struct Proved<'a> {
    site: &'a Site,
    claim: Claim<'a>,
    proof: Proof,
    epoch: Epoch,
    trail: Trail,
}

/// Stage 1: the request makes a claim; what can be refused without looking anything up, is.
#[must_use]
pub fn open<'a>(request: &'a Request<'a>, site: &'a Site, now: Time) -> Step<Opened<'a>> {
    let mut claim = match Claim::read(request, &site.catalogue, site.reads()) {
        Ok(claim) => claim,
        Err(unreadable) => {
            let mut trail = Trail::new();
            trail.note(CheckName::Syntax, Outcome::Fail, unreadable.detail, None);
            return settle(Conclusion::Short(Shortfall::Failed(unreadable.reason)), None, trail);
        }
    };
    if claim.is_empty() {
        return settle(Conclusion::Anonymous, None, Trail::default());
    }
    let mut trail = Trail::new();
    match admit(&mut claim, request, site, now, &mut trail) {
        Ok(questions) => Step::Next(Opened { request, site, claim, questions, trail }),
        Err(shortfall) => settle(Conclusion::Short(shortfall), Some(&claim), trail),
    }
}

/// Syntax, time and authority, in this order; then what remains to be asked.
fn admit<'a>(
    claim: &mut Claim<'a>,
    request: &Request<'_>,
    site: &'a Site,
    now: Time,
    trail: &mut Trail,
) -> Result<Questions, Shortfall> {
    if let Some(token) = claim.token() {
        evidence::admit_token(claim, token, request, &site.authorities, now, trail)?;
    }
    if claim.conflicts() {
        return Err(Shortfall::Failed(Reason::ClaimsConflict));
    }
    if let Some(header) = claim.header() {
        trail.pass(CheckName::Syntax);
        if header.has_unknown {
            trail.noticed.push(Reason::UnknownValues);
        }
        if let Some(signed) = &header.signed {
            if signed.form == Form::Draft && !site.accept_draft {
                return Err(Shortfall::Failed(Reason::DraftFormRefused));
            }
            evidence::timely(signed, now, trail)?;
            evidence::meant_for_us(signed, request, &site.authorities, trail)?;
        }
    }
    if let Some(rules) = site.bots.filter(|_| claim.bot().is_some()) {
        trail.pass(CheckName::Syntax);
        evidence::admit_signatures(claim, request, &site.authorities, rules, now, trail)?;
    }
    if let Some(rules) = &site.passes {
        evidence::admit_pass(claim, request, &site.authorities, rules, now, trail)?;
    }
    Questions::of(claim).map_err(|_| Shortfall::Failed(Reason::HeaderMalformed))
}

impl<'a> Opened<'a> {
    /// Stage 2: what has to be looked up.
    #[must_use]
    pub const fn questions(&self) -> &Questions {
        &self.questions
    }

    /// Stage 3: the evidence is weighed.
    #[must_use]
    pub fn weigh(mut self, evidence: &Evidence, now: Time) -> Step<Proved<'a>> {
        let vouching = self.claim.vouching().map(|(_, vouching)| vouching.issuer);
        let mut weighed = match (self.claim.header(), self.claim.bot().zip(self.site.bots)) {
            (None, None) if let Some(issuer) = vouching => {
                evidence::vouched(issuer, self.request, evidence, now, &mut self.trail).map(Some)
            }
            (_, Some((bot, rules))) => {
                let request = self.request;
                let proof = evidence::prove_by_directory(bot, request, evidence, rules, now, &mut self.trail);
                proof.map(Some)
            }
            (Some(header @ Header { signed: Some(signed), .. }), None) => {
                let (token, trail) = (self.claim.token(), &mut self.trail);
                let proof = evidence::prove(self.request, (header, signed), token, evidence, now, trail);
                evidence::limits(header, signed, &self.site.authorities, &mut self.trail);
                proof.map(Some)
            }
            _ => Ok(None),
        };
        // What failed is no better for a second claim beside it; all else is compared with it.
        if self.claim.hears_last() && !matches!(weighed, Err(Shortfall::Failed(_))) {
            self.claim.hear_user_agent(self.request, &self.site.catalogue);
            if self.claim.conflicts() {
                weighed = Err(Shortfall::Failed(Reason::ClaimsConflict));
            }
        }
        match weighed {
            Ok(Some(proof)) if proof.published || self.claim.crawler().is_none() => Step::Next(Proved {
                site: self.site,
                claim: self.claim,
                proof,
                epoch: evidence.epoch,
                trail: self.trail,
            }),
            Ok(_) => self.weigh_network(evidence, now),
            // What the address says of a claim stands, for it and against it, though a signature beside it could not
            // be checked: otherwise any signature would turn a lie into something unknown.
            Err(unknown @ Shortfall::Unknown(..)) if self.questions.network.is_some() => {
                let conclusion = match self.network(evidence, now) {
                    Ok(conclusion) => conclusion,
                    Err(failed @ Shortfall::Failed(_)) => Conclusion::Short(failed),
                    Err(Shortfall::Unknown(..)) => Conclusion::Short(unknown),
                };
                settle(conclusion, Some(&self.claim), self.trail)
            }
            Err(shortfall) => settle(Conclusion::Short(shortfall), Some(&self.claim), self.trail),
        }
    }

    /// Without a signature that names a domain, the client's address is all the evidence.
    fn weigh_network<T>(mut self, evidence: &Evidence, now: Time) -> Step<T> {
        let conclusion = self.network(evidence, now).unwrap_or_else(Conclusion::Short);
        settle(conclusion, Some(&self.claim), self.trail)
    }

    fn network(&mut self, evidence: &Evidence, now: Time) -> Result<Conclusion, Shortfall> {
        let (peer, token) = (self.request.peer(), self.claim.token());
        if peer.evidence == AddressEvidence::UntrustedProxy {
            let check = token.map_or(CheckName::ForwardConfirmed, |_| CheckName::DelegatedNetwork);
            self.trail.note(check, Outcome::Skipped, "peer-is-untrusted-proxy", None);
            return Err(Shortfall::of_untrusted_proxy());
        }
        if let Some(token) = token {
            let testing = evidence::acts_for(token, evidence, peer.address, now, &mut self.trail)?;
            let conclusion = if testing { Conclusion::Testing } else { Conclusion::Consistent };
            return Ok(conclusion(Mechanism::DelegationToken));
        }
        let Some(question) = &self.questions.network else {
            return Err(Shortfall::Unknown(Reason::CrawlerNotCheckable, evidence::Persistence::Temporary));
        };
        let located = evidence::located(question, &evidence.network, peer.address, now, &mut self.trail);
        located.map(Conclusion::Consistent)
    }
}

impl Proved<'_> {
    /// Stage 4: what has to be committed to the replay table, now that every signature holds.
    /// `None` when the key is published for testing only: such a success counts for nothing, so
    /// it takes no room in the table.
    #[must_use]
    pub fn nonce(&self) -> Option<Nonce<'_>> {
        if let Some((token, vouching)) = self.claim.vouching() {
            let share = self.site.share_of(vouching.issuer.attester().registrable());
            let times = (vouching.epoch.begins(), vouching.epoch.ends());
            let nonce = Nonce::new(token.key_id(), token.nonce(), times, share).of_this_start();
            return (!self.proof.testing).then_some(nonce);
        }
        if let Some(candidate) = self.proved_candidate() {
            let share = self.site.share_of(candidate.agent.domain.registrable());
            let (nonce, times) = candidate.used_once()?;
            return Some(Nonce::new(candidate.thumbprint.as_bytes(), nonce.as_bytes(), times, share));
        }
        let (signed, key) = (self.signed()?, self.proof.key.as_ref()?);
        let domain = self.header()?.domain.as_ref();
        let share = domain.map_or(Share::Pseudonyms, |domain| self.site.share_of(domain.registrable()));
        let times = (signed.timestamp, signed.timestamp.saturating_add(WINDOW_BEFORE));
        (!self.proof.testing).then_some(Nonce::new(key.as_bytes(), signed.nonce.as_bytes(), times, share))
    }

    /// Stage 5: the verdict. `committed` is what became of the nonce, `None` if there was none to
    /// commit; `epoch` is read again now, and a revocation heard of meanwhile undoes the proof.
    #[must_use]
    pub fn conclude(
        mut self,
        committed: Option<Result<Committed, NotCommitted>>,
        epoch: Epoch,
    ) -> Box<Verdict> {
        let conclusion = self.conclusion(committed, epoch);
        Box::new(Verdict::reach(&conclusion, Some(&self.claim), self.trail))
    }

    fn conclusion(&mut self, committed: Option<Result<Committed, NotCommitted>>, epoch: Epoch) -> Conclusion {
        let mechanism = self.proof.mechanism;
        let freshness = match committed {
            _ if epoch != self.epoch => return Conclusion::Short(Shortfall::of_changed_epoch()),
            Some(Ok(committed)) => Freshness::Committed(committed),
            Some(Err(refused)) => {
                self.trail.note(CheckName::Replay, refused.outcome(), "", None);
                return Conclusion::Short(refused.shortfall());
            }
            None if self.proof.testing => {
                self.trail.note(
                    CheckName::Testing,
                    Outcome::Skipped,
                    "the key is published with t=y only",
                    None,
                );
                return Conclusion::Testing(mechanism);
            }
            None if self.proof.candidate.is_some() => Freshness::Unsigned,
            None => return Conclusion::Short(Shortfall::unknown(evidence::Cause::NotAsked)),
        };
        if let Some((_, vouching)) = self.claim.vouching() {
            return Conclusion::Vouched(vouching.issuer.trust(), freshness);
        }
        let unbound = [Reason::AudienceUnbound, Reason::DomainUnbound, Reason::AuthoritiesUnset];
        match (self.proof.published, self.proof.key) {
            (false, Some(key)) => Conclusion::Pseudonym(key, freshness),
            _ if self.trail.noticed.iter().any(|reason| unbound.contains(reason)) => {
                Conclusion::Unbound(mechanism, freshness)
            }
            _ => Conclusion::Proved(mechanism, freshness),
        }
    }

    /// The Web Bot Auth signature that proved the claim, where one did.
    fn proved_candidate(&self) -> Option<&Candidate<'_>> {
        self.claim.bot()?.candidates.get(self.proof.candidate?)
    }

    const fn header(&self) -> Option<&Header<'_>> {
        self.claim.header()
    }

    fn signed(&self) -> Option<&Signed<'_>> {
        self.header()?.signed.as_ref()
    }
}

fn settle<T>(conclusion: Conclusion, claim: Option<&Claim<'_>>, trail: Trail) -> Step<T> {
    Step::Settled(Box::new(Verdict::reach(&conclusion, claim, trail)))
}
