//! Who gets in, and who does not.

use super::passkey::Passkey;
use super::world::{Session, World};
use avouch_console::users::{NotChanged, Role, UserName};
use serde_json::json;
use testkit::raw::exchange;

const PAGES: [&str; 7] = [
    "/console/",
    "/console/requests",
    "/console/identities",
    "/console/policy",
    "/console/record",
    "/console/keys",
    "/console/health",
];

#[tokio::test]
async fn nobody_sees_a_page_without_a_session_and_health_and_figures_stay_open() {
    let world = World::start("").await;
    for path in PAGES.into_iter().chain(["/console/requests/0123456789abcdef0123456789abcdef"]) {
        let answer = world.ask("GET", path, "", "").await;
        assert_eq!((answer.status(), answer.field("location")), (303, Some("/console/sign-in")), "{path}");
    }
    let part = world.ask("GET", "/console/traffic", "HX-Request: true\r\n", "").await;
    assert_eq!((part.status(), part.field("hx-redirect")), (401, Some("/console/sign-in")));
    let (_, session) = world.enrol("ada", Role::Viewer).await;
    for path in PAGES {
        assert_eq!(world.page(&session, path).await.status(), 200, "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(world.ask("GET", path, "", "").await.status(), 200, "{path}");
    }
    world.running.stop().await;
}

#[tokio::test]
async fn a_request_for_another_host_is_refused_and_so_is_every_page_elsewhere() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Viewer).await;
    let port = world.admin().port();
    let hosts = [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1:{port}"),
        "localhost".to_owned(),
        format!("LOCALHOST:{port}"),
        format!("localhost:{port}\r\nHost: evil.example"),
    ];
    for host in hosts {
        for path in ["/console/", "/console/sign-in", "/console"] {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {}\r\nConnection: close\r\n\r\n",
                session.cookie
            );
            let answer = exchange(world.admin(), request).await.unwrap().unwrap_or_default();
            assert!(matches!(answer.status(), 400 | 421), "{host} {path}: {}", answer.line());
        }
    }
    world.running.stop().await;
}

#[tokio::test]
async fn every_answer_lets_nothing_in_run_or_be_kept() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Viewer).await;
    for path in PAGES.into_iter().chain(["/console/none", "/console/sign-in"]) {
        let answer = world.page(&session, path).await;
        let policy = answer.field("content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';")
                && !policy.contains("unsafe")
        );
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"));
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.field("referrer-policy"), Some("same-origin"), "{path}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{path}");
        let text = answer.text();
        assert!(
            !text.contains(" style=") && !text.contains("<style") && !text.contains(" onclick="),
            "{path}"
        );
    }
    world.running.stop().await;
}

#[tokio::test]
async fn a_passkey_opens_a_session_which_ends_when_it_is_told_to() {
    let world = World::start("").await;
    let (passkey, first) = world.enrol("ada", Role::Operator).await;
    let shown = passkey.show(&world.challenge().await, &world.origin, "localhost");
    let answer = world.json("/console/sign-in", &shown).await;
    let set = answer.field("set-cookie").unwrap();
    assert!(
        set.starts_with("__Host-avouch=") && set.ends_with("; Secure; HttpOnly; SameSite=Strict"),
        "{set}"
    );
    let second = world.session(&answer).await;
    let out = world.form(&second, "/console/sign-out", &[]).await;
    assert_eq!((out.status(), out.field("location")), (303, Some("/console/sign-in")));
    assert!(out.field("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(world.page(&second, "/console/").await.status(), 303);
    assert_eq!(world.page(&first, "/console/").await.status(), 200, "the other session is another");
    world.running.stop().await;
}

#[tokio::test]
async fn what_a_passkey_shows_counts_once_here_and_for_what_was_asked() {
    let world = World::start("").await;
    let (passkey, _) = world.enrol("ada", Role::Operator).await;
    let refused = async |shown: &serde_json::Value| {
        let answer = world.json("/console/sign-in", shown).await;
        assert!(answer.field("set-cookie").is_none());
        (answer.status(), answer.text())
    };
    let good = passkey.show(&world.challenge().await, &world.origin, "localhost");
    assert_eq!(world.json("/console/sign-in", &good).await.status(), 204);
    assert_eq!(refused(&good).await.0, 403, "it was answered before");
    let unasked = passkey.show("BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc", &world.origin, "localhost");
    assert_eq!(refused(&unasked).await.0, 403);
    let elsewhere = passkey.show(&world.challenge().await, "http://localhost:1", "localhost");
    assert!(refused(&elsewhere).await.1.contains("another origin"));
    let for_another = passkey.show(&world.challenge().await, &world.origin, "evil.example");
    assert!(refused(&for_another).await.1.contains("another host"));
    let stranger = Passkey::new().show(&world.challenge().await, &world.origin, "localhost");
    assert_eq!(refused(&stranger).await.0, 403);
    let mut forged = Passkey::new().show(&world.challenge().await, &world.origin, "localhost");
    forged["id"] = good["id"].clone();
    assert!(refused(&forged).await.1.contains("signature does not hold"));
    for malformed in
        [json!({}), json!({ "id": "", "client_data": "", "authenticator_data": "", "signature": "" })]
    {
        assert!(matches!(refused(&malformed).await.0, 400 | 403 | 422));
    }
    world.running.stop().await;
}

#[tokio::test]
async fn an_invitation_brings_one_passkey_and_a_stranger_none() {
    let world = World::start("").await;
    let (ticket, passkey) = (world.invite("ada", Role::Viewer), Passkey::new());
    let enrol = async |ticket: &str, passkey: &Passkey, key: String| {
        let shown = passkey.show(&world.challenge().await, &world.origin, "localhost");
        world.json("/console/enrol", &json!({ "ticket": ticket, "key": key, "shown": shown })).await.status()
    };
    let other = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
    assert_eq!(world.json("/console/enrol/ask", &json!({ "ticket": other })).await.status(), 403);
    assert_eq!(enrol(other, &passkey, passkey.spki()).await, 403);
    assert_eq!(enrol(&ticket, &passkey, Passkey::new().spki()).await, 403, "its key has to sign");
    assert_eq!(enrol(&ticket, &passkey, "AAAA".into()).await, 400);
    assert_eq!(enrol(&ticket, &passkey, passkey.spki()).await, 204);
    assert_eq!(enrol(&ticket, &Passkey::new(), passkey.spki()).await, 403, "it was used");
    assert_eq!(world.users.read().unwrap().passkeys.len(), 1);
    world.running.stop().await;
}

#[tokio::test]
async fn a_form_counts_from_the_consoles_own_page_in_its_own_session_alone() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Operator).await;
    let (_, other) = world.enrol("eve", Role::Operator).await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let (cookie, origin) =
        (format!("Cookie: {}\r\n", session.cookie), format!("Origin: {}\r\n", world.origin));
    let good = format!("csrf={}&who=acme.example", session.csrf);
    let status = async |fields: String, content: &str| {
        world.ask("POST", "/console/record", &fields, content).await.status()
    };
    assert_eq!(status(format!("{cookie}{origin}{form}"), &good).await, 200);
    assert_eq!(status(format!("{cookie}{origin}{form}Sec-Fetch-Site: same-origin\r\n"), &good).await, 200);
    for fields in [
        format!("{cookie}{form}"),
        format!("{cookie}{form}Origin: null\r\n"),
        format!("{cookie}{form}Origin: https://evil.example\r\n"),
        format!("{cookie}{form}Origin: {}.evil.example\r\n", world.origin),
        format!("{cookie}{form}{origin}{origin}"),
        format!("{cookie}{form}{origin}Sec-Fetch-Site: cross-site\r\n"),
        format!("{cookie}{form}{origin}Sec-Fetch-Site: same-site\r\n"),
    ] {
        assert_eq!(status(fields.clone(), &good).await, 403, "{fields}");
    }
    for content in [
        "who=acme.example".to_owned(),
        "csrf=&who=acme.example".to_owned(),
        format!("csrf={}&who=acme.example", other.csrf),
        format!("csrf={}A&who=acme.example", session.csrf),
    ] {
        assert_eq!(status(format!("{cookie}{origin}{form}"), &content).await, 403, "{content}");
    }
    assert_eq!(status(format!("{origin}{form}"), &good).await, 303, "nobody is signed in");
    let out = world
        .ask("POST", "/console/sign-out", &format!("{cookie}{form}Origin: https://evil.example\r\n"), &good)
        .await;
    assert_eq!(out.status(), 403);
    assert_eq!(world.page(&session, "/console/").await.status(), 200, "nobody else signs her out");
    world.running.stop().await;
}

#[tokio::test]
async fn a_viewer_looks_and_does_nothing() {
    let world = World::start("").await;
    let (_, viewer) = world.enrol("ada", Role::Viewer).await;
    let (_, operator) = world.enrol("eve", Role::Operator).await;
    let record = [("who", "acme.example")];
    let draft = [("policy", "model"), ("draft", "")];
    assert_eq!(world.form(&viewer, "/console/record", &record).await.status(), 403);
    assert_eq!(world.form(&viewer, "/console/policy", &draft).await.status(), 403);
    assert_eq!(world.form(&operator, "/console/record", &record).await.status(), 200);
    assert_eq!(world.form(&operator, "/console/policy", &draft).await.status(), 200);
    assert!(!world.page(&viewer, "/console/policy").await.text().contains("<textarea"));
    world.running.stop().await;
}

#[tokio::test]
async fn who_is_removed_is_out_at_once_and_a_role_is_what_the_file_says_now() {
    let world = World::start("").await;
    let (_, ada) = world.enrol("ada", Role::Operator).await;
    let (_, eve) = world.enrol("eve", Role::Operator).await;
    let changed: Result<(), NotChanged> = world.users.change(|users| {
        users.remove(&UserName::parse("ada").unwrap());
        users.passkeys.iter_mut().for_each(|passkey| passkey.role = Role::Viewer);
        Ok(())
    });
    changed.unwrap();
    assert_eq!(world.page(&ada, "/console/").await.status(), 303);
    assert_eq!(world.page(&eve, "/console/").await.status(), 200);
    assert_eq!(world.form(&eve, "/console/record", &[("who", "acme.example")]).await.status(), 403);
    world.running.stop().await;
}

#[tokio::test]
async fn what_is_sent_is_bounded_before_it_is_taken_apart() {
    let world = World::start("").await;
    let (_, viewer) = world.enrol("eve", Role::Viewer).await;
    let (_, operator) = world.enrol("ada", Role::Operator).await;
    let post = async |session: &Session, path: &str, content: &str| {
        let head = format!(
            "Cookie: {}\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            session.cookie, world.origin
        );
        world.ask("POST", path, &head, content).await.status()
    };
    let (long, many) = ("a".repeat(20_000), "a=1&".repeat(8));
    assert_eq!(post(&viewer, "/console/sign-out", &format!("csrf={}&a={long}", viewer.csrf)).await, 400);
    assert_eq!(post(&viewer, "/console/sign-out", &format!("{many}csrf={}", viewer.csrf)).await, 400);
    assert_eq!(post(&operator, "/console/policy", &format!("{many}csrf={}", operator.csrf)).await, 400);
    assert_eq!(world.page(&viewer, "/console/").await.status(), 200, "nobody was signed out");
    let draft = format!("csrf={}&draft=%23{}", operator.csrf, "a".repeat(900_000));
    assert_eq!(post(&operator, "/console/policy", &draft).await, 200, "a policy may be that long");
    assert_eq!(post(&viewer, "/console/sign-out", &format!("csrf={}", viewer.csrf)).await, 303);
    world.running.stop().await;
}

#[tokio::test]
async fn attempts_to_sign_in_and_look_ups_are_bounded() {
    let world = World::start("").await;
    let (_, session) = world.enrol("ada", Role::Operator).await;
    let look_up = async |session: &Session| {
        world.form(session, "/console/record", &[("who", "acme.example")]).await.status()
    };
    let mut looked_up = 0;
    while look_up(&session).await == 200 {
        looked_up += 1;
        assert!(looked_up < 100);
    }
    assert_eq!(look_up(&session).await, 429);
    assert!((30..40).contains(&looked_up), "{looked_up}");
    let mut asked = 0;
    let ask = async |fields: &str| {
        let head = format!("Origin: {}\r\nContent-Type: application/json\r\n{fields}", world.origin);
        world.ask("POST", "/console/sign-in/ask", &head, "null").await.status()
    };
    while ask("X-Forwarded-For: 192.0.2.66\r\n").await == 200 {
        asked += 1;
        assert!(asked < 200);
    }
    assert!((50..80).contains(&asked), "{asked}");
    assert_eq!(
        ask("X-Forwarded-For: 192.0.2.67\r\n").await,
        200,
        "behind one proxy each has attempts of its own"
    );
    assert_eq!(world.page(&session, "/console/").await.status(), 200, "who is in stays in");
    world.running.stop().await;
}
