//! Connections by which a proxy asks by gRPC, and other servers in JSON.
//!
//! Both kinds of HTTP are bounded as those of clients are. Whoever asks waits for an answer as long as it says,
//! and no longer than [`LONGEST`], the reading of its question included.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tonic::Status;
use tonic::codegen::Service as _;

use super::prefixed::Prefixed;
use super::{ConnectionError, Host, begins_with_preface, http1_within, http2_within, in_time, until_stopped};
use crate::gate::Gate;
use crate::grpc;
use crate::trust::Remote;

/// The longest that anything is worked on for who asks: a look-up of a slow domain takes half of it.
const LONGEST: Duration = Duration::from_secs(10);

/// Whoever asks by gRPC, or in JSON.
#[derive(Clone, Copy)]
pub(crate) struct Questions;

impl Host for Questions {
    async fn serve<S>(self, gate: Arc<Gate>, stream: S, remote: Remote, stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        if let Err(error) = connection(&gate, stream, remote, stop).await {
            tracing::debug!(address = %remote.address, %error, "connection of who asks ended");
        }
    }
}

async fn connection<S>(
    gate: &Arc<Gate>,
    stream: S,
    remote: Remote,
    stop: watch::Receiver<bool>,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let snapshot = gate.snapshot();
    let limits = &snapshot.config.limits;
    let mut stream = Prefixed::new(stream, limits.body_pause);
    let router = grpc::router(gate, remote);
    let service = service_fn(move |request| answer(router.clone(), request));
    match in_time(limits.head_time, begins_with_preface(&mut stream)).await? {
        true => {
            let connection = http2_within(limits).serve_connection(TokioIo::new(stream), service);
            until_stopped(connection, stop, |connection| connection.graceful_shutdown()).await
        }
        false => {
            let connection = http1_within(limits).serve_connection(TokioIo::new(stream), service);
            until_stopped(connection, stop, |connection| connection.graceful_shutdown()).await
        }
    }
}

async fn answer(
    mut router: Router,
    request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<Body>, Infallible> {
    let said = request.headers().get("grpc-timeout").and_then(|said| grpc_timeout(said.as_bytes()));
    let patience = said.map_or(LONGEST, |said| said.min(LONGEST));
    match tokio::time::timeout(patience, router.call(request)).await {
        Ok(answer) => answer,
        Err(_) => Ok(Status::deadline_exceeded("not answered in time").into_http()),
    }
}

/// How long who asks by gRPC waits: up to eight digits, and a unit ("gRPC over HTTP2", `Timeout`).
fn grpc_timeout(said: &[u8]) -> Option<Duration> {
    let (unit, digits) = said.split_last()?;
    let is_number = (1..=8).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let add = |sum: u64, digit: &u8| sum * 10 + u64::from(digit.saturating_sub(b'0'));
    let number = is_number.then(|| digits.iter().fold(0, add))?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 3_600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_up_to_eight_digits_and_a_unit() {
        let seconds = |said: &str| grpc_timeout(said.as_bytes()).map(|time| time.as_secs_f64());
        for (said, expected) in [("1H", 3_600.0), ("2M", 120.0), ("3S", 3.0), ("200m", 0.2), ("5u", 5e-6)] {
            assert_eq!(seconds(said), Some(expected), "{said}");
        }
        assert_eq!(seconds("99999999n"), Some(0.099_999_999));
        assert_eq!(seconds("0S"), Some(0.0));
        for wrong in [
            "",
            "S",
            "/S",
            "99999999999999999999999S",
            "1",
            "1s",
            "1 S",
            "-1S",
            "1.5S",
            "123456789S",
            "\u{661}S",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
