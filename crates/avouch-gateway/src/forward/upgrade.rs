//! Switching protocols: WebSocket and others, both ways.

use std::sync::Arc;
use std::time::Duration;

use avouch_engine::decision::Permit;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Body;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;

use super::{ForwardError, Patience, Pool, Relay, broken, within};
use crate::body::RequestBody;

/// Octets read at once in each direction of a switched connection.
const COPY_BUFFER: usize = 8 << 10;

/// The client's half of a switch of protocols.
pub(crate) struct Switch {
    protocol: HeaderValue,
    client: OnUpgrade,
}

/// Whether a request asks for another protocol, and which. HTTP itself in another version or
/// inside TLS is not offered: requests in it would not be judged.
pub(crate) fn asked<B: Body>(request: &mut Request<B>) -> Option<Switch> {
    let bare = request.method() == Method::GET && request.body().is_end_stream();
    if request.version() != Version::HTTP_11 || !bare {
        return None;
    }
    let protocol = single(request.headers())?.clone();
    let name = protocol.to_str().ok()?.to_ascii_lowercase();
    let http = name.starts_with("h2") || name.starts_with("http") || name.starts_with("tls");
    let token = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/".contains(&b));
    if http || !token || !nominates_upgrade(request.headers()) {
        return None;
    }
    Some(Switch { protocol, client: hyper::upgrade::on(request) })
}

fn single(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(header::UPGRADE).into_iter();
    values.next().filter(|_| values.next().is_none())
}

fn nominates_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONNECTION)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .any(|name| name.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

impl Switch {
    /// Sends the request with the wish for its protocol. If the upstream switches, both sides
    /// are joined until either ends; if not, its answer is like any other.
    pub(crate) async fn send(
        self,
        _: &Permit,
        pool: &Arc<Pool>,
        mut request: Request<RequestBody>,
        patience: Patience,
    ) -> Result<Response<Relay>, ForwardError> {
        request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        request.headers_mut().insert(header::UPGRADE, self.protocol.clone());
        let mut sender = pool.open().await?.detach();
        let mut answer = within(patience.head, None, sender.send_request(request)).await?.map_err(broken)?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let chosen = single(answer.headers()).map(HeaderValue::as_bytes).unwrap_or_default();
            if !chosen.eq_ignore_ascii_case(self.protocol.as_bytes()) {
                return Err(ForwardError::Switched);
            }
            tokio::spawn(join(self.client, hyper::upgrade::on(&mut answer), patience.pause));
        }
        Ok(answer.map(|incoming| Relay::detached(incoming, patience.pause)))
    }
}

/// Copies both ways until both have ended. Idle connections are not cut: a WebSocket may be
/// silent for hours, and both ends have keep-alives of their own.
async fn join(client: OnUpgrade, upstream: OnUpgrade, limit: Duration) {
    let both = tokio::time::timeout(limit, async { tokio::join!(client, upstream) }).await;
    if let Ok((Ok(client), Ok(upstream))) = both {
        copy(client, upstream).await;
    }
}

async fn copy(client: Upgraded, upstream: Upgraded) {
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    let copied =
        tokio::io::copy_bidirectional_with_sizes(&mut client, &mut upstream, COPY_BUFFER, COPY_BUFFER).await;
    if let Err(error) = copied {
        tracing::debug!(%error, "switched connection broke");
    }
}
