//! Zone files as a source of answers, for judging without a network.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use avouch_engine::evidence::{Cause, Dnssec};
use hickory_proto::rr::{LowerName, Name, RData, Record, RecordType};
use hickory_proto::serialize::txt::Parser;

use crate::Txt;
use crate::lookup::{Meta, Reply, alias_target, joined_strings};

/// The negative TTL, in seconds, of a zone whose file has no SOA record.
const DEFAULT_MINIMUM: u32 = 300;

/// The origin given to the parser; what ends up below it was relative to an origin never stated.
const NO_ORIGIN: &str = "no-origin-stated.invalid.";

/// RFC 1035 zone files, forward and reverse, as one source of answers.
///
/// `$ORIGIN` and `$TTL` are honoured, `$INCLUDE` is refused. A zone is what an SOA record begins,
/// or, in a file without one, the origin. Wildcards are synthesised as RFC 4592 says. A name in no
/// zone, or below a delegation to a zone that is not here, cannot be found out
/// ([`Cause::Unreachable`]).
#[derive(Clone, Debug)]
pub struct ZoneFiles(Arc<Zones>);

#[derive(Debug)]
struct Zones {
    dnssec: Dnssec,
    records: BTreeMap<LowerName, Vec<Record>>,
    /// Every name with records and every name above one, up to its zone.
    existing: HashSet<LowerName>,
    /// The negative TTL of each zone, by its first name.
    minimums: HashMap<LowerName, u32>,
}

/// A zone file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// An entry is not a record.
    #[error("{file}, line {line}: {reason}")]
    Syntax {
        /// The name given with the text.
        file: String,
        /// Where the entry begins, from 1.
        line: usize,
        /// What the parser found.
        reason: String,
    },
    /// A record has no TTL.
    #[error("{file}, line {line}: no TTL is known for this record; put `$TTL 300` into the first line")]
    NoTtl {
        /// The name given with the text.
        file: String,
        /// Where the record begins, from 1.
        line: usize,
    },
    /// A name is relative, but to what is not said.
    #[error(
        "{file}: the name `{name}` is relative and no origin is stated; put `$ORIGIN acme.example.` (your domain) into the first line"
    )]
    NoOrigin {
        /// The name given with the text.
        file: String,
        /// The relative name.
        name: String,
    },
    /// Another file is named.
    #[error(
        "{file}, line {line}: $INCLUDE is not followed; give the included file as a zone file of its own"
    )]
    Include {
        /// The name given with the text.
        file: String,
        /// The line, from 1.
        line: usize,
    },
}

/// The TXT records at one name of a zone file, as a linter wants them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneTxt {
    /// The owner, in lower case without the trailing dot; begins with `*.` for a wildcard.
    pub name: String,
    /// The records.
    pub txt: Txt,
    /// The smallest TTL of the records, in seconds.
    pub ttl: u32,
}

impl ZoneFiles {
    /// Reads zone files, given as the name to use in messages and the text.
    ///
    /// Every answer gets the standing `dnssec`, since a file proves nothing.
    ///
    /// # Errors
    /// [`ZoneError`] for the first entry that cannot be used, with file and line.
    pub fn parse(files: &[(&str, &str)], dnssec: Dnssec) -> Result<Self, ZoneError> {
        let mut zones =
            Zones { dnssec, records: BTreeMap::new(), existing: HashSet::new(), minimums: HashMap::new() };
        for (file, text) in files {
            zones.add(file, text)?;
        }
        zones.note_existing();
        Ok(Self(Arc::new(zones)))
    }

    /// All TXT records, by owner in the order of RFC 4034 section 6.1.
    pub fn txts(&self) -> impl Iterator<Item = ZoneTxt> + '_ {
        self.0.records.iter().filter_map(|(name, records)| {
            let here = || records.iter().filter(|record| record.record_type() == RecordType::TXT);
            let ttl = here().map(|record| record.ttl).min()?;
            let strings = here().filter_map(|record| joined_strings(&record.data)).collect();
            let text = name.to_string();
            Some(ZoneTxt {
                name: text.strip_suffix('.').unwrap_or(&text).to_owned(),
                txt: Txt { records: strings, wildcard: name.is_wildcard(), alias: None },
                ttl,
            })
        })
    }

    /// All aliases, each with its target, in lower case without the trailing dot.
    pub fn aliases(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.0.records.iter().filter_map(|(name, records)| {
            let target = alias_target(&records.iter().collect::<Vec<_>>())?;
            Some((crate::direct::shown(name), crate::direct::shown(&target)))
        })
    }

    /// Answers one question without following aliases.
    pub(crate) fn ask(&self, name: &Name, record_type: RecordType) -> Reply {
        let zones = &self.0;
        let name = LowerName::new(name);
        let Some((apex, minimum)) = zones.zone_of(&name) else {
            return Reply::Unknown(Cause::Unreachable);
        };
        if zones.is_delegated(&name, &apex) {
            return Reply::Unknown(Cause::Unreachable);
        }
        let absent = Reply::Absent { dnssec: zones.dnssec, ttl: minimum };
        let Some((owner, records)) = zones.matching(&name, &apex) else { return absent };
        let of_type = |wanted: RecordType| -> Vec<&Record> {
            records.iter().filter(|record| record.record_type() == wanted).collect()
        };
        let kinds = [record_type, RecordType::CNAME].into_iter().map(of_type);
        let Some(found) = kinds.into_iter().find(|found| !found.is_empty()) else { return absent };
        let meta = Meta {
            dnssec: zones.dnssec,
            ttl: found.iter().map(|record| record.ttl).min().unwrap_or(0),
            wildcard: owner.is_wildcard(),
        };
        match alias_target(&found) {
            Some(target) => Reply::Alias { target, meta },
            None => Reply::Records { data: found.iter().map(|record| record.data.clone()).collect(), meta },
        }
    }
}

impl Zones {
    fn add(&mut self, file: &str, text: &str) -> Result<(), ZoneError> {
        refuse_include(file, text)?;
        let (origin, sets) = parser(text).parse().map_err(|error| locate(file, text, &error.to_string()))?;
        let unstated = no_origin();
        let mut begun = false;
        for record in sets.into_values().flat_map(|set| set.into_parts().records) {
            if unstated.zone_of(&record.name) {
                let name = record.name.to_ascii();
                let relative = name.strip_suffix(NO_ORIGIN).unwrap_or(&name).trim_end_matches('.');
                let name = if relative.is_empty() { "@" } else { relative }.to_owned();
                return Err(ZoneError::NoOrigin { file: file.to_owned(), name });
            }
            let owner = LowerName::new(&record.name);
            if let RData::SOA(soa) = &record.data {
                begun = true;
                self.minimums.insert(owner.clone(), soa.minimum.min(record.ttl));
            }
            self.records.entry(owner).or_default().push(record);
        }
        if !begun && !unstated.zone_of(&origin) {
            self.minimums.entry(LowerName::new(&origin)).or_insert(DEFAULT_MINIMUM);
        }
        Ok(())
    }

    fn note_existing(&mut self) {
        for owner in self.records.keys() {
            let mut name = owner.clone();
            while self.existing.insert(name.clone()) && !name.is_root() {
                name = name.base_name();
            }
        }
    }

    /// The first name and negative TTL of the closest zone that holds `name`.
    fn zone_of(&self, name: &LowerName) -> Option<(LowerName, u32)> {
        ancestors(name).find_map(|apex| self.minimums.get(&apex).map(|minimum| (apex, *minimum)))
    }

    fn is_delegated(&self, name: &LowerName, apex: &LowerName) -> bool {
        let below = ancestors(name).take_while(|ancestor| ancestor != apex);
        let mut records = below.filter_map(|ancestor| self.records.get(&ancestor)).flatten();
        records.any(|record| record.record_type() == RecordType::NS)
    }

    /// The records that answer for `name`: its own, or those of the wildcard below its closest
    /// existing ancestor (RFC 4592 section 3.3.1).
    fn matching(&self, name: &LowerName, apex: &LowerName) -> Option<(&LowerName, &Vec<Record>)> {
        if self.existing.contains(name) {
            return self.records.get_key_value(name);
        }
        let mut inside = ancestors(name).take_while(|ancestor| apex.zone_of(ancestor));
        let encloser = inside.find(|ancestor| self.existing.contains(ancestor))?;
        let wildcard = Name::from(&encloser).prepend_label("*").ok()?;
        self.records.get_key_value(&LowerName::new(&wildcard))
    }
}

/// The name itself and every name above it, the root last.
fn ancestors(name: &LowerName) -> impl Iterator<Item = LowerName> {
    std::iter::successors(Some(name.clone()), |name| (!name.is_root()).then(|| name.base_name()))
}

fn no_origin() -> Name {
    Name::from_ascii(NO_ORIGIN).unwrap_or_else(|_| Name::root())
}

fn parser(text: &str) -> Parser<'_> {
    Parser::new(text, None, Some(no_origin()))
}

fn refuse_include(file: &str, text: &str) -> Result<(), ZoneError> {
    let mut lines = text.lines().zip(1..);
    let include = lines.find(|(line, _)| {
        line.trim_start().get(..8).is_some_and(|start| start.eq_ignore_ascii_case("$INCLUDE"))
    });
    match include {
        Some((_, line)) => Err(ZoneError::Include { file: file.to_owned(), line }),
        None => Ok(()),
    }
}

/// Finds the entry that the parser refused: the first that, with all before it, is refused too.
fn locate(file: &str, text: &str, reason: &str) -> ZoneError {
    let refused = |end: usize| text.get(..end).and_then(|start| parser(start).parse().err());
    let entries = entries(text);
    let (line, reason) = match entries.get(entries.partition_point(|(_, end)| refused(*end).is_none())) {
        Some((line, end)) => {
            (*line, refused(*end).map_or_else(|| reason.to_owned(), |error| error.to_string()))
        }
        None => (text.lines().count(), reason.to_owned()),
    };
    let file = file.to_owned();
    if reason == "record ttl not specified" {
        return ZoneError::NoTtl { file, line };
    }
    ZoneError::Syntax { file, line, reason }
}

/// The entries of a zone file: the line each begins at, from 1, and the octet after its end.
/// An entry ends with its line unless inside parentheses or quotes (RFC 1035 section 5.1).
fn entries(text: &str) -> Vec<(usize, usize)> {
    let mut entries = Vec::new();
    let (mut line, mut begin) = (1, 1);
    let (mut depth, mut quoted, mut comment, mut escaped) = (0_usize, false, false, false);
    for (at, octet) in text.bytes().enumerate() {
        match octet {
            b'\n' => {
                line += 1;
                comment = false;
                if depth == 0 && !quoted {
                    entries.push((begin, at + 1));
                    begin = line;
                }
            }
            _ if escaped || comment => {}
            b'"' => quoted = !quoted,
            b';' => comment = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        escaped = octet == b'\\' && !escaped && !comment;
    }
    entries.push((begin, text.len()));
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dns;
    use avouch_engine::evidence::Answer;
    use avouch_wire::time::Time;

    const ACME: &str = "\
$ORIGIN acme.example.
$TTL 3600
@        SOA  ns hostmaster ( 1 7200 900
                              1209600 120 )
@        NS   ns
ns       A    192.0.2.53
_saip    TXT  \"v=saip1; asn=64500\"
bot._saip 300 TXT \"v=saip1; \" \"pk=AAAA\"
bot._saip 200 TXT \"v=saip1; pk=\"
*.fleet._saip TXT \"v=saip1\"
a.b.fleet._saip TXT \"deep\"
www      A    192.0.2.80
www      AAAA 2001:db8::80
alias 60 CNAME bot._saip
out      CNAME www.elsewhere.example.
loop     CNAME loop
sub      NS   ns.elsewhere.example.
";
    const REVERSE: &str = "\
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@ SOA ns.acme.example. hostmaster.acme.example. 1 7200 900 1209600 60
80 PTR WWW.acme.example.
";

    fn now() -> Time {
        Time::from_seconds(1_790_000_000)
    }

    fn dns() -> Dns {
        let files = [("acme.zone", ACME), ("reverse.zone", REVERSE)];
        Dns::Zones(ZoneFiles::parse(&files, Dnssec::Insecure).unwrap())
    }

    fn after(seconds: u64) -> Time {
        Time::from_seconds(1_790_000_000 + seconds)
    }

    #[tokio::test]
    async fn the_strings_of_a_record_are_joined_and_the_smallest_ttl_counts() {
        let Answer::Found { value, dnssec, until } = dns().txt("BOT._saip.acme.example", now()).await else {
            panic!()
        };
        let mut records: Vec<_> = value.records.iter().map(|record| record.to_vec()).collect();
        records.sort();
        assert_eq!(records, [b"v=saip1; pk=".to_vec(), b"v=saip1; pk=AAAA".to_vec()]);
        assert!(!value.wildcard);
        assert_eq!((dnssec, until), (Dnssec::Insecure, after(200)));
    }

    #[tokio::test]
    async fn absence_lasts_as_long_as_the_start_of_authority_says() {
        let absent = Answer::Absent { dnssec: Dnssec::Insecure, until: after(120) };
        for name in ["nobody._saip.acme.example", "www.acme.example", "b.fleet._saip.acme.example"] {
            assert_eq!(dns().txt(name, now()).await, absent, "{name}");
        }
    }

    #[tokio::test]
    async fn a_wildcard_answers_for_names_that_do_not_exist_and_says_so() {
        let Answer::Found { value, .. } = dns().txt("x.y.fleet._saip.acme.example", now()).await else {
            panic!()
        };
        assert!(value.wildcard);
        let Answer::Found { value, .. } = dns().txt("a.b.fleet._saip.acme.example", now()).await else {
            panic!()
        };
        assert!(!value.wildcard);
        // Below an existing name the wildcard further up does not reach.
        assert!(matches!(dns().txt("c.b.fleet._saip.acme.example", now()).await, Answer::Absent { .. }));
    }

    #[tokio::test]
    async fn what_no_file_covers_is_unknown() {
        let unknown = Answer::Unknown(Cause::Unreachable);
        for name in ["acme.test", "x.sub.acme.example", "out.acme.example"] {
            assert_eq!(dns().txt(name, now()).await, unknown, "{name}");
        }
    }

    #[tokio::test]
    async fn aliases_are_followed_with_the_shorter_life_but_not_for_ever() {
        let Answer::Found { until, .. } = dns().txt("alias.acme.example", now()).await else { panic!() };
        assert_eq!(until, after(60));
        assert_eq!(dns().txt("loop.acme.example", now()).await, Answer::Unknown(Cause::ServerFailure));
    }

    #[tokio::test]
    async fn addresses_and_pointers_are_read() {
        let Answer::Found { value, .. } = dns().addresses("www.acme.example", now()).await else { panic!() };
        assert_eq!(
            value,
            ["192.0.2.80".parse::<std::net::IpAddr>().unwrap(), "2001:db8::80".parse().unwrap()]
        );
        for address in ["192.0.2.80", "::ffff:192.0.2.80"] {
            let answer = dns().pointers(address.parse().unwrap(), now()).await;
            assert!(matches!(answer, Answer::Found { value, .. } if value == ["www.acme.example"]));
        }
        assert!(matches!(dns().pointers("192.0.2.81".parse().unwrap(), now()).await, Answer::Absent { .. }));
    }

    #[tokio::test]
    async fn a_name_the_dns_cannot_carry_is_not_asked() {
        let long = "a.".repeat(130);
        assert_eq!(dns().txt(&long, now()).await, Answer::Unknown(Cause::NotAsked));
    }

    #[tokio::test]
    async fn a_file_without_a_start_of_authority_is_the_zone_of_its_origin() {
        let text = "$ORIGIN acme.example.\n$TTL 60\nbot._saip TXT \"v=saip1\"\n";
        let dns = Dns::Zones(ZoneFiles::parse(&[("records", text)], Dnssec::Secure).unwrap());
        assert!(matches!(
            dns.txt("bot._saip.acme.example", now()).await,
            Answer::Found { dnssec: Dnssec::Secure, .. }
        ));
        let absent = Answer::Absent { dnssec: Dnssec::Secure, until: after(300) };
        assert_eq!(dns.txt("cat._saip.acme.example", now()).await, absent);
    }

    #[test]
    fn the_linter_sees_every_txt_record_with_its_ttl() {
        let zones = ZoneFiles::parse(&[("acme.zone", ACME)], Dnssec::Insecure).unwrap();
        let all: Vec<_> = zones.txts().map(|txt| (txt.name, txt.ttl, txt.txt.wildcard)).collect();
        assert!(all.contains(&("bot._saip.acme.example".to_owned(), 200, false)), "{all:?}");
        assert!(all.contains(&("*.fleet._saip.acme.example".to_owned(), 3600, true)), "{all:?}");
        assert_eq!(all.len(), 4);
        let alias = ("alias.acme.example".to_owned(), "bot._saip.acme.example".to_owned());
        let aliases: Vec<_> = zones.aliases().collect();
        assert!(aliases.contains(&alias), "{aliases:?}");
    }

    fn refused(text: &str) -> ZoneError {
        ZoneFiles::parse(&[("f", text)], Dnssec::Insecure).unwrap_err()
    }

    #[test]
    fn the_wrong_line_of_a_large_file_is_found_quickly() {
        let mut text = "$ORIGIN acme.example.\n$TTL 60\n".to_owned();
        (0..20_000).for_each(|count| text.push_str(&format!("a{count} A 192.0.2.1\n")));
        text.push_str("wrong A 192.0.2.256\n");
        (0..20_000).for_each(|count| text.push_str(&format!("b{count} A 192.0.2.1\n")));
        assert!(matches!(refused(&text), ZoneError::Syntax { line: 20_003, .. }), "{:?}", refused(&text));
    }

    #[test]
    fn errors_say_file_line_and_fix() {
        let wrong = ACME.replace("192.0.2.53", "192.0.2.753");
        assert!(matches!(refused(&wrong), ZoneError::Syntax { line: 6, .. }), "{:?}", refused(&wrong));
        let untimed = "$ORIGIN acme.example.\n; a comment (\n@ TXT \"x\"\n";
        assert_eq!(refused(untimed), ZoneError::NoTtl { file: "f".into(), line: 3 });
        let relative = "$TTL 60\nbot._saip TXT \"x\"\n";
        assert_eq!(refused(relative), ZoneError::NoOrigin { file: "f".into(), name: "bot._saip".into() });
        let included = "$TTL 60\n$INCLUDE /dev/null\n";
        assert_eq!(refused(included), ZoneError::Include { file: "f".into(), line: 2 });
        let open = "$TTL 60\n$ORIGIN acme.example.\na TXT ( \"x\"\nb TXT \"y\"\n";
        assert!(matches!(refused(open), ZoneError::Syntax { line: 3, .. }), "{:?}", refused(open));
    }
}
