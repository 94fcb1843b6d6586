//! https through the proxy: passed on as it is, or opened by an authority that the operator asked for.

use std::fs;
use std::process::{Command, Stdio};

use testkit::peers::require;
use testkit::raw::Raw;

use super::world::{Agent, World, anonymous, proved, run, says_who};

/// https is opened.
fn opening(world: &World, more: &str) -> (Agent, String) {
    let agent = world.agent("sign = ['saip', 'web-bot-auth']", &format!("[proxy.tls]\nca = 'ca'\n{more}"));
    let root = run(world.folder.path(), &["agent", "ca", "--config", "agent.toml"]);
    let path = world.folder.path().join("agent-ca.pem");
    fs::write(&path, root).unwrap();
    (agent, path.display().to_string())
}

fn secure(url: &str) -> String {
    url.replace("http:", "https:")
}

fn site_root(world: &World) -> String {
    world.folder.path().join("root.pem").display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_authority_https_is_passed_on_untouched_and_unsigned() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::secured().await;
    let agent = world.agent("", "");
    let (root, url) = (site_root(&world), secure(&world.listed("/")));
    assert_eq!(agent.curled(&["--cacert", &root, "-H", "SAIP: mine", &url]), "ok");
    let received = world.upstream.received();
    assert_eq!(received[0].field("saip"), Some("mine"), "what is not opened is not touched");
    assert_ne!(world.told()[0][0], "3");
    assert!(agent.operator("/metrics").await.text().contains("outcome=\"tunnelled\"} 1\n"));
    let said = run(world.folder.path(), &["agent", "check", "--config", "agent.toml"]);
    assert!(said.contains("key = \"file:agent.key\""), "{said}");
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_curl_is_verified_over_https_at_a_destination_and_its_tunnel_elsewhere_is_not_opened() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::secured().await;
    let (agent, own) = opening(&world, "");
    let (listed, unlisted) = (secure(&world.listed("/a?b")), secure(&world.unlisted("/")));
    let forged = ["-H", "SAIP: forged", "-H", "Signature: forged"];
    assert_eq!(agent.curled(&[&["--cacert", &own][..], &forged, &["-d", "x=1", &listed]].concat()), "ok");
    assert_eq!(
        agent.curled(&["--cacert", &site_root(&world), &unlisted]),
        "ok",
        "the site's own certificate"
    );
    assert_eq!(world.told(), [proved("saip-rolling"), anonymous()]);
    let received = world.upstream.received();
    let mut who = says_who(&received[0]);
    who.sort_unstable();
    assert_eq!(who, ["saip", "signature", "signature-agent", "signature-input"]);
    assert!(received[0].field("content-digest").is_some());
    // Each trusts the other's certificate only where it is shown.
    for (root, url) in [(site_root(&world), &listed), (own, &unlisted)] {
        let refused = agent.curl(&["--cacert", &root, url]);
        assert_eq!(refused.status.code(), Some(60), "{url}");
    }
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_is_opened_what_programs_say_of_themselves_is_taken_away_everywhere() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::secured().await;
    let (agent, own) = opening(&world, "intercept = 'all'\n");
    let forged = ["--cacert", &own, "-H", "SAIP: forged", "-H", "Signature-Agent: \"https://evil.example\""];
    assert_eq!(agent.curled(&[&forged[..], &[&secure(&world.unlisted("/"))]].concat()), "ok");
    assert_eq!(world.told(), [anonymous()]);
    assert_eq!(says_who(&world.upstream.received()[0]), [""; 0]);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_and_nodes_own_clients_are_verified_over_https() {
    let Some(peers) = require(&["python3"]) else { return };
    let world = World::secured().await;
    let (agent, own) = opening(&world, "");
    let program = "import sys, urllib.request\nprint(urllib.request.urlopen(sys.argv[1]).read().decode())";
    let mut python = Command::new(peers.path("python3"));
    python.env_remove("no_proxy").env_remove("NO_PROXY").env("SSL_CERT_FILE", own);
    python.env("https_proxy", format!("http://{}", agent.proxy.unwrap()));
    let output = python.args(["-c", program, &secure(&world.listed("/"))]).output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "ok\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(world.told(), [proved("saip-rolling")]);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absolute_https_url_is_signed_without_an_authority() {
    let world = World::secured().await;
    let agent = world.agent("", "");
    let host = format!("127.0.0.1:{}", world.port);
    let mut client = Raw::connect(agent.proxy.unwrap()).await.unwrap();
    client.send(format!("GET https://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.unwrap();
    assert_eq!(client.answer().await.unwrap().unwrap().status(), 200);
    assert_eq!(world.told(), [proved("saip-rolling")]);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_leads_to_one_site_that_is_named_with_its_port_and_may_be_reached() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::secured().await;
    let (agent, own) = opening(&world, "");
    let connect = async |target: &str, host: &str| {
        let mut client = Raw::connect(agent.proxy.unwrap()).await.unwrap();
        client.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.unwrap();
        client.answer_to_head().await.unwrap().unwrap().status()
    };
    assert_eq!(connect("localhost", "localhost").await, 400, "no port");
    assert_eq!(connect("localhost:443", "other.example:443").await, 400);
    assert_eq!(connect("10.0.0.1:443", "10.0.0.1:443").await, 403);
    assert_eq!(connect("169.254.169.254:80", "169.254.169.254:80").await, 403);
    assert_eq!(connect("no-such-host.invalid:443", "no-such-host.invalid:443").await, 502);
    // Inside, another site's name does not pass.
    let url = secure(&world.listed("/"));
    assert_eq!(agent.status(&["--cacert", &own, "-H", "Host: www.shop.example", &url]), "400");
    assert_eq!(world.told().len(), 0);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_whose_certificate_the_agent_does_not_trust_gets_nothing() {
    let Some(_) = require(&["curl"]) else { return };
    let world = World::secured().await;
    let other = testkit::certificate::CertificateAuthority::new().unwrap().root;
    fs::write(world.folder.path().join("root.pem"), other).unwrap();
    let (agent, own) = opening(&world, "");
    assert_eq!(agent.status(&["--cacert", &own, &secure(&world.listed("/"))]), "502");
    assert_eq!(world.told().len(), 0);
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_others_can_get_at_keeps_the_agent_from_starting() {
    let world = World::new().await;
    let (agent, _) = opening(&world, "");
    agent.stop();
    let folder = world.folder.path();
    fs::set_permissions(folder.join("ca/ca.key"), std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .unwrap();
    for verb in ["check", "run"] {
        let mut command = Command::new(testkit::binary::path());
        command.args(["agent", verb, "--config", "agent.toml"]).current_dir(folder).stdin(Stdio::null());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("ca.key is open to others (mode 0644)"), "{said}");
    }
    world.stop().await;
}
