//! What the upstream is told of who asks, and what never reaches it.

use std::time::{SystemTime, UNIX_EPOCH};

use avouch_gateway::Running;
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::{Mode, RequestToSign, Signer, Speaker};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;

use super::gateway_with_zone;

const SITE: &str = "authorities = ['www.shop.example']";
const ENFORCING: &str =
    "authorities = ['www.shop.example']\nmode = 'enforce'\n[[route]]\npath = '/'\nrequire = 3";

/// An agent of acme.example.
pub(crate) struct Agent {
    signer: Signer,
    /// The record of its key.
    pub(crate) record: String,
}

impl Agent {
    pub(crate) fn new() -> Self {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let record = format!("bot._saip TXT \"v=saip1; pk={}\"", b64u::encode(key.public().octets()));
        let domain = Some(Domain::parse("acme.example").unwrap());
        let agent = AgentId::parse("bot").unwrap();
        Self { signer: Signer::new(key, Speaker { domain, agent, instance: None }), record }
    }

    /// A request for `path` whose signature covers `signed` as content.
    pub(crate) fn request(&self, path: &str, signed: Option<&[u8]>, content: &[u8]) -> Vec<u8> {
        let method = if content.is_empty() { "GET" } else { "POST" };
        let target = Target::parse(method, path).unwrap();
        let authority = Authority::parse("www.shop.example", Scheme::Http).unwrap();
        let content_digest = signed.map(ContentDigest::of);
        let request =
            RequestToSign { method, target: &target, authority: &authority, content: content_digest };
        #[expect(clippy::disallowed_methods, reason = "the gateway under test runs by the machine's clock")]
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let saip =
            self.signer.sign(request, Mode::Rolling(KeyType::Ed25519), Time::default().after(now)).unwrap();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: www.shop.example\r\nSAIP: {saip}\r\nContent-Length: {}\r\n\r\n",
            content.len()
        )
        .into_bytes();
        request.extend(content);
        request
    }
}

async fn send(running: &Running, request: impl AsRef<[u8]>) -> Message {
    exchange(running.addresses[0], request).await.unwrap().unwrap_or_default()
}

fn told(request: &Message) -> [&str; 4] {
    ["class", "standing", "identity", "mechanism"]
        .map(|name| request.field(&format!("avouch-{name}")).unwrap_or_default())
}

#[tokio::test]
async fn a_signed_request_is_class_3_once_and_an_unsigned_class_0() {
    let (upstream, agent) = (Upstream::start().await.unwrap(), Agent::new());
    let running = gateway_with_zone(&upstream, SITE, &agent.record).await;
    let request = agent.request("/a", None, b"");
    assert_eq!(send(&running, &request).await.status(), 200);
    assert_eq!(send(&running, &request).await.status(), 200);
    send(&running, "GET / HTTP/1.1\r\nHost: www.shop.example\r\n\r\n").await;
    let received = upstream.wait_for(3).await;
    assert_eq!(told(&received[0]), ["3", "verified", "bot@acme.example", "saip-rolling"]);
    assert_eq!(told(&received[1]), ["1", "invalid", "-", "-"]);
    assert_eq!(told(&received[2]), ["0", "anonymous", "-", "-"]);
    running.stop().await;
}

#[tokio::test]
async fn a_route_that_requires_proof_is_reached_with_proof_only() {
    let (upstream, agent) = (Upstream::start().await.unwrap(), Agent::new());
    let running = gateway_with_zone(&upstream, ENFORCING, &agent.record).await;
    let request = agent.request("/a", None, b"");
    assert_eq!(send(&running, &request).await.status(), 200);
    let replayed = send(&running, &request).await;
    assert_eq!((replayed.status(), replayed.text().contains("\"replayed\"")), (403, true));
    let anonymous = send(&running, "GET / HTTP/1.1\r\nHost: www.shop.example\r\n\r\n").await;
    assert_eq!((anonymous.status(), anonymous.field("www-authenticate")), (401, Some("SAIP")));
    let asked = anonymous.field("accept-signature");
    assert!(asked.is_some_and(|asked| asked.contains("tag=\"web-bot-auth\"")), "{asked:?}");
    assert!(anonymous.text().contains("\"class-required\""), "{}", anonymous.text());
    let ambiguous = send(&running, "GET /a%2fb HTTP/1.1\r\nHost: www.shop.example\r\n\r\n").await;
    assert_eq!(ambiguous.status(), 400);
    assert_eq!(upstream.received().len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn a_swapped_body_never_reaches_the_upstream_whole() {
    let (upstream, agent) = (Upstream::start().await.unwrap(), Agent::new());
    let running = gateway_with_zone(&upstream, ENFORCING, &agent.record).await;
    for length in [10, 64 << 10, (64 << 10) + 1, 1 << 20] {
        let content = vec![b'x'; length];
        let mut swapped = content.clone();
        *swapped.last_mut().unwrap() = b'y';
        let before = upstream.received().len();
        let refused = send(&running, agent.request("/", Some(&content), &swapped)).await;
        assert_eq!((refused.status(), refused.text().contains("\"body-mismatch\"")), (403, true), "{length}");
        assert!(upstream.received().iter().skip(before).all(|request| !request.complete), "{length}");
        let accepted = send(&running, agent.request("/", Some(&content), &content)).await;
        assert_eq!(accepted.status(), 200, "{length}");
        let whole = upstream.received().into_iter().rfind(|request| request.complete).unwrap();
        assert!(whole.body == content && whole.field("avouch-class") == Some("3"), "{length}");
    }
    running.stop().await;
}

#[tokio::test]
async fn an_assertion_is_made_where_the_route_wants_one() {
    let (upstream, agent) = (Upstream::start().await.unwrap(), Agent::new());
    let lines = format!("{SITE}\n[[route]]\npath = '/signed'\nassertion = true");
    let running = gateway_with_zone(&upstream, &lines, &agent.record).await;
    send(&running, agent.request("/signed", None, b"")).await;
    send(&running, agent.request("/other", None, b"")).await;
    let received = upstream.wait_for(2).await;
    let token = received[0].field("avouch-assertion").unwrap();
    let payload = b64u::decode_vec(token.split('.').nth(1).unwrap()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!((&claims["identity"], &claims["path"]), (&"bot@acme.example".into(), &"/signed".into()));
    assert_eq!(claims["jti"], received[0].field("avouch-request-id").unwrap());
    assert_eq!(received[1].field("avouch-assertion"), Some("-"));
    running.stop().await;
}
