//! A table on disk, between a clean stop and the next start.
//!
//! All numbers big-endian: [`MAGIC`], hash key (16), floor (8), number of holders (4), per holder
//! its number (2), tag (4) and whether it is named (1), number of nonces (8), per nonce its
//! fingerprint (8), bucket (1) and holder (2), and a checksum over all of that (8).

use super::shard::Nonce;
use super::shares::{Holder, Owner};
use crate::hash_key::HashKey;

/// The file's name.
pub(super) const FILE: &str = "replay.table";

const MAGIC: &[u8] = b"avouch replay table 1\n";

/// What is kept of a table.
pub(super) struct Saved {
    pub(super) key: HashKey,
    /// What was signed before this second had been forgotten.
    pub(super) floor: u64,
    pub(super) owners: Vec<Owner>,
    pub(super) nonces: Vec<(Nonce, Holder)>,
}

impl Saved {
    /// The longest file that can hold the nonces of a table of `capacity`, whatever its own was.
    pub(super) const MOST_OCTETS: u64 = 64 + 7 * (1 << 16) + 11 * (super::MAX_CAPACITY as u64 * 2);

    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + 7 * self.owners.len() + 11 * self.nonces.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(self.key.octets());
        out.extend_from_slice(&self.floor.to_be_bytes());
        out.extend_from_slice(&(self.owners.len() as u32).to_be_bytes());
        for owner in &self.owners {
            out.extend_from_slice(&owner.holder.to_be_bytes());
            out.extend_from_slice(&owner.tag.to_be_bytes());
            out.push(u8::from(owner.named));
        }
        out.extend_from_slice(&(self.nonces.len() as u64).to_be_bytes());
        for (nonce, holder) in &self.nonces {
            out.extend_from_slice(&nonce.fingerprint.to_be_bytes());
            out.push(nonce.bucket);
            out.extend_from_slice(&holder.to_be_bytes());
        }
        out.extend_from_slice(&super::checksum(&out).to_be_bytes());
        out
    }

    /// `None` when anything is not as [`Saved::write`] writes it.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let (body, sum) = content.split_last_chunk()?;
        if super::checksum(body) != u64::from_be_bytes(*sum) {
            return None;
        }
        let mut rest = body.strip_prefix(MAGIC)?;
        let key = HashKey::from_octets(take(&mut rest)?);
        let floor = u64::from_be_bytes(take(&mut rest)?);
        let owners = u32::from_be_bytes(take(&mut rest)?);
        let owners = (0..owners).map(|_| owner(&mut rest)).collect::<Option<_>>()?;
        let nonces = u64::from_be_bytes(take(&mut rest)?);
        let nonces = (0..nonces).map(|_| nonce(&mut rest)).collect::<Option<_>>()?;
        rest.is_empty().then_some(Self { key, floor, owners, nonces })
    }
}

fn owner(rest: &mut &[u8]) -> Option<Owner> {
    let holder = Holder::from_be_bytes(take(rest)?);
    let tag = u32::from_be_bytes(take(rest)?);
    let [named] = take(rest)?;
    Some(Owner { holder, tag, named: named == 1 })
}

fn nonce(rest: &mut &[u8]) -> Option<(Nonce, Holder)> {
    let fingerprint = u64::from_be_bytes(take(rest)?);
    let [bucket] = take(rest)?;
    Some((Nonce { fingerprint, bucket }, Holder::from_be_bytes(take(rest)?)))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        Saved {
            key: HashKey::from_octets([3; 16]),
            floor: 1_789_999_700,
            owners: vec![Owner { holder: 9, tag: 0xdead_beef, named: true }],
            nonces: vec![
                (Nonce { fingerprint: 5, bucket: 200 }, 9),
                (Nonce { fingerprint: 6, bucket: 0 }, 9),
            ],
        }
    }

    #[test]
    fn a_table_is_read_as_written() {
        let written = saved().write();
        let read = Saved::read(&written).unwrap();
        assert_eq!((read.floor, read.owners.len(), read.nonces.len()), (1_789_999_700, 1, 2));
        assert_eq!(read.write(), written);
    }

    #[test]
    fn a_damaged_or_cut_table_is_none() {
        let written = saved().write();
        for at in 0..written.len() {
            let mut damaged = written.clone();
            damaged[at] ^= 0x10;
            assert!(Saved::read(&damaged).is_none(), "octet {at}");
            assert!(Saved::read(&written[..at]).is_none(), "cut at {at}");
        }
    }
}
