//! `avouch fetch` to a site behind `avouch gateway run`, by a script.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use avouch_dns::SignedZones;
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::store::{self, Protection};
use avouch_wire::b64u;
use avouch_wire::key::KeyType;
use testkit::binary;
use testkit::message::Message;
use testkit::upstream::Upstream;

use super::script::Place;

#[tokio::test(flavor = "multi_thread")]
async fn live() {
    let mut place = Place::new();
    let zones = name_server(place.folder()).await;
    let site = Upstream::answering(Arc::new(say_what_the_gateway_told)).await.unwrap();
    configure(place.folder(), &zones, &site);
    let mut gateway = Gateway::start(place.folder());
    place.set("SITE", gateway.address.to_string());
    place.set("DNS", zones.address().to_string());
    tokio::task::spawn_blocking(move || place.run("live.txt", include_str!("live.txt"))).await.unwrap();
    assert_eq!(gateway.stop(), Some(0));
}

/// Makes an agent's key, and a name server that publishes it.
async fn name_server(folder: &Path) -> SignedZones {
    let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
    store::create(&folder.join("agent.key"), &key, Protection::None).unwrap();
    let public = b64u::encode(key.public().octets());
    let records = format!(
        "crawler-7._saip.acme.example. TXT \"v=saip1; pk={public}\"\nacme.example. A 192.0.2.7\n\
         7.2.0.192.in-addr.arpa. PTR crawl-7.googlebot.com.\ncrawl-7.googlebot.com. A 192.0.2.7\n\
         9.2.0.192.in-addr.arpa. PTR crawl-7.googlebot.com."
    );
    SignedZones::start(&records).await.unwrap()
}

fn say_what_the_gateway_told(request: &Message) -> Vec<u8> {
    let told = ["Avouch-Class", "Avouch-Identity", "Avouch-Mechanism", "Avouch-Decision"];
    let told = told.map(|name| request.field(name).unwrap_or("(nothing)"));
    let status = if request.line().contains(" /missing ") { "404 Not Found" } else { "200 OK" };
    let body = format!("{} {}\n", told.join(" "), String::from_utf8_lossy(&request.body));
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn configure(folder: &Path, zones: &SignedZones, site: &Upstream) {
    let certificate = rcgen::generate_simple_self_signed(["www.shop.example".to_owned()]).unwrap();
    fs::write(folder.join("site.pem"), certificate.cert.pem()).unwrap();
    fs::write(folder.join("site.key"), certificate.signing_key.serialize_pem()).unwrap();
    fs::write(folder.join("root.anchor"), zones.trust_anchor().to_string()).unwrap();
    let text = format!(
        "mode = 'enforce'\nlisten = ['127.0.0.1:0']\nauthorities = ['www.shop.example']\nupstream = '{}'\n\
         private_peers = 'clients'\n[tls]\ncert = 'site.pem'\nkey = 'site.key'\n\
         [dns]\nresolvers = ['{}']\ntrust_anchor = ['root.anchor']\n\
         [store]\nfresh = true\n[log]\naccess = 'access.log'\n",
        site.url(),
        zones.address(),
    );
    fs::write(folder.join("gateway.toml"), text).unwrap();
}

/// `avouch gateway run`, ended when dropped.
struct Gateway {
    process: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(folder: &Path) -> Self {
        let mut process = Command::new(binary::path())
            .args(["gateway", "run", "--config", "gateway.toml"])
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let talk = BufReader::new(process.stderr.take().unwrap());
        let mut lines = talk.lines().map_while(Result::ok);
        let said = lines.find_map(|line| line.strip_prefix("listening on ")?.parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: said.expect("the gateway says where it listens") }
    }

    /// Asks it to end; its exit code.
    fn stop(&mut self) -> Option<i32> {
        Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        self.process.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Where it has ended already, nothing is left to do.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}
