//! The conditions of a rule that look at names, addresses and paths.

use avouch_wire::key::Fingerprint;

use super::View;
use super::glob::{IdentityGlob, Labels, PathGlob};
use super::network::Network;
use super::traits::Traits;
use crate::verdict::{Class, Standing};

/// One condition: it holds when one of its values does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    Pseudonym(Box<[Fingerprint]>),
    Domain(Box<[Labels]>),
    Identity(Box<[IdentityGlob]>),
    Method(Box<[Box<str>]>),
    Authority(Box<[Labels]>),
    Ip(Box<[Network]>),
    Asn(Box<[u32]>),
    Path(Box<[PathGlob]>),
}

impl Matcher {
    /// The key of the policy file.
    pub(super) const fn key(&self) -> &'static str {
        match self {
            Self::Pseudonym(_) => "pseudonym",
            Self::Domain(_) => "domain",
            Self::Identity(_) => "identity",
            Self::Method(_) => "method",
            Self::Authority(_) => "authority",
            Self::Ip(_) => "ip",
            Self::Asn(_) => "asn",
            Self::Path(_) => "path",
        }
    }

    /// Whether it holds. A path that servers may read differently cannot be judged: it never
    /// fulfils a rule that `allows`, and always one that refuses.
    pub(super) fn holds(&self, view: &View<'_>, allows: bool) -> bool {
        match self {
            Self::Pseudonym(keys) => view.pseudonym.is_some_and(|key| keys.contains(key)),
            Self::Domain(domains) => view
                .identity
                .is_some_and(|identity| domains.iter().any(|glob| glob.matches(identity.domain.as_str()))),
            Self::Identity(globs) => {
                view.identity.is_some_and(|identity| globs.iter().any(|glob| glob.matches(identity)))
            }
            Self::Method(methods) => methods.iter().any(|method| **method == *view.facts.method),
            Self::Authority(globs) => globs.iter().any(|glob| glob.matches(view.facts.authority)),
            Self::Ip(networks) => networks.iter().any(|network| network.contains(view.address)),
            Self::Asn(numbers) => view.facts.asns.iter().any(|asn| numbers.contains(asn)),
            Self::Path(_) if view.facts.path.is_ambiguous() => !allows,
            Self::Path(globs) => globs.iter().any(|glob| glob.matches(view.facts.path.as_str())),
        }
    }

    /// The verdicts that can fulfil it: identities exist in classes 2 and 3 only, pseudonyms in
    /// their own standing.
    pub(super) fn implies(&self) -> Traits {
        match self {
            Self::Pseudonym(_) => Traits::standings(|standing| standing == Standing::Pseudonymous),
            Self::Domain(_) | Self::Identity(_) => Traits::classes(&[Class::Partial, Class::Verified]),
            Self::Method(_) | Self::Authority(_) | Self::Ip(_) | Self::Asn(_) | Self::Path(_) => Traits::ALL,
        }
    }

    /// The domains it names in full.
    pub(super) fn domains(&self) -> impl Iterator<Item = &str> {
        let (domains, identities) = match self {
            Self::Domain(domains) => (&**domains, Default::default()),
            Self::Identity(globs) => (Default::default(), &**globs),
            _ => Default::default(),
        };
        let of_identities = identities.iter().map(IdentityGlob::domain);
        domains.iter().chain(of_identities).filter_map(Labels::exact)
    }

    /// What the request has where this condition looks, for `policy explain`.
    pub(super) fn found(&self, view: &View<'_>) -> String {
        match self {
            Self::Pseudonym(_) => view.pseudonym.map_or_else(none, ToString::to_string),
            Self::Domain(_) => view.identity.map_or_else(none, |identity| identity.domain.to_string()),
            Self::Identity(_) => view.identity.map_or_else(none, ToString::to_string),
            Self::Method(_) => view.facts.method.to_owned(),
            Self::Authority(_) => view.facts.authority.to_owned(),
            Self::Ip(_) => view.facts.address.to_canonical().to_string(),
            Self::Asn(_) => listed(view.facts.asns),
            Self::Path(_) if view.facts.path.is_ambiguous() => {
                format!("{} (ambiguous)", view.facts.path.as_str())
            }
            Self::Path(_) => view.facts.path.as_str().to_owned(),
        }
    }
}

/// Several origins stand beside each other.
fn listed(asns: &[u32]) -> String {
    let asns: Vec<_> = asns.iter().map(ToString::to_string).collect();
    if asns.is_empty() { none() } else { asns.join(" ") }
}

fn none() -> String {
    "-".to_owned()
}
