//! Counting, keeping and delivering, against a real mail server, a real HTTPS server, and zone files.

use crate::counts::DOMAINS;
use crate::tally::Alike;
use crate::{Connectors, Reports, Settings};

use avouch_dns::{Dns, Resolver, ResolverSettings, SignedZones, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gather::clock::{Clock, ManualClock};
use avouch_tls::{Acceptor, Connector, Protocol};
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::report::{
    Code, MAX_OCTETS, Mailbox, Organization, Outcome, Report, Standing, network_of, open,
};
use avouch_wire::time::Time;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use testkit::certificate::Certificate;
use testkit::receiver::Receiver;
use testkit::smtp::{MailSink, Mood};

/// A moment at which a day begins.
const MIDNIGHT: Time = Time::from_seconds(20_000 * 86_400);
const NOON: Time = Time::from_seconds(20_000 * 86_400 + 43_200);
const DAY: Duration = Duration::from_secs(86_400);
const HOUR: Duration = Duration::from_secs(3_600);

/// Receivers that take reports, and the folder of a gateway that sends some.
struct World {
    folder: TempDir,
    certificate: Certificate,
    receiver: Receiver,
    sink: MailSink,
    clock: ManualClock,
    zone: String,
    allowed: Vec<&'static str>,
}

impl World {
    async fn new() -> Self {
        let names = ["acme.example", "r.acme.example", "elsewhere.test", "mail.test"];
        let certificate = Certificate::of(&names).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            receiver: Receiver::start(acceptor(&certificate)).await.unwrap(),
            sink: MailSink::start(None).await.unwrap(),
            certificate,
            clock: ManualClock::at(NOON),
            zone: "$TTL 60\nexample. SOA ns.example. host.example. 1 2 3 4 30\n\
                   test. SOA ns.test. host.test. 1 2 3 4 30\n\
                   acme.example. A 127.0.0.1\nr.acme.example. A 127.0.0.1\nelsewhere.test. A 127.0.0.1\n"
                .to_owned(),
            allowed: vec!["127.0.0.0/8"],
        }
    }

    /// With this in the record of acme.example; `HTTPS` stands for the receiver within the domain.
    fn with_rua(mut self, rua: &str) -> Self {
        let rua = rua.replace("PORT", &self.receiver.address.port().to_string());
        writeln!(self.zone, "_saip.acme.example. TXT \"v=saip1; rua={rua}\"").unwrap();
        self
    }

    fn with(mut self, records: &str) -> Self {
        writeln!(self.zone, "{records}").unwrap();
        self
    }

    fn settings(&self, folder: &Path) -> Settings {
        Settings {
            organization: Organization::parse("Shop AG").unwrap(),
            contact: Mailbox::parse("reports@shop.test").unwrap(),
            every: DAY,
            folder: folder.to_owned(),
            relay: Some(format!("smtp://{}", self.sink.address).parse().unwrap()),
            allowed_networks: self.allowed.iter().map(|network| network.parse().unwrap()).collect(),
        }
    }

    fn connectors(&self) -> Connectors {
        let roots = self.certificate.certificate.as_bytes();
        Connectors {
            https: Connector::trusting(roots, &[Protocol::Http1]).unwrap(),
            mail: Connector::trusting(roots, &[]).unwrap(),
        }
    }

    fn open_with(&self, settings: Settings) -> Arc<Reports> {
        let dns = Dns::Zones(ZoneFiles::parse(&[("zone", &self.zone)], Dnssec::Insecure).unwrap());
        Arc::new(Reports::open(settings, dns, self.connectors(), self.clock.now()).unwrap())
    }

    fn open(&self) -> Arc<Reports> {
        self.open_with(self.settings(self.folder.path()))
    }

    /// Lets the day end, and everything be sent that can be.
    async fn day_ends(&self, reports: &Arc<Reports>) {
        self.clock.set(MIDNIGHT.after(DAY));
        reports.keep(self.clock.now());
        self.later(reports, HOUR).await;
    }

    async fn later(&self, reports: &Arc<Reports>, span: Duration) {
        self.clock.advance(span);
        reports.keep(self.clock.now());
        reports.deliver_due(&self.clock).await;
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != "reports.lock" && name != "counts");
        names.sort();
        names
    }
}

fn acceptor(certificate: &Certificate) -> Acceptor {
    Acceptor::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap()
}

fn alike(standing: Standing, reason: &'static str, agent: Option<&str>, address: Option<&str>) -> Alike {
    let mechanism = if standing == Standing::Verified { "saip-rolling" } else { "none" };
    Alike {
        outcome: Outcome {
            standing,
            mechanism: Code::of(mechanism).unwrap(),
            reason: Code::of(reason).unwrap(),
            dnssec: None,
        },
        agent: agent.map(|agent| AgentId::parse(agent).unwrap().into_owned()),
        network: address.and_then(|address| network_of(address.parse().unwrap())),
    }
}

fn proved(agent: &str) -> Alike {
    alike(Standing::Verified, "signature-verified", Some(agent), Some("192.0.2.7"))
}

fn forged(address: &str) -> Alike {
    alike(Standing::Invalid, "not-confirmed", None, Some(address))
}

impl Reports {
    fn add(&self, domain: &str, alike: Alike, requests: u64) {
        self.counts.add(Domain::parse(domain).unwrap().into_owned(), alike, requests);
    }

    fn so_far(&self) -> Vec<Report> {
        self.counts.so_far(&self.sender, NOON, MIDNIGHT.after(DAY))
    }
}

#[tokio::test]
async fn a_day_of_claims_reaches_the_domain_by_https_and_by_mail() {
    let world = World::new().await.with_rua("https://r.acme.example:PORT/saip?x=1,mailto:saip@acme.example");
    let reports = world.open();
    reports.add("acme.example", proved("crawler-7"), 40);
    reports.add("acme.example", forged("203.0.113.9"), 3);
    reports.add("other.example", forged("203.0.113.9"), 5);
    reports.keep(world.clock.now());
    assert_eq!((world.receiver.connections(), world.sink.sessions()), (0, 0), "not before the day ends");
    world.day_ends(&reports).await;

    let posted = world.receiver.posted();
    assert_eq!(posted.len(), 1);
    for line in [
        "post /saip?x=1 http/1.1",
        "content-type: application/vnd.avouch.saip-report+json",
        "content-encoding: gzip",
    ] {
        assert!(posted[0].head.contains(line), "{}", posted[0].head);
    }
    let report = open(&posted[0].body).unwrap();
    assert_eq!((report.head.begin, report.head.end), (NOON, MIDNIGHT.after(DAY)));
    assert_eq!(report.requests(), 43);
    let rows: Vec<_> = report.rows.iter().map(|row| (row.requests, row.outcome.standing)).collect();
    assert_eq!(rows, [(40, Standing::Verified), (3, Standing::Invalid)]);
    assert!(report.record.as_ref().unwrap().texts[0].starts_with("v=saip1; rua=https://r.acme.example"));

    let mails = world.sink.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].from.split_whitespace().next(), Some("<reports@shop.test>"));
    assert_eq!(mails[0].to.trim(), "<saip@acme.example>");
    assert_eq!(open(mails[0].message.as_bytes()).unwrap(), report);

    let figures = reports.figures();
    assert_eq!((figures.sent, figures.failed, figures.refused, figures.waiting), (2, 0, 0, 0));
    assert_eq!(world.files(), [""; 0], "nothing is kept of a day that was told");
    world.later(&reports, DAY).await;
    assert_eq!(world.receiver.connections(), 1, "nor told twice");
}

#[tokio::test]
async fn a_mail_relay_may_ask_for_tls_from_the_first_octet() {
    let world = World::new().await.with_rua("mailto:saip@acme.example");
    let certificate = Certificate::of(&["localhost"]).unwrap();
    let sink = MailSink::start(Some(acceptor(&certificate))).await.unwrap();
    let trusting = |roots: &Certificate| {
        let roots = roots.certificate.as_bytes();
        Connectors {
            https: Connector::trusting(roots, &[Protocol::Http1]).unwrap(),
            mail: Connector::trusting(roots, &[]).unwrap(),
        }
    };
    for (roots, sent) in [(&world.certificate, 0), (&certificate, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let relay = Some(format!("smtps://localhost:{}", sink.address.port()).parse().unwrap());
        let settings = Settings { relay, ..world.settings(folder.path()) };
        let dns = Dns::Zones(ZoneFiles::parse(&[("zone", &world.zone)], Dnssec::Insecure).unwrap());
        world.clock.set(NOON);
        let reports = Arc::new(Reports::open(settings, dns, trusting(roots), NOON).unwrap());
        reports.add("acme.example", proved("a"), 1);
        world.day_ends(&reports).await;
        assert_eq!(sink.mails().len(), sent, "only to a relay whose certificate is trusted");
    }
}

#[tokio::test]
async fn a_receiver_outside_the_domain_gets_reports_only_by_its_consent() {
    let rua = "https://elsewhere.test:PORT/,mailto:saip@mail.test";
    let consent = "acme.example._report._saip.elsewhere.test. TXT \"v=saip1\"\n\
                   acme.example._report._saip.mail.test. TXT \"v=saip1\"";
    for (records, sent, refused) in [
        (consent.to_owned(), 2, 0),
        (String::new(), 0, 2),
        (consent.replace("v=saip1", "v=saip2"), 0, 2),
        (consent.replace("acme.example._report", "other.example._report"), 0, 2),
        (consent.replace("._report._saip.", "._report._dmarc."), 0, 2),
        (consent.replace("acme.example._report._saip.", "_saip."), 0, 2),
        (consent.replace("acme.example._report", "*._report"), 2, 0),
    ] {
        let world = World::new().await.with_rua(rua).with(&records);
        let reports = world.open();
        reports.add("acme.example", proved("a"), 1);
        world.day_ends(&reports).await;
        let figures = reports.figures();
        assert_eq!((figures.sent, figures.refused, figures.waiting), (sent, refused, 0), "{records}");
        assert_eq!((world.receiver.connections() + world.sink.sessions()) as u64, sent, "{records}");
    }
}

#[tokio::test]
async fn many_records_of_one_domain_have_no_more_addresses_asked_than_one() {
    let mailboxes = |from: u8| (from..from + 4).map(|n| format!("mailto:m{n}@acme.example"));
    let rua = |from| mailboxes(from).collect::<Vec<_>>().join(",");
    let second = format!("_saip.acme.example. TXT \"v=saip1; rua={}\"", rua(4));
    let world = World::new().await.with_rua(&rua(0)).with(&second);
    let reports = world.open();
    reports.add("acme.example", proved("a"), 1);
    world.day_ends(&reports).await;
    let to: Vec<_> = world.sink.mails().into_iter().map(|mail| mail.to.trim().to_owned()).collect();
    let first: Vec<_> = (0..4).map(|n| format!("<m{n}@acme.example>")).collect();
    assert_eq!(to, first);
}

#[tokio::test]
async fn not_knowing_who_wants_a_report_or_consents_is_neither_yes_nor_no() {
    let world = World::new().await.with_rua("https://r.unknown.invalid:PORT/");
    let reports = world.open();
    reports.add("acme.example", proved("a"), 1);
    reports.add("acme.unknown.invalid", proved("a"), 1);
    reports.add("absent.example", proved("a"), 1);
    world.day_ends(&reports).await;
    let figures = reports.figures();
    assert_eq!((figures.sent, figures.failed, figures.refused, figures.waiting), (0, 2, 0, 2));
}

#[tokio::test]
async fn a_record_or_a_consent_that_is_bogus_sends_nothing_until_it_is_mended() {
    let world = World::new()
        .await
        .with_rua("https://elsewhere.test:PORT/")
        .with("acme.example._report._saip.elsewhere.test. TXT \"v=saip1\"\n");
    let signed: String =
        world.zone.lines().filter(|line| !line.contains(" SOA ")).map(|line| format!("{line}\n")).collect();
    let zones = SignedZones::start(&signed).await.unwrap();
    let mut settings = ResolverSettings::new(vec![zones.address()]);
    settings.trust_anchors = vec![zones.trust_anchor()];
    let dns = Dns::Live(Resolver::new(&settings).unwrap());
    let settings = world.settings(world.folder.path());
    let reports = Arc::new(Reports::open(settings, dns, world.connectors(), NOON).unwrap());
    reports.add("acme.example", proved("a"), 1);
    zones.forge("_saip.acme.example.");
    world.day_ends(&reports).await;
    assert_eq!((reports.figures().failed, reports.figures().waiting), (1, 1));
    zones.mend("_saip.acme.example.");
    zones.expire("acme.example._report._saip.elsewhere.test.");
    world.later(&reports, HOUR).await;
    assert_eq!((reports.figures().failed, reports.figures().refused, reports.figures().waiting), (2, 0, 1));
    assert_eq!(world.receiver.connections(), 0);
    zones.mend("acme.example._report._saip.elsewhere.test.");
    world.later(&reports, HOUR).await;
    let told = open(&world.receiver.posted()[0].body).unwrap();
    assert_eq!(told.record.unwrap().dnssec.as_str(), "secure");
    assert_eq!((reports.figures().sent, reports.figures().waiting), (1, 0));
}

#[tokio::test]
async fn no_receiver_is_connected_to_that_is_not_public_and_none_by_http() {
    for (name, address) in [
        ("loop", "A 127.0.0.1"),
        ("lan", "A 192.168.1.1"),
        ("metadata", "A 169.254.169.254"),
        ("cgnat", "A 100.64.0.1"),
        ("home", "AAAA ::1"),
        ("ula", "AAAA fd00::1"),
        ("mapped", "AAAA ::ffff:127.0.0.1"),
        ("nat64", "AAAA 64:ff9b::7f00:1"),
    ] {
        let rua = format!("https://{name}.acme.example:PORT/");
        let mut world = World::new().await.with_rua(&rua).with(&format!("{name}.acme.example. {address}"));
        world.allowed.clear();
        let reports = world.open();
        reports.add("acme.example", proved("a"), 1);
        world.day_ends(&reports).await;
        let figures = reports.figures();
        assert_eq!((figures.sent, figures.refused, figures.waiting), (0, 1, 0), "{name}");
        assert_eq!(world.receiver.connections(), 0, "{name}");
    }
    for rua in ["http://r.acme.example:PORT/", "https://127.0.0.1:PORT/", "https://2130706433:PORT/"] {
        let world = World::new().await.with_rua(rua);
        let reports = world.open();
        reports.add("acme.example", proved("a"), 1);
        world.day_ends(&reports).await;
        assert_eq!((world.receiver.connections(), reports.figures().waiting), (0, 0), "{rua}");
    }
}

#[tokio::test]
async fn a_redirection_is_not_followed_and_a_refusal_is_final() {
    for status in
        ["307 Temporary Redirect\r\nlocation: https://elsewhere.test/", "400 Bad Request", "404 No", "410 No"]
    {
        let world = World::new().await.with_rua("https://r.acme.example:PORT/");
        world.receiver.answers(status);
        let reports = world.open();
        reports.add("acme.example", proved("a"), 1);
        world.day_ends(&reports).await;
        let figures = reports.figures();
        assert_eq!((figures.sent, figures.refused, figures.waiting), (0, 1, 0), "{status}");
        assert_eq!(world.receiver.connections(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_receiver_in_trouble_is_tried_again_at_growing_pauses_and_given_up_after_three_days() {
    let world = World::new().await.with_rua("https://r.acme.example:PORT/");
    world.receiver.answers("503 Busy");
    let reports = world.open();
    reports.add("acme.example", proved("a"), 1);
    world.day_ends(&reports).await;
    assert_eq!(world.receiver.connections(), 1);
    world.later(&reports, Duration::from_secs(60)).await;
    assert_eq!(world.receiver.connections(), 1, "not at once");
    world.later(&reports, Duration::from_secs(15 * 60)).await;
    assert_eq!(world.receiver.connections(), 2);
    world.later(&reports, Duration::from_secs(15 * 60)).await;
    assert_eq!(world.receiver.connections(), 2, "and later each time");
    for _ in 0..80 * 4 {
        world.later(&reports, HOUR / 4).await;
    }
    let figures = reports.figures();
    assert_eq!((figures.sent, figures.dropped, figures.waiting), (0, 1, 0));
    assert!((13..=18).contains(&figures.failed), "{figures:?}");
    assert_eq!(world.files(), [""; 0]);
}

#[tokio::test]
async fn what_waits_is_kept_over_a_restart_and_who_has_it_is_not_told_again() {
    let world = World::new().await.with_rua("https://r.acme.example:PORT/,mailto:saip@acme.example");
    world.sink.is(Mood::Busy);
    let reports = world.open();
    reports.add("acme.example", proved("a"), 7);
    world.day_ends(&reports).await;
    assert_eq!((reports.figures().sent, reports.figures().failed, reports.figures().waiting), (1, 1, 1));
    assert_eq!(world.files().len(), 2, "the report, and who has it: {:?}", world.files());
    drop(reports);

    world.sink.is(Mood::Takes);
    let reports = world.open();
    assert_eq!(reports.figures().waiting, 1);
    world.later(&reports, HOUR).await;
    assert_eq!((world.receiver.connections(), world.sink.mails().len()), (1, 1));
    let mailed = open(world.sink.mails()[0].message.as_bytes()).unwrap();
    assert_eq!(mailed.head.id, open(&world.receiver.posted()[0].body).unwrap().head.id);
    assert_eq!(world.files(), [""; 0]);
}

#[tokio::test]
async fn a_mail_server_that_refuses_is_believed() {
    let world = World::new().await.with_rua("mailto:nobody@acme.example");
    world.sink.is(Mood::Refuses);
    let reports = world.open();
    reports.add("acme.example", proved("a"), 1);
    world.day_ends(&reports).await;
    assert_eq!((reports.figures().refused, reports.figures().waiting), (1, 0));
    assert_eq!(world.sink.mails(), []);
}

#[tokio::test]
async fn a_relay_that_never_says_farewell_has_the_mail_and_gets_no_second_one() {
    let world = World::new().await.with_rua("mailto:saip@acme.example");
    world.sink.is(Mood::Lingers);
    let reports = world.open();
    reports.add("acme.example", proved("a"), 1);
    world.day_ends(&reports).await;
    assert_eq!((reports.figures().sent, reports.figures().waiting), (1, 0));
    assert_eq!(world.sink.mails().len(), 1);
}

#[tokio::test]
async fn a_relay_that_does_not_know_the_gateway_costs_no_report() {
    let world = World::new().await.with_rua("mailto:saip@acme.example");
    world.sink.is(Mood::Closed);
    let reports = world.open();
    reports.add("acme.example", proved("a"), 1);
    world.day_ends(&reports).await;
    assert_eq!((reports.figures().failed, reports.figures().waiting), (1, 1));
    world.sink.is(Mood::Takes);
    world.later(&reports, HOUR).await;
    assert_eq!(world.sink.mails().len(), 1);
}

#[tokio::test]
async fn a_slow_receiver_keeps_no_other_report_waiting() {
    let world = World::new().await.with("_saip.slow.example. TXT \"v=saip1; rua=mailto:a@slow.example\"");
    let world = world.with_rua("https://r.acme.example:PORT/");
    world.sink.is(Mood::Silent);
    let reports = world.open();
    (0..9).for_each(|number| reports.add(&format!("n{number}.example"), proved("a"), 1));
    reports.add("slow.example", proved("a"), 1);
    reports.add("acme.example", proved("a"), 1);
    world.clock.set(MIDNIGHT.after(DAY));
    reports.keep(world.clock.now());
    world.clock.advance(HOUR);
    let all_but_one = async {
        while reports.figures().waiting > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = reports.deliver_due(&world.clock) => panic!("the mail server has answered"),
        () = all_but_one => {}
    }
    assert_eq!((world.receiver.posted().len(), world.sink.mails().len()), (1, 0));
}

#[tokio::test]
async fn without_a_relay_no_mail_is_sent() {
    let world = World::new().await.with_rua("mailto:saip@acme.example");
    let reports = world.open_with(Settings { relay: None, ..world.settings(world.folder.path()) });
    reports.add("acme.example", proved("a"), 1);
    world.day_ends(&reports).await;
    assert_eq!((reports.figures().refused, world.sink.sessions()), (1, 0));
}

#[tokio::test]
async fn a_stop_or_a_crash_within_a_day_leaves_its_counts() {
    let world = World::new().await.with_rua("https://r.acme.example:PORT/");
    let reports = world.open();
    reports.add("acme.example", proved("a"), 2);
    reports.save(world.clock.now()).unwrap();
    let before = reports.so_far();
    drop(reports);
    world.clock.advance(HOUR);
    let reports = world.open();
    assert_eq!(reports.so_far()[0].head.id, before[0].head.id);
    reports.add("acme.example", proved("a"), 3);
    world.clock.advance(HOUR);
    reports.keep(world.clock.now());
    reports.add("acme.example", proved("a"), 100);
    drop(reports); // A crash: what was counted since the last saving is lost.
    world.clock.set(MIDNIGHT.after(DAY + HOUR));
    let reports = world.open();
    world.later(&reports, 2 * HOUR).await;
    let told = open(&world.receiver.posted()[0].body).unwrap();
    assert_eq!((told.requests(), told.head.begin), (5, NOON));
    assert_eq!((told.head.id, told.head.end), (before[0].head.id.clone(), NOON.after(2 * HOUR)));
}

#[tokio::test]
async fn a_crash_while_a_day_is_closed_loses_and_doubles_nothing() {
    let world = World::new().await.with_rua("https://r.acme.example:PORT/");
    let reports = world.open();
    reports.add("acme.example", proved("a"), 2);
    reports.add("other.example", proved("a"), 2);
    reports.save(world.clock.now()).unwrap();
    let id = reports.so_far()[0].head.id.clone();
    drop(reports);
    // Of two reports one was written, and the counts are still there.
    let counts = std::fs::read_to_string(world.folder.path().join("counts")).unwrap();
    let written = counts.lines().find(|line| line.contains(&id.to_string())).unwrap();
    std::fs::write(world.folder.path().join(format!("{id}.report")), written).unwrap();
    for left in ["abc.sent", "abc.report.new", "abc.sent.new"] {
        std::fs::write(world.folder.path().join(left), "https://a.example/").unwrap();
    }
    world.clock.set(MIDNIGHT.after(DAY));
    let reports = world.open();
    assert_eq!((reports.figures().waiting, reports.figures().dropped), (2, 0));
    world.later(&reports, 2 * HOUR).await;
    assert_eq!(world.receiver.posted().len(), 1);
    assert_eq!(world.files(), [""; 0], "what a crash left is swept");
}

#[tokio::test]
async fn a_folder_is_for_one_process_and_a_damaged_report_is_dropped() {
    let world = World::new().await;
    std::fs::write(world.folder.path().join("abc.report"), "{").unwrap();
    std::fs::write(world.folder.path().join("own.json"), "{").unwrap();
    std::fs::write(world.folder.path().join("counts"), "{\n[]\n").unwrap();
    let reports = world.open();
    let dns = Dns::Zones(ZoneFiles::parse(&[("zone", &world.zone)], Dnssec::Insecure).unwrap());
    let again = Reports::open(world.settings(world.folder.path()), dns, world.connectors(), NOON);
    assert!(again.is_err_and(|error| error.to_string().contains("in use")));
    world.later(&reports, HOUR).await;
    assert_eq!((reports.figures().dropped, reports.figures().waiting), (1, 0));
    assert_eq!(world.files(), ["own.json"], "what is not of ours stays");
}

#[tokio::test]
async fn a_day_that_the_disk_does_not_take_is_kept_for_another_try() {
    let world = World::new().await.with_rua("https://r.acme.example:PORT/");
    let reports = world.open();
    reports.add("acme.example", proved("a"), 2);
    let away = world.folder.path().with_extension("away");
    std::fs::rename(world.folder.path(), &away).unwrap();
    world.day_ends(&reports).await;
    reports.add("acme.example", proved("a"), 3);
    world.later(&reports, HOUR).await;
    assert_eq!((reports.figures().waiting, reports.figures().dropped), (0, 0));
    std::fs::rename(&away, world.folder.path()).unwrap();
    world.later(&reports, HOUR).await;
    world.later(&reports, HOUR).await;
    let told = open(&world.receiver.posted()[0].body).unwrap();
    assert_eq!((told.requests(), told.head.end), (2, MIDNIGHT.after(DAY)));
    drop(reports);
    let reports = world.open();
    assert_eq!(reports.so_far()[0].requests(), 3, "what came after it was saved");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_for_two_days_costs_one() {
    let world = World::new().await.with_rua("https://r.acme.example:PORT/");
    let reports = world.open();
    let away = world.folder.path().with_extension("away");
    std::fs::rename(world.folder.path(), &away).unwrap();
    for requests in [2, 3] {
        reports.add("acme.example", proved("a"), requests);
        world.later(&reports, DAY).await;
    }
    assert_eq!(reports.figures().dropped, 1);
    std::fs::rename(&away, world.folder.path()).unwrap();
    world.later(&reports, HOUR).await;
    world.later(&reports, HOUR).await;
    assert_eq!(open(&world.receiver.posted()[0].body).unwrap().requests(), 3);
}

#[tokio::test]
async fn a_clock_that_was_set_back_over_a_restart_loses_no_counts() {
    let world = World::new().await;
    let reports = world.open();
    reports.add("acme.example", proved("a"), 2);
    reports.save(world.clock.now()).unwrap();
    drop(reports);
    world.clock.set(MIDNIGHT);
    assert_eq!(world.open().so_far()[0].requests(), 2);
}

#[tokio::test]
async fn a_flood_of_names_stays_within_limits_and_hides_no_name_that_is_used() {
    let world = World::new().await;
    let reports = world.open();
    reports.add("proved.example", proved("a"), 1);
    for number in 0..60_000 {
        reports.add(&format!("name-{number}.test"), forged("203.0.113.9"), 1);
        if number % 10 == 0 {
            reports.add("victim.example", forged("198.51.100.9"), 1);
        }
    }
    let so_far = reports.so_far();
    assert!(so_far.len() <= DOMAINS, "{}", so_far.len());
    let of = |domain: &str| so_far.iter().find(|report| report.head.domain.as_str() == domain);
    assert_eq!(of("proved.example").unwrap().requests(), 1);
    assert!(of("victim.example").unwrap().requests() > 5_900, "a name that is claimed again and again");
    let all: u64 = so_far.iter().map(Report::requests).sum();
    assert_eq!(all + reports.figures().uncounted, 66_001, "what has no room is counted as such");
}

#[tokio::test]
async fn a_name_is_worth_after_a_restart_what_it_was_before() {
    let world = World::new().await;
    let reports = world.open();
    (0..1000).for_each(|_| reports.add("victim.example", forged("198.51.100.9"), 1));
    reports.save(world.clock.now()).unwrap();
    drop(reports);
    let reports = world.open();
    (0..60_000).for_each(|number| reports.add(&format!("name-{number}.test"), forged("203.0.113.9"), 1));
    let so_far = reports.so_far();
    let victim = so_far.iter().find(|report| report.head.domain.as_str() == "victim.example");
    assert_eq!(victim.map(Report::requests), Some(1000));
}

#[tokio::test]
async fn names_below_one_domain_take_no_place_of_others() {
    let world = World::new().await;
    let reports = world.open();
    for number in 0..10_000 {
        reports.add(&format!("n{number}.evil.example"), proved("a"), 1);
    }
    assert!(reports.so_far().len() <= 16);
}

#[tokio::test]
async fn a_flood_of_agents_hides_neither_what_was_proved_nor_how_much_there_was() {
    let world = World::new().await;
    let reports = world.open();
    for number in 0..5_000_u64 {
        let agent = format!("a{number}");
        let address = format!("198.51.{}.1", number % 256);
        let lie = alike(Standing::Invalid, "key-not-published", Some(&agent), Some(&address));
        reports.add("acme.example", lie, 1);
        reports.add("acme.example", proved("crawler-7"), 1);
    }
    let report = reports.so_far().pop().unwrap();
    assert_eq!((report.requests(), report.unlisted), (10_000, 0));
    assert!(report.rows.len() <= 1_088, "{}", report.rows.len());
    assert_eq!(report.rows[0].requests, 5_000);
    assert_eq!(report.rows[0].agent.as_ref().unwrap().as_str(), "crawler-7");
    let coarse = report.rows.iter().find(|row| row.agent.is_none()).unwrap();
    assert_eq!((coarse.requests, coarse.network), (5_000 - 512, None));
}

#[tokio::test]
async fn what_many_domains_share_comes_to_an_end_and_each_has_rows_of_its_own() {
    let world = World::new().await;
    let reports = world.open();
    for domain in 0..200 {
        for agent in 0..512 {
            let agent = format!("a{agent}");
            let lie = alike(Standing::Invalid, "key-not-published", Some(&agent), None);
            reports.add(&format!("d{domain}.test"), lie, 1);
        }
    }
    let so_far = reports.so_far();
    let rows: usize = so_far.iter().map(|report| report.rows.len()).sum();
    assert!(rows <= 32_768 + 200 * 8, "{rows}");
    assert!(so_far.iter().all(|report| report.rows.len() >= 8 && report.requests() == 512));
    reports.counts.take(&reports.sender, MIDNIGHT, NOON);
    for agent in 0..100 {
        let agent = format!("a{agent}");
        reports.add("late.test", alike(Standing::Invalid, "x", Some(&agent), None), 1);
    }
    assert_eq!(reports.so_far()[0].rows.len(), 100, "a new day has all its room");
}

#[tokio::test]
async fn the_longest_report_is_one_that_can_be_read() {
    let world = World::new().await;
    let reports = world.open();
    let domain = format!("{}.example", ["a".repeat(60), "b".repeat(60), "c".repeat(60)].join("."));
    for number in 0..600 {
        let agent = format!("{}.{number:060}", "a".repeat(60));
        for standing in [Standing::Verified, Standing::Invalid] {
            let row = alike(standing, "signature-verified", Some(&agent), Some("2001:db8:ffff::1"));
            reports.add(&domain, row, u64::from(u32::MAX));
        }
    }
    let json = reports.so_far().pop().unwrap().to_json();
    assert!(json.len() < MAX_OCTETS / 4, "{}", json.len());
    assert!(Report::parse(&json).is_ok());
}
