//! Finding what is wrong, or only unwise, with what stands at a name.

mod concern;
mod network;
mod texts;

pub use concern::{Concern, Severity};

use super::{Level, MAX_RECORDS, Place, PlaceError, Published, Reading, Record, ReportTo};
use crate::name::ancestors;
use crate::time::Time;
use std::time::Duration;

/// Longest TTL advised at an agent's name, in seconds: how long a revoked agent lives on.
pub const MAX_AGENT_TTL: u32 = 300;

/// Longest TTL advised at `_saip.<dom>`, in seconds (VICDM draft section 6.2).
pub const MAX_DOMAIN_TTL: u32 = 3600;

/// How long before its end a record is said to expire soon: time to get a change through.
const SOON: Duration = Duration::from_secs(7 * 24 * 3600);

/// Octets of record text beyond which an answer no longer fits the UDP payload of 1232 octets that
/// resolvers use, with room for names, lengths and a signature.
const LARGE: usize = 1000;

/// What stands at one name, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Subject<'a> {
    /// The name; without one only the texts are looked at.
    pub name: Option<&'a str>,
    /// The TXT records, each with its strings joined.
    pub texts: Vec<&'a [u8]>,
    /// The TTL in seconds.
    pub ttl: Option<u32>,
    /// Whether the records were synthesised from a wildcard.
    pub wildcard: bool,
    /// Whether the zone is signed and the answer validated.
    pub signed: Option<bool>,
    /// The alias that the name is.
    pub alias: Option<Alias<'a>>,
}

/// An alias (CNAME) at a name.
#[derive(Clone, Copy, Debug)]
pub struct Alias<'a> {
    /// Where it leads in the end.
    pub target: &'a str,
    /// Whether the zone has records beside it, rather than that the texts are those of the target.
    pub beside_records: bool,
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The name, where one was given.
    pub name: Option<String>,
    /// Which of the texts at the name, from 0; `None` when it is about the name as a whole.
    pub text: Option<usize>,
    /// What was found.
    pub concern: Concern,
}

/// Examines what stands at several names, each by itself and each beside the others: ancestors
/// that revoke, keys that stand at two names. In the order given, and within a name as found.
#[must_use]
pub fn lint(subjects: &[Subject<'_>], now: Time) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (i, subject) in subjects.iter().enumerate() {
        let others = subjects.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other);
        let mut linter = Linter { subject, now, findings: Vec::new() };
        linter.examine(&others.collect::<Vec<_>>());
        findings.append(&mut linter.findings);
    }
    findings
}

/// Whether TXT records at `name` are worth examining: the name has a `_saip` label, or a text looks
/// like one of ours.
#[must_use]
pub fn concerns_us(name: &str, texts: &[&[u8]]) -> bool {
    name.split('.').any(|label| label.eq_ignore_ascii_case("_saip"))
        || texts.iter().any(|text| texts::is_meant(text))
}

struct Linter<'a> {
    subject: &'a Subject<'a>,
    now: Time,
    findings: Vec<Finding>,
}

impl Linter<'_> {
    fn add(&mut self, text: Option<usize>, concern: Concern) {
        let name = self.subject.name.map(str::to_owned);
        self.findings.push(Finding { name, text, concern });
    }

    fn examine(&mut self, others: &[&Subject<'_>]) {
        if self.subject.name.is_some_and(is_consent) {
            return;
        }
        let place = self.subject.name.map(Place::parse);
        if let Some(Err(error)) = &place {
            self.add(None, Concern::Name(*error));
        }
        let place = place.and_then(Result::ok);
        if let Some(twice) = place.as_ref().and_then(|place| doubled(&place.domain.to_string())) {
            self.add(None, Concern::Doubled(twice));
        }
        for (index, text) in self.subject.texts.iter().enumerate() {
            self.examine_text(index, text, place.as_ref());
        }
        self.examine_union(place.as_ref());
        if let Some(place) = &place {
            self.examine_ttl(place);
            self.examine_others(place, others);
        }
    }

    fn examine_text(&mut self, index: usize, text: &[u8], place: Option<&Place>) {
        match Record::read(text) {
            Reading::Foreign => self.add(Some(index), texts::foreign(text, &self.subject.texts)),
            Reading::Broken { error, .. } => {
                self.add(Some(index), Concern::Broken(error));
                texts::zone_syntax(text).into_iter().for_each(|concern| self.add(Some(index), concern));
            }
            Reading::Sound { record, unknown } => {
                unknown.into_iter().for_each(|tag| self.add(Some(index), unknown_tag(tag)));
                self.examine_spelling(index, text, &record);
                self.examine_record(index, &record);
                match place {
                    Some(place) if place.level() == Level::Agent => self.examine_effect(index, &record),
                    Some(place) => self.examine_reports(index, &record, place),
                    None => {}
                }
            }
        }
    }

    fn examine_spelling(&mut self, index: usize, text: &[u8], record: &Record) {
        let pairs = || text.split(|octet| *octet == b';');
        let value = |tag: &[u8]| {
            pairs().find_map(|pair| pair.trim_ascii().strip_prefix(tag)?.trim_ascii().strip_prefix(b"="))
        };
        let compressed = |key: &[u8]| key.trim_ascii().len() == 44;
        if value(b"pk").is_some_and(compressed) {
            self.add(Some(index), Concern::CompressedKey);
        }
        if value(b"k").is_some() && record.key().is_none() && !record.revokes() {
            self.add(Some(index), Concern::KeyTypeAlone);
        }
        let usual = |pair: &[u8]| {
            let pair = pair.strip_prefix(b" ").unwrap_or(pair);
            !pair.contains(&b' ') && !pair.contains(&b'\t')
        };
        if !pairs().all(usual) || text.starts_with(b" ") || text.ends_with(b" ") {
            self.add(Some(index), Concern::Blanks);
        }
    }

    fn examine_record(&mut self, index: usize, record: &Record) {
        if let Some(end) = record.expires() {
            if end <= self.now {
                self.add(Some(index), Concern::Expired(end));
            } else if end.since(self.now) < SOON {
                self.add(Some(index), Concern::ExpiresSoon(end));
            }
        }
        for net in record.networks() {
            if network::is_local(net) {
                self.add(Some(index), Concern::LocalNetwork(*net));
            } else if network::is_broad(net) {
                self.add(Some(index), Concern::BroadNetwork(*net));
            }
        }
        for asn in record.asns().iter().copied().filter(|asn| network::is_reserved_asn(*asn)) {
            self.add(Some(index), Concern::ReservedAsn(asn));
        }
        if record.is_testing() {
            let overridden = record.key().is_some_and(|key| self.stands_firm(key));
            self.add(Some(index), if overridden { Concern::TestingOverridden } else { Concern::Testing });
        }
        if record.is_null() && record.report_to().is_empty() {
            self.add(Some(index), Concern::Null);
        }
    }

    /// Whether a key counts without `t=y` at this name.
    fn stands_firm(&self, key: &crate::key::PublicKey) -> bool {
        let published = self.published(Level::Agent);
        published.keys(self.now).any(|live| live.value == key && !live.testing)
    }

    fn examine_effect(&mut self, index: usize, record: &Record) {
        let tags = [
            ("re", record.entities().is_empty()),
            ("asn", record.asns().is_empty()),
            ("ip", record.networks().is_empty()),
            ("rua", record.report_to().is_empty()),
        ];
        for (tag, _) in tags.into_iter().filter(|(_, empty)| !empty) {
            self.add(Some(index), Concern::NoEffect(tag));
        }
    }

    fn examine_reports(&mut self, index: usize, record: &Record, place: &Place) {
        for report in record.report_to() {
            match report.consent_name(&place.domain) {
                Ok(None) => {}
                Ok(Some(name)) => self.add(Some(index), Concern::ReportConsent(name)),
                Err(error) => self.add(Some(index), no_consent(report, error)),
            }
        }
    }

    fn published(&self, level: Level) -> Published {
        Published::unite(self.subject.texts.iter().copied(), level)
    }

    fn examine_union(&mut self, place: Option<&Place>) {
        let published = self.published(place.map_or(Level::Domain, Place::level));
        if self.subject.wildcard && !self.has(&Concern::Name(PlaceError::Wildcard)) {
            self.add(None, Concern::Synthesised);
        }
        let alias = self.subject.alias;
        if let Some(Alias { target, beside_records }) = alias {
            self.add(None, Concern::Alias(target.to_owned()));
            if beside_records {
                self.add(None, Concern::AliasBesideRecords);
            }
        }
        if published.count() == 0 && alias.is_none() && !self.findings.iter().any(is_of_a_record) {
            self.add(None, Concern::Nothing);
        }
        if let Some(limit) = published.limit(self.now) {
            self.add(None, Concern::Limit(limit));
        }
        if published.is_revoked() {
            let more = published.count() > 1 || self.subject.texts.iter().any(|text| Self::authorises(text));
            self.add(None, if more { Concern::RevokedHere } else { Concern::Revoked });
        }
        let octets = self.subject.texts.iter().map(|text| text.len()).sum();
        if octets > LARGE && published.count() <= MAX_RECORDS {
            self.add(None, Concern::Large(octets));
        }
        if self.subject.signed == Some(false) && published.count() > 0 {
            self.add(None, Concern::Unsigned);
        }
    }

    fn has(&self, concern: &Concern) -> bool {
        self.findings.iter().any(|finding| finding.concern == *concern)
    }

    /// Whether a text holds something to authorise beside its empty `pk=`.
    fn authorises(text: &[u8]) -> bool {
        match Record::read(text) {
            Reading::Sound { record, .. } => {
                !record.networks().is_empty() || !record.asns().is_empty() || !record.entities().is_empty()
            }
            Reading::Foreign | Reading::Broken { .. } => false,
        }
    }

    fn examine_ttl(&mut self, place: &Place) {
        let most = match place.level() {
            Level::Domain => MAX_DOMAIN_TTL,
            Level::Agent => MAX_AGENT_TTL,
        };
        match self.subject.ttl {
            Some(0) => self.add(None, Concern::ZeroTtl),
            Some(ttl) if ttl > most => self.add(None, Concern::LongTtl { ttl, most }),
            Some(_) | None => {}
        }
    }

    fn examine_others(&mut self, place: &Place, others: &[&Subject<'_>]) {
        let own = place.to_string();
        let mine = self.published(Level::Agent);
        for other in others {
            let Some(Ok(there)) = other.name.map(Place::parse) else { continue };
            let published = Published::unite(other.texts.iter().copied(), Level::Agent);
            let name = there.to_string();
            if published.is_revoked() && ancestors(&own).any(|above| above == name) {
                self.add(None, Concern::RevokedAbove(name));
            } else if mine.keys(self.now).any(|key| published.keys(self.now).any(|k| k.value == key.value)) {
                self.add(None, Concern::SharedKey(name));
            }
        }
    }
}

/// Whether a name holds a receiver's consent: `<dom>._report._saip.<host>`.
fn is_consent(name: &str) -> bool {
    name.to_ascii_lowercase().contains("._report._saip.")
}

/// Whether a finding says of a text that a record was meant.
fn is_of_a_record(finding: &Finding) -> bool {
    matches!(finding.concern, Concern::NotRecognised | Concern::ZoneSyntax(_) | Concern::Fragment)
}

/// The end of a domain that stands there twice: `acme.example` of `acme.example.acme.example`.
fn doubled(domain: &str) -> Option<String> {
    let labels: Vec<&str> = domain.split('.').collect();
    (2..=labels.len() / 2).find_map(|count| {
        let (rest, end) = labels.split_at_checked(labels.len().checked_sub(count)?)?;
        rest.ends_with(end).then(|| end.join("."))
    })
}

fn unknown_tag(tag: &str) -> Concern {
    const KNOWN: [&str; 9] = ["v", "re", "pk", "asn", "ip", "exp", "k", "t", "rua"];
    if KNOWN.iter().any(|known| known.eq_ignore_ascii_case(tag)) {
        Concern::UpperCaseTag(tag.to_owned())
    } else {
        Concern::UnknownTag(tag.to_owned())
    }
}

fn no_consent(report: &ReportTo, error: crate::name::NameError) -> Concern {
    Concern::NoReportConsent { host: report.host().to_string(), error }
}

#[cfg(test)]
mod tests;
