//! Whether a wildcard was rightly used, where hickory does not see the proof.
//!
//! hickory 0.26 looks for an NSEC record on either side of the wildcard's own name. Where that
//! name is the last before the one asked for — `*.crawl` before `x.crawl`, the ordinary case — the
//! one NSEC record begins at the wildcard, and hickory calls a proper answer bogus.

use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_resolver::proto::op::{DnsResponse, Query};
use hickory_resolver::proto::rr::{Name, RData, Record};

/// Whether a validated NSEC record shows that nothing closer to the question exists than the
/// wildcard that the answer's signature names (RFC 4035 section 5.3.4).
pub(super) fn is_rightly_used(query: &Query, response: &DnsResponse) -> bool {
    let Some(labels) = signed_labels(response) else { return false };
    response.authorities.iter().any(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::NSEC(nsec)) if record.proof == Proof::Secure => {
            leaves_only_the_wildcard(&query.name, labels, &record.name, nsec)
        }
        _ => false,
    })
}

/// The labels below the wildcard's `*`, by the validated signature over the answer.
fn signed_labels(response: &DnsResponse) -> Option<u8> {
    let labels = |record: &Record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) if record.proof == Proof::Secure => {
            Some(signature.input().num_labels)
        }
        _ => None,
    };
    response.answers.iter().filter_map(labels).min()
}

/// Whether the gap that this NSEC record vouches for holds `name`, and neither of its ends lies
/// below a name closer to `name` than the wildcard's parent, which would make that name exist.
fn leaves_only_the_wildcard(name: &Name, labels: u8, owner: &Name, nsec: &NSEC) -> bool {
    let next = nsec.next_domain_name();
    let in_gap = owner < name && (name < next || next <= owner && next.zone_of(name));
    // A record from above a zone cut or a DNAME says nothing of what is below (RFC 6840 section 4.1).
    let from_above = nsec.is_ancestor_delegation() && owner.zone_of(name);
    let is_closer = |end: &Name| shared_labels(name, end) > labels;
    in_gap && !from_above && !is_closer(owner) && !is_closer(next)
}

/// How many labels two names share, counted from the root.
fn shared_labels(one: &Name, other: &Name) -> u8 {
    let same = |(a, b): &(&[u8], &[u8])| a.eq_ignore_ascii_case(b);
    let shared = one.iter().rev().zip(other.iter().rev()).take_while(same).count();
    u8::try_from(shared).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::RecordType;

    fn leaves(name: &str, labels: u8, owner: &str, next: &str, types: &[RecordType]) -> bool {
        let name_of = |text: &str| Name::from_ascii(text).unwrap();
        let nsec = NSEC::new(name_of(next), types.iter().copied());
        leaves_only_the_wildcard(&name_of(name), labels, &name_of(owner), &nsec)
    }

    const TXT: &[RecordType] = &[RecordType::TXT];

    #[test]
    fn the_gap_from_the_wildcard_onwards_proves_it() {
        assert!(leaves("x.crawl.example.", 2, "*.crawl.example.", "www.example.", TXT));
        assert!(leaves("x.y.crawl.example.", 2, "*.crawl.example.", "www.example.", TXT));
        assert!(leaves("X.crawl.example.", 2, "*.crawl.example.", "example.", TXT), "the last of the zone");
    }

    #[test]
    fn a_gap_elsewhere_or_a_closer_name_does_not() {
        // The name exists: the gap ends or begins with it.
        assert!(!leaves("x.crawl.example.", 2, "*.crawl.example.", "x.crawl.example.", TXT));
        assert!(!leaves("x.crawl.example.", 2, "x.crawl.example.", "www.example.", TXT));
        assert!(!leaves("x.crawl.example.", 2, "a.example.", "b.example.", TXT));
        // `y.crawl` exists, so the wildcard above it does not reach `x.y.crawl`.
        assert!(!leaves("x.y.crawl.example.", 2, "a.y.crawl.example.", "www.example.", TXT));
        assert!(!leaves("x.y.crawl.example.", 2, "*.crawl.example.", "z.y.crawl.example.", TXT));
        // Another zone begins above the name.
        assert!(!leaves("x.y.crawl.example.", 2, "y.crawl.example.", "www.example.", &[RecordType::NS]));
        assert!(!leaves("x.crawl.example.", 1, "crawl.example.", "www.example.", &[RecordType::DNAME]));
    }
}
