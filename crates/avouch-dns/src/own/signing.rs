//! Signatures over sets of records, made when they are asked for and kept.

use std::sync::{Mutex, MutexGuard, PoisonError};

use avouch_keys::KeyError;
use avouch_keys::zone::ZoneKey;
use hickory_proto::ProtoError;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS, RRSIG};
use hickory_proto::dnssec::{Algorithm, DigestType, PublicKeyBuf, TBS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

use super::kept::{Generations, Kept};

/// How long before it is made a signature is valid, in seconds: validators' clocks may be late by this.
const BEFORE: u32 = 60 * 60;

/// How long after it is made a signature is valid, in seconds. Whoever holds an answer of before a change can show it to
/// others until then, so it is short.
const VALID: u32 = 3 * 60 * 60;

/// The time that has to be left of a signature that is sent, in seconds: the longest TTL, and as much for clocks.
const LEFT: u32 = 2 * 60 * 60;

/// Signatures kept over what stands in the zone, in each of two generations: some 16 MiB.
const STANDING: usize = 16_384;

/// Signatures kept over what denies names, in each of two generations. Strangers ask for names that are none, each another,
/// so these have a table of their own.
const DENIALS: usize = 2_048;

/// A key with the zone it signs.
#[derive(Debug)]
pub(super) struct Signer {
    apex: Name,
    key: ZoneKey,
    dnskey: DNSKEY,
    tag: u16,
    standing: Mutex<Generations>,
    denials: Mutex<Generations>,
}

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// What stands in the zone.
    Standing,
    /// That something does not.
    Denial,
}

impl Signer {
    pub(super) fn new(apex: Name, key: ZoneKey) -> Result<Self, KeyError> {
        let public = PublicKeyBuf::new(key.public().to_vec(), Algorithm::ECDSAP256SHA256);
        let dnskey = DNSKEY::new(true, true, false, public);
        let tag = dnskey.calculate_key_tag().map_err(|_| KeyError::Refused)?;
        let (standing, denials) = (Generations::new(STANDING).into(), Generations::new(DENIALS).into());
        Ok(Self { apex, key, dnskey, tag, standing, denials })
    }

    pub(super) const fn apex(&self) -> &Name {
        &self.apex
    }

    pub(super) const fn dnskey(&self) -> &DNSKEY {
        &self.dnskey
    }

    /// The data of the DS record that vouches for the key.
    pub(super) fn ds(&self, kind: DigestType) -> String {
        let digest = self.dnskey.to_digest(&self.apex, kind).map(|digest| digest.as_ref().to_vec());
        DS::new(self.tag, Algorithm::ECDSAP256SHA256, kind, digest.unwrap_or_default()).to_string()
    }

    /// Throws away signatures over what stands at a name, and over the zone's serial.
    pub(super) fn forget(&self, name: &Name) {
        let mut standing = locked(&self.standing);
        for covered in [RecordType::TXT, RecordType::NSEC] {
            standing.forget(&(name.clone(), covered));
        }
        standing.forget(&(self.apex.clone(), RecordType::SOA));
    }

    /// The signature over records of one name and type; nothing where there are none.
    pub(super) fn sign(&self, records: &[Record], of: Of, now: u32) -> Result<Option<Record>, ProtoError> {
        let Some(first) = records.first() else { return Ok(None) };
        let (owner, covered) = (first.name.clone(), first.record_type());
        let table = if of == Of::Standing { &self.standing } else { &self.denials };
        let key = (owner, covered);
        if let Some(kept) = locked(table).get(&key, records, now) {
            return Ok(Some(kept));
        }
        let (from, end) = (now.saturating_sub(BEFORE), now.saturating_add(VALID));
        let input = SigInput {
            type_covered: covered,
            algorithm: Algorithm::ECDSAP256SHA256,
            num_labels: key.0.num_labels(),
            original_ttl: first.ttl,
            sig_expiration: SerialNumber::new(end),
            sig_inception: SerialNumber::new(from),
            key_tag: self.tag,
            signer_name: self.apex.clone(),
        };
        let signed = TBS::from_input(&key.0, DNSClass::IN, &input, records.iter())?;
        let made = self.key.sign(signed.as_ref());
        let made = made.map_err(|_| ProtoError::Message("the zone's key does not sign"))?;
        let data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, made.to_vec())));
        let signature = Record::from_rdata(key.0.clone(), first.ttl, data);
        let until = end.saturating_sub(LEFT);
        let kept = Kept { records: records.to_vec(), signature: signature.clone(), from, until };
        locked(table).put(key, kept);
        Ok(Some(signature))
    }

    #[cfg(test)]
    pub(super) fn kept(&self) -> (usize, usize) {
        (locked(&self.standing).len(), locked(&self.denials).len())
    }
}

fn locked(table: &Mutex<Generations>) -> MutexGuard<'_, Generations> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
