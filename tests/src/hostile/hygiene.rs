//! Our own fields, forged.

use super::world::{Ask, CLOSED, OPEN, World, anonymous, request};

/// `Avouch-Class` and its sisters as CGI, WSGI, nginx, Rails and others might fold them.
const SPELLINGS: [&str; 44] = [
    "Avouch-Class",
    "avouch-class",
    "AVOUCH-CLASS",
    "aVoUcH-cLaSs",
    "Avouch_Class",
    "avouch_class",
    "AVOUCH_CLASS",
    "Avouch.Class",
    "avouch.class",
    "Avouch!Class",
    "Avouch#Class",
    "Avouch$Class",
    "Avouch%Class",
    "Avouch&Class",
    "Avouch'Class",
    "Avouch*Class",
    "Avouch+Class",
    "Avouch^Class",
    "Avouch`Class",
    "Avouch|Class",
    "Avouch~Class",
    "Avouch--Class",
    "Avouch-_Class",
    "Avouch__Class",
    "Avouch-Class-",
    "Avouch-Class_",
    "Avouch-",
    "Avouch_",
    "Avouch-Standing",
    "Avouch_Standing",
    "Avouch-Identity",
    "avouch_identity",
    "Avouch.Identity",
    "Avouch-Mechanism",
    "Avouch_Mechanism",
    "Avouch-Decision",
    "Avouch~Decision",
    "Avouch-Request-Id",
    "Avouch_Request_Id",
    "Avouch-Request_Id",
    "Avouch-Assertion",
    "Avouch_Assertion",
    "AVOUCH-FUTURE-FIELD",
    "avouch!0",
];

fn folded(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect()
}

/// Every field or trailer name in `message` that reads as ours, but those we set ourselves.
fn forged(message: &testkit::message::Message) -> Vec<String> {
    let ours = ["class", "standing", "identity", "mechanism", "decision", "request-id", "assertion"];
    let mut left: Vec<String> = ours.iter().map(|name| format!("avouch-{name}")).collect();
    let fields = message.head.lines().skip(1).chain(message.trailers.iter().map(String::as_str));
    let names = fields.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned());
    // Each of ours once; whatever else reads as one of them is forged.
    names
        .filter(|name| folded(name).starts_with("avouch-"))
        .filter(|name| match left.iter().position(|own| own == name) {
            Some(at) => left.remove(at).is_empty(),
            None => true,
        })
        .collect()
}

#[tokio::test]
async fn forged_fields_in_44_spellings_never_reach_the_upstream() {
    let (world, bot) = World::with_bot().await;
    for name in SPELLINGS {
        let field = format!("{name}: 3");
        let chunked =
            format!("Transfer-Encoding: chunked\r\nTrailer: {name}\r\n\r\n1\r\nx\r\n0\r\n{field}\r\n\r\n");
        for rest in [
            format!("{field}\r\n\r\n"),
            format!("{field}\r\n{field}\r\n\r\n"),
            format!("{field}\r\nConnection: {name}\r\n\r\n"),
            format!("Connection: close, {name}\r\n{field}\r\n\r\n"),
            chunked.clone(),
            format!("Connection: {name}\r\n{chunked}"),
        ] {
            let before = world.completed().len();
            let sent = format!("POST {OPEN} HTTP/1.1\r\nHost: www.shop.example\r\n{rest}");
            assert_eq!(world.send(&sent).await.status(), 200, "{sent}");
            let reached = world.completed().remove(before);
            assert_eq!(forged(&reached), [""; 0], "{sent}");
            assert_eq!(
                (reached.field("avouch-class"), reached.field("avouch-identity")),
                (Some("0"), Some("-")),
                "{sent}"
            );
            assert!(!reached.head.contains("Trailer") || !reached.head.contains(name), "{sent}");
        }
    }
    world.see(bot.request(Ask::get(OPEN))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn what_is_not_ours_passes_unharmed() {
    let (world, bot) = World::with_bot().await;
    let fields = format!(
        "SAIP: {}\r\nAvouchClass: a\r\nX-Avouch-Class: b\r\nAvouched: c\r\n",
        bot.header(Ask::get(OPEN))
    );
    let seen = world.see(request(Ask::get(OPEN), &fields)).await;
    seen.is_verified("bot@acme.example");
    let reached = seen.reached.unwrap();
    for (name, value) in [("avouchclass", "a"), ("x-avouch-class", "b"), ("avouched", "c")] {
        assert_eq!(reached.field(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn connection_cannot_take_away_what_we_add_or_what_was_judged() {
    let (world, bot) = World::with_bot().await;
    let named = "Avouch-Class, Avouch-Identity, avouch_class, X-Forwarded-For, Host, Content-Length, SAIP, Authorization, Cookie";
    let fields = format!(
        "SAIP: {}\r\nCookie: a=b\r\nAuthorization: x\r\nX-Own: y\r\nConnection: {named}, X-Own\r\n",
        bot.header(Ask::post(OPEN, b"body"))
    );
    let seen = world.see(request(Ask::post(OPEN, b"body"), &fields)).await;
    seen.is_verified("bot@acme.example");
    let reached = seen.reached.unwrap();
    assert_eq!((reached.field("x-forwarded-for"), reached.text().as_str()), (Some("127.0.0.1"), "body"));
    for name in ["host", "saip", "cookie", "authorization"] {
        assert!(reached.field(name).is_some(), "{name}: {}", reached.head);
    }
    assert_eq!(reached.field("x-own"), None);
}

#[tokio::test]
async fn forwarding_fields_of_a_stranger_are_replaced() {
    let (world, bot) = World::with_bot().await;
    for field in [
        "X-Forwarded-For: 192.0.2.1",
        "X_Forwarded_For: 192.0.2.1",
        "Forwarded: for=192.0.2.1",
        "X-Real-IP: 192.0.2.1",
        "X_Real_IP: 192.0.2.1",
        "X-Forwarded-Proto: https",
        "X_Forwarded_Host: evil.example",
    ] {
        let seen = world.see(request(Ask::get(OPEN), &format!("{field}\r\n"))).await;
        let reached = seen.reached.unwrap();
        assert_eq!(reached.field("x-forwarded-for"), Some("127.0.0.1"), "{field}");
        assert_eq!(reached.field("x-forwarded-proto"), Some("http"), "{field}");
        let text = String::from_utf8_lossy(&reached.octets).into_owned();
        assert!(!text.contains("192.0.2.1") && !text.contains("evil.example"), "{text}");
    }
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
    world.see(anonymous(CLOSED)).await.is_kept_out("no-claim");
}
