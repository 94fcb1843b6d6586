//! What a delegation token says of the request it comes with.

use super::Claim;
use avouch_wire::delegation::{Subject, Token};
use avouch_wire::key::PublicKey;
use avouch_wire::name::{AgentId, Domain, Identity};
use avouch_wire::saip::{Form, Header, Mode, Signed};

/// How a token does not fit the header it comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The header claims another domain than the token's.
    Domain,
    /// The token names a key, and no stateless header in full form travels with it.
    Unsigned,
    /// The token names another key than signs the request.
    Key,
    /// The token names a network, and the request is signed.
    Signed,
}

impl Misfit {
    /// In words.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Domain => "the header claims another domain than the token is of",
            Self::Unsigned => {
                "the token names a key: sign in stateless mode, with aud and the token's domain as dom"
            }
            Self::Key => "the token names another key",
            Self::Signed => "the token names a network, and comes with no signature of SAIP",
        }
    }
}

impl Claim<'_> {
    /// Whether the token fits the header beside it: to a token that names a key belongs a request signed by that key,
    /// to one that names a network none that is signed.
    pub(crate) fn fit(&self, token: &Token<'_>) -> Result<(), Misfit> {
        let grant = token.grant();
        let named = self.header.as_ref().and_then(|header| header.domain.as_ref());
        if named.is_some_and(|domain| *domain != grant.issuer) {
            return Err(Misfit::Domain);
        }
        let signed = self.header.as_ref().and_then(|header| header.signed.as_ref());
        match (grant.subject, signed) {
            (
                Subject::Key(key),
                Some(Signed { form: Form::Full(_), mode: Mode::Stateless { key: carried }, .. }),
            ) if named.is_some() => {
                let is_it = PublicKey::from_b64u(carried).is_ok_and(|carried| *carried.fingerprint() == key);
                if is_it { Ok(()) } else { Err(Misfit::Key) }
            }
            (Subject::Key(_), _) => Err(Misfit::Unsigned),
            (Subject::Asn(_) | Subject::Network(_), Some(_)) => Err(Misfit::Signed),
            (Subject::Asn(_) | Subject::Network(_), None) => Ok(()),
        }
    }

    /// Whoever acts for the domain: never one of its agents, whatever `id` says, which is its own name for itself.
    pub(super) fn delegate_of(&self, issuer: &Domain<'static>) -> Identity {
        let signed = self.header.as_ref().filter(|header| header.signed.is_some());
        let own = signed.map(|Header { agent, .. }| agent).filter(|agent| !agent.is_domain_itself());
        Identity { domain: issuer.clone(), agent: None, instance: own.cloned().map(AgentId::into_owned) }
    }
}
