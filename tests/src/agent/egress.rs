//! Ports that lead to one site.

use std::net::SocketAddr;

use testkit::message::Message;
use testkit::raw::exchange;

use super::world::{Agent, World, proved, says_who};

fn agent(world: &World, scheme: &str) -> (Agent, SocketAddr) {
    let upstream = format!("{scheme}://127.0.0.1:{}", world.port);
    let agent =
        world.agent_with("", &format!("[[egress]]\nlisten = '127.0.0.1:0'\nupstream = '{upstream}'\n"));
    let address = agent.egress.unwrap();
    (agent, address)
}

async fn ask(address: SocketAddr, head: &str) -> Message {
    exchange(address, format!("{head}Connection: close\r\n\r\n")).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_the_port_reaches_the_site_signed() {
    for scheme in ["http", "https"] {
        let world = if scheme == "http" { World::new().await } else { World::secured().await };
        let (agent, address) = agent(&world, scheme);
        for host in [address.to_string(), "localhost:8119".into(), format!("127.0.0.1:{}", world.port)] {
            let answer =
                ask(address, &format!("GET /a?b HTTP/1.1\r\nHost: {host}\r\nSAIP: forged\r\n")).await;
            assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"), "{scheme} {host}");
        }
        assert_eq!(world.told(), vec![proved("saip-rolling"); 3]);
        let received = world.upstream.received();
        assert!(received.iter().all(|request| says_who(request) == ["saip"]));
        agent.stop();
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_sites_and_names_that_lead_here_do_not_act_in_the_agents_name() {
    let world = World::new().await;
    let (agent, address) = agent(&world, "http");
    for head in [
        "GET / HTTP/1.1\r\nHost: evil.example\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n",
        &format!("GET http://evil.example/ HTTP/1.1\r\nHost: {address}\r\n"),
    ] {
        assert_eq!(ask(address, head).await.status(), 400, "{head}");
    }
    let page = format!("GET / HTTP/1.1\r\nHost: {address}\r\nSec-Fetch-Site: cross-site\r\n");
    assert_eq!(ask(address, &page).await.status(), 403);
    assert_eq!(world.told().len(), 0);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_shows_another_certificate_gets_nothing() {
    let world = World::secured().await;
    std::fs::copy(world.folder.path().join("root.pem"), world.folder.path().join("right.pem")).unwrap();
    let other = testkit::certificate::CertificateAuthority::new().unwrap().root;
    std::fs::write(world.folder.path().join("root.pem"), other).unwrap();
    let (agent, address) = agent(&world, "https");
    let answer = ask(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\n")).await;
    assert_eq!(
        (answer.status(), answer.field("proxy-status")),
        (502, Some("avouch-agent; error=tls_protocol_error"))
    );
    assert_eq!(world.told().len(), 0);
    agent.stop();
    world.stop().await;
}
