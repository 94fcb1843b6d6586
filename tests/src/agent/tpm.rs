//! An agent whose key a TPM holds: here swtpm, behind a relay where it is to be as slow as a chip.

use std::process::{Command, Stdio};
use std::time::Duration;

use testkit::peers::{Peers, require};
use testkit::swtpm::{Slow, Swtpm};
use tokio::time::Instant;

use super::world::{Agent, World, run};

/// What a chip may take for a signature.
const SLOW: Duration = Duration::from_millis(200);

/// How long a state is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A world in which a TPM there holds the key of crawler-8, published, and the configuration of its agent.
async fn world(device: &str, root: &str, more: &str) -> (World, String) {
    let world = World::new().await;
    let key = format!("tpm:tpm.key?{device}");
    run(world.folder.path(), &["key", "new", &key]);
    let words = ["dns", "record", "--key", &key, "--dom", "acme.example", "--id", "crawler-8"];
    let record = run(world.folder.path(), &words);
    let text = record.trim().split_once(" TXT ").unwrap().1;
    world.zones.set("crawler-8._saip.acme.example.", "TXT", 300, text).unwrap();
    let proxy = "[proxy]\nlisten = '127.0.0.1:0'\nallow_networks = '127.0.0.0/8'\n";
    let configuration = world.configuration(root, &format!("{proxy}{more}"));
    let configuration =
        configuration.replace("file:agent.key", &key).replace("agent = 'crawler-7'", "agent = 'crawler-8'");
    (world, configuration)
}

fn tools() -> Option<Peers> {
    require(&["curl", "swtpm"])
}

/// The statuses of so many requests at once, sorted.
fn at_once(agent: &Agent, url: &str, count: usize) -> Vec<String> {
    let urls: Vec<_> = (0..count).map(|at| format!("{url}?{at}")).collect();
    let mut words = vec!["-Z", "--parallel-immediate", "--parallel-max", "250", "-w", "%{http_code}\\n"];
    words.extend(urls.iter().flat_map(|url| ["-o", "/dev/null", url]));
    let mut statuses: Vec<_> = agent.curled(&words).lines().map(str::to_owned).collect();
    statuses.sort();
    statuses
}

/// Waits until the operator's listener answers `/readyz` so; what it says.
async fn becomes(agent: &Agent, status: u16) -> String {
    let until = Instant::now() + PATIENCE;
    loop {
        let ready = agent.operator("/readyz").await;
        if ready.status() == status {
            return ready.text();
        }
        assert!(Instant::now() < until, "{}", ready.text());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_tpm_signs_for_all_that_wait_at_once_and_the_site_verifies_each() {
    let Some(tools) = tools() else { return };
    let tpm = Swtpm::start(&tools).unwrap();
    let slow = Slow::start(&tpm, SLOW).unwrap();
    let (world, configuration) = world(&slow.device(), "", "").await;
    let agent = Agent::start(world.folder.path(), &configuration);
    let before = slow.signatures();
    assert_eq!(agent.curled(&[&world.listed("/alone")]), "ok");
    assert_eq!(at_once(&agent, &world.listed("/crowd"), 100), vec!["200"; 100]);
    let told = world.told();
    assert_eq!(told.len(), 101);
    assert!(
        told.iter().all(|told| told.each_ref() == ["3", "crawler-8@acme.example", "saip-rolling"]),
        "{told:?}"
    );
    let made = slow.signatures() - before;
    assert!((2..=20).contains(&made), "{made} signatures for 101 requests");
    assert_eq!(agent.operator("/readyz").await.text(), "ready\n");
    agent.stop();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_requests_end_that_wait_for_the_tpm() {
    let Some(tools) = tools() else { return };
    let tpm = Swtpm::start(&tools).unwrap();
    let slow = Slow::start(&tpm, Duration::from_secs(1)).unwrap();
    let (world, configuration) = world(&slow.device(), "", "").await;
    let agent = Agent::start(world.folder.path(), &configuration);
    let before = slow.signatures();
    let mut curl = Command::new("curl");
    curl.args(["-q", "-sS", "--max-time", "20", "-x", &format!("http://{}", agent.proxy.unwrap())]);
    let waiting = curl.arg(world.listed("/")).stdout(Stdio::piped()).spawn().unwrap();
    while slow.signatures() == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    agent.stop();
    assert_eq!(waiting.wait_with_output().unwrap().stdout, b"ok");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_tpm_an_agent_answers_503_and_is_not_ready_and_signs_again_with_it() {
    let Some(tools) = tools() else { return };
    let mut tpm = Swtpm::start(&tools).unwrap();
    let (world, configuration) = world(&tpm.device(), "", "[limits]\nwait = '1s'\n").await;
    let agent = Agent::start(world.folder.path(), &configuration);
    assert_eq!(agent.status(&[&world.listed("/")]), "200");

    // Switched off.
    tpm.kill();
    let refused = agent.curled(&["-i", &world.listed("/")]);
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("the TPM is not there"), "{refused}");
    assert!(refused.contains("proxy-status: avouch-agent; error=proxy_internal_error"), "{refused}");
    assert_eq!(agent.status(&[&world.unlisted("/")]), "200", "nothing is to be signed elsewhere");
    let ready = becomes(&agent, 503).await;
    assert!(ready.contains("the key does not sign: the TPM is not there"), "{ready}");
    assert!(agent.operator("/metrics").await.text().contains("avouch_agent_key_signs 0\n"));
    assert!(agent.operator("/status").await.text().contains("the TPM is not there"));
    assert_eq!(agent.operator("/healthz").await.status(), 200, "it is alive all the same");

    // Back, and reset: seen without a request.
    tpm.run().unwrap();
    becomes(&agent, 200).await;
    assert!(agent.operator("/metrics").await.text().contains("avouch_agent_key_signs 1\n"));
    assert_eq!(agent.status(&[&world.listed("/")]), "200");

    // There, and silent.
    tpm.signal("STOP").unwrap();
    let asked = Instant::now();
    let refused = agent.curled(&["-i", &world.listed("/")]);
    assert!(asked.elapsed() < PATIENCE / 4, "waits no longer than it may");
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains("no signature within 1000 ms"),
        "{refused}"
    );
    becomes(&agent, 503).await;
    tpm.signal("CONT").unwrap();
    becomes(&agent, 200).await;
    assert_eq!(agent.status(&[&world.listed("/")]), "200");
    agent.stop();
    world.stop().await;
}

/// What ECDSA signs for Web Bot Auth cannot be a batch.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_batch_certifies_is_signed_one_by_one_and_answered_503_beyond_its_wait() {
    let Some(tools) = tools() else { return };
    let tpm = Swtpm::start(&tools).unwrap();
    let slow = Slow::start(&tpm, SLOW).unwrap();
    let limits = "[limits]\nwait = '1s'\n";
    let (world, configuration) = world(&slow.device(), "sign = ['saip', 'web-bot-auth']", limits).await;
    let agent = Agent::start(world.folder.path(), &configuration);
    let statuses = at_once(&agent, &world.listed("/"), 30);
    let signed = statuses.iter().filter(|status| *status == "200").count();
    assert_eq!(statuses.iter().filter(|status| *status == "503").count(), 30 - signed, "{statuses:?}");
    assert!((1..=10).contains(&signed), "{signed} in a second");
    let metrics = agent.operator("/metrics").await.text();
    assert!(metrics.contains("avouch_agent_key_signs 1\n"), "too much to do is no fault of the key");
    assert_eq!(agent.status(&[&world.listed("/")]), "200");
    agent.stop();
    world.stop().await;
}
