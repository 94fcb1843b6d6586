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
pub use nonce::{Committed, Nonce, NotCommitted, Sequence, Share};

use crate::claim::{
    BotRules, Candidate, Catalogue, Claim, EntityRules, KeyRegister, PassRules, Presented, Reads, used_once,
};
use crate::evidence::{self, CertifiedRoot, Epoch, Evidence, KnownRoots, Proof, Questions, Shortfall, Trail};
use crate::reason::Reason;
use crate::request::{AddressEvidence, Peer, Request};
use crate::verdict::{CheckName, Conclusion, Holding, Mechanism, Outcome, Verdict, together};
use avouch_wire::authority::Authority;
use avouch_wire::delegation::Token;
use avouch_wire::http_signature::SignatureInput;
use avouch_wire::saip::{Form, Header, Mode, Signed, WINDOW_BEFORE};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::TAG;
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
    /// The keys that its operator registered, under which other HTTP message signatures count.
    pub registered: Arc<KeyRegister>,
    /// What it asks of claims in registry mode; `None`: it works with no registration entity.
    pub entities: Option<EntityRules>,
    /// The registrable domains its policy names, which have a reserved share of the replay table.
    pub named: BTreeSet<String>,
}

impl Site {
    const fn kinds(&self) -> Reads {
        Reads { bots: self.bots.is_some(), passes: self.passes.is_some() }
    }

    /// Whether a signature is one that may prove who sends the request.
    #[must_use]
    pub fn reads(&self, input: &SignatureInput<'_>) -> bool {
        let is_bots = self.bots.is_some() && input.tag == Some(TAG);
        is_bots || self.registered.find(input.keyid, input.tag).is_some()
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
    request: &'a Request<'a>,
    site: &'a Site,
    claim: Claim<'a>,
    proof: Proof,
    epoch: Epoch,
    trail: Trail,
}

/// Stage 1: the request makes a claim; what can be refused without looking anything up, is.
#[must_use]
pub fn open<'a>(request: &'a Request<'a>, site: &'a Site, now: Time) -> Step<Opened<'a>> {
    let mut claim = match Claim::read(request, &site.catalogue, site.kinds(), &site.registered) {
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
            if let Mode::Registry(registry) = &signed.mode {
                let rules = site.entities.as_ref().ok_or(Shortfall::Failed(Reason::ModeUnsupported))?;
                rules.admit(registry).map_err(Shortfall::Failed)?;
            }
            evidence::timely(signed, now, trail)?;
            evidence::meant_for_us(signed, request, &site.authorities, trail)?;
        }
    }
    if let Some(rules) = site.bots.filter(|_| claim.bot().is_some()) {
        trail.pass(CheckName::Syntax);
        evidence::admit_signatures(claim, request, &site.authorities, rules, now, trail)?;
    }
    if claim.partner().is_some() {
        trail.pass(CheckName::Syntax);
        let register = (&*site.authorities, &*site.registered);
        evidence::admit_registered(claim, request, register, now, trail)?;
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

    /// Stage 2, once more: where it is open what the claim that says most comes to, what to find out about the address
    /// for a crawler's user agent beside it. Whoever sends such a claim could hide a lie behind it otherwise.
    #[must_use]
    pub fn ask_more(&mut self, evidence: &Evidence, now: Time) -> Option<Questions> {
        let is_anywhere = |token| evidence::is_anywhere(token, evidence, now);
        let is_open = evidence.is_open() || self.claim.token().is_some_and(is_anywhere);
        if !self.claim.decides_before_address() || !is_open {
            return None;
        }
        self.claim.hear_user_agent(self.request);
        let more = Questions::of_crawler(&self.claim);
        if more.network.is_none() || self.claim.conflicts() {
            return None;
        }
        self.questions.network.clone_from(&more.network);
        Some(more)
    }

    /// Stage 3: the evidence is weighed, and the claims come together. `known` spares the signature under the root of a
    /// batch that a live key certified before.
    #[must_use]
    pub fn weigh(mut self, evidence: &Evidence, known: &dyn KnownRoots, now: Time) -> Step<Proved<'a>> {
        let mut most = self.weigh_most(evidence, known, now);
        // What failed is no better for a second claim beside it; all else is compared with it.
        if self.claim.hears_last() && !matches!(most, Some(Err(Shortfall::Failed(_)))) {
            self.claim.hear_user_agent(self.request);
            if self.claim.conflicts() {
                most = Some(Err(Shortfall::Failed(Reason::ClaimsConflict)));
            }
        }
        match together(most, || self.weigh_address(evidence, now)) {
            Holding::Proof(proof) => Step::Next(Proved {
                request: self.request,
                site: self.site,
                claim: self.claim,
                proof,
                epoch: evidence.epoch,
                trail: self.trail,
            }),
            Holding::Conclusion(conclusion) => {
                let (claim, trail) = (&self.claim, &mut self.trail);
                let conclusion = weigh_transport(conclusion, claim, self.request, self.site, trail);
                settle(conclusion, Some(&self.claim), self.trail)
            }
        }
    }

    /// The claim that says most, where one does beside those that rest on the address alone.
    fn weigh_most(
        &mut self,
        evidence: &Evidence,
        known: &dyn KnownRoots,
        now: Time,
    ) -> Option<Result<Holding, Shortfall>> {
        let (request, trail) = (self.request, &mut self.trail);
        let vouching = self.claim.vouching().map(|(_, vouching)| vouching.issuer);
        if let Some(partner) = self.claim.partner() {
            let proof = evidence::prove_registered(partner, request, now, trail);
            proof.iter().filter_map(|proof| proof.candidate).for_each(|at| self.claim.single_out(at));
            return Some(proof.map(|proof| Holding::Proof(Proof { candidate: Some(0), ..proof })));
        }
        let proof = match (self.claim.header(), self.claim.bot().zip(self.site.bots), self.claim.token()) {
            (_, Some((bot, rules)), _) => {
                evidence::prove_by_directory(bot, request, evidence, rules, now, trail)
            }
            (Some(header @ Header { signed: Some(signed), .. }), None, token) => {
                let proof = evidence::prove(request, (header, signed), token, (evidence, known), now, trail);
                evidence::limits(header, signed, &self.site.authorities, trail);
                proof
            }
            (_, None, Some(token)) => return Some(weigh_token(token, request.peer(), evidence, now, trail)),
            (_, None, None) => match vouching {
                Some(issuer) => evidence::vouched(issuer, request, evidence, now, trail),
                None => return None,
            },
        };
        Some(proof.map(Holding::Proof))
    }

    /// What rests on the client's address: a bare claim or a crawler's user agent; `None` where neither is to be asked.
    fn weigh_address(&mut self, evidence: &Evidence, now: Time) -> Option<Result<Conclusion, Shortfall>> {
        // A token's question is not about who the address belongs to.
        let about_token = self.claim.token().is_some();
        let question =
            self.questions.network.as_ref().filter(|question| !about_token || question.crawler.is_some())?;
        let (peer, trail) = (self.request.peer(), &mut self.trail);
        if peer.evidence == AddressEvidence::UntrustedProxy {
            trail.note(CheckName::ForwardConfirmed, Outcome::Skipped, "peer-is-untrusted-proxy", None);
            return Some(Err(Shortfall::of_untrusted_proxy()));
        }
        let located = evidence::located(question, &evidence.network, peer.address, now, trail);
        Some(located.map(Conclusion::Consistent))
    }
}

/// What a token comes to that names the client's network.
fn weigh_token(
    token: &Token<'_>,
    peer: &Peer,
    evidence: &Evidence,
    now: Time,
    trail: &mut Trail,
) -> Result<Holding, Shortfall> {
    let testing = evidence::acts_for(token, evidence, peer, now, trail)?;
    let mechanism = Mechanism::DelegationToken;
    let conclusion = if testing { in_testing(mechanism, trail) } else { Conclusion::Consistent(mechanism) };
    Ok(Holding::Conclusion(conclusion))
}

/// What comes of a claim that rests on a key which is published for testing only.
fn in_testing(mechanism: Mechanism, trail: &mut Trail) -> Conclusion {
    trail.note(CheckName::Testing, Outcome::Skipped, "the key is published with t=y only", None);
    Conclusion::Testing(mechanism)
}

impl Proved<'_> {
    /// The root of a batch that was found certified, to be known from now on. `None` if it was known, or is of no use.
    #[must_use]
    pub fn certified_root(&self) -> Option<&CertifiedRoot> {
        self.proof.root.as_deref()
    }

    /// Stage 4: what has to be committed to the replay table, now that every signature holds.
    /// `None` when the key is published for testing only: such a success counts for nothing, so
    /// it takes no room in the table.
    #[must_use]
    pub fn nonce(&self) -> Option<Nonce<'_>> {
        if let Some((token, vouching)) = self.claim.vouching() {
            let share = self.site.share_of(vouching.issuer.attester().registrable());
            let times = (vouching.epoch.begins(), vouching.epoch.ends());
            let nonce = Nonce::new(token.key_id(), token.nonce(), times, share).answering(vouching.key);
            return (!self.proof.testing).then_some(nonce);
        }
        if let Some(presented) = self.proved_presented() {
            let share = self.site.share_of(presented.key.identity().domain.registrable());
            let (nonce, times) = used_once(&presented.signature.input)?;
            return Some(Nonce::new(presented.key.replay(), nonce.as_bytes(), times, share));
        }
        if let Some(candidate) = self.proved_candidate() {
            let share = self.site.share_of(candidate.agent.domain.registrable());
            let (nonce, times) = used_once(&candidate.signature.input)?;
            return Some(Nonce::new(candidate.thumbprint.as_bytes(), nonce.as_bytes(), times, share));
        }
        let (header, signed) = (self.header()?, self.signed()?);
        let share = header.domain.as_ref();
        let share = share.map_or(Share::Pseudonyms, |domain| self.site.share_of(domain.registrable()));
        let times = (signed.timestamp, signed.timestamp.saturating_add(WINDOW_BEFORE));
        let of = |key| Nonce::new(key, signed.nonce.as_bytes(), times, share);
        let nonce = match &self.proof.counted {
            Some(counted) => of(&counted.agent).counted(Sequence {
                instance: header.instance_text(),
                number: counted.number,
                floor: counted.floor,
                window: self.window(signed)?,
            }),
            None => of(self.proof.key.as_ref()?.as_bytes()),
        };
        (!self.proof.testing).then_some(nonce)
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
        let conclusion = weigh_transport(conclusion, &self.claim, self.request, self.site, &mut self.trail);
        let counted = self.proof.counted.filter(|_| conclusion.freshness().is_some());
        let next = counted.and_then(|counted| counted.number.checked_add(1));
        Box::new(Verdict::reach(&conclusion, Some(&self.claim), self.trail).counted_up_to(next))
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
                return in_testing(mechanism, &mut self.trail);
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

    /// How far ahead of the last a sequence number may lie, in registry mode.
    fn window(&self, signed: &Signed<'_>) -> Option<u64> {
        let Mode::Registry(registry) = &signed.mode else { return None };
        self.site.entities.as_ref()?.window(&registry.entity)
    }

    /// The Web Bot Auth signature that proved the claim, where one did.
    fn proved_candidate(&self) -> Option<&Candidate<'_>> {
        self.claim.bot()?.candidates.get(self.proof.candidate?)
    }

    /// The signature under a registered key that did.
    fn proved_presented(&self) -> Option<&Presented<'_>> {
        self.claim.partner()?.candidates.get(self.proof.candidate?)
    }

    const fn header(&self) -> Option<&Header<'_>> {
        self.claim.header()
    }

    fn signed(&self) -> Option<&Signed<'_>> {
        self.header()?.signed.as_ref()
    }
}

/// Last of all, what was seen of TLS may take from what was established, and adds nothing.
fn weigh_transport(
    conclusion: Conclusion,
    claim: &Claim<'_>,
    request: &Request<'_>,
    site: &Site,
    trail: &mut Trail,
) -> Conclusion {
    if !conclusion.establishes() || !evidence::contradicts(claim, request, &site.authorities, trail) {
        return conclusion;
    }
    if matches!(conclusion, Conclusion::Proved(..)) {
        trail.noticed.push(Reason::TransportMismatch);
    }
    conclusion.contradicted()
}

fn settle<T>(conclusion: Conclusion, claim: Option<&Claim<'_>>, trail: Trail) -> Step<T> {
    Step::Settled(Box::new(Verdict::reach(&conclusion, claim, trail)))
}
