//! Certificates of clients, and what a served one is valid for.

use crate::{Acceptor, Secured};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use std::sync::Arc;
use testkit::certificate::{Certificate, CertificateAuthority};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_rustls::TlsConnector;

/// A client that trusts the site, and has this certificate.
fn client(site: &Certificate, own: Option<&Certificate>) -> TlsConnector {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(crate::pem::roots(site.certificate.as_bytes()).unwrap());
    let config = match own {
        Some(own) => builder
            .with_client_auth_cert(
                crate::pem::certificates(own.certificate.as_bytes()).unwrap(),
                rustls::pki_types::PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap(),
            )
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    TlsConnector::from(Arc::new(config))
}

/// The names that the site reads of the client, and whether the session was resumed.
async fn meet(acceptor: &Acceptor, client: &TlsConnector) -> std::io::Result<(Vec<String>, bool)> {
    let (near, far) = tokio::io::duplex(1 << 14);
    let name = ServerName::try_from("www.shop.example").unwrap();
    let serving = async {
        let mut served: Secured<DuplexStream> = acceptor.accept(far).await?;
        served.write_all(b"x").await?;
        served.flush().await?;
        // Holds the connection until the client has read its tickets.
        let _ = served.read(&mut [0; 1]).await;
        Ok::<_, std::io::Error>(served.client_names())
    };
    let asking = async {
        let mut stream = client.connect(name, near).await?;
        stream.read_exact(&mut [0; 1]).await?;
        Ok::<_, std::io::Error>(stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed))
    };
    let (names, resumed) = tokio::join!(serving, asking);
    Ok((names?, resumed?))
}

#[tokio::test]
async fn names_of_a_certificate_that_was_verified_are_read_and_come_back_with_the_session() {
    let (site, clients) =
        (Certificate::of(&["www.shop.example"]).unwrap(), CertificateAuthority::new().unwrap());
    let roots = Some(clients.root.as_bytes());
    let acceptor = Acceptor::asking(site.certificate.as_bytes(), site.key.as_bytes(), roots).unwrap();
    let own = clients.client(&["agents.acme.example", "*.acme.example"]).unwrap();
    let connector = client(&site, Some(&own));
    let names = vec!["agents.acme.example".to_owned(), "*.acme.example".to_owned()];
    assert_eq!(meet(&acceptor, &connector).await.unwrap(), (names.clone(), false));
    assert_eq!(meet(&acceptor, &connector).await.unwrap(), (names, true));
}

#[tokio::test]
async fn a_client_needs_no_certificate_and_one_that_nobody_vouches_for_is_refused() {
    let (site, clients) =
        (Certificate::of(&["www.shop.example"]).unwrap(), CertificateAuthority::new().unwrap());
    let roots = Some(clients.root.as_bytes());
    let acceptor = Acceptor::asking(site.certificate.as_bytes(), site.key.as_bytes(), roots).unwrap();
    assert_eq!(meet(&acceptor, &client(&site, None)).await.unwrap(), (Vec::new(), false));
    let stranger = CertificateAuthority::new().unwrap().client(&["agents.acme.example"]).unwrap();
    assert!(meet(&acceptor, &client(&site, Some(&stranger))).await.is_err());
    let unasked = Acceptor::from_pem(site.certificate.as_bytes(), site.key.as_bytes()).unwrap();
    assert_eq!(meet(&unasked, &client(&site, Some(&stranger))).await.unwrap().0, [""; 0]);
}

#[tokio::test]
async fn a_certificate_with_more_names_than_any_says_nothing() {
    let (site, clients) =
        (Certificate::of(&["www.shop.example"]).unwrap(), CertificateAuthority::new().unwrap());
    let roots = Some(clients.root.as_bytes());
    let acceptor = Acceptor::asking(site.certificate.as_bytes(), site.key.as_bytes(), roots).unwrap();
    for (count, read) in [(crate::MAX_NAMES, crate::MAX_NAMES), (crate::MAX_NAMES + 1, 0)] {
        let names: Vec<_> = (0..count).map(|at| format!("a{at}.acme.example")).collect();
        let own = clients.client(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(meet(&acceptor, &client(&site, Some(&own))).await.unwrap().0.len(), read);
    }
}

#[test]
fn a_certificate_covers_its_names_and_no_neighbours() {
    let site = Certificate::of(&["www.shop.example", "*.static.example"]).unwrap();
    let acceptor = Acceptor::from_pem(site.certificate.as_bytes(), site.key.as_bytes()).unwrap();
    for covered in ["www.shop.example", "a.static.example"] {
        assert!(acceptor.covers(covered), "{covered}");
    }
    for other in
        ["shop.example", "a.www.shop.example", "static.example", "a.b.static.example", "192.0.2.1", ""]
    {
        assert!(!acceptor.covers(other), "{other}");
    }
}
