//! The host of a bot's key directory, by https as the world has it.

use avouch_tls::Acceptor;
use avouch_wire::http_signature::Jwk;
use avouch_wire::key::PublicKey;
use avouch_wire::web_bot_auth::WELL_KNOWN;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::DemoError;

/// The bot's domain.
pub(crate) const HOST: &str = "bot.example";

/// The host. It ends when dropped.
pub(crate) struct DirectoryHost {
    port: u16,
    /// Its certificate, which is its own root, as PEM.
    pub(crate) root: String,
    _tasks: JoinSet<()>,
}

impl DirectoryHost {
    /// Serves a directory with this key.
    pub(crate) async fn start(key: &PublicKey) -> Result<Self, DemoError> {
        let certificate = rcgen::generate_simple_self_signed([HOST.to_owned()])?;
        let (root, secret) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
        let acceptor = Acceptor::from_pem(root.as_bytes(), secret.as_bytes())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let document: Arc<str> = format!("{{\"keys\":[{}]}}", Jwk::write(key, None, None)).into();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, document));
        Ok(Self { port, root, _tasks: tasks })
    }

    /// The origin that the bot names in `Signature-Agent`.
    pub(crate) fn origin(&self) -> String {
        format!("https://{HOST}:{}", self.port)
    }
}

async fn accept(listener: TcpListener, acceptor: Acceptor, document: Arc<str>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        let (acceptor, document) = (acceptor.clone(), Arc::clone(&document));
        connections.spawn(async move {
            let Ok(secured) = acceptor.accept(connection).await else { return };
            let service = service_fn(|request| answer(request, Arc::clone(&document)));
            let server = hyper::server::conn::http1::Builder::new();
            let _ended = server.serve_connection(TokioIo::new(secured), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(request: Request<Incoming>, document: Arc<str>) -> Result<Response<Full<Bytes>>, Infallible> {
    let found = request.uri().path() == WELL_KNOWN;
    let (status, body) =
        if found { (StatusCode::OK, document.to_string()) } else { (StatusCode::NOT_FOUND, String::new()) };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}
