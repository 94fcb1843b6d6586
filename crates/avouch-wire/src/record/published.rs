//! All records at one name, united.

use super::{MAX_LIVE_KEYS, MAX_OCTETS, MAX_RECORDS, Network, Reading, Record, RecordError, ReportTo, read};
use crate::key::PublicKey;
use crate::name::Domain;
use crate::time::Time;

/// What kind of name records stand at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// `_saip.<dom>`, where everything counts.
    Domain,
    /// `<id>._saip.<dom>`, where only keys count, so that an agent that publishes its own record
    /// cannot widen anything.
    Agent,
}

/// Something that stood at the name and does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// A record that breaks a rule, ignored whole.
    Record {
        /// Which of the texts that were united, from 0.
        index: usize,
        /// The rule.
        error: RecordError,
    },
    /// Tags not known here, in a record that otherwise counts.
    Tags {
        /// Which of the texts that were united, from 0.
        index: usize,
        /// The tags; at most eight of one record.
        tags: Vec<String>,
    },
}

/// Which limit of a name is exceeded, so that no key there is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// More than [`MAX_RECORDS`]; none of them is read, other than for an empty `pk=`.
    Records,
    /// More than [`MAX_OCTETS`] of text; none of it is read, other than for an empty `pk=`.
    Octets,
    /// More than [`MAX_LIVE_KEYS`] distinct keys live at the same time. Networks, autonomous
    /// systems and registration entities still count.
    Keys,
}

/// Something published that counts at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live<'a, T> {
    /// What is published.
    pub value: &'a T,
    /// Whether it stands in records with `t=y` only.
    pub testing: bool,
    /// The moment from which it no longer counts (`exp`).
    pub until: Time,
}

/// What is published at one name: its live keys, networks and registration entities united, each
/// authorising by itself.
///
/// Made once when the records are fetched, then asked with the time: `exp` ends its own record
/// only, so the union changes while it lies in a cache. Bounded by [`MAX_OCTETS`] of record text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    count: usize,
    limit: Option<Limit>,
    revoked: bool,
    ignored: Vec<Ignored>,
    keys: Vec<Span<PublicKey>>,
    networks: Vec<Span<Network>>,
    asns: Vec<Span<u32>>,
    entities: Vec<Span<Domain<'static>>>,
    report_to: Vec<Span<ReportTo>>,
}

/// A published thing and how long it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span<T> {
    value: T,
    /// The end of the last record that holds it.
    live_until: Time,
    /// The end of the last record without `t=y` that holds it; the beginning of time if none does.
    firm_until: Time,
}

impl<T> Span<T> {
    fn live(&self, now: Time) -> Option<Live<'_, T>> {
        (now < self.live_until).then(|| Live {
            value: &self.value,
            testing: now >= self.firm_until,
            until: self.live_until,
        })
    }
}

impl Published {
    /// Unites the texts of the TXT records at one name (each with its strings joined). What is
    /// not a record of ours is passed over.
    #[must_use]
    pub fn unite<'a>(texts: impl IntoIterator<Item = &'a [u8]>, level: Level) -> Self {
        let mut published = Self::default();
        let mut octets = 0;
        let mut ours = Vec::with_capacity(2);
        for (index, text) in texts.into_iter().enumerate() {
            let Some(revokes) = read::skim(text) else { continue };
            published.revoked |= revokes;
            published.count += 1;
            octets += text.len();
            if published.count <= MAX_RECORDS && octets <= MAX_OCTETS {
                ours.push((index, text));
            }
        }
        published.limit = match published.count {
            count if count > MAX_RECORDS => Some(Limit::Records),
            _ if octets > MAX_OCTETS => Some(Limit::Octets),
            _ => None,
        };
        if published.limit.is_none() {
            ours.into_iter().for_each(|(index, text)| published.read(index, text, level));
        }
        published
    }

    fn read(&mut self, index: usize, text: &[u8], level: Level) {
        match Record::read(text) {
            Reading::Foreign => {}
            Reading::Broken { error, .. } => self.ignored.push(Ignored::Record { index, error }),
            Reading::Sound { record, unknown } => {
                if !unknown.is_empty() {
                    let tags = unknown.into_iter().map(str::to_owned).collect();
                    self.ignored.push(Ignored::Tags { index, tags });
                }
                self.add(record, level);
            }
        }
    }

    fn add(&mut self, record: Record, level: Level) {
        let live_until = record.expires.unwrap_or(Time::MAX);
        let firm_until = if record.testing { Time::default() } else { live_until };
        add(&mut self.keys, record.key, live_until, firm_until);
        if level == Level::Domain {
            add(&mut self.networks, record.networks, live_until, firm_until);
            add(&mut self.asns, record.asns, live_until, firm_until);
            add(&mut self.entities, record.entities, live_until, firm_until);
            add(&mut self.report_to, record.report_to, live_until, firm_until);
        }
    }

    /// How many records of ours stand there, sound or not.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether an empty `pk=` stands there, in a record expired or broken or not.
    ///
    /// It revokes every key at this name and every agent below; at `_saip.<dom>` everything of the
    /// domain. Nothing but [`Published::report_to`] is live then.
    #[must_use]
    pub const fn is_revoked(&self) -> bool {
        self.revoked
    }

    /// What stood there and does not count, and why.
    #[must_use]
    pub fn ignored(&self) -> &[Ignored] {
        &self.ignored
    }

    /// The limit of the name that is exceeded at `now`.
    #[must_use]
    pub fn limit(&self, now: Time) -> Option<Limit> {
        let live = self.keys.iter().filter(|key| now < key.live_until).count();
        self.limit.or((live > MAX_LIVE_KEYS).then_some(Limit::Keys))
    }

    /// The keys that may be used at `now`: none when revoked or beyond a limit.
    pub fn keys(&self, now: Time) -> impl Iterator<Item = Live<'_, PublicKey>> {
        let none = self.limit(now).is_some();
        self.live(&self.keys, now).filter(move |_| !none)
    }

    /// The networks that speak for the domain at `now` (`ip`).
    pub fn networks(&self, now: Time) -> impl Iterator<Item = Live<'_, Network>> {
        self.live(&self.networks, now)
    }

    /// The autonomous systems that speak for the domain at `now` (`asn`).
    pub fn asns(&self, now: Time) -> impl Iterator<Item = Live<'_, u32>> {
        self.live(&self.asns, now)
    }

    /// The registration entities the domain relies on at `now` (`re`); those of one record in its
    /// order of preference.
    pub fn entities(&self, now: Time) -> impl Iterator<Item = Live<'_, Domain<'static>>> {
        self.live(&self.entities, now)
    }

    /// Where aggregate reports about the domain go (`rua`), revoked or not; subject to the consent
    /// of hosts outside it ([`ReportTo::consent_name`]).
    pub fn report_to(&self, now: Time) -> impl Iterator<Item = &ReportTo> {
        self.report_to.iter().filter_map(move |span| span.live(now)).map(|live| live.value)
    }

    /// The next moment after `now` at which what is live changes by itself; `None` when it does not.
    #[must_use]
    pub fn changes_after(&self, now: Time) -> Option<Time> {
        ends(&self.keys)
            .chain(ends(&self.networks))
            .chain(ends(&self.asns))
            .chain(ends(&self.entities))
            .chain(ends(&self.report_to))
            .filter(|end| *end > now && *end < Time::MAX)
            .min()
    }

    fn live<'a, T>(&self, spans: &'a [Span<T>], now: Time) -> impl Iterator<Item = Live<'a, T>> + use<'a, T> {
        let spans = if self.revoked { &[] } else { spans };
        spans.iter().filter_map(move |span| span.live(now))
    }
}

fn ends<T>(spans: &[Span<T>]) -> impl Iterator<Item = Time> {
    spans.iter().flat_map(|span| [span.live_until, span.firm_until])
}

/// Adds what one record holds. A thing that stands in several counts as long as the last of them.
fn add<T: PartialEq>(
    spans: &mut Vec<Span<T>>,
    values: impl IntoIterator<Item = T>,
    live_until: Time,
    firm_until: Time,
) {
    for value in values {
        match spans.iter_mut().find(|span| span.value == value) {
            Some(span) => {
                span.live_until = span.live_until.max(live_until);
                span.firm_until = span.firm_until.max(firm_until);
            }
            None => spans.push(Span { value, live_until, firm_until }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_000);
    const ONE: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const P256: &str =
        "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";

    fn at_domain(texts: &[&str]) -> Published {
        Published::unite(texts.iter().map(|text| text.as_bytes()), Level::Domain)
    }

    fn key(rest: &str) -> String {
        format!("v=saip1; pk={ONE}{rest}")
    }

    /// Distinct sound Ed25519 keys: small y coordinates that lie on the curve.
    fn keys(count: usize) -> Vec<String> {
        let point = |y: u8| {
            let mut octets = [0; 32];
            octets[0] = y;
            PublicKey::from_octets(&octets).ok()
        };
        (3..=255).filter_map(point).take(count).map(|key| Record::of_key(key).to_string()).collect()
    }

    fn live_keys(texts: &[String]) -> usize {
        Published::unite(texts.iter().map(String::as_bytes), Level::Agent).keys(NOW).count()
    }

    #[test]
    fn keys_of_several_records_are_united_and_each_record_is_judged_alone() {
        let published =
            at_domain(&[&key(""), &format!("v=saip1; pk={P256}"), "v=saip1; pk=AAAA", "v=spf1 -all"]);
        assert_eq!(published.keys(NOW).count(), 2);
        assert_eq!(published.count(), 3);
        assert!(matches!(published.ignored(), [Ignored::Record { index: 2, .. }]));
    }

    #[test]
    fn exp_ends_its_own_record_only_and_at_its_second() {
        let published = at_domain(&[&key("; exp=1000"), "v=saip1; ip=192.0.2.0/24; exp=1001"]);
        assert_eq!(published.keys(NOW).count(), 0, "expired when now >= exp");
        assert_eq!(published.keys(Time::from_millis(999_999)).count(), 1);
        assert_eq!(published.networks(NOW).count(), 1);
        assert_eq!(published.changes_after(NOW), Some(Time::from_seconds(1_001)));
        assert_eq!(published.changes_after(Time::from_seconds(1_001)), None);
    }

    #[test]
    fn a_key_is_testing_only_while_it_stands_in_no_other_record() {
        let testing = |texts: &[&str], now| at_domain(texts).keys(now).next().unwrap().testing;
        assert!(testing(&[&key("; t=y")], NOW));
        assert!(!testing(&[&key("; t=y"), &key("")], NOW));
        assert!(testing(&[&key("; t=y"), &key("; exp=1000")], NOW), "the firm record has expired");
        assert!(!testing(&[&key("; t=y"), &key("; exp=1000")], Time::from_seconds(999)));
        assert!(testing(&[&key("; t=y"), "v=saip1; ip=192.0.2.0/24"], NOW));
    }

    #[test]
    fn at_an_agent_only_keys_count() {
        let text = key("; ip=192.0.2.0/24; asn=64500; re=re.example; rua=mailto:a@acme.example");
        let published = Published::unite([text.as_bytes()], Level::Agent);
        assert_eq!(published.keys(NOW).count(), 1);
        assert_eq!(published.networks(NOW).count() + published.asns(NOW).count(), 0);
        assert_eq!(published.entities(NOW).count() + published.report_to(NOW).count(), 0);
        let published = at_domain(&[&text]);
        assert_eq!(published.networks(NOW).count() + published.asns(NOW).count(), 2);
        assert_eq!(published.entities(NOW).count() + published.report_to(NOW).count(), 2);
    }

    #[test]
    fn an_empty_key_revokes_whatever_else_stands_there() {
        for revocation in ["v=saip1; pk=", "v=saip1; pk=; exp=1", "v=saip1; pk=; exp=x"] {
            let published =
                at_domain(&[&key(""), "v=saip1; ip=192.0.2.0/24; re=re.example; asn=1", revocation]);
            assert!(published.is_revoked(), "{revocation}");
            assert_eq!(published.keys(NOW).count() + published.networks(NOW).count(), 0);
            assert_eq!(published.entities(NOW).count() + published.asns(NOW).count(), 0);
        }
        assert!(!at_domain(&["v=saip1"]).is_revoked());
    }

    #[test]
    fn beyond_four_live_keys_none_is() {
        assert_eq!(live_keys(&keys(4)), 4);
        assert_eq!(live_keys(&keys(5)), 0);
        let mut expired = keys(5);
        expired[4].push_str("; exp=1000");
        assert_eq!(live_keys(&expired), 4, "an expired key does not count");
        let mut twice = keys(4);
        twice.push(format!("{}; t=y", twice[0]));
        assert_eq!(live_keys(&twice), 4, "the same key counts once");
    }

    #[test]
    fn beyond_16_records_or_4_kib_no_key_is_live_but_revocations_hold() {
        let mut texts = keys(1);
        texts.resize(MAX_RECORDS, "v=saip1".to_owned());
        texts.push("google-site-verification=x".to_owned());
        assert_eq!(live_keys(&texts), 1, "what is not ours does not count");
        texts.push("v=saip1; pk=".to_owned());
        let published = Published::unite(texts.iter().map(String::as_bytes), Level::Agent);
        assert_eq!(published.limit(NOW), Some(Limit::Records));
        assert_eq!(published.keys(NOW).count(), 0);
        assert!(published.is_revoked());

        let mut texts = keys(1);
        let room = MAX_OCTETS - texts[0].len() - "v=saip1; n=".len();
        texts.push(format!("v=saip1; n={}", "x".repeat(room)));
        assert_eq!(live_keys(&texts), 1);
        texts[1].push('x');
        assert_eq!(live_keys(&texts), 0);
    }
}
