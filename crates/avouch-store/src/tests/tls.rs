//! Through TLS, by the project's own.

use std::net::TcpListener;

use avouch_tls::Connector;
use testkit::certificate::CertificateAuthority;

use super::*;

#[tokio::test]
async fn redis_is_spoken_to_through_tls_and_only_with_a_certificate_that_is_trusted() {
    let (authority, stranger) = (CertificateAuthority::new().unwrap(), CertificateAuthority::new().unwrap());
    let (own, folder) = (authority.issue(&["localhost"]).unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("cert"), &own.certificate).unwrap();
    std::fs::write(path("key"), &own.key).unwrap();
    std::fs::write(path("root"), &authority.root).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let settings = [
        ["--tls-port", &port],
        ["--tls-cert-file", &path("cert")],
        ["--tls-key-file", &path("key")],
        ["--tls-ca-cert-file", &path("root")],
        ["--tls-auth-clients", "no"],
    ];
    let Some(_redis) = redis(&settings.concat()) else { return };
    let connected = async |host: &str, root: &str| {
        let address = Address::parse(&format!("rediss://{host}:{port}")).unwrap();
        let tls = Some(Connector::trusting(root.as_bytes(), &[]).unwrap());
        Node::of(Settings { tls, ..settings_of(address, true, DEADLINE) }).await
    };
    let node = connected("localhost", &authority.root).await;
    assert_eq!(node.enter(1, now()).await, Ok(()), "{}", node.store.told());
    for (host, root) in [("localhost", &stranger.root), ("127.0.0.1", &authority.root)] {
        let node = connected(host, root).await;
        assert_eq!(node.enter(2, now()).await, Err(NotCommitted::StoreUnreachable));
        assert!(node.store.told().contains("certificate"), "{}", node.store.told());
    }
}

#[tokio::test]
async fn an_address_that_asks_for_tls_is_never_spoken_to_without() {
    let Some(redis) = redis(&[]) else { return };
    let address = Address::parse(&redis.url().replace("redis://", "rediss://")).unwrap();
    let node = Node::of(settings_of(address, true, DEADLINE)).await;
    assert_eq!(node.enter(1, now()).await, Err(NotCommitted::StoreUnreachable));
    assert!(node.store.told().contains("TLS"), "{}", node.store.told());
}
