//! A gateway with a console, requests that came to it, and somebody who looks.

use super::passkey::Passkey;
use crate::proxy::verdicts::Agent;
use avouch_console::users::{NotChanged, Role, Ticket, UserName, UsersFile};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_keys::entropy::SystemEntropy;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::bind::free_port;
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;

use avouch_wire::time::Time;
use tempfile::TempDir;

/// A gateway whose console is at `http://localhost:PORT`.
pub(super) struct World {
    pub(super) running: Running,
    pub(super) agent: Agent,
    pub(super) origin: String,
    pub(super) users: UsersFile,
    _upstream: Upstream,
    _folder: TempDir,
}

/// Somebody who is signed in.
pub(super) struct Session {
    pub(super) cookie: String,
    pub(super) csrf: String,
}

impl World {
    /// With these lines on top of the configuration.
    pub(super) async fn start(lines: &str) -> Self {
        let (upstream, agent, folder) =
            (Upstream::start().await.unwrap(), Agent::new(), tempfile::tempdir().unwrap());
        let port = free_port().unwrap();
        let (origin, path) = (format!("http://localhost:{port}"), folder.path().join("users.toml"));
        let policy = folder.path().join("policy.toml");
        std::fs::write(&policy, POLICY).unwrap();
        let text = format!(
            "listen = '127.0.0.1:0'\nupstream = '{}'\nauthorities = ['www.shop.example']\nscheme = 'http'\n\
             trusted_proxies = ['127.0.0.1']\nprivate_peers = 'clients'\nlog.access = 'off'\nstore.fresh = true\n\
             admin.listen = '127.0.0.1:{port}'\nconsole = {{ origin = '{origin}', users = '{}' }}\n\
             policy.file = '{}'\n{lines}",
            upstream.url(),
            path.display(),
            policy.display(),
        );
        let zone = format!(
            "$ORIGIN acme.example.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\n_saip TXT \"v=saip1; ip=192.0.2.80/32\"\n{}\n\
             113.0.203.in-addr.arpa. SOA ns host 1 2 3 4 30\n",
            agent.record
        );
        let zones = ZoneFiles::parse(&[("acme", zone.as_str())], Dnssec::Insecure).unwrap();
        let config = Config::parse("test", &text).unwrap();
        let surroundings = Surroundings {
            dns: Some(Dns::Zones(zones)),
            console: config.console.as_ref().map(avouch_console::pages),
            ..Surroundings::default()
        };
        let running = Gateway::start(config, surroundings).await.unwrap();
        let users = UsersFile::new(&path);
        Self { running, agent, origin, users, _upstream: upstream, _folder: folder }
    }

    /// The address of its admin listener.
    pub(super) fn admin(&self) -> SocketAddr {
        self.running.admin.unwrap()
    }

    /// `localhost:PORT`.
    pub(super) fn host(&self) -> &str {
        self.origin.strip_prefix("http://").unwrap()
    }

    /// Somebody is invited; the ticket of their link.
    pub(super) fn invite(&self, name: &str, role: Role) -> String {
        let ticket = Ticket::draw(&mut SystemEntropy).unwrap();
        let name = UserName::parse(name).unwrap();
        let invited: Result<Time, NotChanged> =
            self.users.change(|users| Ok(users.invite(name, role, ticket, now())?));
        invited.unwrap();
        ticket.to_string()
    }

    /// A request to the console, with these fields and this content.
    pub(super) async fn ask(&self, method: &str, path: &str, fields: &str, content: &str) -> Message {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n{content}",
            self.host(),
            content.len()
        );
        exchange(self.admin(), request).await.unwrap().unwrap()
    }

    /// A page, for somebody who is signed in.
    pub(super) async fn page(&self, session: &Session, path: &str) -> Message {
        self.ask("GET", path, &format!("Cookie: {}\r\n", session.cookie), "").await
    }

    /// A form as the console's own page sends it.
    pub(super) async fn form(&self, session: &Session, path: &str, fields: &[(&str, &str)]) -> Message {
        let own = [("csrf", session.csrf.as_str())];
        let content = own.iter().chain(fields).map(|(name, value)| format!("{name}={}", escaped(value)));
        let content = content.collect::<Vec<_>>().join("&");
        let head = format!(
            "Cookie: {}\r\nOrigin: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
            session.cookie, self.origin
        );
        self.ask("POST", path, &head, &content).await
    }

    /// JSON as the console's own script sends it.
    pub(super) async fn json(&self, path: &str, content: &Value) -> Message {
        let head = format!(
            "Origin: {}\r\nSec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\n",
            self.origin
        );
        self.ask("POST", path, &head, &content.to_string()).await
    }

    /// A challenge to sign in.
    pub(super) async fn challenge(&self) -> String {
        let asked: Value =
            serde_json::from_str(&self.json("/console/sign-in/ask", &Value::Null).await.text()).unwrap();
        assert_eq!(asked["host"], "localhost");
        asked["challenge"].as_str().unwrap().to_owned()
    }

    /// Enrols a passkey, by which its bearer is signed in.
    pub(super) async fn enrol(&self, name: &str, role: Role) -> (Passkey, Session) {
        let (ticket, passkey) = (self.invite(name, role), Passkey::new());
        let asked = self.json("/console/enrol/ask", &json!({ "ticket": ticket })).await.text();
        let asked: Value = serde_json::from_str(&asked).unwrap();
        assert_eq!(asked["name"], name);
        let shown = passkey.show(asked["challenge"].as_str().unwrap(), &self.origin, "localhost");
        let answer = self
            .json("/console/enrol", &json!({ "ticket": ticket, "key": passkey.spki(), "shown": shown }))
            .await;
        assert_eq!(answer.status(), 204, "{}", answer.text());
        (passkey, self.session(&answer).await)
    }

    /// The session that an answer opens.
    pub(super) async fn session(&self, answer: &Message) -> Session {
        let set = answer.field("set-cookie").unwrap();
        let cookie = set.split(';').next().unwrap().to_owned();
        let page = self.ask("GET", "/console/health", &format!("Cookie: {cookie}\r\n"), "").await.text();
        let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
        let csrf = rest.split('"').next().unwrap().to_owned();
        Session { cookie, csrf }
    }

    /// A request to the site, from this address.
    pub(super) async fn visit(&self, address: &str, path: &str, fields: &str) -> u16 {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: www.shop.example\r\nX-Forwarded-For: {address}\r\nConnection: close\r\n{fields}\r\n"
        );
        exchange(self.running.addresses[0], request).await.unwrap().unwrap_or_default().status()
    }

    /// A request of the agent's, which is proved, and the same again, which is not.
    pub(super) async fn proved_and_replayed(&self) {
        let request = self.agent.request("/signed", None, b"");
        for _ in 0..2 {
            exchange(self.running.addresses[0], &request).await.unwrap();
        }
    }

    /// Requests of every class, from several addresses.
    pub(super) async fn traffic(&self) {
        const BROWSERS: [&str; 3] = [
            "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
            "Mozilla/5.0 (iPhone) Safari/605.1",
            "curl/8.14",
        ];
        for number in 0..24u8 {
            let agent = BROWSERS[usize::from(number) % BROWSERS.len()];
            self.visit(
                &format!("198.51.100.{number}"),
                &format!("/shop/{number}"),
                &format!("User-Agent: {agent}\r\n"),
            )
            .await;
        }
        for number in 0..7u8 {
            let crawler =
                "User-Agent: Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)\r\n";
            self.visit(&format!("203.0.113.{number}"), "/prices", crawler).await;
            self.visit("192.0.2.80", "/feed", "SAIP: dom=\"acme.example\"; id=\"_\"\r\n").await;
        }
        for _ in 0..3 {
            self.visit("192.0.2.81", "/feed", "SAIP: dom=\"silent.example\"; id=\"_\"\r\n").await;
            self.proved_and_replayed().await;
        }
    }

    /// The name of the newest request that is shown.
    pub(super) async fn newest(&self, session: &Session, query: &str) -> String {
        let page = self.page(session, &format!("/console/requests{query}")).await.text();
        let (_, rest) = page.split_once("href=\"/console/requests/").expect("a request is listed");
        rest.split('"').next().unwrap().to_owned()
    }
}

/// A policy with a rule of its own.
const POLICY: &str = "\
# The shop's.
[[rule]]
name = \"api-for-known\"
when = { class = 0, path = \"/api/*\" }
then = { action = \"challenge\" }
";

#[expect(clippy::disallowed_methods, reason = "the gateway under test runs by the machine's clock")]
fn now() -> Time {
    Time::default().after(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

fn escaped(text: &str) -> String {
    text.bytes().map(|octet| format!("%{octet:02X}")).collect()
}
