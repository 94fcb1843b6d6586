//! What signatures prove: the checks of a signed claim in their order, cheap ones first.

use super::registry::{Counted, prove_registered_agent};
use super::roots::{BatchRoot, CertifiedRoot, KnownRoots};
use super::token::issued;
use super::{Answer, Evidence, Records, Shortfall, Trail};
use crate::reason::Reason;
use crate::request::{Content, Request};
use crate::verdict::{CheckName, Mechanism, Outcome, Unchecked, Validation};
use avouch_wire::authority::Authority;
use avouch_wire::delegation::Token;
use avouch_wire::key::{Fingerprint, PublicKey};
use avouch_wire::record::Live;
use avouch_wire::saip::{
    BatchProof, Form, Header, Mode, RequestParts, Seal, Signed, batch_tbs, rcert_tbs, request_string,
};
use avouch_wire::time::Time;
use std::sync::Arc;

/// Every signature of a request holds. What is missing is only that it was not seen before.
#[derive(Clone, Debug)]
pub struct Proof {
    /// How the signature is tied to the long-term key.
    pub(crate) mechanism: Mechanism,
    /// The long-term key; `None` of those that SAIP does not use, which have other names.
    pub(crate) key: Option<Fingerprint>,
    /// Which of the HTTP message signatures proved the claim, where one did.
    pub(crate) candidate: Option<usize>,
    /// Whether a domain publishes that key, or the operator vouches for it.
    pub(crate) published: bool,
    /// Whether it does so for testing only.
    pub(crate) testing: bool,
    /// The root of the batch that its certificate is of, where others of the batch may follow and it was not known.
    pub(crate) root: Option<Box<CertifiedRoot>>,
    /// In registry mode, whose requests are counted and how far; such a proof has no key of its own.
    pub(crate) counted: Option<Box<Counted>>,
}

/// The signed timestamp must lie within the window.
pub(crate) fn timely(signed: &Signed<'_>, now: Time, trail: &mut Trail) -> Result<(), Shortfall> {
    let now = now.seconds();
    let result = match signed.is_timely(now) {
        true => Ok(()),
        false if signed.timestamp > now => Err(Shortfall::Failed(Reason::AheadOfTime)),
        false => Err(Shortfall::Failed(Reason::Expired)),
    };
    trail.record(CheckName::Time, result)
}

/// The audience must be the site the request names, and that one of ours.
pub(crate) fn meant_for_us(
    signed: &Signed<'_>,
    request: &Request<'_>,
    ours: &[Authority<'static>],
    trail: &mut Trail,
) -> Result<(), Shortfall> {
    let Form::Full(aud) = signed.form else {
        trail.note(CheckName::Authority, Outcome::Skipped, "the draft form names no site", None);
        return Ok(());
    };
    let named = request.authority();
    let result = if aud != named.as_str() {
        Err(Shortfall::Failed(Reason::AudienceMismatch))
    } else if ours.is_empty() || ours.contains(named) {
        Ok(())
    } else {
        Err(Shortfall::Failed(Reason::AuthorityNotOurs))
    };
    trail.record(CheckName::Authority, result)
}

/// What keeps a proof from being a full one: the reasons for which it is partial at most.
pub(crate) fn limits(
    header: &Header<'_>,
    signed: &Signed<'_>,
    ours: &[Authority<'static>],
    trail: &mut Trail,
) {
    if signed.form == Form::Draft {
        trail.noticed.push(Reason::AudienceUnbound);
        if header.domain.is_some() {
            trail.noticed.push(Reason::DomainUnbound);
        }
    } else if ours.is_empty() {
        trail.noticed.push(Reason::AuthoritiesUnset);
    }
}

/// Checks key, revocation, certificate or token, signature and content, in this order.
pub(crate) fn prove(
    request: &Request<'_>,
    (header, signed): (&Header<'_>, &Signed<'_>),
    token: Option<&Token<'_>>,
    (evidence, known): (&Evidence, &dyn KnownRoots),
    now: Time,
    trail: &mut Trail,
) -> Result<Proof, Shortfall> {
    let parts = RequestParts { method: request.method(), path: request.path() };
    let signing = Signing { header, signed, parts };
    let proof = match (&signed.mode, &header.domain) {
        (Mode::Stateless { key }, None) => {
            let key = carried_key(key)?;
            let holds = signing.holds(&key).map_err(|shortfall| or_bad_key(&signed.mode, shortfall));
            trail.record(CheckName::Signature, holds)?;
            let key = Some(*key.fingerprint());
            let mechanism = Mechanism::SaipStateless;
            Proof {
                mechanism,
                key,
                candidate: None,
                published: false,
                testing: false,
                root: None,
                counted: None,
            }
        }
        (Mode::Registry(registry), Some(domain)) => {
            prove_registered_agent(&signing, (registry, domain), evidence, now, trail)?
        }
        (mode, _) => {
            let records = decisive(evidence, now, trail)?;
            not_revoked(evidence, now, trail)?;
            let proved = match (mode, token) {
                (Mode::Stateless { key }, Some(token)) => {
                    signing.prove_delegated(key, token, records, now, trail)
                }
                _ => signing.prove_published(mode, (records, known), now, trail),
            };
            proved.map_err(|shortfall| or_bad_key(mode, shortfall))?
        }
    };
    content(request, signed, trail)?;
    Ok(proof)
}

/// A signed request, ready for its strings to be rebuilt.
pub(super) struct Signing<'a> {
    pub(super) header: &'a Header<'a>,
    pub(super) signed: &'a Signed<'a>,
    parts: RequestParts<'a>,
}

impl Signing<'_> {
    fn prove_published(
        &self,
        mode: &Mode<'_>,
        (records, known): (&Records, &dyn KnownRoots),
        now: Time,
        trail: &mut Trail,
    ) -> Result<Proof, Shortfall> {
        let mut root = None;
        let (mechanism, live) = match mode {
            Mode::Rolling { key, certificate, proof } => {
                let rolling = carried_key(key)?;
                let certificate = certificate.octets();
                let certified = match proof {
                    None => self.certifier(records, &rolling, &certificate, now),
                    Some(proof) => self.batch_certifier((records, known), &rolling, &certificate, proof, now),
                };
                let (master, certified) = trail.record(CheckName::Certificate, certified)?;
                trail.record(CheckName::Signature, self.holds(&rolling))?;
                root = certified;
                (Mechanism::SaipRolling, master)
            }
            Mode::Direct => {
                (Mechanism::SaipDirect, trail.record(CheckName::Signature, self.signer(records, now))?)
            }
            // Not reached: what a registration entity vouches for is proved by itself.
            Mode::Registry(_) => return Err(Shortfall::Failed(Reason::KeyMismatch)),
            Mode::Stateless { key } => {
                let key = carried_key(key)?;
                let live = records.published.keys(now).find(|live| *live.value == key);
                let live = live.ok_or(Shortfall::Failed(Reason::KeyMismatch))?;
                trail.record(CheckName::Signature, self.holds(&key))?;
                (Mechanism::SaipStateless, live)
            }
        };
        trail.valid_until(live.until);
        let (key, testing) = (Some(*live.value.fingerprint()), live.testing);
        Ok(Proof { mechanism, key, candidate: None, published: true, testing, root, counted: None })
    }

    /// The key that travels along is the one the token names: that is a matter of reading the claim.
    fn prove_delegated(
        &self,
        key: &str,
        token: &Token<'_>,
        records: &Records,
        now: Time,
        trail: &mut Trail,
    ) -> Result<Proof, Shortfall> {
        let key = carried_key(key)?;
        let testing = issued(token, records, now, trail)?;
        trail.record(CheckName::Signature, self.holds(&key))?;
        let key = Some(*key.fingerprint());
        let mechanism = Mechanism::DelegationToken;
        Ok(Proof { mechanism, key, candidate: None, published: true, testing, root: None, counted: None })
    }

    /// The published key that certified the rolling one.
    fn certifier<'r>(
        &self,
        records: &'r Records,
        rolling: &PublicKey,
        certificate: &[u8; 64],
        now: Time,
    ) -> Result<Certified<'r>, Shortfall> {
        let message = self.certified(rolling)?;
        let mut keys = records.published.keys(now);
        keys.find(|live| live.value.verify(&message, certificate).is_ok())
            .map(|live| (live, None))
            .ok_or(Shortfall::Failed(Reason::CertificateInvalid))
    }

    /// The published key that certified the batch the rolling one is in. Only a key that is live now is looked for
    /// among the roots that are known, so that a root is worth no more than its key is at this moment.
    fn batch_certifier<'r>(
        &self,
        (records, known): (&'r Records, &dyn KnownRoots),
        rolling: &PublicKey,
        certificate: &[u8; 64],
        proof: &BatchProof<'_>,
        now: Time,
    ) -> Result<Certified<'r>, Shortfall> {
        let mut message = self.certified(rolling)?;
        let invalid = Shortfall::Failed(Reason::CertificateInvalid);
        let (size, root) = (proof.size(), proof.root(&message).ok_or(invalid)?);
        let certificate = *certificate;
        let root_by = |live: &Live<'_, PublicKey>| BatchRoot {
            master: *live.value.fingerprint(),
            size,
            root,
            certificate,
        };
        if let Some(live) = records.published.keys(now).find(|live| known.knows(&root_by(live))) {
            return Ok((live, None));
        }
        batch_tbs(&mut message, size, &root);
        let mut keys = records.published.keys(now);
        let live = keys.find(|live| live.value.verify(&message, &certificate).is_ok()).ok_or(invalid)?;
        // Nobody else is in a batch of one, and a success in testing takes no room.
        let is_of_use = size > 1 && !live.testing;
        let root = is_of_use.then(|| Box::new(CertifiedRoot::new(root_by(&live))));
        Ok((live, root))
    }

    /// What a certificate of its own signs, and what is the leaf of a batch.
    fn certified(&self, rolling: &PublicKey) -> Result<Vec<u8>, Shortfall> {
        let Form::Full(aud) = self.signed.form else {
            return Err(Shortfall::Failed(Reason::HeaderMalformed));
        };
        let mut message = Vec::with_capacity(MESSAGE);
        rcert_tbs(&mut message, self.header, self.signed, aud, rolling.octets(), self.parts);
        Ok(message)
    }

    /// The published key that signed the request itself.
    fn signer<'r>(&self, records: &'r Records, now: Time) -> Result<Live<'r, PublicKey>, Shortfall> {
        let mut shortfall = Shortfall::Failed(Reason::AlgorithmMismatch);
        for live in records.published.keys(now) {
            match self.holds(live.value) {
                Ok(()) => return Ok(live),
                Err(Shortfall::Failed(Reason::AlgorithmMismatch)) => {}
                Err(other) => shortfall = other,
            }
        }
        Err(shortfall)
    }

    /// Whether the request's signature holds under this key.
    fn holds(&self, key: &PublicKey) -> Result<(), Shortfall> {
        let Seal::Signature { algorithm, signature } = self.signed.seal else {
            return Err(Shortfall::Failed(Reason::AlgorithmMismatch));
        };
        if key.key_type() != algorithm {
            return Err(Shortfall::Failed(Reason::AlgorithmMismatch));
        }
        let message = self.string(Some(key.fingerprint()));
        let holds = key.verify(&message, &signature.octets());
        holds.map_err(|_| Shortfall::Failed(Reason::SignatureInvalid))
    }

    /// What signature or MAC cover.
    pub(super) fn string(&self, key: Option<&Fingerprint>) -> Vec<u8> {
        let mut message = Vec::with_capacity(MESSAGE);
        request_string(&mut message, self.header, self.signed, key, self.parts);
        message
    }
}

/// The published key that certified a rolling one, and the root of their batch, if it is worth remembering.
type Certified<'r> = (Live<'r, PublicKey>, Option<Box<CertifiedRoot>>);

/// Room for the strings of nearly every request, so that they are built without growing.
const MESSAGE: usize = 512;

/// The key that travels along. Where a signature holds under it, it is a point of its curve.
fn carried_key(text: &str) -> Result<PublicKey, Shortfall> {
    PublicKey::carried(text).map_err(|_| Shortfall::Failed(Reason::BadKey))
}

/// How a claim falls short that did: that the key which travels along is none comes before all else. It is found out
/// only now, for it costs an eighth of a signature's check.
fn or_bad_key(mode: &Mode<'_>, shortfall: Shortfall) -> Shortfall {
    match mode {
        Mode::Rolling { key, .. } | Mode::Stateless { key }
            if !carried_key(key).is_ok_and(|key| key.is_point()) =>
        {
            Shortfall::Failed(Reason::BadKey)
        }
        _ => shortfall,
    }
}

/// The records at the name that decides, with a live key among them.
pub(super) fn decisive<'e>(
    evidence: &'e Evidence,
    now: Time,
    trail: &mut Trail,
) -> Result<&'e Records, Shortfall> {
    let result = usable(&evidence.record, now).and_then(|records| match records {
        None => Err(Shortfall::Failed(Reason::KeyNotPublished)),
        Some(records) if records.published.is_revoked() => Err(Shortfall::Failed(Reason::Revoked)),
        Some(records) if records.wildcard => Err(Shortfall::Failed(Reason::WildcardRecord)),
        Some(records) if records.published.limit(now).is_some() => {
            Err(Shortfall::Failed(Reason::RecordLimit))
        }
        Some(records) if records.published.count() == 0 => Err(Shortfall::Failed(Reason::KeyNotPublished)),
        Some(records) if records.published.keys(now).next().is_none() => {
            Err(Shortfall::Failed(Reason::NoLiveKey))
        }
        Some(records) => Ok(records),
    });
    let outcome = result.as_ref().err().map_or(Outcome::Pass, |shortfall| shortfall.outcome());
    trail.note(CheckName::DnsKey, outcome, "", Validation::of(&evidence.record));
    evidence.record.until().into_iter().for_each(|until| trail.valid_until(until));
    result
}

/// No name above (and in stateless mode the agent's own) holds an empty `pk`.
pub(super) fn not_revoked(evidence: &Evidence, now: Time, trail: &mut Trail) -> Result<(), Shortfall> {
    let mut result = Ok(());
    for answer in &evidence.revocations {
        answer.until().into_iter().for_each(|until| trail.valid_until(until));
        result = match (result, usable(answer, now)) {
            (_, Ok(Some(records))) if records.published.is_revoked() => {
                Err(Shortfall::Failed(Reason::Revoked))
            }
            (Ok(()), Err(shortfall)) => Err(shortfall),
            (before, _) => before,
        };
    }
    trail.record(CheckName::Revocation, result)
}

/// The records an answer holds at this moment: `None` when there are none, an error when nobody knows.
pub(super) fn usable(answer: &Answer<Arc<Records>>, now: Time) -> Result<Option<&Records>, Shortfall> {
    match answer {
        Answer::Unknown(cause) => Err(Shortfall::unknown(*cause)),
        Answer::Found { until, .. } | Answer::Absent { until, .. } if now >= *until => {
            Err(Shortfall::of_expired_answer())
        }
        Answer::Found { value, .. } => Ok(Some(value)),
        Answer::Absent { .. } => Ok(None),
    }
}

/// The content must be what was signed, where it was signed and is at hand.
fn content(request: &Request<'_>, signed: &Signed<'_>, trail: &mut Trail) -> Result<(), Shortfall> {
    let actual = signed.content.and_then(|signed| Some((signed.octets(), request.content().sha256()?.0)));
    match actual {
        Some((signed, actual)) if signed != actual => {
            trail.record(CheckName::Body, Err(Shortfall::Failed(Reason::BodyMismatch)))
        }
        Some(_) => trail.record(CheckName::Body, Ok(())),
        None if signed.content.is_none() && request.content() == Content::Empty => Ok(()),
        None => {
            trail.not_checked.push(Unchecked::Body);
            Ok(())
        }
    }
}
