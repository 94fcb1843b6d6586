//! Reading one record.

use super::{Flaw, MAX_ASNS, MAX_NETWORKS, MAX_REPORT_TO, Network, Record, RecordError, ReportTo};
use crate::b64u;
use crate::key::{KeyError, KeyType, PublicKey};
use crate::name::Domain;
use crate::time::Time;
use std::collections::BTreeSet;

/// Most unknown tags reported of one record; the rest are ignored in silence.
const MAX_REPORTED: usize = 8;

/// Most digits of `exp`, as of `ts`: enough until the year 33658, too few for milliseconds.
const EXPIRY_DIGITS: usize = 12;

/// What one TXT record turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "taken apart at once, never stored")]
pub enum Reading<'a> {
    /// It does not begin with `v=saip1`: not a record of ours, and no fault.
    Foreign,
    /// A record that keeps every rule.
    Sound {
        /// What it says.
        record: Record,
        /// Tags in it that are not known here, and ignored; at most eight.
        unknown: Vec<&'a str>,
    },
    /// A record that breaks a rule, and authorises nothing.
    Broken {
        /// The first rule broken.
        error: RecordError,
        /// Whether it holds an empty `pk=`, which revokes all the same.
        revokes: bool,
    },
}

impl Record {
    /// Reads one TXT record, its strings joined without blanks (VICDM draft section 6.2).
    #[must_use]
    pub fn read(text: &[u8]) -> Reading<'_> {
        let Some(rest) = after_version(text) else { return Reading::Foreign };
        match read_pairs(text, text.len() - rest.len()) {
            Ok((record, unknown)) => Reading::Sound { record, unknown },
            Err(error) => Reading::Broken { error, revokes: has_empty_key(rest) },
        }
    }

    /// Reads text that is meant to be a record: what [`Record::read`] calls sound, and nothing else.
    ///
    /// # Errors
    /// [`RecordError`]; text that does not begin with `v=saip1` is [`Flaw::Version`].
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        match Self::read(text.as_bytes()) {
            Reading::Sound { record, .. } => Ok(record),
            Reading::Broken { error, .. } => Err(error),
            Reading::Foreign => Err(RecordError { at: 0, flaw: Flaw::Version }),
        }
    }
}

/// Whether this is a record of ours, and if so whether it holds an empty `pk=`; without reading the
/// rest. For names that hold more than is worth reading.
pub(super) fn skim(text: &[u8]) -> Option<bool> {
    after_version(text).map(has_empty_key)
}

/// What follows `v=saip1` at the beginning, when it stands there as a value of its own.
fn after_version(text: &[u8]) -> Option<&[u8]> {
    let rest = trim_start(text).strip_prefix(b"v")?;
    let rest = trim_start(rest).strip_prefix(b"=")?;
    let rest = trim_start(rest).strip_prefix(b"saip1")?;
    match rest.first() {
        None | Some(b';' | b' ' | b'\t') => Some(rest),
        Some(_) => None,
    }
}

fn trim_start(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|octet| is_blank(**octet)).count();
    text.get(blanks..).unwrap_or_default()
}

const fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Whether a pair is `pk` with nothing after the equals sign. Looks at octets, not at rules: the
/// emergency switch must work in a record that is otherwise broken.
fn has_empty_key(rest: &[u8]) -> bool {
    rest.split(|octet| *octet == b';')
        .any(|pair| pair.trim_ascii().strip_prefix(b"pk").is_some_and(|after| after.trim_ascii() == b"="))
}

/// Decimal digits without sign or leading zero, at most `digits` of them.
pub(super) fn decimal(text: &str, digits: usize) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    let sound = canonical && text.len() <= digits && text.bytes().all(|octet| octet.is_ascii_digit());
    if sound { text.parse().ok() } else { None }
}

/// One pair and where it stands.
struct Pair<'a> {
    at: usize,
    tag: &'a str,
    value_at: usize,
    value: &'a str,
}

impl<'a> Pair<'a> {
    fn read(text: &'a str, at: usize) -> Result<Self, RecordError> {
        let (word, at) = trim(text, at);
        let error = |flaw| RecordError { at, flaw };
        if word.is_empty() {
            return Err(error(Flaw::EmptyPair));
        }
        let (tag, value) = word.split_once('=').ok_or_else(|| error(Flaw::NoValue))?;
        let (value, value_at) = trim(value, at + tag.len() + 1);
        let tag = tag.trim_end_matches(BLANKS);
        if tag.is_empty() || !tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
        {
            return Err(error(Flaw::TagName));
        }
        Ok(Self { at, tag, value_at, value })
    }

    const fn error(&self, flaw: Flaw) -> RecordError {
        RecordError { at: self.value_at, flaw }
    }

    /// The members of a list divided by commas, and where each stands.
    fn members(&self) -> impl Iterator<Item = (&'a str, usize)> {
        let mut next = self.value_at;
        self.value.split(',').map(move |member| {
            let at = next;
            next += member.len() + 1;
            trim(member, at)
        })
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// `text` without blanks at its ends, and where that begins.
fn trim(text: &str, at: usize) -> (&str, usize) {
    let begun = text.trim_start_matches(BLANKS);
    (begun.trim_end_matches(BLANKS), at + text.len() - begun.len())
}

/// Reads the pairs of `text` that begin at `start`, behind the version.
fn read_pairs(text: &[u8], start: usize) -> Result<(Record, Vec<&str>), RecordError> {
    let text = printable(text)?;
    let (rest, at) = trim(text.get(start..).unwrap_or_default(), start);
    let mut reader = Reader { seen: BTreeSet::from(["v"]), ..Reader::default() };
    if !rest.is_empty() {
        let pairs = rest.strip_prefix(';').ok_or(RecordError { at, flaw: Flaw::Version })?;
        let mut at = at + 1;
        let mut pairs = pairs.split(';').peekable();
        while let Some(pair) = pairs.next() {
            // One semicolon may stand at the end.
            if pairs.peek().is_none() && pair.is_empty() {
                break;
            }
            reader.take(&Pair::read(pair, at)?)?;
            at += pair.len() + 1;
        }
    }
    reader.finish()
}

fn printable(text: &[u8]) -> Result<&str, RecordError> {
    let strange = |octet: &u8| !is_blank(*octet) && !octet.is_ascii_graphic();
    let at = text.iter().position(strange).unwrap_or(text.len());
    match std::str::from_utf8(text) {
        Ok(text) if at == text.len() => Ok(text),
        _ => Err(RecordError { at, flaw: Flaw::Octet }),
    }
}

#[derive(Default)]
struct Reader<'a> {
    record: Record,
    seen: BTreeSet<&'a str>,
    unknown: Vec<&'a str>,
    key_type: Option<(KeyType, usize)>,
}

impl<'a> Reader<'a> {
    fn take(&mut self, pair: &Pair<'a>) -> Result<(), RecordError> {
        let first = self.seen.insert(pair.tag);
        if !first && !matches!(pair.tag, "re" | "ip") {
            return Err(RecordError { at: pair.at, flaw: Flaw::Repeated });
        }
        match pair.tag {
            "re" => self.take_entity(pair),
            "pk" => self.take_key(pair),
            "asn" => self.take_asns(pair),
            "ip" => self.take_network(pair),
            "exp" => self.take_expiry(pair),
            "k" => self.take_key_type(pair),
            "t" => self.take_testing(pair),
            "rua" => self.take_report_to(pair),
            unknown => {
                if self.unknown.len() < MAX_REPORTED {
                    self.unknown.push(unknown);
                }
                Ok(())
            }
        }
    }

    fn take_entity(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        let entity = Domain::host(pair.value).map_err(|error| pair.error(Flaw::Entity(error)))?;
        self.record.entities.push(entity.into_owned());
        Ok(())
    }

    fn take_key(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        if pair.value.is_empty() {
            self.record.revokes = true;
        } else {
            self.record.key = Some(read_key(pair.value).map_err(|flaw| pair.error(flaw))?);
        }
        Ok(())
    }

    fn take_asns(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        for (member, at) in pair.members() {
            let asn = decimal(member, 10).and_then(|asn| u32::try_from(asn).ok()).filter(|asn| *asn > 0);
            if self.record.asns.len() == MAX_ASNS {
                return Err(RecordError { at, flaw: Flaw::TooManyAsns });
            }
            self.record.asns.push(asn.ok_or(RecordError { at, flaw: Flaw::Asn })?);
        }
        Ok(())
    }

    fn take_network(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        if self.record.networks.len() == MAX_NETWORKS {
            return Err(pair.error(Flaw::TooManyNetworks));
        }
        let network = Network::parse(pair.value).map_err(|error| pair.error(Flaw::Network(error)))?;
        self.record.networks.push(network);
        Ok(())
    }

    fn take_expiry(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        let seconds = decimal(pair.value, EXPIRY_DIGITS).ok_or_else(|| pair.error(Flaw::Expiry))?;
        self.record.expires = Some(Time::from_seconds(seconds));
        Ok(())
    }

    fn take_key_type(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        let kind = KeyType::parse(pair.value).ok_or_else(|| pair.error(Flaw::KeyType))?;
        self.key_type = Some((kind, pair.value_at));
        Ok(())
    }

    fn take_testing(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        self.record.testing = pair.value == "y";
        if self.record.testing { Ok(()) } else { Err(pair.error(Flaw::Testing)) }
    }

    fn take_report_to(&mut self, pair: &Pair<'_>) -> Result<(), RecordError> {
        for (member, at) in pair.members() {
            if self.record.report_to.len() == MAX_REPORT_TO {
                return Err(RecordError { at, flaw: Flaw::TooManyReportTo });
            }
            let flaw = |error| RecordError { at, flaw: Flaw::ReportTo(error) };
            self.record.report_to.push(ReportTo::parse(member).map_err(flaw)?);
        }
        Ok(())
    }

    fn finish(self) -> Result<(Record, Vec<&'a str>), RecordError> {
        if let (Some((said, at)), Some(key)) = (self.key_type, &self.record.key)
            && said != key.key_type()
        {
            return Err(RecordError { at, flaw: Flaw::KeyTypeMismatch(key.key_type()) });
        }
        Ok((self.record, self.unknown))
    }
}

/// Longest text that can still be some spelling of a key: padded base64 of the
/// SubjectPublicKeyInfo of P-256. What is longer is not decoded.
const MAX_KEY_TEXT: usize = 128;

/// Octets of the SubjectPublicKeyInfo before the key, of Ed25519 and of P-256.
const SPKI_PREFIXES: [usize; 2] = [12, 26];

fn read_key(text: &str) -> Result<PublicKey, Flaw> {
    let invalid = Flaw::Key;
    if text.len() > MAX_KEY_TEXT {
        return Err(invalid(KeyError::Length(text.len() * 3 / 4)));
    }
    let error = match b64u::decode_vec(text) {
        Ok(octets) => match PublicKey::from_record_octets(&octets) {
            Ok(key) => return Ok(key),
            Err(error) => error,
        },
        Err(_) => KeyError::Encoding,
    };
    Err(guess_key(text).map_or(invalid(error), |right| Flaw::KeySpelling { right }))
}

/// The right spelling of a key that was written with padding, in the standard alphabet of base64
/// or as a SubjectPublicKeyInfo, as other tools print it.
fn guess_key(text: &str) -> Option<String> {
    let text = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
    let octets = b64u::decode_vec(&text).ok()?;
    let bare = |prefix: usize| {
        let key = PublicKey::from_record_octets(octets.get(prefix..)?).ok()?;
        Some(b64u::encode(key.octets()))
    };
    bare(0).or_else(|| SPKI_PREFIXES.into_iter().find_map(bare))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const P256: &str =
        "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";

    fn flaw(text: &str) -> (usize, Flaw) {
        match Record::read(text.as_bytes()) {
            Reading::Broken { error, .. } => (error.at, error.flaw),
            other => panic!("{text}: {other:?}"),
        }
    }

    fn sound(text: &str) -> Record {
        Record::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn every_tag_is_read() {
        let record = sound(&format!(
            "v=saip1; re=re.example; re=RE2.example.net; k=ed25519; pk={ED25519}; asn=64500, 64501; \
             ip=192.0.2.0/24; ip=2001:db8::/32; exp=1790000000; t=y; rua=mailto:a@acme.example,https://r.example.net/"
        ));
        let entities: Vec<_> = record.entities().iter().map(Domain::as_str).collect();
        assert_eq!(entities, ["re.example", "re2.example.net"]);
        assert_eq!(record.key(), Some(&PublicKey::from_b64u(ED25519).unwrap()));
        assert_eq!(record.asns(), [64500, 64501]);
        assert_eq!(record.networks().len(), 2);
        assert_eq!(record.expires(), Some(Time::from_seconds(1_790_000_000)));
        assert!(record.is_testing() && !record.revokes() && !record.is_null());
        assert_eq!(record.report_to().len(), 2);
    }

    #[test]
    fn only_what_begins_with_the_version_is_ours() {
        for text in ["v=saip1", "v=saip1;", " v = saip1 ; ", "v=saip1;exp=0", "v=saip1\t;"] {
            assert!(sound(text).is_null(), "{text}");
        }
        for text in [
            "",
            "v=saip10",
            "v=saip1,pk=",
            "V=saip1",
            "v=SAIP1",
            "pk=; v=saip1",
            "v=spf1",
            ";v=saip1",
            "\"v=saip1\"",
        ] {
            assert_eq!(Record::read(text.as_bytes()), Reading::Foreign, "{text}");
        }
    }

    #[test]
    fn each_rule_refuses_its_near_miss_and_says_where() {
        let network = |error| Flaw::Network(error);
        let cases = [
            ("v=saip1 exp=1", 8, Flaw::Version),
            ("v=saip1;;", 8, Flaw::EmptyPair),
            ("v=saip1; ;exp=1", 9, Flaw::EmptyPair),
            ("v=saip1; exp", 9, Flaw::NoValue),
            ("v=saip1; e p=1", 9, Flaw::TagName),
            ("v=saip1; =1", 9, Flaw::TagName),
            ("v=saip1; exp=1; exp=1", 16, Flaw::Repeated),
            ("v=saip1; v=saip1", 9, Flaw::Repeated),
            ("v=saip1; n=1; n=2", 14, Flaw::Repeated),
            ("v=saip1; exp=", 13, Flaw::Expiry),
            ("v=saip1; exp=01", 13, Flaw::Expiry),
            ("v=saip1; exp=-1", 13, Flaw::Expiry),
            ("v=saip1; exp=1790000000000", 13, Flaw::Expiry),
            ("v=saip1; asn=", 13, Flaw::Asn),
            ("v=saip1; asn=0", 13, Flaw::Asn),
            ("v=saip1; asn=1,AS2", 15, Flaw::Asn),
            ("v=saip1; asn=1,", 15, Flaw::Asn),
            ("v=saip1; asn=4294967296", 13, Flaw::Asn),
            ("v=saip1; ip=10.0.0.0/7", 12, network(super::super::NetworkError::TooBroad)),
            ("v=saip1; ip=192.0.2.1", 12, network(super::super::NetworkError::NoLength)),
            ("v=saip1; t=n", 11, Flaw::Testing),
            ("v=saip1; k=rsa", 11, Flaw::KeyType),
            ("v=saip1; re=", 12, Flaw::Entity(crate::name::NameError::Empty)),
            ("v=saip1; rua=http://acme.example", 13, Flaw::ReportTo(super::super::ReportToError::Scheme)),
            ("v=saip1; n=\u{e9}", 11, Flaw::Octet),
            ("v=saip1; pk=AAAA", 12, Flaw::Key(KeyError::Length(3))),
        ];
        for (text, at, expected) in cases {
            assert_eq!(flaw(text), (at, expected), "{text}");
        }
    }

    #[test]
    fn the_type_of_a_key_follows_from_its_length_and_may_not_be_contradicted() {
        let compressed = {
            let mut octets = b64u::decode_vec(P256).unwrap()[..33].to_vec();
            octets[0] = 3;
            b64u::encode(&octets)
        };
        let p256 = sound(&format!("v=saip1; pk={P256}"));
        assert_eq!(sound(&format!("v=saip1; pk={compressed}; k=p256")), p256);
        assert_eq!(flaw(&format!("v=saip1; k=ed25519; pk={P256}")).1, Flaw::KeyTypeMismatch(KeyType::P256));
        assert_eq!(
            flaw(&format!("v=saip1; pk={ED25519}; k=p256")).1,
            Flaw::KeyTypeMismatch(KeyType::Ed25519)
        );
    }

    #[test]
    fn a_key_spelt_as_other_tools_do_is_refused_with_its_right_spelling() {
        let right = Flaw::KeySpelling { right: ED25519.to_owned() };
        let standard = ED25519.replace('-', "+").replace('_', "/");
        for text in [&standard, &format!("{ED25519}="), &format!("MCowBQYDK2VwAyEA{standard}=")] {
            assert_eq!(flaw(&format!("v=saip1; pk={text}")).1, right, "{text}");
        }
    }

    #[test]
    fn lists_end_at_their_limits() {
        let asns = |count: usize| format!("v=saip1; asn={}", vec!["1"; count].join(","));
        assert_eq!(sound(&asns(64)).asns().len(), 64);
        assert_eq!(flaw(&asns(65)).1, Flaw::TooManyAsns);
        let networks = |count: usize| format!("v=saip1{}", "; ip=192.0.2.0/24".repeat(count));
        assert_eq!(sound(&networks(64)).networks().len(), 64);
        assert_eq!(flaw(&networks(65)).1, Flaw::TooManyNetworks);
        let reports = |count: usize| format!("v=saip1; rua={}", vec!["mailto:a@b.example"; count].join(","));
        assert_eq!(sound(&reports(4)).report_to().len(), 4);
        assert_eq!(flaw(&reports(5)).1, Flaw::TooManyReportTo);
    }

    #[test]
    fn an_empty_key_revokes_in_a_broken_record_too() {
        for text in ["v=saip1;pk=", "v=saip1; pk = ;exp=1"] {
            assert!(sound(text).revokes(), "{text}");
        }
        let broken = [
            "v=saip1; exp=x; pk=",
            "v=saip1 pk=",
            "v=saip1;;pk=;;",
            "v=saip1; pk=A; pk=",
            "v=saip1; pk=\r\n",
        ];
        for text in broken {
            assert!(matches!(Record::read(text.as_bytes()), Reading::Broken { revokes: true, .. }), "{text}");
        }
        for text in
            ["v=saip1; exp=x; pk=A", "v=saip1; exp=x; n=pk=", "v=saip1; exp=x; xpk=", "v=saip1; exp=x; pk"]
        {
            assert!(
                matches!(Record::read(text.as_bytes()), Reading::Broken { revokes: false, .. }),
                "{text}"
            );
        }
    }

    #[test]
    fn unknown_tags_are_ignored_and_named() {
        let Reading::Sound { record, unknown } = Record::read(b"v=saip1; PK=; n=a=b; exp=5") else {
            panic!()
        };
        assert_eq!(unknown, ["PK", "n"]);
        assert_eq!(record.expires(), Some(Time::from_seconds(5)));
        assert!(!record.revokes());
    }
}
