//! What Web Bot Auth signatures say.

use super::Unreadable;
use super::signature::{check_site, unreadable};
use crate::reason::Reason;
use crate::request::SignatureFields;
use avouch_wire::http_signature::{
    Algorithms, Labelled, MAX_SIGNATURES, Signature, SignaturesError, Thumbprint, TimeRules,
};
use avouch_wire::name::Domain;
use avouch_wire::web_bot_auth::{Agent, AgentError, Agents, TAG};
use smallvec::SmallVec;

/// What a site asks of Web Bot Auth signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BotRules {
    /// How long a signature may last.
    pub times: TimeRules,
    /// Which algorithms count.
    pub algorithms: Algorithms,
    /// Whether keys whose private part everyone knows count for nothing. Otherwise they are reported.
    pub refuse_test_keys: bool,
}

impl Default for BotRules {
    fn default() -> Self {
        Self { times: TimeRules::DEFAULT, algorithms: Algorithms::DEFAULT, refuse_test_keys: true }
    }
}

/// The signatures of a request that name a domain, all of them the same one.
#[derive(Clone, Debug)]
pub(crate) struct Bot<'a> {
    pub(crate) candidates: Vec<Candidate<'a>>,
}

/// One signature that may prove who sends the request.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) label: &'a str,
    pub(crate) signature: Signature<'a>,
    pub(crate) agent: Agent,
    pub(crate) thumbprint: Thumbprint,
}

impl<'a> Bot<'a> {
    /// Reads what the fields claim; `None` where they claim nothing of this profile. A signature that breaks a rule
    /// is passed over for the next; when all do, the first says why.
    pub(super) fn read(
        fields: &'a SignatureFields<'a>,
        input: &str,
        signatures: Result<Vec<Labelled<'a>>, SignaturesError>,
    ) -> Result<Option<Self>, Unreadable> {
        let signatures = match signatures {
            Ok(signatures) => signatures,
            // The fields are there for other profiles, too.
            Err(_) if fields.agent.is_none() && !input.contains(TAG) => return Ok(None),
            Err(error) => return Err(Unreadable::with(Reason::SignatureMalformed, error.to_string())),
        };
        if !signatures.iter().any(|one| is_ours(one) || (fields.agent.is_some() && one.signature.is_err())) {
            return match fields.agent {
                Some(_) => Err(Unreadable::because(Reason::TagMissing)),
                None => Ok(None),
            };
        }
        let (mut candidates, mut first): (Vec<Candidate<'_>>, _) =
            (Vec::with_capacity(signatures.len()), None);
        let labels: SmallVec<[_; MAX_SIGNATURES]> = signatures.iter().map(|one| one.label).collect();
        for one in signatures {
            match Candidate::read(one, &labels, fields) {
                Ok(candidate) => candidates.extend(candidate),
                Err(unreadable) => first = first.or(Some(unreadable)),
            }
        }
        match (candidates.is_empty(), first) {
            (true, Some(unreadable)) => Err(unreadable),
            (true, None) => Ok(None),
            (false, _) => Ok(Some(Self { candidates })),
        }
    }

    /// The domain that is claimed.
    pub(crate) fn domain(&self) -> Option<&Domain<'static>> {
        self.candidates.first().map(|candidate| &candidate.agent.domain)
    }

    /// The domains that the signatures claim.
    pub(crate) fn domains(&self) -> impl Iterator<Item = &Domain<'_>> {
        self.candidates.iter().map(|candidate| &candidate.agent.domain)
    }
}

fn is_ours(one: &Labelled<'_>) -> bool {
    one.signature.as_ref().is_ok_and(|signature| signature.input.tag == Some(TAG))
}

impl<'a> Candidate<'a> {
    /// `None` for a signature of another profile.
    fn read(
        Labelled { label, signature }: Labelled<'a>,
        labels: &[&str],
        fields: &'a SignatureFields<'a>,
    ) -> Result<Option<Self>, Unreadable> {
        let signature = signature.map_err(|error| unreadable(&error))?;
        let input = &signature.input;
        if input.tag != Some(TAG) {
            return Ok(None);
        }
        check_site(input).map_err(Unreadable::because)?;
        let Some(thumbprint) = input.keyid.and_then(Thumbprint::parse) else {
            return Err(Unreadable::because(Reason::KeyidInvalid));
        };
        let Some(agent) = &fields.agent else {
            return Err(Unreadable::because(Reason::AgentMissing));
        };
        let is_other = |other: &str| other != label && labels.contains(&other);
        let agent = Agents::parse(agent).and_then(|agents| agents.of(label, input, is_other));
        let agent = agent.map_err(|error| Unreadable::with(reason_of(error), error.to_string()))?;
        Ok(Some(Self { label, signature, agent, thumbprint }))
    }
}

const fn reason_of(error: AgentError) -> Reason {
    match error {
        AgentError::NotCovered => Reason::AgentNotCovered,
        AgentError::Scheme => Reason::AgentNotHttps,
        AgentError::Structured(_)
        | AgentError::NotAString
        | AgentError::Type
        | AgentError::Url
        | AgentError::Host(_)
        | AgentError::Path => Reason::AgentMalformed,
    }
}
