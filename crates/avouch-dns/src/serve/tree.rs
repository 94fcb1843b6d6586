//! The zones behind the server: what is asked, signed at the moment it is answered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use hickory_proto::ProtoError;
use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG};
use hickory_proto::dnssec::{Algorithm, DnsSecError, SigningKey, TBS};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};

/// How long signatures are valid from when they are made, and how long before they began, so
/// that clocks may differ. Far more than any run.
const VALIDITY: u32 = 24 * 60 * 60;

/// The TTL of NSEC and DNSKEY records, in seconds.
const INFRASTRUCTURE_TTL: u32 = 300;

/// What is wrong with a name and everything below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Questions get no answer.
    Mute,
    /// Questions get SERVFAIL.
    Fail,
    /// Signatures do not verify.
    Forge,
    /// Signatures have expired.
    Expire,
    /// Signatures are missing from a signed zone.
    Strip,
    /// Questions for the DS records of a delegation are answered from the zone below it.
    ChildSide,
}

/// A root zone signed with one key, and unsigned zones below delegations in it.
pub(super) struct Tree {
    records: BTreeMap<Name, BTreeMap<RecordType, Vec<Record>>>,
    faults: BTreeMap<Name, Fault>,
    pub(super) claims_validated: bool,
    /// Zones of other servers, by their first names.
    pub(super) delegated: BTreeMap<Name, SocketAddr>,
    key: EcdsaSigningKey,
    dnskey: DNSKEY,
}

/// Where a question falls.
enum Place {
    /// Into the signed root zone.
    Signed,
    /// Into the unsigned zone that begins at this name.
    Unsigned(Name),
}

impl Tree {
    pub(super) fn new(records: impl IntoIterator<Item = Record>) -> Result<Self, DnsSecError> {
        let algorithm = Algorithm::ECDSAP256SHA256;
        let secret = EcdsaSigningKey::generate_pkcs8(algorithm)?;
        let key = EcdsaSigningKey::from_pkcs8(&secret, algorithm)?;
        let dnskey = DNSKEY::from_key(&key.to_public_key()?);
        let mut tree = Self {
            records: BTreeMap::new(),
            faults: BTreeMap::new(),
            claims_validated: false,
            delegated: BTreeMap::new(),
            key,
            dnskey,
        };
        let own = RData::DNSSEC(DNSSECRData::DNSKEY(tree.dnskey.clone()));
        tree.add(Record::from_rdata(Name::root(), INFRASTRUCTURE_TTL, own));
        for record in records {
            tree.add(record);
        }
        Ok(tree)
    }

    pub(super) fn dnskey(&self) -> &DNSKEY {
        &self.dnskey
    }

    /// Adds a record to those of its name and type.
    pub(super) fn add(&mut self, record: Record) {
        let sets = self.records.entry(record.name.to_lowercase()).or_default();
        sets.entry(record.record_type()).or_default().push(record);
    }

    pub(super) fn remove(&mut self, name: &Name, record_type: RecordType) {
        let name = name.to_lowercase();
        if let Some(sets) = self.records.get_mut(&name) {
            sets.remove(&record_type);
            if sets.is_empty() {
                self.records.remove(&name);
            }
        }
    }

    pub(super) fn set_fault(&mut self, name: Name, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.faults.insert(name.to_lowercase(), fault),
            None => self.faults.remove(&name.to_lowercase()),
        };
    }

    /// The other server that a question is for; the DS records of a delegation belong to the parent.
    pub(super) fn elsewhere(&self, query: &Query) -> Option<SocketAddr> {
        let name = query.name.to_lowercase();
        let own = usize::from(query.query_type == RecordType::DS);
        ancestors(&name).skip(own).find_map(|ancestor| self.delegated.get(&ancestor).copied())
    }

    /// The fault of the closest name that has one.
    pub(super) fn fault(&self, name: &Name) -> Option<Fault> {
        let name = name.to_lowercase();
        ancestors(&name).find_map(|ancestor| self.faults.get(&ancestor).copied())
    }

    /// Answers a question into `response`, with proof when `proving` (the DO bit).
    pub(super) fn answer(
        &self,
        query: &Query,
        proving: bool,
        response: &mut Message,
    ) -> Result<(), ProtoError> {
        let name = query.name.to_lowercase();
        let place = self.place(&name, query.query_type);
        let prove = proving && matches!(place, Place::Signed);
        let Some(owner) = self.owner(&name) else {
            response.metadata.response_code = ResponseCode::NXDomain;
            self.start_of_authority(&place, prove, response)?;
            return self.deny_name(&name, prove, response);
        };
        let sets = self.records.get(&owner);
        let found = [query.query_type, RecordType::CNAME]
            .into_iter()
            .find_map(|wanted| sets.and_then(|sets| sets.get(&wanted)));
        let Some(records) = found else {
            self.start_of_authority(&place, prove, response)?;
            return self.deny_type(&name, &owner, prove, response);
        };
        for record in records {
            response.answers.push(renamed(record, &query.name));
        }
        if prove {
            let signature = self.sign(&owner, records)?;
            response.answers.extend(signature.map(|record| renamed(&record, &query.name)));
            if owner != name {
                self.deny(&name, response)?;
            }
        }
        Ok(())
    }

    /// A name belongs to the unsigned zone of a delegation at or above it; the delegation's DS
    /// question belongs to the parent (RFC 4035 section 3.1.4.1).
    fn place(&self, name: &Name, record_type: RecordType) -> Place {
        let from_parent = record_type == RecordType::DS && self.fault(name) != Some(Fault::ChildSide);
        let own = usize::from(from_parent);
        let mut cuts = ancestors(name).skip(own).filter(|cut| !cut.is_root() && self.is_cut(cut));
        cuts.next().map_or(Place::Signed, Place::Unsigned)
    }

    fn is_cut(&self, name: &Name) -> bool {
        self.records.get(name).is_some_and(|sets| sets.contains_key(&RecordType::NS))
    }

    /// The name whose records answer for `name`: itself if it exists, or the wildcard below its
    /// closest existing ancestor.
    fn owner(&self, name: &Name) -> Option<Name> {
        if self.exists(name) {
            return Some(name.clone());
        }
        let wildcard = self.wildcard(name)?;
        self.records.contains_key(&wildcard).then_some(wildcard)
    }

    fn wildcard(&self, name: &Name) -> Option<Name> {
        let encloser = ancestors(name).skip(1).find(|ancestor| self.exists(ancestor))?;
        encloser.prepend_label("*").ok()
    }

    /// Whether there is something at the name or below it.
    fn exists(&self, name: &Name) -> bool {
        self.records.range(name.clone()..).next().is_some_and(|(next, _)| name.zone_of(next))
    }

    fn start_of_authority(
        &self,
        place: &Place,
        prove: bool,
        response: &mut Message,
    ) -> Result<(), ProtoError> {
        let root = Name::root();
        let Some(records) = self.records.get(&root).and_then(|sets| sets.get(&RecordType::SOA)) else {
            return Ok(());
        };
        let apex = match place {
            Place::Signed => root,
            Place::Unsigned(cut) => cut.clone(),
        };
        let named = records.iter().map(|record| renamed(record, &apex));
        response.authorities.extend(named);
        if prove {
            response.authorities.extend(self.sign(&Name::root(), records)?);
        }
        Ok(())
    }

    /// Proof that neither the name nor a wildcard for it exists (RFC 4035 section 3.1.3.2).
    fn deny_name(&self, name: &Name, prove: bool, response: &mut Message) -> Result<(), ProtoError> {
        if !prove {
            return Ok(());
        }
        self.deny(name, response)?;
        match self.wildcard(name) {
            Some(wildcard) => self.deny(&wildcard, response),
            None => Ok(()),
        }
    }

    /// Proof that the owner has no such type, and, when it is a wildcard, that the name itself
    /// does not exist (RFC 4035 sections 3.1.3.1 and 3.1.3.4).
    fn deny_type(
        &self,
        name: &Name,
        owner: &Name,
        prove: bool,
        response: &mut Message,
    ) -> Result<(), ProtoError> {
        if !prove {
            return Ok(());
        }
        self.deny(owner, response)?;
        if owner == name { Ok(()) } else { self.deny(name, response) }
    }

    /// Adds the NSEC record at or before `name`.
    fn deny(&self, name: &Name, response: &mut Message) -> Result<(), ProtoError> {
        let signed = || self.records.keys().filter(|owner| self.is_signed(owner));
        let Some(owner) = signed().rfind(|owner| *owner <= name) else { return Ok(()) };
        if response
            .authorities
            .iter()
            .any(|record| record.record_type() == RecordType::NSEC && record.name == *owner)
        {
            return Ok(());
        }
        let next = signed().find(|next| *next > owner).cloned().unwrap_or_else(Name::root);
        let types: BTreeSet<RecordType> =
            self.records.get(owner).into_iter().flat_map(BTreeMap::keys).copied().collect();
        let types =
            if self.is_cut(owner) && !owner.is_root() { BTreeSet::from([RecordType::NS]) } else { types };
        let nsec = RData::DNSSEC(DNSSECRData::NSEC(NSEC::new_cover_self(next, types)));
        let record = Record::from_rdata(owner.clone(), INFRASTRUCTURE_TTL, nsec);
        let signature = self.sign(owner, std::slice::from_ref(&record))?;
        response.authorities.push(record);
        response.authorities.extend(signature);
        Ok(())
    }

    /// Whether a name is in the root zone: not below a delegation.
    fn is_signed(&self, name: &Name) -> bool {
        !ancestors(name).skip(1).any(|ancestor| !ancestor.is_root() && self.is_cut(&ancestor))
    }

    /// The signature over one set of records, spoiled as the owner's fault says.
    fn sign(&self, owner: &Name, records: &[Record]) -> Result<Option<Record>, ProtoError> {
        let Some(first) = records.first() else { return Ok(None) };
        let fault = self.fault(owner);
        if fault == Some(Fault::Strip) {
            return Ok(None);
        }
        let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(0);
        let made = if fault == Some(Fault::Expire) { now().saturating_sub(3 * VALIDITY) } else { now() };
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: self.key.algorithm(),
            num_labels: owner.num_labels(),
            original_ttl: ttl,
            sig_expiration: SerialNumber::new(made.saturating_add(VALIDITY)),
            sig_inception: SerialNumber::new(made.saturating_sub(VALIDITY)),
            key_tag: self.dnskey.calculate_key_tag()?,
            signer_name: Name::root(),
        };
        let signed = TBS::from_input(owner, DNSClass::IN, &input, records.iter())?;
        let mut signature = self.key.sign(&signed).map_err(|_| ProtoError::Message("signing failed"))?;
        if fault == Some(Fault::Forge)
            && let Some(last) = signature.last_mut()
        {
            *last ^= 1;
        }
        let data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, signature)));
        Ok(Some(Record::from_rdata(owner.clone(), ttl, data)))
    }
}

/// The name itself and every name above it, the root last.
fn ancestors(name: &Name) -> impl Iterator<Item = Name> {
    std::iter::successors(Some(name.clone()), |name| (!name.is_root()).then(|| name.base_name()))
}

fn renamed(record: &Record, name: &Name) -> Record {
    let mut record = record.clone();
    record.name.clone_from(name);
    record
}

/// Unix seconds. Signatures are made for validators that read the system clock, as hickory does.
#[expect(clippy::disallowed_methods, reason = "validators compare signatures with the system clock")]
fn now() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
