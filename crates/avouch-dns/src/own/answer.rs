//! What a question is answered.

use std::net::IpAddr;

use avouch_wire::time::Time;
use hickory_proto::ProtoError;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{NS, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::names::Names;
use super::signing::Of;
use super::{MAX_ABSENCE, Zone, lies};

/// What a client may receive in a datagram that does not say more (RFC 1035 section 4.2.1).
const WITHOUT_EDNS: u16 = 512;

/// The longest datagram: what crosses every network in one piece.
const DATAGRAM: u16 = 1_232;

/// Octets of a message's head.
const HEAD: usize = 12;

/// Seconds after which secondaries ask again, try again and give up. There are none.
const REFRESH: i32 = 7_200;
const RETRY: i32 = 900;
const EXPIRE: i32 = 1_209_600;

/// By which way a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In a datagram, which anybody may have sent, from this address as it says.
    Datagram(IpAddr),
    /// Over TCP.
    Stream,
}

impl Zone {
    /// The answer to a message, as octets without a length before them; `None` where there is to be none. Whatever the
    /// octets are, it takes no longer than three signatures, and is no longer than the way allows.
    pub fn answer(&self, question: &[u8], way: Way, now: Time) -> Option<Vec<u8>> {
        let request = match Message::from_vec(question) {
            Ok(request) => request,
            Err(_) => return unreadable(question),
        };
        if request.metadata.message_type != MessageType::Query {
            return None;
        }
        let mut response = head(&request);
        let room = match way {
            Way::Stream => u16::MAX,
            Way::Datagram(_) => room(&request),
        };
        match way {
            Way::Datagram(client) if !self.allowance.take(client, now) => response.metadata.truncation = true,
            _ => {
                if self.fill(&request, &mut response, now).is_err() {
                    response = head(&request);
                    response.metadata.response_code = ResponseCode::ServFail;
                }
            }
        }
        within(response, room)
    }

    fn fill(&self, request: &Message, response: &mut Message, now: Time) -> Result<(), ProtoError> {
        let refused = refusal(request);
        let ([query], None) = (request.queries.as_slice(), refused) else {
            response.metadata.response_code = refused.unwrap_or(ResponseCode::FormErr);
            return Ok(());
        };
        let name = query.name.to_lowercase();
        if query.query_class != DNSClass::IN || !self.signer.apex().zone_of(&name) {
            response.metadata.response_code = ResponseCode::Refused;
            return Ok(());
        }
        response.metadata.authoritative = true;
        let proving = request.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
        // What a question is answered stands at one moment: nothing changes while it is put together.
        let names = self.names();
        let answering = Answering { zone: self, names: &names, proving, now: seconds(now) };
        answering.answer(&name, query, response)
    }
}

/// What is answered with.
struct Answering<'a> {
    zone: &'a Zone,
    names: &'a Names,
    proving: bool,
    now: u32,
}

impl Answering<'_> {
    fn answer(&self, name: &Name, query: &Query, response: &mut Message) -> Result<(), ProtoError> {
        if !self.names.exists(name) {
            response.metadata.response_code = ResponseCode::NXDomain;
            return self.deny_name(name, response);
        }
        let sets = self.sets(name);
        let set = match query.query_type {
            // One of what stands there is enough for whoever asks for anything (RFC 8482 section 4.1).
            RecordType::ANY | RecordType::RRSIG => sets.first(),
            wanted => {
                sets.iter().find(|set| set.first().is_some_and(|record| record.record_type() == wanted))
            }
        };
        let signs = self.proving || query.query_type == RecordType::RRSIG;
        match (set, query.query_type) {
            (Some(set), asked) => {
                let signature =
                    if signs { self.zone.signer.sign(set, Of::Standing, self.now)? } else { None };
                let records = set.iter().filter(|_| asked != RecordType::RRSIG).chain(&signature);
                response.answers.extend(records.map(|record| renamed(record, &query.name)));
                Ok(())
            }
            (None, RecordType::ANY | RecordType::RRSIG | RecordType::NSEC) => {
                let denial = self.denial_at(name);
                let signature =
                    self.zone.signer.sign(std::slice::from_ref(&denial), Of::Standing, self.now)?;
                let records = [
                    Some(denial).filter(|_| query.query_type != RecordType::RRSIG),
                    signature.filter(|_| signs),
                ];
                response.answers.extend(records.iter().flatten().map(|record| renamed(record, &query.name)));
                Ok(())
            }
            (None, _) => {
                self.start(response)?;
                self.deny(self.denial_at(name), Of::Standing, response)
            }
        }
    }

    /// The sets of records at a name, but for the one that denies others.
    fn sets(&self, name: &Name) -> Vec<Vec<Record>> {
        let texts = self.names.at(name).map(<[Record]>::to_vec);
        if name != self.zone.signer.apex() {
            return texts.into_iter().collect();
        }
        let of = |data| Record::from_rdata(name.clone(), self.zone.ttl, data);
        let servers = self.zone.servers.iter().map(|server| of(RData::NS(NS(server.clone())))).collect();
        let key = of(RData::DNSSEC(DNSSECRData::DNSKEY(self.zone.signer.dnskey().clone())));
        [vec![self.start_of_authority()], servers, vec![key]].into_iter().chain(texts).collect()
    }

    fn start_of_authority(&self) -> Record {
        let apex = self.zone.signer.apex();
        let primary = self.zone.servers.first().cloned().unwrap_or_default();
        // Whoever runs a domain has mail there, and none below an underscore.
        let domain = apex.base_name();
        let contact = domain.prepend_label("hostmaster").unwrap_or(domain);
        let absence = self.absence();
        let soa = SOA::new(primary, contact, self.names.serial, REFRESH, RETRY, EXPIRE, absence);
        Record::from_rdata(apex.clone(), self.zone.ttl, RData::SOA(soa))
    }

    /// Seconds for which caches keep that something is absent (RFC 2308 section 5, RFC 9077).
    fn absence(&self) -> u32 {
        self.zone.ttl.min(MAX_ABSENCE)
    }

    fn start(&self, response: &mut Message) -> Result<(), ProtoError> {
        let soa = self.start_of_authority();
        let signature = match self.proving {
            true => self.zone.signer.sign(std::slice::from_ref(&soa), Of::Standing, self.now)?,
            false => None,
        };
        response.authorities.extend([Some(soa), signature].into_iter().flatten());
        Ok(())
    }

    /// That neither the name nor a wildcard for it exists (RFC 4035 section 3.1.3.2).
    fn deny_name(&self, name: &Name, response: &mut Message) -> Result<(), ProtoError> {
        self.start(response)?;
        let (encloser, closer) = self.names.encloser(name);
        self.deny(self.denial_of(&closer), Of::Denial, response)?;
        match encloser.prepend_label("*") {
            Ok(wildcard) if wildcard != closer => {
                self.deny(self.denial_of(&wildcard), Of::Standing, response)
            }
            _ => Ok(()),
        }
    }

    fn deny(&self, denial: Record, of: Of, response: &mut Message) -> Result<(), ProtoError> {
        if !self.proving {
            return Ok(());
        }
        let signature = self.zone.signer.sign(std::slice::from_ref(&denial), of, self.now)?;
        response.authorities.extend([Some(denial), signature].into_iter().flatten());
        Ok(())
    }

    /// The record that says which types are at a name that exists.
    fn denial_at(&self, name: &Name) -> Record {
        self.nsec(name.clone(), lies::first_below(name, self.zone.signer.apex()))
    }

    /// The record that says that a name and all below it do not exist.
    fn denial_of(&self, name: &Name) -> Record {
        self.nsec(lies::before(name), lies::after(name, self.zone.signer.apex()))
    }

    fn nsec(&self, owner: Name, next: Name) -> Record {
        let sets = self.sets(&owner);
        let types = sets.iter().filter_map(|set| set.first()).map(Record::record_type);
        let nsec = RData::DNSSEC(DNSSECRData::NSEC(NSEC::new_cover_self(next, types)));
        Record::from_rdata(owner, self.absence(), nsec)
    }
}

/// What a response begins with.
fn head(request: &Message) -> Message {
    let mut response = Message::response(request.metadata.id, request.metadata.op_code);
    response.metadata.recursion_desired = request.metadata.recursion_desired;
    response.metadata.checking_disabled = request.metadata.checking_disabled;
    response.queries.extend(request.queries.first().cloned());
    response.edns = request.edns.as_ref().map(|asked| {
        let mut edns = Edns::new();
        edns.set_max_payload(DATAGRAM).set_dnssec_ok(asked.flags().dnssec_ok);
        edns
    });
    response
}

/// What is not answered, whatever it asks for.
fn refusal(request: &Message) -> Option<ResponseCode> {
    let kind = request.queries.first().map(|query| u16::from(query.query_type));
    // Types of questions rather than records: transfers, mail, and what is unknown (RFC 6895 section 3.1).
    let is_no_type =
        kind.is_some_and(|kind| (128..=254).contains(&kind) || kind == u16::from(RecordType::OPT));
    match request {
        _ if request.metadata.op_code != OpCode::Query => Some(ResponseCode::NotImp),
        _ if request.version() > 0 => Some(ResponseCode::BADVERS),
        _ if request.signature.is_some() || is_no_type => Some(ResponseCode::Refused),
        _ => None,
    }
}

/// Octets that a datagram may have.
fn room(request: &Message) -> u16 {
    request.edns.as_ref().map_or(WITHOUT_EDNS, |edns| edns.max_payload().clamp(WITHOUT_EDNS, DATAGRAM))
}

/// The response as octets; without its records, and marked so, where it has no room.
fn within(mut response: Message, room: u16) -> Option<Vec<u8>> {
    let octets = response.to_vec().ok()?;
    if octets.len() <= usize::from(room) {
        return Some(octets);
    }
    response.metadata.truncation = true;
    response.answers.clear();
    response.authorities.clear();
    response.to_vec().ok()
}

/// To what begins like a question and goes on as none: that it is none. To anything else nothing.
fn unreadable(octets: &[u8]) -> Option<Vec<u8>> {
    let (&[high, low, flags, ..], true) = (octets.first_chunk::<3>()?, octets.len() >= HEAD) else {
        return None;
    };
    let is_question = flags & 0x80 == 0;
    // The same kind of question, whatever bits it set.
    let op_code = OpCode::from_u8(flags >> 3 & 0x0f);
    let response = Message::error_msg(u16::from_be_bytes([high, low]), op_code, ResponseCode::FormErr);
    response.to_vec().ok().filter(|_| is_question)
}

/// In the letters of the question, which resolvers choose to know their answers by.
fn renamed(record: &Record, name: &Name) -> Record {
    let mut record = record.clone();
    record.name.clone_from(name);
    record
}

/// Seconds as signatures count them, which begin anew in 2106 (RFC 4034 section 3.1.5).
fn seconds(now: Time) -> u32 {
    u32::try_from(now.seconds() & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}
