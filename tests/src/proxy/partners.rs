//! Partners whose keys are registered, through the socket of a gateway that runs by the machine's clock.

use super::gateway;
use avouch_gateway::Running;
use avouch_gateway::config::Config;
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::partner::{Speaker, sign};
use avouch_keys::spki::to_pem;
use avouch_keys::web_bot_auth::RequestToSign;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::content::ContentDigest;
use avouch_wire::key::KeyType;
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;

const SITE: &str = "authorities = ['api.shop.example']\nmode = 'enforce'\n";
const ROUTE: &str = "[[route]]\npath = '/'\nrequire = 3\nrequire_nonce = true\n";

struct Partner {
    key: SecretKey,
    folder: tempfile::TempDir,
}

impl Partner {
    fn new(key_type: KeyType) -> Self {
        let partner = Self {
            key: SecretKey::generate(key_type, &mut SystemEntropy).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        std::fs::write(partner.file(), to_pem(partner.key.public()).unwrap()).unwrap();
        partner
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("partner.pem")
    }

    /// A request whose signature covers the digest of `signed`, and that brings `content`.
    fn request(&self, signed: &[u8], content: &[u8]) -> String {
        let method = if content.is_empty() { "GET" } else { "POST" };
        let target = Target::parse(method, "/orders?page=2").unwrap();
        #[expect(clippy::disallowed_methods, reason = "the gateway under test runs by the machine's clock")]
        let now = Time::default().after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap());
        let request = RequestToSign {
            method,
            scheme: Scheme::Http,
            authority: &Authority::parse("api.shop.example", Scheme::Http).unwrap(),
            target: &target,
            content: (!signed.is_empty()).then(|| ContentDigest::of(signed)),
        };
        let speaker = Speaker { keyid: "partner", tag: None, lifetime: 60 };
        let fields = sign(&self.key, speaker, request, now).unwrap();
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = content.len();
        let head = format!("{method} /orders?page=2 HTTP/1.1\r\nHost: api.shop.example\r\n{fields}");
        format!("{head}Content-Length: {length}\r\n\r\n{}", String::from_utf8_lossy(content))
    }
}

fn table(key: &Path) -> String {
    format!(
        "[[http_signature]]\nkeyid = 'partner'\nkey = '{}'\nidentity = 'billing@partner.example'\n",
        key.display()
    )
}

async fn send(running: &Running, request: &str) -> Message {
    exchange(running.addresses[0], request).await.unwrap().unwrap_or_default()
}

/// The reason that a refusal gives.
fn reason(answer: &Message) -> String {
    let document: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
    document["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_partner_is_let_in_once_for_each_signature_and_named_to_the_upstream() {
    for key_type in [KeyType::Ed25519, KeyType::P256] {
        let (upstream, partner) = (Upstream::start().await.unwrap(), Partner::new(key_type));
        let running = gateway(&upstream, &format!("{SITE}{ROUTE}{}", table(&partner.file()))).await;
        let request = partner.request(b"", b"");
        assert_eq!(send(&running, &request).await.status(), 200);
        let received = upstream.wait_for(1).await;
        let told =
            ["class", "identity", "mechanism"].map(|name| received[0].field(&format!("avouch-{name}")));
        assert_eq!(told, [Some("3"), Some("billing@partner.example"), Some("http-signature")]);
        let again = send(&running, &request).await;
        assert_eq!((again.status(), &*reason(&again)), (403, "replayed"));
        let stranger = send(&running, &request.replace("keyid=\"partner\"", "keyid=\"other\"")).await;
        assert_eq!((stranger.status(), &*reason(&stranger)), (401, "class-required"));
        assert_eq!(upstream.received().len(), 1);
        running.stop().await;
    }
}

#[tokio::test]
async fn content_that_is_not_what_was_signed_never_reaches_the_upstream_whole() {
    let (upstream, partner) = (Upstream::start().await.unwrap(), Partner::new(KeyType::Ed25519));
    let running = gateway(&upstream, &format!("{SITE}{ROUTE}{}", table(&partner.file()))).await;
    for length in [10, (64 << 10) + 1, 1 << 20] {
        let content = vec![b'x'; length];
        let mut swapped = content.clone();
        *swapped.last_mut().unwrap() = b'y';
        let before = upstream.received().len();
        let refused = send(&running, &partner.request(&content, &swapped)).await;
        assert_eq!((refused.status(), &*reason(&refused)), (403, "body-mismatch"), "{length}");
        assert!(upstream.received().iter().skip(before).all(|request| !request.complete), "{length}");
        let uncovered = send(&running, &partner.request(b"", &content)).await;
        assert_eq!((uncovered.status(), &*reason(&uncovered)), (403, "component-uncovered"), "{length}");
        assert_eq!(send(&running, &partner.request(&content, &content)).await.status(), 200, "{length}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_key_that_is_taken_out_or_replaced_counts_no_longer_and_a_broken_one_changes_nothing() {
    let (upstream, partner) = (Upstream::start().await.unwrap(), Partner::new(KeyType::Ed25519));
    let lines = format!("{SITE}{}", table(&partner.file()));
    let running = gateway(&upstream, &lines).await;
    let config = |lines: &str| {
        let text = format!(
            "listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'\nlog.access = 'off'\n{lines}",
            upstream.url()
        );
        Config::parse("test", &text).unwrap()
    };
    let class = async || {
        send(&running, &partner.request(b"", b"")).await;
        upstream.received().pop().unwrap().field("avouch-class").unwrap().to_owned()
    };
    assert_eq!(class().await, "3");
    std::fs::write(partner.file(), "no key").unwrap();
    let refused = running.reload(config(&lines)).unwrap_err().to_string();
    assert!(refused.contains("keyid \"partner\"") && refused.contains("no PEM block"), "{refused}");
    assert_eq!(class().await, "3", "what was in force stays");
    let other = Partner::new(KeyType::Ed25519);
    std::fs::copy(other.file(), partner.file()).unwrap();
    running.reload(config(&lines)).unwrap();
    assert_eq!(class().await, "1", "the name is another key's");
    running.reload(config(SITE)).unwrap();
    assert_eq!(class().await, "0", "the name is nobody's");
    running.stop().await;
}
