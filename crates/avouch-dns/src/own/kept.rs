//! Signatures that are kept: a bounded table of two generations.

use std::collections::HashMap;

use hickory_proto::rr::{Name, Record, RecordType};

/// A signature with the records it covers, and the seconds between which it may be used.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) records: Vec<Record>,
    pub(super) signature: Record,
    pub(super) from: u32,
    pub(super) until: u32,
}

type Key = (Name, RecordType);

/// At most `most` of each generation. When the young are as many, they become the old, and the old go: what is asked for
/// stays, at the cost of a move.
#[derive(Debug)]
pub(super) struct Generations {
    young: HashMap<Key, Kept>,
    old: HashMap<Key, Kept>,
    most: usize,
}

impl Generations {
    pub(super) fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most }
    }

    /// The signature over exactly these records, if it may be used now.
    pub(super) fn get(&mut self, key: &Key, records: &[Record], now: u32) -> Option<Record> {
        if let Some(kept) = self.old.remove(key) {
            self.put(key.clone(), kept);
        }
        let kept = self.young.get(key)?;
        let holds = kept.records == records && (kept.from..=kept.until).contains(&now);
        holds.then(|| kept.signature.clone())
    }

    pub(super) fn put(&mut self, key: Key, kept: Kept) {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, kept);
    }

    pub(super) fn forget(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
