//! The message that asks for changes, and the answer to it.

use avouch_keys::tsig::{TsigAlgorithm, TsigKey};
use avouch_wire::time::Time;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::TXT;
use hickory_proto::rr::rdata::tsig::{
    TSIG, TsigAlgorithm as WireAlgorithm, TsigError, make_tsig_record, message_tbs, signed_bitmessage_to_buf,
};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinEncodable as _;

use super::{AnswerFault, Change, ChangeFault, MAX_CHANGES, PublishError, Refusal, SignatureFault, Standing};

/// Seconds by which the clocks of both sides may differ (RFC 8945 section 10).
const FUDGE: u16 = 300;

/// Longest message over TCP.
const MAX_OCTETS: usize = 65_535;

/// Longest string of a TXT record; a text of more is written as several.
const STRING: usize = 255;

/// Longest text: the strings of one record, with their lengths, well within a message.
const MAX_TEXT: usize = 16_384;

/// A message as it is sent, and what its answer is held to.
pub(super) struct Signed {
    pub(super) octets: Vec<u8>,
    id: u16,
    mac: Vec<u8>,
    at: u64,
}

/// What is wrong with an answer, or what it says.
pub(super) enum Fault {
    Answer(AnswerFault),
    Signature(SignatureFault),
    Refusal(Refusal),
}

impl Fault {
    pub(super) const fn of(self, server: std::net::SocketAddr) -> PublishError {
        match self {
            Self::Answer(fault) => PublishError::Answer { server, fault },
            Self::Signature(fault) => PublishError::Signature { server, fault },
            Self::Refusal(refusal) => PublishError::Refused { server, refusal },
        }
    }
}

/// An absolute name.
pub(super) fn name(text: &str) -> Result<Name, ChangeFault> {
    let mut name = Name::from_ascii(text).map_err(|_| ChangeFault::Name)?;
    name.set_fqdn(true);
    Ok(name.to_lowercase())
}

/// The update, signed.
pub(super) fn update(
    zone: &Name,
    seen: &[Standing],
    changes: &[Change],
    key: &TsigKey,
    now: Time,
) -> Result<Signed, PublishError> {
    if changes.len() > MAX_CHANGES {
        return Err(PublishError::TooMany);
    }
    let mut asked = Query::new();
    asked.set_name(zone.clone()).set_query_class(DNSClass::IN).set_query_type(RecordType::SOA);
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_query(asked);
    let prerequisites = seen.iter().flat_map(Standing::prerequisites);
    prerequisites.for_each(|record| _ = message.add_answer(record));
    for change in changes {
        let bad = |fault| PublishError::Change { name: change.name.clone(), fault };
        let records = records(zone, change).map_err(bad)?;
        records.into_iter().for_each(|record| _ = message.add_authority(record));
    }
    sign(message, key, now).ok_or(PublishError::TooMany)
}

/// Whatever TXT stands at the name goes (RFC 2136 section 2.5.2), then what is to stand there is added.
fn records(zone: &Name, change: &Change) -> Result<Vec<Record>, ChangeFault> {
    let name = name(&change.name)?;
    if !zone.zone_of(&name) {
        return Err(ChangeFault::OutsideZone);
    }
    if name.is_wildcard() {
        return Err(ChangeFault::ForOthers);
    }
    let mut gone = Record::update0(name.clone(), 0, RecordType::TXT);
    gone.dns_class = DNSClass::ANY;
    let mut records = vec![gone.into_record_of_rdata()];
    let added = texts(&change.texts)?.into_iter();
    records.extend(added.map(|txt| Record::from_rdata(name.clone(), change.ttl, RData::TXT(txt))));
    Ok(records)
}

/// Each text as a TXT record.
pub(crate) fn texts(texts: &[String]) -> Result<Vec<TXT>, ChangeFault> {
    let txt = |text: &String| {
        let fits = (1..=MAX_TEXT).contains(&text.len());
        let strings = || text.as_bytes().chunks(STRING).collect();
        fits.then(|| TXT::from_bytes(strings())).ok_or(ChangeFault::Text)
    };
    texts.iter().map(txt).collect()
}

const fn algorithm(key: &TsigKey) -> WireAlgorithm {
    match key.algorithm() {
        TsigAlgorithm::HmacSha256 => WireAlgorithm::HmacSha256,
        TsigAlgorithm::HmacSha384 => WireAlgorithm::HmacSha384,
        TsigAlgorithm::HmacSha512 => WireAlgorithm::HmacSha512,
    }
}

/// `None` where the message is too long.
fn sign(mut message: Message, key: &TsigKey, now: Time) -> Option<Signed> {
    let (id, at) = (message.metadata.id, now.seconds());
    let owner = name(key.name()).ok()?;
    let tsig = TSIG::new(algorithm(key), at, FUDGE, Vec::new(), id, None, Vec::new());
    let mac = key.sign(&message_tbs(&message, &tsig, &owner).ok()?);
    message.set_signature(Box::new(make_tsig_record(owner, tsig.set_mac(mac.clone()))));
    let octets = message.to_bytes().ok().filter(|octets| octets.len() <= MAX_OCTETS)?;
    Some(Signed { octets, id, mac, at })
}

/// What the answer says: only a signed one says that the changes took place, or why not.
pub(super) fn read(answer: &[u8], asked: &Signed, key: &TsigKey) -> Result<(), Fault> {
    let form = || Fault::Answer(AnswerFault::Form);
    let message = Message::from_vec(answer).map_err(|_| form())?;
    let is_answer = message.metadata.id == asked.id
        && message.metadata.message_type == MessageType::Response
        && message.metadata.op_code == OpCode::Update;
    if !is_answer {
        return Err(form());
    }
    let code = message.metadata.response_code;
    let Some(record) = &message.signature else {
        // A server that takes no changes at all, or none from here, says so without a signature.
        return Err(match code {
            ResponseCode::NoError => Fault::Answer(AnswerFault::Unsigned),
            code => Fault::Refusal(code.into()),
        });
    };
    let tsig = &record.data;
    let is_bare = tsig.mac.is_empty();
    match tsig.error {
        Some(TsigError::BadKey) if is_bare => return Err(Fault::Signature(SignatureFault::Key)),
        Some(TsigError::BadSig) if is_bare => return Err(Fault::Signature(SignatureFault::Secret)),
        _ => {}
    }
    let (signed, record) = signed_bitmessage_to_buf(answer, Some(&asked.mac), true).map_err(|_| form())?;
    let is_ours = name(key.name()).is_ok_and(|owner| record.name == owner);
    if !is_ours || record.data.algorithm != algorithm(key) || !key.verify(&signed, &record.data.mac) {
        return Err(Fault::Answer(AnswerFault::Signature));
    }
    match tsig.error {
        Some(TsigError::BadTime) => return Err(Fault::Signature(SignatureFault::Time)),
        Some(error) => return Err(Fault::Signature(SignatureFault::Other(error.into()))),
        None => {}
    }
    if tsig.time.abs_diff(asked.at) > u64::from(FUDGE) {
        return Err(Fault::Answer(AnswerFault::Time));
    }
    match code {
        ResponseCode::NoError => Ok(()),
        code => Err(Fault::Refusal(code.into())),
    }
}
