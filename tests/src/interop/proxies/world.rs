//! A site that records what reaches it, a DNS, a gateway as a proxy's page configures it, and the proxy.

use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use avouch_dns::SignedZones;
use avouch_gateway::config::{Config, Endpoint};
use avouch_gateway::{Gateway, Running, Surroundings};
use avouch_tls::{Connector, Protocol};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::body::{Body, Frame};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tempfile::TempDir;
use testkit::bind::free_port;
use testkit::certificate::CertificateAuthority;
use testkit::message::{Kind, Message, Messages};
use testkit::peers::{Peers, require};
use testkit::upstream::Upstream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;
use tokio::time::{Instant, sleep, timeout};

use crate::interop::world::{block, put, run};

pub(super) const SITE: &str = "www.shop.example";
/// Where a client connects from that nobody trusts as a proxy.
pub(super) const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// The address that belongs to a crawler in this world's DNS.
pub(super) const CRAWLER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));
/// Where every request goes through.
pub(super) const OPEN: &str = "/open";

/// Longer than any proxy here waits for an answer.
const PATIENCE: Duration = Duration::from_secs(50);

/// A proxy, and the page that sets it up.
pub(super) struct Proxy {
    pub(super) program: &'static str,
    pub(super) manual: &'static str,
    /// Which of the page's configurations is the gateway's.
    pub(super) gateway: usize,
    /// What of the page keeps a client's fields of our names out, and what stands there where nothing does.
    pub(super) guard: (&'static str, &'static str),
    /// Starts it as the page has it.
    pub(super) start: fn(&Place<'_>) -> Box<dyn Any + Send>,
    /// What it makes of the status of a refusal.
    pub(super) status: fn(u16) -> u16,
    /// Whether it can remove fields by the beginning of their name.
    pub(super) clears_by_prefix: bool,
    /// What stands between the lines of a field in what it asks, if it makes one of them.
    pub(super) joins: &'static str,
    /// Whether the client gets avouch's answer of such a status whole.
    pub(super) passes_answer: fn(u16) -> bool,
}

/// Where a proxy runs.
pub(super) struct Place<'w> {
    pub(super) tools: &'w Peers,
    /// A folder of its own.
    pub(super) folder: &'w Path,
    pub(super) front: SocketAddr,
    pub(super) site: SocketAddr,
    pub(super) verify: SocketAddr,
    /// Where the page is changed, and to what.
    change: (&'static str, &'static str),
}

impl Place<'_> {
    /// The page's block, with this place's addresses and files in place of the page's.
    pub(super) fn block(&self, manual: &str, language: &str, nth: usize, more: &[(&str, &str)]) -> String {
        let folder = self.folder.display();
        put(&block(manual, language, nth).replace(self.change.0, self.change.1), more)
            .replace("127.0.0.1:8080", &self.site.to_string())
            .replace("127.0.0.1:9181", &self.verify.to_string())
            .replace("/etc/avouch/", &format!("{folder}/"))
    }

    /// Writes a file of this folder.
    pub(super) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }
}

pub(super) struct World {
    pub(super) upstream: Upstream,
    pub(super) folder: TempDir,
    proxy: &'static Proxy,
    tools: Peers,
    zones: SignedZones,
    connector: Connector,
}

/// The proxy at work; it ends when dropped.
pub(super) struct Front {
    pub(super) address: SocketAddr,
    _program: Box<dyn Any + Send>,
    folder: TempDir,
}

impl Front {
    /// The folder it runs in.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl World {
    /// `None` where the proxy is not installed.
    #[track_caller]
    pub(super) fn new(proxy: &'static Proxy) -> impl Future<Output = Option<Self>> {
        let tools = require(&[proxy.program]);
        async move { Some(Self::with(proxy, tools?).await) }
    }

    async fn with(proxy: &'static Proxy, tools: Peers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let authority = CertificateAuthority::new().unwrap();
        fs::write(path.join("root.pem"), &authority.root).unwrap();
        write_certificate(&authority, path);
        for key in ["file:agent.key", "file:bot.key"] {
            run(path, &["key", "new", key, "--unencrypted"]);
        }
        let record = |domain: &str, key: &str, more: &[&str]| {
            run(path, &[&["dns", "record", "--dom", domain, "--key", key], more].concat())
        };
        let records = [
            record("acme.example", "file:agent.key", &["--id", "crawler-7"]),
            record("bot.example", "file:bot.key", &[]),
            "bot.example. A 127.0.0.1\nlost.example. A 127.0.0.1\n".to_owned(),
            format!("crawl.googlebot.com. A {CRAWLER}\n3.0.0.127.in-addr.arpa. PTR crawl.googlebot.com.\n"),
        ];
        let zones = SignedZones::start(&records.concat()).await.unwrap();
        fs::write(path.join("root.anchor"), zones.trust_anchor().to_string()).unwrap();
        fs::write(path.join("policy.toml"), super::cases::POLICY).unwrap();
        let connector = Connector::trusting(authority.root.as_bytes(), &[Protocol::Http1]).unwrap();
        let upstream = Upstream::start().await.unwrap();
        Self { upstream, folder, proxy, tools, zones, connector }
    }

    /// The gateway of the page, with its listener for clients open to them by https, so that both can be asked.
    pub(super) async fn gateway(&self) -> Running {
        let folder = self.folder.path().display();
        let log = format!("{folder}/access.log");
        let own = format!(
            "listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'",
            self.upstream.url()
        );
        let resolvers =
            format!("resolvers = [\"{}\"]\ntrust_anchor = \"{folder}/root.anchor\"", self.zones.address());
        let text = put(
            &block(self.proxy.manual, "toml", self.proxy.gateway),
            &[
                ("127.0.0.1:9181", "127.0.0.1:0"),
                ("resolvers = [\"127.0.0.1\"]", &resolvers),
                ("/var/log/avouch/access.log", &log),
            ],
        );
        let more = format!(
            "[tls]\ncert = '{folder}/chain.pem'\nkey = '{folder}/key.pem'\n[store]\nfresh = true\n\
             [web_bot_auth]\nca = '{folder}/root.pem'\nallow_networks = '127.0.0.0/8'\n{}",
            super::cases::ROUTES.replace("policy.toml", &format!("{folder}/policy.toml"))
        );
        // Clients of the gateway itself come from addresses of this machine.
        let config = Config::parse("test", &format!("{own}\n{text}{more}")).unwrap();
        Gateway::start(config, Surroundings::default()).await.unwrap()
    }

    /// The proxy, once it forwards requests that whoever is at `verify` lets through.
    pub(super) async fn front(&self, verify: SocketAddr) -> Front {
        self.front_with(verify, ("", "")).await
    }

    /// The same, the page changed in one place.
    pub(super) async fn front_with(&self, verify: SocketAddr, change: (&'static str, &'static str)) -> Front {
        let shown = self.proxy.manual.contains(change.0);
        assert!(shown, "the page of {} has `{}`", self.proxy.program, change.0);
        let folder = tempfile::tempdir().unwrap();
        for file in ["chain.pem", "key.pem"] {
            fs::copy(self.folder.path().join(file), folder.path().join(file)).unwrap();
        }
        let address = SocketAddr::new(own_address(), free_port().unwrap());
        let place = Place {
            tools: &self.tools,
            folder: folder.path(),
            front: address,
            site: self.upstream.address,
            verify,
            change,
        };
        let front = Front { address, _program: (self.proxy.start)(&place), folder };
        let deadline = Instant::now() + PATIENCE;
        while self.send(address, CLIENT, get("/ready", "")).await.is_none_or(|answer| answer.status() != 200)
        {
            assert!(Instant::now() < deadline, "{} does not forward requests", self.proxy.program);
            sleep(Duration::from_millis(50)).await;
        }
        front
    }

    /// What is answered to these octets, sent by TLS from an address; `None` when the connection ends without.
    pub(super) async fn send(
        &self,
        to: SocketAddr,
        from: IpAddr,
        octets: impl AsRef<[u8]>,
    ) -> Option<Message> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        let stream = socket.connect(to).await.ok()?;
        let mut stream = self.connector.connect(SITE, stream).await.ok()?;
        // Whoever refuses early may close before all is written.
        let _ = stream.write_all(octets.as_ref()).await;
        let answer = timeout(PATIENCE, Messages::new(stream).next(Kind::Answer)).await;
        answer.expect("an answer, or an end").ok().flatten()
    }

    /// The status of what is answered to content sent by HTTP/2, with a field, and after it a trailer field unless
    /// its name is empty; `None` when the stream is broken off.
    pub(super) async fn post_by_http2(
        &self,
        to: SocketAddr,
        (name, value): (&str, &str),
        trailer: &str,
    ) -> Option<u16> {
        let root = fs::read(self.folder.path().join("root.pem")).unwrap();
        let connector = Connector::trusting(&root, &[Protocol::Http2]).unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(CLIENT, 0)).unwrap();
        let stream = connector.connect(SITE, socket.connect(to).await.unwrap()).await.unwrap();
        let (mut sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut frames = VecDeque::from([Frame::data(Bytes::from_static(b"hi"))]);
        if let Ok(trailer) = HeaderName::try_from(trailer) {
            let trailers = [(trailer, HeaderValue::from_static("3"))];
            frames.push_back(Frame::trailers(HeaderMap::from_iter(trailers)));
        }
        let url = format!("https://{SITE}{OPEN}");
        let request = Request::post(url).header(name, value).body(Frames(frames)).unwrap();
        Some(sender.send_request(request).await.ok()?.status().as_u16())
    }

    /// The requests that reached the site whole, but those that asked whether the proxy is there.
    pub(super) fn reached(&self) -> Vec<Message> {
        let received = self.upstream.received().into_iter();
        received.filter(|message| message.complete && !message.line().contains("/ready")).collect()
    }

    /// The lines of the gateway's log, which has ended.
    pub(super) fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["path"] != "/ready").collect()
    }

    /// The fields that `avouch sign` prints, with these arguments.
    pub(super) fn sign(&self, arguments: &[&str]) -> String {
        let lines = run(self.folder.path(), &[&["sign"], arguments].concat());
        lines.lines().map(|line| format!("{line}\r\n")).collect()
    }
}

/// Content of unknown length, with what follows it.
struct Frames(VecDeque<Frame<Bytes>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

/// Where a gateway answers proxies.
pub(super) fn verify(running: &Running) -> SocketAddr {
    running.verify.as_ref().and_then(Endpoint::tcp).unwrap()
}

/// An address of this machine that no other test uses now, so that nobody takes a port there before the proxy does.
fn own_address() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high, middle, low).into()
}

/// A request with these fields.
pub(super) fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {SITE}\r\n{fields}\r\n")
}

fn write_certificate(authority: &CertificateAuthority, folder: &Path) {
    let made = authority.issue(&[SITE, "bot.example", "lost.example"]).unwrap();
    fs::write(folder.join("chain.pem"), made.certificate).unwrap();
    fs::write(folder.join("key.pem"), made.key).unwrap();
}
