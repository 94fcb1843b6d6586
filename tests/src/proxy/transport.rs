//! What TLS shows of a client, through the gateway's own socket: it may take a class, and gives none.

use super::gateway;
use avouch_gateway::Running;
use avouch_tls::{Connector, Protocol};
use avouch_wire::proxy_protocol::Told;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use testkit::certificate::{Certificate, CertificateAuthority};
use testkit::message::Message;
use testkit::peers;
use testkit::proxy;
use testkit::upstream::Upstream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// A site with a certificate for two names, of a crawler whose ranges hold this machine.
struct World {
    folder: tempfile::TempDir,
    clients: CertificateAuthority,
    _upstream: Upstream,
    running: Running,
}

impl World {
    async fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let site = Certificate::of(&["www.shop.example", "static.shop.example"]).unwrap();
        let clients = CertificateAuthority::new().unwrap();
        write("site.pem", &site.certificate);
        write("site.key", &site.key);
        write("clients.pem", &clients.root);
        write("gptbot.json", "{\"prefixes\":[{\"ipv4Prefix\":\"127.0.0.0/8\"}]}");
        // The upstream sends back what it was told.
        let answer = Arc::new(|received: &Message| {
            let told = received.field("avouch-class").unwrap_or_default();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{told}", told.len()).into_bytes()
        });
        let upstream = Upstream::answering(answer).await.unwrap();
        let at = folder.path().display();
        let lines = format!(
            "{lines}\n[tls]\ncert = '{at}/site.pem'\nkey = '{at}/site.key'\nclient_ca = '{at}/clients.pem'\n\
             [[crawler]]\nname = 'GPTBot'\nranges = '{at}/gptbot.json'\n"
        );
        let running = gateway(&upstream, &lines).await;
        Self { folder, clients, _upstream: upstream, running }
    }

    async fn secured(&self, sni: &str, protocol: Protocol) -> avouch_tls::Secured<TcpStream> {
        let roots = std::fs::read(self.folder.path().join("site.pem")).unwrap();
        let connector = Connector::trusting(&roots, &[protocol]).unwrap();
        let stream = TcpStream::connect(self.running.addresses[0]).await.unwrap();
        connector.connect(sni, stream).await.unwrap()
    }

    /// Classes of requests for these hosts over one HTTP/2 connection that was opened for `sni`.
    async fn classes(&self, sni: &str, hosts: &[&str], agent: &str) -> Vec<String> {
        let stream = self.secured(sni, Protocol::Http2).await;
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut classes = Vec::new();
        for host in hosts {
            let request = Request::get(format!("https://{host}/")).header("user-agent", agent);
            let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
            let class = answer.into_body().collect().await.unwrap().to_bytes();
            classes.push(String::from_utf8(class.to_vec()).unwrap());
        }
        classes
    }
}

#[tokio::test]
async fn one_connection_carries_requests_for_every_name_of_its_certificate_and_no_other() {
    let world = World::new("").await;
    let (www, other) = ("www.shop.example", "static.shop.example");
    let hosts = [www, other, "www.elsewhere.example", "127.0.0.1"];
    assert_eq!(world.classes(www, &hosts, "GPTBot/1.4").await, ["2", "2", "1", "2"]);
    assert_eq!(world.classes(other, &hosts[..2], "GPTBot/1.4").await, ["2", "2"]);
    assert_eq!(world.classes(www, &hosts, "curl/8").await, ["0"; 4], "who claims nothing loses nothing");
    world.running.stop().await;
}

#[tokio::test]
async fn what_is_ours_is_no_other_site_whatever_the_certificate_says() {
    let world = World::new("authorities = ['www.shop.example', 'shop.example']").await;
    let hosts = ["shop.example", "elsewhere.example"];
    assert_eq!(world.classes("www.shop.example", &hosts, "GPTBot/1.4").await, ["2", "1"]);
    assert_eq!(
        world.classes("static.shop.example", &hosts[..1], "GPTBot/1.4").await,
        ["1"],
        "nor is that ours"
    );
    world.running.stop().await;
}

#[tokio::test]
async fn behind_a_proxy_its_own_connection_says_nothing_of_the_client() {
    let world = World::new("trusted_proxies = '127.0.0.1'").await;
    let stream = world.secured("www.shop.example", Protocol::Http1).await;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request =
        Request::get("/").header("host", "www.elsewhere.example").header("user-agent", "GPTBot/1.4");
    let request = request.header("x-forwarded-for", "127.0.0.7").body(Empty::<Bytes>::new()).unwrap();
    let class = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(class, "2");
    world.running.stop().await;
}

#[tokio::test]
async fn where_a_proxy_passes_tls_on_the_client_shows_it_here_and_not_the_proxy() {
    let world = World::new("trusted_proxies = '127.0.0.1'").await;
    let roots = std::fs::read(world.folder.path().join("site.pem")).unwrap();
    let connector = Connector::trusting(&roots, &[Protocol::Http1]).unwrap();
    for (host, class) in [("www.shop.example", "2"), ("www.elsewhere.example", "1")] {
        let mut stream = TcpStream::connect(world.running.addresses[0]).await.unwrap();
        let told = Told { server_name: Some("www.elsewhere.example"), common_name: None };
        stream.write_all(&proxy::header([127, 0, 0, 9].into(), told)).await.unwrap();
        let stream = connector.connect("www.shop.example", stream).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/").header("host", host).header("user-agent", "GPTBot/1.4");
        let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), class, "{host}");
    }
    world.running.stop().await;
}

/// What the site told curl of itself, with a certificate of this name if there is one.
fn curl(world: &World, program: &Path, version: &str, name: Option<&str>) -> String {
    let folder = world.folder.path();
    let mut curl = Command::new(program);
    curl.args(["-q", "-sS", "--cacert", "site.pem", version, "-A", "GPTBot/1.4", "--connect-to"]);
    curl.arg(format!("www.shop.example:443:{}", world.running.addresses[0])).current_dir(folder);
    if let Some(name) = name {
        let own = world.clients.client(&[name]).unwrap();
        std::fs::write(folder.join("own.pem"), own.certificate + &own.key).unwrap();
        curl.args(["--cert", "own.pem"]);
    }
    let output = curl.arg("https://www.shop.example/").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clients_certificate_of_somebody_else_takes_a_class_and_its_own_gives_none() {
    let Some(tools) = peers::require(&["curl"]) else { return };
    let world = World::new("").await;
    for version in ["--http1.1", "--http2"] {
        let class = |name: Option<&str>| curl(&world, tools.path("curl"), version, name);
        assert_eq!(class(None), "2");
        assert_eq!(class(Some("crawl.openai.com")), "2");
        assert_eq!(class(Some("openai.com.acme.example")), "1");
    }
    world.running.stop().await;
}
