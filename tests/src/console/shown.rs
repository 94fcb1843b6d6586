//! What stands on the pages.

use super::world::World;
use avouch_console::users::Role;

const HOSTILE: &str = "<script>alert('x')</script>\"><img/src=//evil.example/p/onerror=alert(1)>&#x3c;";

#[tokio::test]
async fn a_request_is_found_by_class_name_address_and_id_and_explained() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Viewer).await;
    world.visit("198.51.100.7", "/one", "User-Agent: curl/8\r\n").await;
    world.proved_and_replayed().await;
    let proved = world.newest(&session, "?class=3").await;
    assert_eq!(world.newest(&session, "?who=bot%40acme&class=3").await, proved);
    let found = world.page(&session, &format!("/console/requests?who={proved}")).await;
    assert_eq!(found.field("location"), Some(format!("/console/requests/{proved}").as_str()));
    let page = world.page(&session, &format!("/console/requests/{proved}")).await.text();
    for step in ["request", "claim", "evidence", "verdict", "decision", "answer"] {
        assert!(page.contains(&format!("<h3>{step}</h3>")), "{step}");
    }
    assert!(page.contains("bot@acme.example") && page.contains("signature-verified"));
    let anonymous = world.newest(&session, "?who=198.51.100.7").await;
    assert!(
        world.page(&session, &format!("/console/requests/{anonymous}")).await.text().contains("no-claim")
    );
    assert_ne!(world.newest(&session, "?class=1").await, proved, "the replay is a lie");
    assert!(
        world.page(&session, "/console/requests?class=2").await.text().contains("None of them is as asked")
    );
    assert_eq!(world.page(&session, "/console/requests/0").await.status(), 404);
    world.running.stop().await;
}

#[tokio::test]
async fn nothing_from_outside_becomes_markup() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Operator).await;
    for path in ["/console/", "/console/requests", "/console/identities", "/console/policy"] {
        assert!(!world.page(&session, path).await.text().contains("<script>"), "{path}");
    }
    world
        .visit(
            "192.0.2.1",
            "/%3Cscript%3E?'\"",
            &format!("User-Agent: {HOSTILE}\r\nSAIP: id=\"{HOSTILE}\"\r\n"),
        )
        .await;
    world.visit("192.0.2.1", "/", &format!("User-Agent: Googlebot {HOSTILE}\r\n")).await;
    let id = world.newest(&session, "").await;
    let one = format!("/console/requests/{id}");
    for path in ["/console/", "/console/traffic", "/console/requests", "/console/identities", &one] {
        let text = world.page(&session, path).await.text();
        assert!(!text.contains("<script>") && !text.contains("<img"), "{path}");
    }
    assert!(world.page(&session, &one).await.text().contains("&#60;script&#62;alert(&#39;x&#39;)"));
    for (path, name) in
        [("/console/record", "who"), ("/console/policy", "draft"), ("/console/policy", "policy")]
    {
        let answer = world.form(&session, path, &[(name, HOSTILE)]).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert!(!answer.text().contains("<script>") && !answer.text().contains("<img"), "{path} {name}");
    }
    let found = world.page(&session, "/console/requests?who=%3Cscript%3E&class=%22%3E%3Cimg%3E").await.text();
    assert!(!found.contains("<script>") && !found.contains("<img>"));
    world.running.stop().await;
}

#[tokio::test]
async fn a_draft_is_compared_over_what_is_remembered_and_changes_nothing() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Operator).await;
    for path in ["/", "/api/one", "/shop"] {
        world.visit("198.51.100.7", path, "").await;
    }
    let page = world.page(&session, "/console/policy").await.text();
    assert!(
        page.contains("api-for-known") && page.contains("# The shop&#39;s."),
        "the file in force is where drafts begin"
    );
    let (_, version) = page.split_once("<option value=\"").unwrap();
    let version = version.split('"').next().unwrap();
    let draft = "[[rule]]\nname = \"closed\"\nwhen = { class = 0, path = \"/shop\" }\nthen = { action = \"reject\" }\n";
    let answer =
        world.form(&session, "/console/policy", &[("policy", version), ("draft", draft)]).await.text();
    assert!(answer.contains("2 of 3 remembered requests"), "{answer}");
    assert!(answer.contains("accept → reject") && answer.contains("challenge → accept"));
    let broken = "[[rule]]\nname = \"a\"\nwhen = { klass = 0 }\n";
    let answer =
        world.form(&session, "/console/policy", &[("policy", version), ("draft", broken)]).await.text();
    assert!(answer.contains("line 3") && answer.contains("did you mean `class`?"), "{answer}");
    assert!(world.page(&session, "/console/policy").await.text().contains("api-for-known"));
    world.running.stop().await;
}

#[tokio::test]
async fn a_domain_is_looked_up_by_the_gateways_own_resolver() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Operator).await;
    let look_up = async |who: &str| world.form(&session, "/console/record", &[("who", who)]).await.text();
    let found = look_up("bot@acme.example").await;
    assert!(found.contains("bot._saip.acme.example") && found.contains("ed25519 sha256:"), "{found}");
    assert!(look_up("other@acme.example").await.contains("absent"));
    assert!(look_up("unknown.example").await.contains("could not be found out"));
    assert!(look_up("a b").await.contains("write a domain"));
    world.running.stop().await;
}

/// Made-up identities fill neither the memory nor a page: what is remembered is a number of requests, and a page is a
/// number of rows.
#[tokio::test]
async fn however_many_identities_come_pages_stay_small() {
    let world = World::start("[limits]\nremembered = 200").await;
    let (_, session) = world.enrol("ada", Role::Viewer).await;
    let mut stream = tokio::net::TcpStream::connect(world.running.addresses[0]).await.unwrap();
    for batch in 0..100u32 {
        let requests: String = (0..100)
            .map(|number| {
                format!(
                    "GET /{batch} HTTP/1.1\r\nHost: www.shop.example\r\nX-Forwarded-For: 203.0.113.{number}\r\nUser-Agent: bot-{batch}-{number}{}\r\nSAIP: dom=\"d{batch}x{number}.example\"; id=\"a\"\r\n\r\n",
                    "x".repeat(2_000)
                )
            })
            .collect();
        send_and_count(&mut stream, &requests, 100).await;
    }
    for path in ["/console/", "/console/requests", "/console/identities", "/console/policy"] {
        let length = world.page(&session, path).await.text().len();
        assert!(length < 100_000, "{path}: {length}");
    }
    let text = world.page(&session, "/console/requests").await.text();
    assert!(text.contains("of 200 that are remembered"), "not more than the limit");
    assert!(
        world.page(&session, "/console/").await.text().contains("10,000 requests."),
        "and the count is exact"
    );
    world.running.stop().await;
}

/// Sends requests on one connection, and waits for as many answers.
async fn send_and_count(stream: &mut tokio::net::TcpStream, requests: &str, count: usize) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(requests.as_bytes()).await.unwrap();
    let (mut seen, mut buffer, mut tail) = (0, vec![0; 1 << 16], Vec::new());
    while seen < count {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the connection ended after {seen}");
        tail.extend_from_slice(&buffer[..read]);
        let begins = tail.windows(9).filter(|window| *window == b"HTTP/1.1 ").count();
        seen += begins;
        let keep = tail.len().saturating_sub(8);
        tail.drain(..keep);
    }
}
