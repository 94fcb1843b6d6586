//! More than there is room for: places, connections, the upstream's queue, file descriptors.

use std::process::Command;
use std::time::Duration;

use testkit::binary;
use testkit::bind::free_port;
use testkit::process::Process;
use testkit::raw::{Raw, exchange};

use super::super::world::anonymous;
use super::{PATIENCE, Site, came, configuration, echo, figure};

/// An upstream that takes requests and never answers.
async fn silent() -> (tokio::net::TcpListener, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let route = format!(
        "[[route]]\npath = '/slow'\nmode = 'observe'\nupstream = 'http://{}'",
        listener.local_addr().unwrap()
    );
    (listener, route)
}

/// A client whose request the upstream has.
async fn waiting(site: &Site, upstream: &tokio::net::TcpListener) -> (Raw, tokio::net::TcpStream) {
    let mut client = Raw::connect(site.running.addresses[0]).await.unwrap();
    client.send(anonymous("/slow")).await.unwrap();
    (client, upstream.accept().await.unwrap().0)
}

async fn sent(site: &Site) -> String {
    came(&exchange(site.running.addresses[0], anonymous("/slow")).await.unwrap().unwrap())
}

const OVERLOADED: &str = "avouch_problems_total{reason=\"overloaded\"}";

#[tokio::test]
async fn who_finds_no_place_is_told_to_come_again_in_every_mode() {
    let (upstream, route) = silent().await;
    let site = Site::knowing("", &format!("limits.requests = 1\n{route}")).await;
    let held = waiting(&site, &upstream).await;
    assert_eq!(sent(&site).await, "503 overloaded");
    assert_eq!(site.figure(OVERLOADED).await, 1.0);
    assert_eq!(site.figure("avouch_requests_total{class=\"none\",decision=\"none\"}").await, 1.0);
    drop(held);
}

#[tokio::test]
async fn who_finds_no_room_at_the_upstream_is_told_to_come_again() {
    let (upstream, route) = silent().await;
    let limits = "limits = { forwarded = 1, waiting = 1, wait = '100ms' }";
    let site = Site::knowing("", &format!("{limits}\n{route}")).await;
    let held = waiting(&site, &upstream).await;
    assert_eq!(sent(&site).await, "503 overloaded");
    assert_eq!(site.figure(OVERLOADED).await, 1.0);
    assert_eq!(site.figure("avouch_answers_total{status=\"5xx\"}").await, 1.0);
    drop(held);
}

#[tokio::test]
async fn a_source_with_as_many_connections_as_it_may_is_closed_and_counted() {
    let site = Site::knowing("", "limits.connections_per_source = 2").await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = Raw::connect(site.running.addresses[0]).await.unwrap();
        client.send(anonymous("/observed")).await.unwrap();
        assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
        held.push(client);
    }
    let mut third = Raw::connect(site.running.addresses[0]).await.unwrap();
    let _ = third.send(anonymous("/observed")).await;
    assert!(!matches!(third.answer().await, Ok(Some(_))));
    site.shows("avouch_crowded_connections_total", |crowded| crowded == 1.0).await;
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_connections_wait_and_are_served_when_there_are_some() {
    let (upstream, folder) = (echo().await, tempfile::tempdir().unwrap());
    let admin = std::net::SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let lines = format!("admin.listen = '{admin}'\ndns.resolvers = '127.0.0.1'");
    std::fs::write(folder.path().join("gateway.toml"), configuration(&upstream, &lines)).unwrap();
    let mut run = Command::new("sh");
    run.args(["-c", "ulimit -n 48; exec \"$0\" gateway run --config gateway.toml"]).arg(binary::path());
    let gateway = Process::start(run.current_dir(folder.path())).unwrap();
    let address = gateway.hear(|line| line.strip_prefix("listening on ")?.parse().ok()).unwrap();
    let mut held = Vec::new();
    for _ in 0..64 {
        // The system takes connections on behalf of who does not.
        held.push(Raw::connect(address).await.unwrap());
    }
    gateway.hear(|line| line.contains("cannot accept connections").then_some(())).unwrap();
    drop(held);
    let served = async {
        loop {
            if let Ok(Some(answer)) = exchange(address, anonymous("/enforced")).await {
                return came(&answer);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, served).await.unwrap(), "200 0 anonymous - accept");
    assert!(figure(admin, "avouch_unaccepted_connections_total").await > 0.0);
}
