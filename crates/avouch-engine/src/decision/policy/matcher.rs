//! The conditions of a rule that look at names, addresses and paths.

use core::net::IpAddr;

use avouch_wire::key::Fingerprint;
use ipnet::IpNet;

use super::glob::{IdentityGlob, Labels, PathGlob};
use super::traits::Traits;
use super::{Facts, Judged};
use crate::verdict::{Class, Standing};

/// One condition: it holds when one of its values does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    Pseudonym(Box<[Fingerprint]>),
    Domain(Box<[Labels]>),
    Identity(Box<[IdentityGlob]>),
    Method(Box<[Box<str>]>),
    Authority(Box<[Labels]>),
    Ip(Box<[IpNet]>),
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
    pub(super) fn holds(&self, judged: &Judged<'_>, facts: &Facts<'_>, allows: bool) -> bool {
        match self {
            Self::Pseudonym(keys) => judged.pseudonym.is_some_and(|key| keys.contains(key)),
            Self::Domain(domains) => judged
                .identity
                .is_some_and(|identity| domains.iter().any(|glob| glob.matches(identity.domain.as_str()))),
            Self::Identity(globs) => {
                judged.identity.is_some_and(|identity| globs.iter().any(|glob| glob.matches(identity)))
            }
            Self::Method(methods) => methods.iter().any(|method| **method == *facts.method),
            Self::Authority(globs) => globs.iter().any(|glob| glob.matches(facts.authority)),
            Self::Ip(networks) => contains(networks, facts.address),
            Self::Asn(numbers) => facts.asn.is_some_and(|asn| numbers.contains(&asn)),
            Self::Path(_) if facts.path.is_ambiguous() => !allows,
            Self::Path(globs) => globs.iter().any(|glob| glob.matches(facts.path.as_str())),
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
    pub(super) fn found(&self, judged: &Judged<'_>, facts: &Facts<'_>) -> String {
        match self {
            Self::Pseudonym(_) => judged.pseudonym.map_or_else(none, ToString::to_string),
            Self::Domain(_) => judged.identity.map_or_else(none, |identity| identity.domain.to_string()),
            Self::Identity(_) => judged.identity.map_or_else(none, ToString::to_string),
            Self::Method(_) => facts.method.to_owned(),
            Self::Authority(_) => facts.authority.to_owned(),
            Self::Ip(_) => facts.address.to_canonical().to_string(),
            Self::Asn(_) => facts.asn.map_or_else(none, |asn| asn.to_string()),
            Self::Path(_) if facts.path.is_ambiguous() => format!("{} (ambiguous)", facts.path.as_str()),
            Self::Path(_) => facts.path.as_str().to_owned(),
        }
    }
}

fn none() -> String {
    "-".to_owned()
}

/// IPv4 addresses mapped into IPv6 are IPv4 addresses.
fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
