//! A zone of our own, for names that others put there at any moment: served with authority, signed when it is asked.
//!
//! In scope: one zone of TXT records that is a delegation of its own, such as `_saip.acme.example`. What stands at a name
//! changes by [`Zone::apply`] and holds from the next question on; nothing else is signed anew for it. Each answer is
//! signed when it is asked for (ECDSA P-256 with SHA-256), the signature is kept, and goes when the name changes.
//! Absence is proved by NSEC records that are made for the question and cover no name but the ones that are asked for
//! (RFC 4470): true NXDOMAIN, and nobody walks the zone.
//!
//! Out of scope: where names come from and what survives a restart (`avouch-authority`), secondaries (transfers are
//! refused: whoever wants several servers has the zone at BIND or Knot, and [`publish`](crate::publish)es there),
//! wildcards, aliases, and delegations within the zone.
//!
//! Limits, each a constant with its reason: signatures kept, connections at once and from one address, how long one
//! lasts, datagrams answered for one network in a second; beyond that they are answered by "ask over TCP".
//!
//! Specifications: RFC 1034, 1035, 2181, 2308, 4033–4035, 4470, 6605, 6891, 7766, 8020, 8482, 9077.

mod answer;
mod kept;
mod lies;
mod names;
mod rate;
mod server;
mod signing;
#[cfg(test)]
mod tests;

pub use answer::Way;
#[cfg(feature = "serve")]
pub(crate) use server::both;
pub use server::{BindError, Now, Server};

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use avouch_keys::KeyError;
use avouch_keys::zone::ZoneKey;
use hickory_proto::dnssec::DigestType;
use hickory_proto::rr::Name;

use crate::direct::shown;
use crate::publish::{Change, ChangeFault, PublishError};
use crate::resolver::TrustAnchor;
use names::Names;
use rate::Allowance;
use signing::Signer;

/// Longest that caches may keep that something is absent, in seconds: a revocation at a name where nothing stood has to
/// wait for it.
pub const MAX_ABSENCE: u32 = 60;

/// Longest TTL, in seconds: signatures are valid for longer than whatever they are over is kept.
pub const MAX_TTL: u32 = 3_600;

/// What a zone of our own is called, and who serves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its first name, such as `_saip.acme.example`.
    pub name: String,
    /// Names of the servers that have it, the first of them its primary; they lie outside of the zone.
    pub servers: Vec<String>,
    /// Seconds for which caches may keep its start of authority, name servers and keys.
    pub ttl: u32,
}

/// Why there is no such zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneFault {
    /// Not a domain name, or the root.
    #[error("`{0}` is no name for a zone")]
    Name(String),
    /// No server.
    #[error("a zone needs the name of a server")]
    NoServer,
    /// Not a host's name, or one within the zone, which has no addresses.
    #[error("`{0}` is no name for a server of the zone: write a host that has addresses elsewhere")]
    Server(String),
    /// The key cannot be used.
    #[error("the zone's key cannot be used: {0}")]
    Key(KeyError),
}

/// What the parent of a zone has to hold for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtParent {
    /// The zone's first name, absolute, without the dot at the end.
    pub zone: String,
    /// Its TTL in seconds: that of the zone, so that removing the delegation is known as soon.
    pub ttl: u32,
    /// Names of the servers.
    pub servers: Vec<String>,
    /// The DS record's data: tag, algorithm, digest type, digest.
    pub ds: String,
}

/// A zone that is served, and changed meanwhile. Shared behind an `Arc`.
#[derive(Debug)]
pub struct Zone {
    names: RwLock<Names>,
    signer: Signer,
    allowance: Allowance,
    servers: Vec<Name>,
    ttl: u32,
}

impl Zone {
    /// Without names; `serial` is that of its start of authority.
    ///
    /// # Errors
    /// [`ZoneFault`].
    pub fn new(settings: &Settings, key: ZoneKey, serial: u32) -> Result<Self, ZoneFault> {
        let apex = absolute(&settings.name).filter(|name| !name.is_root());
        let apex = apex.ok_or_else(|| ZoneFault::Name(settings.name.clone()))?;
        let server = |text: &String| {
            let name = absolute(text).filter(|name| !name.is_root() && !apex.zone_of(name));
            name.ok_or_else(|| ZoneFault::Server(text.clone()))
        };
        let servers: Vec<Name> = settings.servers.iter().map(server).collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(ZoneFault::NoServer);
        }
        let signer = Signer::new(apex.clone(), key).map_err(ZoneFault::Key)?;
        let names = RwLock::new(Names::new(apex, serial));
        Ok(Self { names, signer, allowance: Allowance::new(), servers, ttl: settings.ttl.min(MAX_TTL) })
    }

    /// Makes all changes at once, or none; from the next question on they hold, under this serial.
    ///
    /// # Errors
    /// [`PublishError::Change`]: a name outside of the zone or one that cannot stand in it, or a text that cannot.
    pub fn apply(&self, changes: &[Change], serial: u32) -> Result<(), PublishError> {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let read = |change: &Change| {
            let bad = |fault: ChangeFault| PublishError::Change { name: change.name.clone(), fault };
            names.read(change).map_err(bad)
        };
        let sets = changes.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        for (name, records) in sets {
            self.signer.forget(&name);
            names.set(name, records);
        }
        names.serial = serial;
        Ok(())
    }

    /// What has to stand at the parent.
    #[must_use]
    pub fn at_parent(&self) -> AtParent {
        let zone = self.signer.apex();
        let servers = self.servers.iter().map(shown).collect();
        AtParent { zone: shown(zone), ttl: self.ttl, servers, ds: self.signer.ds(DigestType::SHA256) }
    }

    /// Its key, for whoever trusts it without a parent.
    #[must_use]
    pub fn trust_anchor(&self) -> TrustAnchor {
        TrustAnchor::of_zone(self.signer.apex().clone(), self.signer.dnskey().clone())
    }

    /// How many names have records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names().len()
    }

    /// Whether no name has records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The serial of its start of authority.
    #[must_use]
    pub fn serial(&self) -> u32 {
        self.names().serial
    }

    fn names(&self) -> RwLockReadGuard<'_, Names> {
        self.names.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines of a zone file that the parent needs.
impl std::fmt::Display for AtParent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { zone, ttl, servers, ds } = self;
        servers.iter().try_for_each(|server| writeln!(f, "{zone}. {ttl} IN NS {server}."))?;
        writeln!(f, "{zone}. {ttl} IN DS {ds}")
    }
}

/// A name in lower case, of letters, digits, hyphens and underscores.
fn absolute(text: &str) -> Option<Name> {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    let mut name = Name::from_ascii(text).ok().filter(|_| text.bytes().all(is_plain))?;
    name.set_fqdn(true);
    Some(name.to_lowercase())
}
