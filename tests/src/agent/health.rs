//! What an operator sees of an agent.

use std::time::Duration;

use serde_json::Value;

use super::world::{Agent, World};

async fn registration(agent: &Agent) -> Value {
    let status = agent.operator("/status").await;
    serde_json::from_slice::<Value>(&status.body).unwrap()["registration"][0].clone()
}

/// Waits until the record was looked up.
async fn looked_up(agent: &Agent) -> Value {
    for _ in 0..1000 {
        let known = registration(agent).await;
        if !known["checked_at"].is_null() {
            return known;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("was not looked up");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_shows_whether_the_dns_publishes_the_key() {
    let world = World::new().await;
    let name = "crawler-7._saip.acme.example";
    let agent = world.agent("", "");
    let known = looked_up(&agent).await;
    assert_eq!((&known["state"], &known["place"]), (&"published".into(), &name.into()), "{known}");
    assert!(known["detail"].as_str().unwrap().contains("secure"), "{known}");
    assert_eq!(agent.operator("/readyz").await.text(), "ready\n");
    assert!(agent.operator("/metrics").await.text().contains("avouch_agent_registered{by=\"saip\"} 1\n"));
    assert_eq!(agent.operator("/healthz").await.status(), 200);
    assert_eq!(agent.operator("/other").await.status(), 404);
    agent.stop();

    let other = "\"v=saip1; pk=iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w\"";
    for (record, state) in
        [(Some(other), "other-key"), (Some("\"v=saip1; pk=\""), "revoked"), (None, "missing")]
    {
        match record {
            Some(text) => world.zones.set(&format!("{name}."), "TXT", 5, text).unwrap(),
            None => world.zones.remove(&format!("{name}."), "TXT"),
        }
        let agent = world.agent("", "");
        let known = looked_up(&agent).await;
        assert_eq!(known["state"], state, "{known}");
        let ready = agent.operator("/readyz").await;
        assert_eq!(ready.status(), 503, "{state}");
        assert!(ready.text().contains(name), "{}", ready.text());
        assert!(agent.operator("/metrics").await.text().contains("avouch_agent_registered{by=\"saip\"} 0\n"));
        assert_eq!(agent.operator("/healthz").await.status(), 200, "it is alive all the same");
        agent.stop();
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_looked_up_is_unknown_and_no_reason_not_to_be_ready() {
    let world = World::new().await;
    let configuration = world.configuration("", "[proxy]\nlisten = '127.0.0.1:0'\n");
    let own = world.zones.address().to_string();
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let text = configuration.replace(&own, &nobody.local_addr().unwrap().to_string());
    let agent = Agent::start(world.folder.path(), &text);
    let known = looked_up(&agent).await;
    assert_eq!(known["state"], "unknown", "{known}");
    let ready = agent.operator("/readyz").await;
    assert_eq!(ready.status(), 200);
    assert!(
        ready.text().contains("no answer in time") || ready.text().contains("could be reached"),
        "{}",
        ready.text()
    );
    assert!(!agent.operator("/metrics").await.text().contains("avouch_agent_registered{"));
    agent.stop();
    world.stop().await;
}
