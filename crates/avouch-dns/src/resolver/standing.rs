//! From what hickory says of an answer to what avouch says of it.

use avouch_engine::evidence::{Cause, Dnssec};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::DNSSECRData;
use hickory_resolver::proto::op::{DnsResponse, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::wildcard;
use crate::lookup::{Meta, Reply, alias_target};

/// Validation failed.
pub(super) struct Bogus;

/// Reads a validated response.
pub(super) fn validated(query: &Query, result: Result<DnsResponse, NetError>) -> Result<Reply, Bogus> {
    match result {
        Ok(response) if !is_answer_code(response.response_code) => Ok(Reply::Unknown(Cause::ServerFailure)),
        Ok(response) => match at_name(query, &response.answers) {
            Some(records) => positive(&records, &response),
            None => negative(query, &response.authorities),
        },
        Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) => match proof {
            Proof::Bogus => match at_name(query, &response.answers) {
                Some(records) if wildcard::is_rightly_used(query, &response) => positive(&records, &response),
                _ => Err(Bogus),
            },
            // More NSEC3 iterations than are worth computing (RFC 9276 section 3.2).
            Proof::Insecure if response.answers.is_empty() => {
                Ok(absent(Dnssec::Insecure, &query.name, &response.authorities))
            }
            Proof::Indeterminate => Ok(Reply::Unknown(Cause::Indeterminate)),
            Proof::Insecure | Proof::Secure => Err(Bogus),
        },
        Err(NetError::Dns(DnsError::DnssecBogus)) => Err(Bogus),
        Err(error) => Ok(Reply::Unknown(unanswered(&error).unwrap_or(Cause::ServerFailure))),
    }
}

/// Reads a response whose AD bit is believed. hickory keeps no header of negative responses:
/// absence is insecure here.
pub(super) fn believed(query: &Query, result: Result<DnsResponse, NetError>) -> Reply {
    match result {
        Ok(response) if !is_answer_code(response.response_code) => Reply::Unknown(Cause::ServerFailure),
        Ok(response) => {
            let dnssec = if response.authentic_data { Dnssec::Secure } else { Dnssec::Insecure };
            match at_name(query, &response.answers) {
                Some(records) => reply_with(&records, &response.answers, dnssec),
                None => Reply::Unknown(Cause::ServerFailure),
            }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) if !is_referral(&none) => {
            absent(Dnssec::Insecure, &query.name, none.authorities.as_deref().unwrap_or_default())
        }
        Err(error) => Reply::Unknown(unanswered(&error).unwrap_or(Cause::ServerFailure)),
    }
}

/// Why a question went unanswered; `None` for a negative answer, which is an answer.
pub(super) fn unanswered(error: &NetError) -> Option<Cause> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(_) | DnsError::Nsec { .. } | DnsError::DnssecBogus) => None,
        NetError::Timeout => Some(Cause::Timeout),
        NetError::Io(_) | NetError::NoConnections | NetError::Busy => Some(Cause::Unreachable),
        _ => Some(Cause::ServerFailure),
    }
}

/// Whether a signature says that its records were made from a wildcard (RFC 4035 section 5.3.4).
pub(super) fn is_synthesised(record: &Record) -> bool {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => {
            signature.input().num_labels < record.name.num_labels()
        }
        _ => false,
    }
}

fn is_answer_code(code: ResponseCode) -> bool {
    matches!(code, ResponseCode::NoError | ResponseCode::NXDomain)
}

/// A server that points elsewhere has not answered.
fn is_referral(none: &NoRecords) -> bool {
    none.soa.is_none() && none.ns.is_some()
}

/// The records that answer the question, or the alias that stands there instead.
fn at_name<'r>(query: &Query, answers: &'r [Record]) -> Option<Vec<&'r Record>> {
    let of_type = |wanted: RecordType| -> Vec<&'r Record> {
        let here = answers.iter().filter(|record| record.name == query.name);
        here.filter(|record| record.record_type() == wanted).collect()
    };
    [query.query_type, RecordType::CNAME].into_iter().map(of_type).find(|records| !records.is_empty())
}

fn positive(records: &[&Record], response: &DnsResponse) -> Result<Reply, Bogus> {
    let answers = &response.answers;
    let proofs = || records.iter().map(|record| record.proof);
    if proofs().any(|proof| proof == Proof::Bogus) {
        Err(Bogus)
    } else if proofs().any(|proof| proof == Proof::Indeterminate) {
        Ok(Reply::Unknown(Cause::Indeterminate))
    } else if proofs().any(|proof| proof == Proof::Insecure) {
        Ok(reply_with(records, answers, Dnssec::Insecure))
    } else if answers.iter().any(is_synthesised) && !proves_denial(&response.authorities) {
        // hickory lets a wildcard's records pass for any name when unsigned junk stands beside them.
        Err(Bogus)
    } else {
        Ok(reply_with(records, answers, Dnssec::Secure))
    }
}

fn reply_with(records: &[&Record], answers: &[Record], dnssec: Dnssec) -> Reply {
    let meta = Meta {
        dnssec,
        ttl: records.iter().map(|record| record.ttl).min().unwrap_or(0),
        wildcard: answers.iter().any(is_synthesised),
    };
    match alias_target(records) {
        Some(target) => Reply::Alias { target, meta },
        None => {
            let data = records.iter().map(|record| record.data.clone()).collect();
            Reply::Records { data, meta }
        }
    }
}

/// A negative answer counts as secure when a secure NSEC or NSEC3 record is in it (hickory has
/// checked that they deny this question), and as insecure only when the start of authority in it
/// is provably insecure and above the question: hickory does not look whether it is, and a
/// foreign unsigned zone must not make a signed name vanish.
fn negative(query: &Query, authorities: &[Record]) -> Result<Reply, Bogus> {
    let secure = authorities.iter().any(|record| {
        record.proof == Proof::Secure && matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3)
    });
    if secure {
        return Ok(absent(Dnssec::Secure, &query.name, authorities));
    }
    let mut starts = authorities.iter().filter(|record| record.record_type() == RecordType::SOA);
    match starts.next() {
        Some(soa) if soa.proof == Proof::Insecure && soa.name.zone_of(&query.name) => {
            Ok(absent(Dnssec::Insecure, &query.name, authorities))
        }
        // hickory has found the name itself to lie in an unsigned zone.
        None if authorities.is_empty() => Ok(Reply::Absent { dnssec: Dnssec::Insecure, ttl: 0 }),
        // Name servers without a start of authority: a referral, not an answer.
        None if authorities.iter().all(|record| record.proof == Proof::Insecure) => {
            Ok(Reply::Unknown(Cause::ServerFailure))
        }
        Some(_) | None => Err(Bogus),
    }
}

fn proves_denial(authorities: &[Record]) -> bool {
    authorities.iter().any(|record| {
        record.proof == Proof::Secure && matches!(record.record_type(), RecordType::NSEC | RecordType::NSEC3)
    })
}

/// Absence for as long as RFC 2308 section 5 allows; not at all without a start of authority.
fn absent(dnssec: Dnssec, name: &Name, authorities: &[Record]) -> Reply {
    let starts = authorities.iter().filter(|record| record.name.zone_of(name));
    let ttl = starts.filter_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    Reply::Absent { dnssec, ttl: ttl.min().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::rdata::{NS, SOA, TXT};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn query() -> Query {
        Query::query(name("bot._saip.acme.example."), RecordType::TXT)
    }

    fn record(owner: &str, data: RData, proof: Proof) -> Record {
        let mut record = Record::from_rdata(name(owner), 60, data);
        record.proof = proof;
        record
    }

    fn soa(owner: &str, proof: Proof) -> Record {
        let data = SOA::new(name("ns."), name("hostmaster."), 1, 7200, 900, 1_209_600, 30);
        record(owner, RData::SOA(data), proof)
    }

    fn outcome(authorities: &[Record]) -> Result<(Dnssec, u32), Option<Cause>> {
        match negative(&query(), authorities) {
            Ok(Reply::Absent { dnssec, ttl }) => Ok((dnssec, ttl)),
            Ok(Reply::Unknown(cause)) => Err(Some(cause)),
            Ok(_) => panic!("an answer"),
            Err(Bogus) => Err(None),
        }
    }

    #[test]
    fn absence_is_insecure_only_on_the_word_of_an_unsigned_zone_above_the_name() {
        assert_eq!(outcome(&[soa("acme.example.", Proof::Insecure)]), Ok((Dnssec::Insecure, 30)));
        // The start of authority of somebody else's unsigned zone makes nothing vanish.
        assert_eq!(outcome(&[soa("other.example.", Proof::Insecure)]), Err(None));
        assert_eq!(outcome(&[soa("acme.example.", Proof::Bogus)]), Err(None));
        assert_eq!(outcome(&[soa("acme.example.", Proof::Secure)]), Err(None));
    }

    #[test]
    fn a_referral_is_not_an_answer() {
        let elsewhere = RData::NS(NS(name("ns.acme.example.")));
        let referral = [record("acme.example.", elsewhere, Proof::Insecure)];
        assert_eq!(outcome(&referral), Err(Some(Cause::ServerFailure)));
    }

    #[test]
    fn the_weakest_proof_of_the_records_decides() {
        let txt = |proof| record("bot._saip.acme.example.", RData::TXT(TXT::new(vec!["x".into()])), proof);
        let standing = |proofs: &[Proof]| {
            let mut message = hickory_resolver::proto::op::Message::query().into_response();
            message.answers = proofs.iter().copied().map(txt).collect();
            match validated(&query(), Ok(DnsResponse::from_message(message).unwrap())) {
                Ok(Reply::Records { meta, .. }) => Ok(meta.dnssec),
                Ok(Reply::Unknown(cause)) => Err(Some(cause)),
                Ok(_) => panic!("absent"),
                Err(Bogus) => Err(None),
            }
        };
        use Proof::{Bogus as Broken, Indeterminate, Insecure, Secure};
        assert_eq!(standing(&[Secure, Secure]), Ok(Dnssec::Secure));
        assert_eq!(standing(&[Secure, Insecure]), Ok(Dnssec::Insecure));
        assert_eq!(standing(&[Insecure, Indeterminate]), Err(Some(Cause::Indeterminate)));
        assert_eq!(standing(&[Secure, Broken]), Err(None));
    }
}
