//! The client against a real HTTPS server on this machine.

use super::{Client, Get, Got, HttpsError, Post, Validators};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_tls::{Acceptor, Connector, Protocol};
use avouch_wire::time::Time;
use hyper::body::Bytes;
use std::time::Duration;
use testkit::certificate::Certificate;
use testkit::receiver::Receiver;
use tokio::net::TcpListener;

const NOW: Time = Time::from_seconds(1_790_000_000);

fn zones() -> Dns {
    let zone = "$ORIGIN example.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\na A 127.0.0.1\n";
    Dns::Zones(ZoneFiles::parse(&[("zone", zone)], Dnssec::Insecure).unwrap())
}

async fn world(allowed: &[&str]) -> (Receiver, Client, String) {
    let certificate = Certificate::of(&["a.example"]).unwrap();
    let pem = certificate.certificate.as_bytes();
    let receiver =
        Receiver::start(Acceptor::from_pem(pem, certificate.key.as_bytes()).unwrap()).await.unwrap();
    let allowed = allowed.iter().map(|network| network.parse().unwrap()).collect();
    let connector = Connector::trusting(pem, &[Protocol::Http1]).unwrap();
    let url = format!("https://a.example:{}/ranges?x=1", receiver.address.port());
    (receiver, Client::new(zones(), connector, allowed, Duration::from_secs(2)), url)
}

fn get<'a>(url: &'a str, unless: Option<&'a Validators>) -> Get<'a> {
    Get { url, accept: "application/json", limit: 100, unless }
}

#[tokio::test]
async fn a_document_is_fetched_again_only_if_it_changed() {
    let (receiver, client, url) = world(&["127.0.0.0/8"]).await;
    receiver.answers("200 OK\r\netag: \"v1\"\r\nlast-modified: Mon, 21 Sep 2026 14:13:20 GMT");
    let Ok(Got::Document(document)) = client.get(get(&url, None), NOW).await else { panic!("no document") };
    let validators = Validators::of(&document.headers);
    assert_eq!(validators.etag.as_ref().unwrap(), "\"v1\"");
    assert!(document.authority.starts_with("a.example:") && document.path == "/ranges?x=1");

    receiver.answers("304 Not Modified\r\ncache-control: max-age=60");
    let Ok(Got::Unchanged(headers)) = client.get(get(&url, Some(&validators)), NOW).await else {
        panic!("it changed")
    };
    assert_eq!(headers["cache-control"], "max-age=60");
    let asked = receiver.posted();
    assert!(!asked[0].head.contains("if-none-match") && !asked[0].head.contains("if-modified-since"));
    assert!(asked[1].head.contains("if-none-match: \"v1\""), "{}", asked[1].head);
    assert!(asked[1].head.contains("if-modified-since: mon, 21 sep 2026 14:13:20 gmt"));

    let unasked = client.get(get(&url, None), NOW).await;
    assert!(matches!(unasked, Err(HttpsError::Status(status)) if status == 304), "nothing is at hand");
}

#[tokio::test]
async fn neither_method_connects_to_what_is_not_public_nor_by_http() {
    let (receiver, client, url) = world(&[]).await;
    let post = |url| Post { url, content_type: "text/plain", content_encoding: None, body: Bytes::new() };
    assert!(matches!(client.get(get(&url, None), NOW).await, Err(HttpsError::NotPublic)));
    assert!(matches!(client.post(post(&url), NOW).await, Err(HttpsError::NotPublic)));
    let plain = url.replace("https:", "http:");
    assert!(matches!(client.get(get(&plain, None), NOW).await, Err(HttpsError::Url)));
    assert!(matches!(client.post(post(&plain), NOW).await, Err(HttpsError::Url)));
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_is_posted_arrives_whole_and_only_2xx_means_that_it_was_taken() {
    let (receiver, client, url) = world(&["127.0.0.0/8"]).await;
    let body = Bytes::from(vec![7; 100_000]);
    let post = || Post { url: &url, content_type: "a/b", content_encoding: Some("gzip"), body: body.clone() };
    for (status, taken) in [("200 OK", true), ("202 Accepted", true), ("302 Found\r\nlocation: /", false)] {
        receiver.answers(status);
        assert_eq!(client.post(post(), NOW).await.is_ok(), taken, "{status}");
    }
    let posted = receiver.posted();
    assert_eq!(posted.len(), 3, "no redirection is followed");
    assert_eq!(posted[0].body, body);
    assert!(
        posted[0].head.contains("content-type: a/b") && posted[0].head.contains("content-encoding: gzip")
    );
}

#[tokio::test]
async fn a_host_that_reads_nothing_holds_no_connection_beyond_patience() {
    let certificate = Certificate::of(&["a.example"]).unwrap();
    let pem = certificate.certificate.as_bytes();
    let acceptor = Acceptor::from_pem(pem, certificate.key.as_bytes()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://a.example:{}/", listener.local_addr().unwrap().port());
    let connector = Connector::trusting(pem, &[Protocol::Http1]).unwrap();
    let client =
        Client::new(zones(), connector, vec!["127.0.0.0/8".parse().unwrap()], Duration::from_secs(1));
    let host = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.unwrap()
    });
    // More than the kernel takes without a reader.
    let body = Bytes::from(vec![7; 32 << 20]);
    let post = Post { url: &url, content_type: "a/b", content_encoding: None, body };
    assert!(matches!(client.post(post, NOW).await, Err(HttpsError::Timeout)));
    let mut stream = host.await.unwrap();
    let mut nowhere = tokio::io::sink();
    let ending = tokio::io::copy(&mut stream, &mut nowhere);
    let ended = tokio::time::timeout(Duration::from_secs(20), ending).await.expect("the connection is over");
    assert!(ended.is_err(), "cut off, with no farewell that waited for its turn: {ended:?}");
}
