//! Unix sockets of owners and operators, and who asks there.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 16;

/// Most octets of an answer that are read: a page of a thousand rows, and room.
const MAX_ANSWER: usize = 4 << 20;

/// The longest that an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Opens a socket with this mode, in place of one that a crash left behind.
pub(crate) async fn open(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket
        && let Err(error) = UnixStream::connect(path).await
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        fs::remove_file(path)?;
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // Before it listens, so that nobody can connect whom the mode keeps out.
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)
}

/// Why a service says nothing, or no.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens there, or not for us.
    #[error("cannot reach the service at {}: {source}", path.display())]
    Connect {
        /// Where.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It went away, or is none of ours.
    #[error("the answer broke off: {0}")]
    Broken(String),
    /// It says no, and why.
    #[error("{detail}")]
    Refused {
        /// The status of its answer.
        status: StatusCode,
        /// What it says.
        detail: String,
    },
}

/// Asks a service by one of its sockets; `body` is sent as JSON.
///
/// # Errors
/// [`AskError`].
pub async fn ask(socket: &Path, method: Method, path: &str, body: Option<&Value>) -> Result<Value, AskError> {
    let late = |_| AskError::Broken(format!("nothing came within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, answered(socket, method, path, body)).await.map_err(late)?
}

async fn answered(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, AskError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| AskError::Connect { path: socket.to_owned(), source })?;
    let broken = |error: hyper::Error| AskError::Broken(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "owner")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.map(Value::to_string).unwrap_or_default()))
        .map_err(|error| AskError::Broken(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let octets = axum::body::to_bytes(Body::new(answer.into_body()), MAX_ANSWER)
        .await
        .map_err(|error| AskError::Broken(error.to_string()))?;
    let told: Value = if octets.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&octets).map_err(|error| AskError::Broken(error.to_string()))?
    };
    if status.is_success() {
        return Ok(told);
    }
    let detail = told.get("detail").and_then(Value::as_str).map_or_else(|| status.to_string(), str::to_owned);
    Err(AskError::Refused { status, detail })
}
