//! Certificates of clients, and what a served one is valid for.

use crate::{Acceptor, Challenges, Secured};
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

/// What a client is shown that names these protocols: the certificate, or nothing.
async fn shown(
    acceptor: &Acceptor,
    roots: &[&Certificate],
    name: &str,
    protocols: &[&[u8]],
) -> Option<Vec<u8>> {
    let pem: String = roots.iter().map(|root| root.certificate.as_str()).collect();
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(crate::pem::roots(pem.as_bytes()).unwrap())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let (near, far) = tokio::io::duplex(1 << 14);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = TlsConnector::from(Arc::new(config));
    let (_, met) = tokio::join!(acceptor.accept(far), client.connect(name, near));
    Some(met.ok()?.get_ref().1.peer_certificates()?.first()?.to_vec())
}

#[tokio::test]
async fn an_authority_has_its_answer_and_nobody_else_has() {
    let (site, answer) =
        (Certificate::of(&["www.shop.example"]).unwrap(), Certificate::of(&["www.shop.example"]).unwrap());
    let der = |made: &Certificate| crate::pem::certificates(made.certificate.as_bytes()).unwrap()[0].to_vec();
    let challenges = Challenges::default();
    let serving = Acceptor::from_pem(site.certificate.as_bytes(), site.key.as_bytes()).unwrap();
    let serving = serving.answering(challenges.clone());
    let awaiting = Acceptor::awaiting(challenges.clone()).unwrap();
    let roots = [&site, &answer];
    let (asks, asks_all): (&[&[u8]], &[&[u8]]) = (&[b"acme-tls/1"], &[b"h2", b"acme-tls/1"]);
    assert_eq!(shown(&serving, &roots, "www.shop.example", asks).await, None, "no order is under way");
    challenges.put("WWW.shop.example", answer.certificate.as_bytes(), answer.key.as_bytes()).unwrap();
    for acceptor in [&serving, &awaiting] {
        assert_eq!(shown(acceptor, &roots, "www.shop.example", asks).await, Some(der(&answer)));
        assert_eq!(shown(acceptor, &roots, "shop.example", asks).await, None, "another name");
    }
    for protocols in [asks_all, &[b"h2"], &[]] {
        assert_eq!(shown(&serving, &roots, "www.shop.example", protocols).await, Some(der(&site)));
        assert_eq!(
            shown(&awaiting, &roots, "www.shop.example", protocols).await,
            None,
            "without a certificate"
        );
    }
    challenges.clear();
    assert_eq!(shown(&serving, &roots, "www.shop.example", asks).await, None);
}
