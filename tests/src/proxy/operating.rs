//! What the operator sees and does: health, numbers, reloads, stops, `auth_request`.

use avouch_gateway::config::{Config, Endpoint};
use avouch_gateway::{Gateway, Surroundings};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::message::Message;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;

use super::gateway;

pub(super) async fn get(address: std::net::SocketAddr, path: &str) -> Message {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    exchange(address, request).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_admin_listener_tells_health_numbers_and_keys() {
    let upstream = Upstream::start().await.unwrap();
    let running = gateway(&upstream, "admin.listen = '127.0.0.1:0'").await;
    let admin = running.admin.unwrap();
    get(running.addresses[0], "/").await;
    assert_eq!(get(admin, "/livez").await.status(), 200);
    assert_eq!(get(admin, "/readyz").await.status(), 200);
    let keys = get(admin, "/.well-known/avouch/jwks.json").await.text();
    assert!(keys.contains("\"P-256\""), "{keys}");
    let metrics = get(admin, "/metrics").await.text();
    assert!(metrics.contains("avouch_requests_total{class=\"0\",decision=\"accept\"} 1"), "{metrics}");
    assert_eq!(get(running.addresses[0], "/metrics").await.text(), "ok", "the upstream's, not ours");
    running.stop().await;
}

#[tokio::test]
async fn auth_request_is_answered_for_trusted_proxies_only() {
    let upstream = Upstream::start().await.unwrap();
    let lines = "verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'\nmode = 'enforce'\nauthorities = 'www.shop.example'\n\
                 [[route]]\npath = '/members'\nrequire = 3";
    let running = gateway(&upstream, lines).await;
    let ask = |path: &str, agent: &str| {
        format!(
            "GET /verify HTTP/1.1\r\nHost: auth\r\nX-Original-Method: GET\r\nX-Original-URI: {path}\r\nUser-Agent: {agent}\r\n\
             X-Forwarded-Host: www.shop.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\nAvouch-Class: 3\r\n\r\n"
        )
    };
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    let allowed = exchange(verify, ask("/", "curl/8")).await.unwrap().unwrap();
    assert_eq!((allowed.status(), allowed.field("avouch-class")), (204, Some("0")));
    assert_eq!(allowed.field("avouch-standing"), Some("anonymous"));
    let asked = exchange(verify, ask("/members", "curl/8")).await.unwrap().unwrap();
    assert_eq!((asked.status(), asked.field("avouch-reason")), (401, Some("class-required")));
    let unsaid = exchange(verify, "GET /verify HTTP/1.1\r\nHost: auth\r\n\r\n").await.unwrap().unwrap();
    assert_eq!((unsaid.status(), unsaid.field("avouch-class")), (403, Some("-")));
    let mut stranger = Raw::connect_from("127.0.0.2".parse().unwrap(), verify).await.unwrap();
    stranger.send(ask("/", "curl/8")).await.unwrap();
    assert_eq!(stranger.answer().await.unwrap().unwrap().status(), 403);
    running.stop().await;
}

#[tokio::test]
async fn a_reload_changes_what_follows_and_a_bad_one_nothing() {
    let (first, second) = (Upstream::start().await.unwrap(), Upstream::start().await.unwrap());
    let running = gateway(&first, "").await;
    let mut client = Raw::connect(running.addresses[0]).await.unwrap();
    let config = |upstream: &Upstream, more: &str| {
        let text = format!(
            "listen = '127.0.0.1:0'\nupstream = '{}'\nlog.access = 'off'\nstore.fresh = true\n{more}",
            upstream.url()
        );
        Config::parse("test", &text).unwrap()
    };
    for _ in 0..2 {
        client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
        assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
        assert_eq!(running.reload(config(&second, "")).unwrap(), [""; 0]);
    }
    assert_eq!((first.received().len(), second.received().len()), (1, 1));
    assert!(running.reload(config(&first, "policy.file = '/no/such/policy'")).is_err());
    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
    assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
    assert_eq!(second.received().len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn ranges_are_renewed_by_a_reload_and_a_broken_file_leaves_the_last_good_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gptbot.json");
    let write = |content: &str| std::fs::write(&file, content).unwrap();
    let ranges = |network: &str| format!("{{\"prefixes\":[{{\"ipv4Prefix\":\"{network}\"}}]}}");
    write(&ranges("127.0.0.0/8"));
    let upstream = Upstream::start().await.unwrap();
    let crawler = format!("[[crawler]]\nname = 'GPTBot'\nranges = '{}'\n", file.display());
    let running = gateway(&upstream, &format!("admin.listen = '127.0.0.1:0'\n{crawler}")).await;
    let text = format!(
        "listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'\nlog.access = 'off'\n{crawler}",
        upstream.url()
    );
    let mechanism = async || {
        let request = "GET / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: GPTBot/1.4\r\n\r\n";
        exchange(running.addresses[0], request).await.unwrap();
        upstream.received().pop().unwrap().field("avouch-mechanism").unwrap().to_owned()
    };
    assert_eq!(mechanism().await, "crawler-range");
    write("<html>");
    let errors = Gateway::check(Config::parse("test", &text).unwrap()).unwrap_err().to_string();
    assert!(errors.contains("gptbot.json: line 1, column 1: is not JSON"), "{errors}");
    running.reload(Config::parse("test", &text).unwrap()).unwrap();
    assert_eq!(mechanism().await, "crawler-range");
    write(&ranges("192.0.2.0/24"));
    running.reload(Config::parse("test", &text).unwrap()).unwrap();
    assert_eq!(mechanism().await, "-");
    let figure = "avouch_data_age_seconds{data=\"GPTBot\"}";
    while !get(running.admin.unwrap(), "/metrics").await.text().contains(figure) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let refused = get(running.admin.unwrap(), "/metrics").await.text();
    assert!(refused.contains("avouch_refused_data_total 1"), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn a_rule_matches_each_origin_of_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let (table, policy) = (folder.path().join("asn.csv"), folder.path().join("policy.toml"));
    std::fs::write(&table, "127.0.0.0/8,64500\n127.0.0.0/8,64501\n").unwrap();
    for (asn, status) in [(64501, 403), (64502, 200)] {
        let rule =
            format!("[[rule]]\nname = 'a'\nwhen = {{ asn = {asn} }}\nthen = {{ action = 'reject' }}\n");
        std::fs::write(&policy, rule).unwrap();
        let upstream = Upstream::start().await.unwrap();
        let lines = format!(
            "mode = 'enforce'\nauthorities = 'localhost'\nasn.file = '{}'\npolicy.file = '{}'",
            table.display(),
            policy.display()
        );
        let running = gateway(&upstream, &lines).await;
        assert_eq!(get(running.addresses[0], "/").await.status(), status, "{asn}");
        running.stop().await;
    }
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_end() {
    let (begun, release) = (Arc::new(tokio::sync::Semaphore::new(0)), Arc::new(std::sync::Barrier::new(2)));
    let (entered, leave) = (Arc::clone(&begun), Arc::clone(&release));
    let slow = move |_: &Message| {
        entered.add_permits(1);
        tokio::task::block_in_place(|| leave.wait());
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let done = runtime.spawn(async move {
        let upstream = Upstream::answering(Arc::new(slow)).await.unwrap();
        let running = gateway(&upstream, "").await;
        let address = running.addresses[0];
        let client = tokio::spawn(async move { get(address, "/").await });
        let _ = begun.acquire().await.unwrap();
        let stopping = tokio::spawn(running.stop());
        while Raw::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        tokio::task::block_in_place(|| release.wait());
        assert_eq!(client.await.unwrap().status(), 200);
        stopping.await.unwrap();
    });
    done.await.unwrap();
    runtime.shutdown_background();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_reloads_under_load_drop_nothing_and_mix_no_policies() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let upstream = Upstream::start().await.unwrap();
    let config = |rule: &str| {
        let policy = folder.path().join(rule);
        std::fs::write(&policy, format!("[[rule]]\nname = '{rule}'\nthen = {{ action = 'accept' }}"))
            .unwrap();
        let text = format!(
            "listen = '127.0.0.1:0'\nupstream = '{}'\ndns.resolvers = '127.0.0.1'\nstore.fresh = true\n\
             log.access = '{}'\npolicy.file = '{}'",
            upstream.url(),
            log.display(),
            policy.display()
        );
        Config::parse("test", &text).unwrap()
    };
    let running = Gateway::start(config("one"), Surroundings::default()).await.unwrap();
    let address = running.addresses[0];
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            tokio::spawn(async move {
                let mut client = Raw::connect(address).await.unwrap();
                let mut answered = 0;
                while !done.load(Ordering::Relaxed) || answered == 0 {
                    client.send("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").await.unwrap();
                    assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    for round in 0..100 {
        running.reload(config(if round % 2 == 0 { "two" } else { "one" })).unwrap();
        tokio::task::yield_now().await;
    }
    done.store(true, Ordering::Relaxed);
    let mut answered = 0;
    for client in clients {
        answered += client.await.unwrap();
    }
    running.stop().await;
    let lines = std::fs::read_to_string(&log).unwrap();
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), answered);
    let mut versions: Vec<_> =
        lines.iter().map(|line| (line["rule"].as_str(), line["policy"].as_str())).collect();
    versions.sort_unstable();
    versions.dedup();
    assert!(versions.len() <= 2, "each rule stands in one version: {versions:?}");
    assert!(lines.iter().all(|line| line["verdict"]["standing"] == "anonymous" && line["status"] == 200));
}
