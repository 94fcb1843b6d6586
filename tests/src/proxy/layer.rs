//! The tower layer, around an axum site.

use std::net::SocketAddr;

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_tower::{Avouch, Config, Judged, Surroundings};
use axum::Router;
use axum::extract::{ConnectInfo, Extension};
use axum::http::HeaderMap;
use axum::routing::get;
use testkit::message::Message;
use testkit::raw::exchange;
use tokio::net::TcpListener;

use super::verdicts::Agent;

const LINES: &str = "authorities = ['www.shop.example']\nprivate_peers = 'clients'\nmode = 'enforce'\nstore.fresh = true\nlog.access = 'off'\n\
                     [[route]]\npath = '/members'\nrequire = 3";

/// What the inner service sees: the extension, and every field of ours.
async fn seen(Extension(judged): Extension<Judged>, headers: HeaderMap) -> String {
    let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with("avouch"));
    let ours: Vec<_> = ours.map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
    let identity = judged.verdict.identity().map_or_else(|| "-".to_owned(), ToString::to_string);
    format!("{} {identity} {} {}", judged.verdict.class().number(), judged.action, ours.join(" "))
}

/// An axum site with the layer around it, and where it listens.
async fn site(records: &str) -> (Avouch, SocketAddr) {
    let zone = format!("$ORIGIN acme.example.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\n{records}\n");
    let zones = ZoneFiles::parse(&[("acme", zone.as_str())], Dnssec::Insecure).unwrap();
    let surroundings = Surroundings { dns: Some(Dns::Zones(zones)), ..Surroundings::default() };
    let config = Config::parse_embedded("layer", LINES).unwrap();
    let avouch = Avouch::start_in(config, surroundings).await.unwrap();
    let connection = |of: &http::Extensions| of.get::<ConnectInfo<SocketAddr>>().map(|found| found.0);
    let router = Router::new().fallback(get(seen)).layer(avouch.layer(connection));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (avouch, address)
}

async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Message {
    exchange(address, request).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_inner_service_learns_who_asks_and_sees_no_field_of_ours_that_a_client_sent() {
    let agent = Agent::new();
    let (avouch, address) = site(&agent.record).await;
    let forged = "GET / HTTP/1.1\r\nHost: www.shop.example\r\nAvouch-Class: 3\r\navouch_identity: bot@acme.example\r\n\r\n";
    let anonymous = ask(address, forged).await;
    let text = anonymous.text();
    assert!(text.starts_with("0 - accept "), "{text}");
    assert!(text.contains("avouch-class=0 ") && text.contains("avouch-identity=- "), "{text}");
    assert!(!text.contains("avouch_identity") && text.matches("avouch-class").count() == 1, "{text}");

    let signed = agent.request("/members?a=%2F", None, b"");
    let proved = ask(address, &signed).await.text();
    assert!(proved.starts_with("3 bot@acme.example accept "), "{proved}");
    assert!(proved.contains("avouch-mechanism=saip-rolling"), "{proved}");
    assert_eq!(ask(address, &signed).await.status(), 403, "a replay");
    avouch.stop().await;
}

#[tokio::test]
async fn what_may_not_go_on_is_answered_in_the_inner_services_place() {
    let (avouch, address) = site("").await;
    let refused = ask(address, "GET /members HTTP/1.1\r\nHost: www.shop.example\r\n\r\n").await;
    assert_eq!((refused.status(), refused.field("www-authenticate")), (401, Some("SAIP")));
    assert_eq!(refused.field("content-type"), Some("application/problem+json"));
    assert!(refused.text().contains("class-required"), "{}", refused.text());
    let unread = ask(address, "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n").await;
    assert_eq!(unread.status(), 400);
    avouch.stop().await;
}

#[test]
fn an_embedded_verifier_needs_neither_listener_nor_upstream_and_a_gateway_does() {
    assert!(Config::parse_embedded("layer", "").is_ok());
    let (_, page) = include_str!("../../../docs/operate/rust.md").split_once("```toml\n").unwrap();
    assert!(Config::parse_embedded("page", page.split_once("```").unwrap().0).is_ok());
    assert!(Config::parse("gateway", "").is_err());
    let both = Config::parse_embedded("layer", "listen = '127.0.0.1:0'").unwrap_err().to_string();
    assert!(both.contains("`upstream` is missing"), "{both}");
}
