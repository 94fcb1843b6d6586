//! Requests through a gateway's socket, by what the upstream received.

mod asking;
mod audit;
mod connections;
mod dialects;
mod entities;
mod feeds;
mod figures;
mod forwarding;
mod framing;
mod grpc;
mod insight;
pub(crate) mod judging;
mod layer;
mod operating;
mod partners;
mod prometheus;
mod reports;
mod spoe;
mod traces;
mod transport;
mod unix;
pub(crate) mod verdicts;

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, Surroundings};
use testkit::upstream::Upstream;

/// A gateway in front of `upstream`, with these lines on top of the least configuration, that
/// knows this zone of acme.example.
async fn gateway_with_zone(upstream: &Upstream, lines: &str, records: &str) -> Running {
    gateway_at(upstream, "'127.0.0.1:0'", lines, records).await
}

/// The same, listening there.
async fn gateway_at(upstream: &Upstream, listen: &str, lines: &str, records: &str) -> Running {
    let text = format!(
        "listen = {listen}\nupstream = '{}'\nprivate_peers = 'clients'\nlog.access = 'off'\nstore.fresh = true\n{lines}",
        upstream.url()
    );
    let config = Config::parse("test", &text).unwrap();
    let zone = format!("$ORIGIN acme.example.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\n{records}\n");
    let zones = ZoneFiles::parse(&[("acme", zone.as_str())], Dnssec::Insecure).unwrap();
    let surroundings = Surroundings { dns: Some(Dns::Zones(zones)), ..Surroundings::default() };
    Gateway::start(config, surroundings).await.unwrap()
}

/// A PROXY v2 header in which a proxy says that the client is `source`.
fn proxy_header(source: [u8; 4]) -> Vec<u8> {
    let start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".as_slice();
    [start, &source, &[192, 0, 2, 1, 0x30, 0x39, 0x01, 0xbb]].concat()
}

async fn gateway(upstream: &Upstream, lines: &str) -> Running {
    gateway_with_zone(upstream, lines, "").await
}
