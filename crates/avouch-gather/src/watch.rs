//! Looking after what a domain publishes: what is wrong now, and what has changed since the last look.

use std::collections::BTreeMap;

use avouch_dns::{Delegation, Dns, ServerState};
use avouch_wire::key::Fingerprint;
use avouch_wire::record::Place;
use avouch_wire::record::lint::{Concern, Finding, Severity};
use avouch_wire::time::Time;

use crate::examination::{Examination, Examined};

/// One name that is watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// Where.
    pub place: Place,
    /// The keys that are to be live there; none says that any may be.
    pub expected: Vec<Fingerprint>,
}

/// How to look.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Every answer has to be proved by DNSSEC.
    pub secure: bool,
    /// The port of the servers that `_saip` is delegated to, 53 on the Internet; `None` leaves them alone.
    pub servers: Option<u16>,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// At which name.
    pub name: String,
    /// How much it matters.
    pub severity: Severity,
    /// Its code: one of the linter's, or of those that `docs/operate/dns.md` lists.
    pub code: &'static str,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub fix: String,
}

/// Codes of what could not be found out.
const UNANSWERED: &str = "unanswered";
const DELEGATION_UNKNOWN: &str = "delegation-unknown";

/// Codes of what is compared with the look before.
const BOGUS: &str = "dnssec-bogus";
const DANGLING: &str = "delegation-dangling";

impl Alarm {
    /// Whether it says only that something could not be found out.
    fn is_open(&self) -> bool {
        [UNANSWERED, DELEGATION_UNKNOWN].contains(&self.code)
    }

    /// Whether it is the same trouble as another: a TTL in a cache counts down, and is one trouble all the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same_words = self.code == "ttl-long" || self.what == other.what;
        self.name == other.name && self.code == other.code && same_words
    }
}

/// What one look came to.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What is wrong, the worst first.
    pub alarms: Vec<Alarm>,
    /// The names whose last answer was proved by DNSSEC, or was not.
    proved: BTreeMap<String, bool>,
}

impl Look {
    /// Looks at all that is watched. `before` is the last look, for what changes.
    pub async fn at(
        dns: &Dns,
        watched: &[Watched],
        manner: Manner,
        before: Option<&Self>,
        now: Time,
    ) -> Self {
        let mut look = Self::default();
        let mut domains: Vec<String> = Vec::new();
        for one in watched {
            let seen = Examination::of(dns, &one.place, now).await;
            look.judge(one, &seen, manner);
            let domain = format!("_saip.{}", one.place.domain);
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        if let Some(port) = manner.servers {
            for domain in domains {
                look.judge_delegation(&domain, &Delegation::of(dns, &domain, port, now).await);
            }
        }
        look.compare(before);
        look.alarms.sort_by(|a, b| (a.severity, &a.name, a.code).cmp(&(b.severity, &b.name, b.code)));
        look
    }

    /// Whether nothing is known to be wrong beyond advice.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.alarms.iter().all(|alarm| alarm.severity == Severity::Advice || alarm.is_open())
    }

    /// Whether something could not be found out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.alarms.iter().any(Alarm::is_open)
    }

    /// What is wrong now and was not at the look before, and what was and no longer is.
    #[must_use]
    pub fn news<'a>(&'a self, before: Option<&'a Self>) -> (Vec<&'a Alarm>, Vec<&'a Alarm>) {
        let old = before.map_or(&[][..], |before| &before.alarms);
        let only = |ours: &'a [Alarm], others: &[Alarm]| {
            ours.iter().filter(|alarm| !others.iter().any(|other| other.is_same(alarm))).collect()
        };
        (only(&self.alarms, old), only(old, &self.alarms))
    }

    fn add(&mut self, name: &str, severity: Severity, code: &'static str, what: String, fix: &str) {
        let alarm = Alarm { name: name.to_owned(), severity, code, what, fix: fix.to_owned() };
        if !self.alarms.iter().any(|other| other.is_same(&alarm)) {
            self.alarms.push(alarm);
        }
    }

    fn judge(&mut self, watched: &Watched, seen: &Examination, manner: Manner) {
        for finding in &seen.findings {
            self.take(finding);
        }
        for examined in &seen.names {
            self.judge_answer(examined, seen.broken_at.as_deref(), manner);
        }
        if let Some(own) = seen.names.first().filter(|own| own.cause.is_none()) {
            let revoked = seen.names.iter().any(|examined| examined.revoked);
            self.judge_keys(watched, own, revoked);
        }
    }

    fn take(&mut self, finding: &Finding) {
        let Finding { name, concern, .. } = finding;
        // Advice to the one who writes a record; to the one who watches it, it has lost its effect.
        let severity = match concern {
            Concern::Null | Concern::Revoked => Severity::Warning,
            concern => concern.severity(),
        };
        let name = name.as_deref().unwrap_or_default();
        self.add(name, severity, concern.code(), concern.to_string(), &concern.fix());
    }

    fn judge_answer(&mut self, examined: &Examined, broken_at: Option<&str>, manner: Manner) {
        let name = examined.name.as_str();
        match (examined.cause, broken_at) {
            (Some(cause), Some(at)) => {
                let what = format!("{cause}; the chain of signatures breaks at {at}");
                let fix = "renew the signatures of that zone, or mend the DS record above it";
                self.add(name, Severity::Error, BOGUS, what, fix);
            }
            (Some(cause), None) => {
                let fix = "see whether the zone's servers answer; verifiers find out no more than this";
                self.add(name, Severity::Warning, UNANSWERED, cause.to_owned(), fix);
            }
            (None, _) => {
                let proved = examined.dnssec == Some("secure");
                self.proved.insert(name.to_owned(), proved);
                if manner.secure && !proved {
                    let what = "the answer is not proved by DNSSEC".to_owned();
                    let fix = "sign the zone, and publish its DS record in the one above";
                    self.add(name, Severity::Error, "dnssec-missing", what, fix);
                }
            }
        }
    }

    fn judge_keys(&mut self, watched: &Watched, own: &Examined, revoked: bool) {
        if watched.expected.is_empty() {
            return;
        }
        for key in own.keys.iter().filter(|key| !watched.expected.contains(key)) {
            let fix = "find out who published it; revoke the name if nobody did";
            let what = format!("the key {key} is live there and is none of those expected");
            self.add(&own.name, Severity::Error, "key-unexpected", what, fix);
        }
        for key in watched.expected.iter().filter(|key| revoked || !own.keys.contains(key)) {
            let fix = "publish it again, or expect another";
            let what = format!("the key {key} is expected and is not live there");
            self.add(&own.name, Severity::Error, "key-missing", what, fix);
        }
    }

    fn judge_delegation(&mut self, name: &str, delegation: &Delegation) {
        for to in delegation.dangling() {
            let why = match &to.state {
                ServerState::NoAddress => {
                    "has no address, so whoever gets that name gets this one".to_owned()
                }
                ServerState::Lame(error) | ServerState::Silent(error) => {
                    format!("does not serve it: {error}")
                }
                ServerState::Serves | ServerState::Unknown(_) => continue,
            };
            let what = format!("it is delegated to {}, which {why}", to.server);
            let fix = "remove that NS record, or set up the zone at the server";
            self.add(name, Severity::Error, DANGLING, what, fix);
        }
        let unknown = match delegation {
            Delegation::None => false,
            Delegation::Unknown(_) => true,
            Delegation::To(to) => to.iter().any(|to| matches!(to.state, ServerState::Unknown(_))),
        };
        if unknown {
            let what = "whether it is delegated to servers that answer could not be found out".to_owned();
            let fix = "let this machine ask name servers at port 53, or leave them out with --resolvers-only";
            self.add(name, Severity::Warning, DELEGATION_UNKNOWN, what, fix);
        }
    }

    fn compare(&mut self, before: Option<&Self>) {
        let Some(before) = before else { return };
        for (name, was) in &before.proved {
            match self.proved.get(name) {
                Some(false) if *was => {
                    let what = "the answer was proved by DNSSEC and no longer is".to_owned();
                    let fix = "see whether the zone is still signed, and its DS record still there";
                    self.add(name, Severity::Error, "dnssec-lost", what, fix);
                    // Once lost it stays so until it is proved again: every further look says it as well.
                    self.proved.insert(name.clone(), true);
                }
                Some(_) => {}
                // What could not be found out now is compared with what was known before.
                None => _ = self.proved.insert(name.clone(), *was),
            }
        }
        let kept: Vec<_> = before.alarms.iter().filter(|alarm| self.cannot_tell(alarm)).cloned().collect();
        for alarm in kept {
            self.add(&alarm.name, alarm.severity, alarm.code, alarm.what, &alarm.fix);
        }
    }

    /// Whether nothing was found out by which a trouble could have ended.
    fn cannot_tell(&self, alarm: &Alarm) -> bool {
        let unknown: &[&str] = match alarm.code {
            UNANSWERED | BOGUS | DELEGATION_UNKNOWN => return false,
            DANGLING => &[DELEGATION_UNKNOWN],
            _ => &[UNANSWERED, BOGUS],
        };
        self.alarms.iter().any(|other| other.name == alarm.name && unknown.contains(&other.code))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_dns::ZoneFiles;
    use avouch_engine::evidence::Dnssec;
    use avouch_wire::key::PublicKey;
    use avouch_wire::record::Record;

    const NOW: Time = Time::from_seconds(1_790_000_000);
    const MANNER: Manner = Manner { secure: false, servers: None };

    fn dns(records: &str, dnssec: Dnssec) -> Dns {
        let text = format!("$ORIGIN acme.example.\n$TTL 300\n@ SOA ns host 1 2 3 4 300\n{records}\n");
        Dns::Zones(ZoneFiles::parse(&[("acme.zone", &text)], dnssec).unwrap())
    }

    /// Keys that are points of the curve.
    fn keys() -> Vec<PublicKey> {
        let point = |y| PublicKey::from_octets(&[&[y][..], &[0; 31]].concat()).ok();
        (3..=20).filter_map(point).collect()
    }

    fn bot(expected: &[PublicKey]) -> [Watched; 1] {
        let expected = expected.iter().map(|key| *key.fingerprint()).collect();
        [Watched { place: Place::parse("bot._saip.acme.example").unwrap(), expected }]
    }

    fn record(key: PublicKey) -> String {
        format!("bot._saip TXT \"{}\"", Record::of_key(key))
    }

    async fn codes(records: &str, expected: &[PublicKey]) -> Vec<&'static str> {
        let look = Look::at(&dns(records, Dnssec::Secure), &bot(expected), MANNER, None, NOW).await;
        look.alarms.iter().map(|alarm| alarm.code).collect()
    }

    #[tokio::test]
    async fn what_is_as_expected_raises_no_alarm_and_what_is_not_does() {
        let keys = keys();
        let (mine, other) = (keys[0].clone(), keys[1].clone());
        let expected = [mine.clone()];
        assert!(codes(&record(mine.clone()), &expected).await.is_empty());
        assert!(codes(&record(other.clone()), &[]).await.is_empty(), "any key may be there");
        assert_eq!(codes(&record(other.clone()), &expected).await, ["key-missing", "key-unexpected"]);
        let both = format!("{}\n{}", record(mine.clone()), record(other));
        assert_eq!(codes(&both, &expected).await, ["key-unexpected"]);
        assert_eq!(codes("", &expected).await, ["key-missing", "no-record"]);
        let testing = format!("bot._saip TXT \"{}; t=y\"", Record::of_key(mine.clone()));
        assert_eq!(codes(&testing, &expected).await, ["key-missing", "testing"]);
        let revoked = format!("{}\n_saip TXT \"v=saip1; pk=\"", record(mine.clone()));
        assert_eq!(codes(&revoked, &expected).await, ["key-missing", "revoked", "revoked-above"]);
        assert_eq!(codes("bot._saip TXT \"v=saip1\"", &[]).await, ["null-record"]);
        let soon = format!("bot._saip TXT \"{}; exp=1790000100\"", Record::of_key(mine.clone()));
        assert_eq!(codes(&soon, &expected).await, ["expires-soon"]);
        let long = format!("bot._saip 86400 TXT \"{}\"", Record::of_key(mine));
        assert_eq!(codes(&long, &expected).await, ["ttl-long"]);
    }

    #[tokio::test]
    async fn a_trouble_is_told_when_it_begins_and_when_it_is_known_to_have_ended() {
        let text = record(keys()[0].clone());
        let long = text.replace("TXT", "86400 TXT");
        let longer = text.replace("TXT", "90000 TXT");
        let looks = [long.as_str(), &longer, "", &text].map(|text| dns(text, Dnssec::Secure));
        let nowhere = Dns::Zones(ZoneFiles::parse(&[], Dnssec::Insecure).unwrap());
        let [first, other, absent, well] = &looks;
        let mut before: Option<Look> = None;
        for (dns, begun, ended) in [
            (first, vec!["ttl-long"], vec![]),
            (other, vec![], vec![]),
            (&nowhere, vec!["unanswered"; 2], vec![]),
            (absent, vec!["no-record"], vec!["ttl-long", "unanswered", "unanswered"]),
            (well, vec![], vec!["no-record"]),
        ] {
            let look = Look::at(dns, &bot(&[]), MANNER, before.as_ref(), NOW).await;
            let codes = |alarms: Vec<&Alarm>| {
                let mut codes: Vec<_> = alarms.iter().map(|alarm| alarm.code).collect();
                codes.sort_unstable();
                codes
            };
            let (new, gone) = look.news(before.as_ref());
            assert_eq!((codes(new), codes(gone)), (begun, ended));
            before = Some(look);
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_no_longer_proved_is_told_until_it_is_again() {
        let text = record(keys()[0].clone());
        let (signed, unsigned) = (dns(&text, Dnssec::Secure), dns(&text, Dnssec::Insecure));
        let look =
            async |dns: &Dns, before: Option<&Look>| Look::at(dns, &bot(&[]), MANNER, before, NOW).await;
        let has_lost = |look: &Look| look.alarms.iter().any(|alarm| alarm.code == "dnssec-lost");
        let first = look(&signed, None).await;
        assert!(first.is_well() && !first.is_open());
        let second = look(&unsigned, Some(&first)).await;
        assert!(has_lost(&second) && !second.is_well());
        assert!(has_lost(&look(&unsigned, Some(&second)).await), "it is still lost");
        let nowhere = Dns::Zones(ZoneFiles::parse(&[], Dnssec::Insecure).unwrap());
        let unknown = look(&nowhere, Some(&second)).await;
        assert!(unknown.is_open() && has_lost(&unknown), "nobody knows that it is proved again");
        assert!(has_lost(&look(&unsigned, Some(&unknown)).await), "what was known is not forgotten");
        assert!(look(&nowhere, Some(&first)).await.is_well(), "not knowing is no trouble by itself");
        assert!(!has_lost(&look(&signed, Some(&second)).await));
        let never = look(&unsigned, None).await;
        assert!(never.is_well(), "unsigned from the beginning is advice");
        let strict = Manner { secure: true, ..MANNER };
        assert!(!Look::at(&unsigned, &bot(&[]), strict, None, NOW).await.is_well());
    }
}
