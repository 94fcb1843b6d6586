//! The verdict table: what judgement can come to, and the standing each deserves.
//!
//! | what judgement came to | class | standing |
//! |---|---|---|
//! | no claim | 0 | anonymous |
//! | a key that no domain vouches for signed the request | 0 | pseudonymous |
//! | the key is published for testing only, and everything holds | 0 | anonymous |
//! | every signature holds under a published key, bound to this site, and the request is new | 3 | verified |
//! | a MAC holds under a key of a registration entity that the domain names, made for this site, and the request is new and in sequence | 3 | verified |
//! | a signature without a nonce holds under a key of the domain's directory, bound to this site | 3 | verified |
//! | a signature holds under a key that the operator registered, bound to this site, and is new if it has a nonce | 3 | verified |
//! | every signature holds under the key that a token of the domain names, and the request is new | 3 | verified |
//! | the same, but the signature does not bind this site or the domain, or TLS contradicts the claim | 2 | partial |
//! | DNS, a token of the domain, or the operator's ranges, connect the client's address with it | 2 | partial |
//! | nobody is named, and an attester vouches for the client by a token, redeemed once | 0 or 2 by its trust | anonymous or partial |
//! | class 2 by either of these, and TLS contradicts the claim | 1 | invalid |
//! | the claim failed | 1 | invalid |
//! | the claim could not be checked | 1 | undetermined |

use super::{Mechanism, Standing};
use crate::claim::Trust;
use crate::evidence::Shortfall;
use crate::pipeline::Freshness;
use crate::reason::Reason;
use avouch_wire::key::Fingerprint;

/// What judgement came to.
#[derive(Debug)]
pub(crate) enum Conclusion {
    /// No claim.
    Anonymous,
    /// A key that no domain vouches for signed the request, which is new.
    Pseudonym(Fingerprint, Freshness),
    /// The key is published for testing only.
    Testing(Mechanism),
    /// Every signature holds, and the request is new as far as it was signed to be. Nothing else
    /// leads to class 3.
    Proved(Mechanism, Freshness),
    /// The same, except that the signature does not bind this site or the domain, or that what was seen of TLS
    /// contradicts the claim.
    Unbound(Mechanism, Freshness),
    /// DNS, a token of the domain, or the operator's ranges, connect the client's address with it.
    Consistent(Mechanism),
    /// An attester vouches for the client, and names nobody; the token was not redeemed before.
    Vouched(Trust, Freshness),
    /// The claim failed or could not be checked.
    Short(Shortfall),
}

impl Conclusion {
    /// The standing it deserves.
    pub(crate) const fn standing(&self) -> Standing {
        match self {
            Self::Anonymous | Self::Testing(_) | Self::Vouched(Trust::Anonymous, _) => Standing::Anonymous,
            Self::Pseudonym(..) => Standing::Pseudonymous,
            Self::Proved(..) => Standing::Verified,
            Self::Unbound(..) | Self::Consistent(_) | Self::Vouched(Trust::Partial, _) => Standing::Partial,
            Self::Short(Shortfall::Failed(_)) => Standing::Invalid,
            Self::Short(Shortfall::Unknown(_, persistence)) => Standing::Undetermined(*persistence),
        }
    }

    /// What established it.
    pub(crate) const fn mechanism(&self) -> Mechanism {
        match self {
            Self::Proved(mechanism, _) | Self::Unbound(mechanism, _) => *mechanism,
            Self::Testing(mechanism) | Self::Consistent(mechanism) => *mechanism,
            Self::Pseudonym(..) => Mechanism::SaipStateless,
            Self::Vouched(..) => Mechanism::PrivacyPass,
            Self::Anonymous | Self::Short(_) => Mechanism::None,
        }
    }

    /// Whether somebody vouches for the client.
    pub(crate) const fn is_vouched_for(&self) -> bool {
        matches!(self, Self::Vouched(..))
    }

    /// Whether it establishes who sends the request, so that there is something to take from it.
    pub(crate) const fn establishes(&self) -> bool {
        matches!(self, Self::Proved(..) | Self::Unbound(..) | Self::Consistent(_))
    }

    /// What is left of it where what was seen of TLS contradicts the claim: a class less. Who claims nothing, and
    /// whose claim failed, loses nothing by it.
    pub(crate) fn contradicted(self) -> Self {
        match self {
            Self::Proved(mechanism, freshness) => Self::Unbound(mechanism, freshness),
            Self::Unbound(..) | Self::Consistent(_) => {
                Self::Short(Shortfall::Failed(Reason::TransportMismatch))
            }
            Self::Anonymous | Self::Pseudonym(..) | Self::Testing(_) | Self::Vouched(..) | Self::Short(_) => {
                self
            }
        }
    }

    /// How it is known to be new.
    pub(crate) const fn freshness(&self) -> Option<&Freshness> {
        match self {
            Self::Pseudonym(_, freshness)
            | Self::Proved(_, freshness)
            | Self::Unbound(_, freshness)
            | Self::Vouched(_, freshness) => Some(freshness),
            Self::Anonymous | Self::Testing(_) | Self::Consistent(_) | Self::Short(_) => None,
        }
    }

    /// The key by which a pseudonymous sender is known.
    pub(crate) const fn pseudonym(&self) -> Option<Fingerprint> {
        match self {
            Self::Pseudonym(key, _) => Some(*key),
            _ => None,
        }
    }

    /// The deciding reason.
    pub(crate) const fn reason(&self) -> Reason {
        match self {
            Self::Anonymous => Reason::NoClaim,
            Self::Pseudonym(..) => Reason::Pseudonym,
            Self::Testing(_) => Reason::Testing,
            Self::Vouched(..) => Reason::PassRedeemed,
            Self::Proved(Mechanism::WebBotAuth, _) | Self::Unbound(Mechanism::WebBotAuth, _) => {
                Reason::DirectoryVerified
            }
            Self::Proved(Mechanism::HttpSignature, _) | Self::Unbound(Mechanism::HttpSignature, _) => {
                Reason::RegisteredVerified
            }
            Self::Proved(Mechanism::DelegationToken, _)
            | Self::Unbound(Mechanism::DelegationToken, _)
            | Self::Consistent(Mechanism::DelegationToken) => Reason::DelegationVerified,
            Self::Proved(Mechanism::SaipRegistry, _) | Self::Unbound(Mechanism::SaipRegistry, _) => {
                Reason::RegistryVerified
            }
            Self::Proved(..) | Self::Unbound(..) => Reason::SignatureVerified,
            Self::Consistent(Mechanism::ForwardAddress) => Reason::AddressOfDomain,
            Self::Consistent(Mechanism::DelegationRecord) => Reason::NetworkDelegated,
            Self::Consistent(Mechanism::CrawlerRange) => Reason::RangeConfirmed,
            Self::Consistent(_) => Reason::ForwardConfirmed,
            Self::Short(Shortfall::Failed(reason) | Shortfall::Unknown(reason, _)) => *reason,
        }
    }
}
