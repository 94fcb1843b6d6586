//! A verifier that Envoy asks by gRPC: it remembers what it is asked, and fails as it is told.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HeaderAppendAction, HeaderValue,
    HeaderValueOption, HttpResponse, OkHttpResponse,
};
use envoy_types::pb::google::rpc;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tonic::codegen::Service as _;

use super::battery::TOLD;
use super::outages::{WAYS, Way};
use super::verifier;

/// What it was asked.
pub(super) type Asked = verifier::Asked<CheckRequest>;

/// One that fails as `way` says; and where.
pub(super) async fn failing(way: Arc<AtomicUsize>) -> (SocketAddr, JoinHandle<()>) {
    start(way, Asked::default()).await
}

/// One that lets everything through; and where.
pub(super) async fn remembering(asked: Asked) -> (SocketAddr, JoinHandle<()>) {
    start(Arc::default(), asked).await
}

async fn start(way: Arc<AtomicUsize>, asked: Asked) -> (SocketAddr, JoinHandle<()>) {
    let serve = move |stream| {
        let (way, asked) = (Arc::clone(&way), asked.clone());
        let service =
            service_fn(move |request| answer(WAYS[way.load(Ordering::SeqCst)], asked.clone(), request));
        let serving = http2::Builder::new(TokioExecutor::new());
        async move { serving.serve_connection(TokioIo::new(stream), service).await }
    };
    verifier::start(serve).await
}

/// Says yes, with fields of this length beside ours.
struct Yes(Asked, usize);

#[tonic::async_trait]
impl Authorization for Yes {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        self.0.remember(request.into_inner());
        let field = |key: &str, value: String| HeaderValueOption {
            header: Some(HeaderValue { key: key.to_owned(), value, ..Default::default() }),
            append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
            ..Default::default()
        };
        let told = TOLD.iter().map(|name| field(name, "3".to_owned()));
        let headers = told.chain((0..self.1).map(|_| field("x-long", "x".repeat(1000)))).collect();
        let yes = HttpResponse::OkResponse(OkHttpResponse { headers, ..Default::default() });
        Ok(tonic::Response::new(CheckResponse {
            status: Some(rpc::Status::default()),
            http_response: Some(yes),
            ..Default::default()
        }))
    }
}

/// Content that comes as it is sent.
struct Fed(mpsc::Receiver<Frame<Bytes>>);

impl Body for Fed {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

type Answer = Response<tonic::body::Body>;

async fn answer(way: Way, asked: Asked, request: Request<Incoming>) -> Result<Answer, io::Error> {
    let long = if way == Way::Oversized { 12_000 } else { 0 };
    let Ok(yes) = AuthorizationServer::new(Yes(asked, long)).call(request).await;
    let plain = |status: u16| Response::builder().status(status).body(tonic::body::Body::empty()).unwrap();
    Ok(match way {
        Way::Well | Way::Oversized => yes,
        Way::Hangs => {
            sleep(Duration::from_secs(120)).await;
            yes
        }
        Way::Trickles => trickling(yes).await,
        Way::Endless => {
            let (feed, fed) = mpsc::channel(1);
            tokio::spawn(async move {
                // The length of a message that never ends.
                let mut next = Bytes::from_static(&[0, 0xff, 0xff, 0xff, 0xff]);
                while feed.send(Frame::data(next)).await.is_ok() {
                    next = Bytes::from_static(&[b'x'; 0x4000]);
                }
            });
            yes.map(|_| tonic::body::Body::new(Fed(fed)))
        }
        Way::Babbles => yes.map(|_| tonic::body::Body::new("I am not a message.".to_owned())),
        Way::HangsUp => return Err(io::ErrorKind::ConnectionReset.into()),
        Way::Broken => tonic::Status::internal("broken").into_http(),
        Way::Redirects => {
            let mut answer = plain(302);
            answer.headers_mut().insert("location", http::HeaderValue::from_static("/"));
            answer
        }
    })
}

/// The same, an octet a second.
async fn trickling(answer: Answer) -> Answer {
    let (parts, body) = answer.into_parts();
    let whole = body.collect().await.unwrap();
    let (trailers, octets) = (whole.trailers().cloned().unwrap_or_default(), whole.to_bytes());
    let (feed, fed) = mpsc::channel(1);
    tokio::spawn(async move {
        for at in 0..octets.len() {
            if feed.send(Frame::data(octets.slice(at..=at))).await.is_err() {
                return;
            }
            sleep(Duration::from_secs(1)).await;
        }
        let _ = feed.send(Frame::trailers(trailers)).await;
    });
    Response::from_parts(parts, tonic::body::Body::new(Fed(fed)))
}
