//! The `_saip` record: what a domain publishes about its agents (VICDM draft sections 6.2 and 6.4).
//!
//! One TXT record is a [`Record`]; everything sound at one name, united, is [`Published`].
//! `docs/formats/record.md` is the reference.

mod flaw;
pub mod lint;
mod network;
mod place;
mod published;
mod read;
mod report;
mod rotation;
mod write;

pub use flaw::{Flaw, RecordError};
pub use network::{Network, NetworkError};
pub use place::{Place, PlaceError};
pub use published::{Ignored, Level, Limit, Live, Published};
pub use read::Reading;
pub use report::{ReportTo, ReportToError, consents};
pub use rotation::{Rotation, RotationError, Stage};

use crate::key::PublicKey;
use crate::name::Domain;
use crate::time::Time;

/// Most networks in one record: bounds what is compared with an address on each request.
pub const MAX_NETWORKS: usize = 64;

/// Most autonomous systems in one record: as for networks.
pub const MAX_ASNS: usize = 64;

/// Most addresses for reports in one record: bounds what one domain makes a site send.
pub const MAX_REPORT_TO: usize = 4;

/// Most records at one name. More than a rollover with room to spare; bounds parsing.
pub const MAX_RECORDS: usize = 16;

/// Most distinct keys live at one name. An old and a new one of each type; bounds the signature
/// checks one request can cause.
pub const MAX_LIVE_KEYS: usize = 4;

/// Most octets of record text at one name: bounds memory in caches.
pub const MAX_OCTETS: usize = 4096;

/// One sound `_saip` record. It cannot be wrong: it is read ([`Record::read`]) or made from parts
/// that are themselves checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    entities: Vec<Domain<'static>>,
    key: Option<PublicKey>,
    revokes: bool,
    asns: Vec<u32>,
    networks: Vec<Network>,
    expires: Option<Time>,
    testing: bool,
    report_to: Vec<ReportTo>,
}

impl Record {
    /// A record that publishes a key.
    #[must_use]
    pub fn of_key(key: PublicKey) -> Self {
        Self { key: Some(key), ..Self::default() }
    }

    /// The record that revokes every key at its name and every agent below it: an empty `pk=`.
    #[must_use]
    pub fn revocation() -> Self {
        Self { revokes: true, ..Self::default() }
    }

    /// The same record, ending at `exp`, in Unix seconds.
    #[must_use]
    pub fn expiring(self, exp: u64) -> Self {
        Self { expires: Some(Time::from_seconds(exp)), ..self }
    }

    /// The registration entities (`re`), the preferred one first.
    #[must_use]
    pub fn entities(&self) -> &[Domain<'static>] {
        &self.entities
    }

    /// The key (`pk`).
    #[must_use]
    pub const fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// Whether `pk` is there and empty.
    #[must_use]
    pub const fn revokes(&self) -> bool {
        self.revokes
    }

    /// The autonomous systems (`asn`), at most [`MAX_ASNS`], none zero.
    #[must_use]
    pub fn asns(&self) -> &[u32] {
        &self.asns
    }

    /// The networks (`ip`), at most [`MAX_NETWORKS`].
    #[must_use]
    pub fn networks(&self) -> &[Network] {
        &self.networks
    }

    /// The moment from which the record no longer counts (`exp`).
    #[must_use]
    pub const fn expires(&self) -> Option<Time> {
        self.expires
    }

    /// Whether the domain is only trying things out (`t=y`).
    #[must_use]
    pub const fn is_testing(&self) -> bool {
        self.testing
    }

    /// Where aggregate reports go (`rua`), at most [`MAX_REPORT_TO`].
    #[must_use]
    pub fn report_to(&self) -> &[ReportTo] {
        &self.report_to
    }

    /// Whether the record is `v=saip1` alone, or as good as: it authorises nothing and revokes nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.key.is_none()
            && !self.revokes
            && self.entities.is_empty()
            && self.asns.is_empty()
            && self.networks.is_empty()
    }
}
