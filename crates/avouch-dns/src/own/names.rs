//! What stands in the zone, in the order of DNSSEC (RFC 4034 section 6.1).

use std::collections::BTreeMap;

use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::{Name, RData, Record};

use super::{MAX_TTL, absolute};
use crate::publish::{Change, ChangeFault, texts};

/// Names with their TXT records.
#[derive(Debug)]
pub(super) struct Names {
    apex: Name,
    sets: BTreeMap<Name, Vec<Record>>,
    pub(super) serial: u32,
}

impl Names {
    pub(super) const fn new(apex: Name, serial: u32) -> Self {
        Self { apex, sets: BTreeMap::new(), serial }
    }

    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }

    /// A change as records. Labels of letters, digits, hyphens and underscores alone: what is said to be absent rests on
    /// it, and no wildcard is among them.
    pub(super) fn read(&self, change: &Change) -> Result<(Name, Vec<Record>), ChangeFault> {
        let name = absolute(&change.name).ok_or(ChangeFault::Name)?;
        if !self.apex.zone_of(&name) {
            return Err(ChangeFault::OutsideZone);
        }
        let ttl = change.ttl.min(MAX_TTL);
        let record = |txt: TXT| Record::from_rdata(name.clone(), ttl, RData::TXT(txt));
        let records = texts(&change.texts)?.into_iter().map(record).collect();
        Ok((name, records))
    }

    /// Puts records in place of those at a name.
    pub(super) fn set(&mut self, name: Name, records: Vec<Record>) {
        match records.is_empty() {
            true => _ = self.sets.remove(&name),
            false => _ = self.sets.insert(name, records),
        }
    }

    /// The TXT records at a name.
    pub(super) fn at(&self, name: &Name) -> Option<&[Record]> {
        self.sets.get(name).map(Vec::as_slice)
    }

    /// Whether there is something at the name, or below it.
    pub(super) fn exists(&self, name: &Name) -> bool {
        let after = || self.sets.range(name..).next();
        *name == self.apex || after().is_some_and(|(next, _)| name.zone_of(next))
    }

    /// For a name in the zone that does not exist: its closest ancestor that does, and the name below that on the way to
    /// it, which does not (RFC 5155 section 1.3 calls them closest encloser and next closer name).
    pub(super) fn encloser(&self, name: &Name) -> (Name, Name) {
        let mut below = name.clone();
        loop {
            let above = below.base_name();
            if above.is_root() || self.exists(&above) {
                return (above, below);
            }
            below = above;
        }
    }
}
