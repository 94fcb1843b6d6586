//! The way to the collector: a bounded queue, and a task that posts what is in it.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::document::{self, Document};
use crate::config::Upstream;
use crate::forward::{Connector, Wire};

/// Traces that wait: what a second of a busy gateway makes. Less than 16 MiB.
const ROOM: usize = 2048;

/// Traces that are posted together: half a megabyte.
const BATCH: usize = 128;

/// How long traces gather.
const GATHER: Duration = Duration::from_secs(1);

/// How long connecting and posting may take together.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a stop waits for what is queued.
const LAST: Duration = Duration::from_secs(2);

const PATH: &str = "/v1/traces";

/// What became of spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) sent: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
}

pub(crate) struct Exporter {
    sender: mpsc::Sender<Message>,
    messages: Mutex<mpsc::Receiver<Message>>,
    collector: Upstream,
    connector: Option<Connector>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

enum Message {
    Spans(Vec<Document>),
    /// All before is to be posted, and then this answered.
    Flush(oneshot::Sender<()>),
}

impl Exporter {
    pub(crate) fn new(collector: Upstream, connector: Option<Connector>) -> Self {
        let (sender, messages) = mpsc::channel(ROOM);
        Self { sender, messages: Mutex::new(messages), collector, connector, counts: Arc::default() }
    }

    /// Queues spans, or drops them: it never waits.
    pub(super) fn push(&self, spans: Vec<Document>) {
        let count = spans.len() as u64;
        if self.sender.try_send(Message::Spans(spans)).is_err() {
            self.counts.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn figures(&self) -> Figures {
        let Counts { sent, failed, dropped } = &*self.counts;
        let [sent, failed, dropped] = [sent, failed, dropped].map(|count| count.load(Ordering::Relaxed));
        Figures { sent, failed, dropped }
    }

    /// Waits until what is queued was posted, within [`LAST`].
    pub(crate) async fn flush(&self) {
        let (told, done) = oneshot::channel();
        let flushing = async {
            if self.sender.send(Message::Flush(told)).await.is_ok() {
                let _ = done.await;
            }
        };
        let _ = tokio::time::timeout(LAST, flushing).await;
    }

    /// Posts what is queued, for as long as the gateway runs.
    pub(crate) async fn keep(&self) {
        let mut messages = self.messages.lock().await;
        let (mut failing, mut batch) = (false, Vec::with_capacity(BATCH));
        while let Some(first) = messages.recv().await {
            batch.push(first);
            let gathering = async {
                while batch.len() < BATCH && !matches!(batch.last(), Some(Message::Flush(_))) {
                    match messages.recv().await {
                        Some(message) => batch.push(message),
                        None => return,
                    }
                }
            };
            let _ = tokio::time::timeout(GATHER, gathering).await;
            let (mut spans, mut flushed) = (Vec::new(), Vec::new());
            for message in batch.drain(..) {
                match message {
                    Message::Spans(some) => spans.extend(some),
                    Message::Flush(told) => flushed.push(told),
                }
            }
            self.deliver(&spans, &mut failing).await;
            flushed.into_iter().for_each(|told| _ = told.send(()));
        }
    }

    /// Posts spans once. What a collector does not take is lost: traces are worth no second try that holds up others.
    async fn deliver(&self, spans: &[Document], failing: &mut bool) {
        if spans.is_empty() {
            return;
        }
        let posted = tokio::time::timeout(PATIENCE, self.post(document::request(spans))).await;
        let failure = match posted {
            Ok(Ok(status)) if status.is_success() => None,
            Ok(Ok(status)) => Some(format!("it answers {status}")),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("no answer in time".to_owned()),
        };
        let counter = if failure.is_none() { &self.counts.sent } else { &self.counts.failed };
        counter.fetch_add(spans.len() as u64, Ordering::Relaxed);
        match failure {
            None if std::mem::take(failing) => tracing::info!("traces arrive again at {}", self.collector),
            Some(failure) if !std::mem::replace(failing, true) => {
                tracing::warn!("traces do not arrive at {}: {failure}", self.collector);
            }
            _ => {}
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
        let wire = Wire::open(&self.collector, self.connector.as_ref()).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(wire)).await?;
        let request = Request::post(PATH)
            .header(header::HOST, self.collector.authority())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("avouch/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close")
            .body(Full::new(Bytes::from(body)))?;
        // Driven here rather than by a task: it ends with this. Nothing is read of the answer but its head.
        let mut answer = pin!(sender.send_request(request));
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer?,
            // With the last octets of an answer a connection may end, and the answer is there all the same.
            _ = connection => answer.await?,
        };
        Ok(answer.status())
    }
}
