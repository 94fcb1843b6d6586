//! The web server behind the gateway, which remembers what it received.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What reached the web server of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Received {
    /// Nothing: the gateway answered by itself.
    Nothing,
    /// A beginning without an end, which no web server acts on.
    CutOff,
    /// All of it.
    Complete,
}

/// A request as the web server saw it.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) received: Received,
    /// Every value of `Avouch-Class`.
    pub(crate) classes: Vec<String>,
}

type Visits = Arc<Mutex<HashMap<String, Visit>>>;

/// The web server. It ends when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    visits: Visits,
    /// Dropped, and with it the server ended, together with this handle.
    _tasks: JoinSet<()>,
}

impl Upstream {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (address, visits) = (listener.local_addr()?, Visits::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&visits)));
        Ok(Self { address, visits, _tasks: tasks })
    }

    /// What it saw of the request with this id.
    pub(crate) fn visit(&self, id: &str) -> Visit {
        let nothing = Visit { received: Received::Nothing, classes: Vec::new() };
        lock(&self.visits).get(id).cloned().unwrap_or(nothing)
    }
}

fn lock(visits: &Mutex<HashMap<String, Visit>>) -> MutexGuard<'_, HashMap<String, Visit>> {
    visits.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, visits: Visits) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((connection, _)) = listener.accept().await else { continue };
        connections.spawn(serve(connection, Arc::clone(&visits)));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(connection: TcpStream, visits: Visits) {
    let service = service_fn(|request| answer(request, Arc::clone(&visits)));
    // A connection that breaks is what the gateway does to a request that must not complete.
    let _ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

/// Remembers the request, its end only if it comes, and says whom it takes the visitor for.
async fn answer(request: Request<Incoming>, visits: Visits) -> Result<Response<Full<Bytes>>, Infallible> {
    let values = |name: &str| -> Vec<String> {
        let values = request.headers().get_all(name).into_iter();
        values.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect()
    };
    let (classes, id) = (values("avouch-class"), values("avouch-request-id").concat());
    let hello = format!(
        "Welcome to the shop.\nThe gateway says: class {}, identity {}, decision {}.\n",
        classes.join(", "),
        values("avouch-identity").join(", "),
        values("avouch-decision").join(", "),
    );
    lock(&visits).insert(id.clone(), Visit { received: Received::CutOff, classes });
    let complete = request.into_body().collect().await.is_ok();
    if let Some(visit) = lock(&visits).get_mut(&id).filter(|_| complete) {
        visit.received = Received::Complete;
    }
    Ok(Response::new(Full::from(hello)))
}
