//! The signing service: programs ask it at a Unix socket for the fields that sign a request, and send it themselves.
//! `docs/formats/signing-service.md` describes it.

mod socket;
mod words;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::agent::Agent;
use crate::desk::DeskError;
use crate::identity::SignError;
use crate::listen::{ACCEPT_PAUSE, Place, Room, until_stopped};
pub(crate) use socket::Socket;
use words::{Asked, Fault};

/// Octets of a question: a URL of 8 KiB, in JSON, with room.
const MAX_QUESTION: usize = 64 << 10;

/// Octets of a question's head.
const MAX_HEAD: usize = 16 << 10;

/// How long a question may take to arrive, and how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(30);

/// Connections at once.
pub(crate) const CONNECTIONS: usize = 256;

/// Connections at once of users that `users` shuts out: enough to tell them, and none that others need.
const SHUT_OUT: usize = 8;

/// The only path.
const PATH: &str = "/v1/sign";

/// Who may ask, and what answers.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) agent: Agent,
    pub(crate) users: Arc<[u32]>,
}

/// Accepts connections until a stop is asked for.
pub(crate) async fn accept(socket: Socket, room: Room, signer: Signer) {
    let (mut stop, shut_out) = (room.stop.clone(), room.beside(SHUT_OUT));
    loop {
        let Some(place) = room.place().await else { return };
        let accepted = tokio::select! {
            _ = stop.changed() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                let (signer, may) = (signer.clone(), signer.may(&stream));
                let Some(place) = (if may { Some(place) } else { shut_out.place_now() }) else { continue };
                tokio::spawn(async move { signer.serve(stream, may, &place).await });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Signer {
    async fn serve(&self, stream: UnixStream, may: bool, place: &Place) {
        let answer =
            service_fn(move |request| async move { Ok::<_, Infallible>(self.answer(request, may).await) });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD);
        let connection = server.serve_connection(TokioIo::new(stream), answer);
        let ended =
            until_stopped(connection, place.stop.clone(), |connection| connection.graceful_shutdown());
        if let Err(error) = ended.await {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    /// Whether the user at the other end may ask. Who may connect at all is for the socket's mode to say.
    fn may(&self, stream: &UnixStream) -> bool {
        self.users.is_empty() || stream.peer_cred().is_ok_and(|peer| self.users.contains(&peer.uid()))
    }

    async fn answer(&self, request: Request<Incoming>, may: bool) -> Response<Full<Bytes>> {
        let answered = if may { self.try_answer(request).await } else { Err(Fault::User) };
        match answered {
            Ok(text) => said(StatusCode::OK, "application/json", text),
            Err(fault) => said(fault.status(), "application/problem+json", fault.text()),
        }
    }

    async fn try_answer(&self, request: Request<Incoming>) -> Result<String, Fault> {
        if request.uri().path() != PATH {
            return Err(Fault::Path);
        }
        if request.method() != Method::POST {
            return Err(Fault::Method);
        }
        let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let kind = kind.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        if !kind.eq_ignore_ascii_case(b"application/json") {
            return Err(Fault::Kind);
        }
        let reading = Limited::new(request.into_body(), MAX_QUESTION).collect();
        let read = timeout(HEAD, reading).await.map_err(|_| Fault::Late)?;
        let read = read.map_err(|error| match error.downcast_ref::<LengthLimitError>() {
            Some(_) => Fault::Long,
            None => Fault::Broken,
        });
        let question = Asked::read(&read?.to_bytes())?.question()?;
        let site = question.site.clone();
        match self.agent.sign(question).await {
            Ok(Some(fields)) => {
                self.agent.figures().served.up();
                Ok(words::signed(&fields))
            }
            Ok(None) => Ok(words::anonymous(&site)),
            Err(DeskError::Sign(error @ (SignError::Target(_) | SignError::Saip(_) | SignError::Bot(_)))) => {
                Err(Fault::Unsignable(error.to_string()))
            }
            Err(error @ (DeskError::Key(_) | DeskError::Late(_))) => Err(Fault::Key(error.to_string())),
            Err(DeskError::Busy) => Err(Fault::Busy),
            Err(DeskError::Broken) => Err(Fault::Defect),
        }
    }
}

fn said(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(Bytes::from(text)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}: {source}", path.display())]
pub struct SocketError {
    /// Which.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: std::io::Error,
}
