//! Claims become reports, and nothing else does.

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_gather::clock::{Clock, ManualClock};
use avouch_tls::Acceptor;
use avouch_wire::report::{Standing, open};
use avouch_wire::time::Time;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use testkit::certificate::Certificate;
use testkit::raw::exchange;
use testkit::receiver::Receiver;
use testkit::smtp::MailSink;
use testkit::upstream::Upstream;

const NOON: Time = Time::from_seconds(20_000 * 86_400 + 43_200);
const DAY: Duration = Duration::from_secs(86_400);
const HONEST: &str = "SAIP: dom=\"acme.example\"; id=\"crawler-7\"\r\n";
const FORGED: &str = "SAIP: dom=\"bank.example\"; id=\"teller\"\r\n";

struct World {
    upstream: Upstream,
    receiver: Receiver,
    sink: MailSink,
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl World {
    async fn new() -> Self {
        let certificate = Certificate::of(&["acme.example"]).unwrap();
        let acceptor =
            Acceptor::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("roots.pem"), certificate.certificate).unwrap();
        Self {
            upstream: Upstream::start().await.unwrap(),
            receiver: Receiver::start(acceptor).await.unwrap(),
            sink: MailSink::start(None).await.unwrap(),
            folder,
            clock: Arc::new(ManualClock::at(NOON)),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The reports in the folder.
    fn waiting(&self) -> usize {
        let files = std::fs::read_dir(self.path("reports")).unwrap();
        files
            .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "report"))
            .count()
    }

    fn table(&self) -> String {
        format!(
            "[reports]\norganization = 'Shop AG'\ncontact = 'reports@shop.example'\nfolder = '{}'\n\
             smtp = 'smtp://{}'\nca = '{}'\nallow_networks = '127.0.0.0/8'\n",
            self.path("reports").display(),
            self.sink.address,
            self.path("roots.pem").display()
        )
    }

    async fn gateway(&self, table: &str) -> Running {
        let text = format!(
            "listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'\n\
             log.access = 'off'\nstore.fresh = true\n{table}",
            self.upstream.url()
        );
        let zone = format!(
            "$TTL 60\nexample. SOA ns.example. host.example. 1 2 3 4 30\n127.in-addr.arpa. SOA ns.example. host.example. 1 2 3 4 30\nacme.example. A 127.0.0.1\n\
             bank.example. A 192.0.2.1\n_saip.bank.example. TXT \"v=saip1; rua=mailto:fraud@bank.example\"\n\
             _saip.acme.example. TXT \"v=saip1; rua=https://acme.example:{}/saip\"\n",
            self.receiver.address.port()
        );
        let zones = ZoneFiles::parse(&[("zone", &zone)], Dnssec::Insecure).unwrap();
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let surroundings = Surroundings { clock, dns: Some(Dns::Zones(zones)), ..Surroundings::default() };
        Gateway::start(Config::parse("test", &text).unwrap(), surroundings).await.unwrap()
    }
}

async fn send(running: &Running, fields: &str, times: usize) {
    let request = format!(
        "GET /secret-path?secret-query HTTP/1.1\r\nHost: a.example\r\nUser-Agent: secret-agent\r\n{fields}\r\n"
    );
    for _ in 0..times {
        assert_eq!(exchange(running.addresses[0], request.clone()).await.unwrap().unwrap().status(), 200);
    }
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("nothing came within ten seconds");
}

#[tokio::test]
async fn a_days_claims_reach_their_domains_over_a_restart_and_tell_nothing_of_requests() {
    let world = World::new().await;
    let running = world.gateway(&world.table()).await;
    send(&running, HONEST, 2).await;
    send(&running, "", 5).await;
    running.stop().await;
    let running = world.gateway(&world.table()).await;
    send(&running, HONEST, 1).await;
    send(&running, FORGED, 4).await;
    assert_eq!((world.receiver.connections(), world.sink.sessions()), (0, 0));
    world.clock.advance(DAY);
    until(|| world.waiting() == 2).await;
    world.clock.advance(DAY / 24);
    until(|| world.receiver.posted().len() == 1 && world.sink.mails().len() == 1).await;

    let posted = world.receiver.posted().remove(0);
    let report = open(&posted.body).unwrap();
    assert_eq!((report.head.domain.as_str(), report.requests()), ("acme.example", 3));
    let row = &report.rows[0];
    assert_eq!(
        (row.outcome.standing, row.outcome.mechanism.as_str()),
        (Standing::Partial, "forward-address")
    );
    assert_eq!(row.network, None, "an address that is not public is the operator's own affair");
    let mailed = open(world.sink.mails()[0].message.as_bytes()).unwrap();
    assert_eq!((mailed.head.domain.as_str(), mailed.requests()), ("bank.example", 4));
    assert_eq!(mailed.rows[0].outcome.standing, Standing::Invalid);
    assert_eq!(mailed.rows[0].agent.as_ref().unwrap().as_str(), "teller");
    for told in [report, mailed] {
        let text = String::from_utf8(told.to_json()).unwrap();
        assert!(
            !text.contains("secret") && !text.contains("127.0.0") && !text.contains("a.example"),
            "{text}"
        );
    }
    let sent = "avouch_reports_total{outcome=\"sent\"} 2";
    let admin = running.admin.unwrap();
    let metrics = async || {
        exchange(admin, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap().unwrap().text()
    };
    for _ in 0..200 {
        if metrics().await.contains(sent) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(metrics().await.contains(sent), "{}", metrics().await);
    running.stop().await;
}

#[tokio::test]
async fn where_the_operator_does_not_say_so_nothing_is_counted_or_sent() {
    let world = World::new().await;
    let running = world.gateway("").await;
    send(&running, HONEST, 1).await;
    world.clock.advance(2 * DAY);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!((world.receiver.connections(), world.sink.sessions()), (0, 0));
    assert!(!world.path("reports").exists());
    running.stop().await;
}

#[tokio::test]
async fn a_folder_that_another_gateway_holds_is_no_start() {
    let world = World::new().await;
    let running = world.gateway(&world.table()).await;
    let text = format!("listen = '127.0.0.1:0'\nupstream = '{}'\n{}", world.upstream.url(), world.table());
    let second = Gateway::start(Config::parse("test", &text).unwrap(), Surroundings::default()).await;
    assert!(second.err().unwrap().to_string().contains("in use by another avouch"));
    running.stop().await;
    let text = text.replace("roots.pem", "no-such.pem");
    let missing = Gateway::check(Config::parse("test", &text).unwrap()).unwrap_err().to_string();
    assert!(missing.contains("no-such.pem"), "{missing}");
}

#[tokio::test]
async fn reports_that_nobody_takes_wait_and_are_counted_and_requests_do_not_notice() {
    let world = World::new().await;
    world.receiver.answers("503 Service Unavailable");
    let running = world.gateway(&world.table()).await;
    send(&running, HONEST, 1).await;
    world.clock.advance(DAY);
    until(|| world.waiting() == 1).await;
    world.clock.advance(DAY / 24);
    until(|| world.receiver.posted().len() == 1).await;
    let admin = running.admin.unwrap();
    let shows = async |figure: &str| {
        for _ in 0..500 {
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
            if exchange(admin, request).await.unwrap().unwrap().text().contains(figure) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{figure}");
    };
    shows("avouch_reports_total{outcome=\"failed\"} 1").await;
    shows("avouch_reports_waiting 1").await;
    send(&running, HONEST, 1).await;
    world.receiver.answers("200 OK");
    world.clock.advance(DAY / 12);
    shows("avouch_reports_total{outcome=\"sent\"} 1").await;
    running.stop().await;
}
