//! Carries a request to its site, signed where that is a destination, and the answer back.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::agent::Agent;
use crate::body::{Answer, BodyError, Outgoing, Paced, Sent, read_ahead, unseen};
use crate::config::Limits;
use crate::desk::DeskError;
use crate::hygiene::{strip_connection, strip_identity};
use crate::identity::SignError;
use crate::lines::Ticket;
use crate::outbound::Outbound;
use crate::pool::{Pool, Sender};
use crate::question::{Content, Question};
use crate::refusal::Refusal;
use crate::site::Site;

/// Carries requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Carrier {
    pub(crate) agent: Agent,
    pub(crate) outbound: Outbound,
    pool: Arc<Pool>,
    body: usize,
    answer: Duration,
    pause: Duration,
}

impl Carrier {
    pub(crate) fn new(agent: Agent, outbound: Outbound, limits: &Limits) -> Self {
        let Limits { body, answer, pause, .. } = *limits;
        Self { agent, outbound, pool: Arc::default(), body, answer, pause }
    }

    /// Closes connections that have been idle for too long.
    pub(crate) fn sweep(&self) {
        self.pool.sweep();
    }

    /// Carries a request, and makes an answer of whatever keeps it from that.
    pub(crate) async fn carry(&self, request: Request<Incoming>, site: Site) -> Response<Answer> {
        self.try_carry(request, site).await.unwrap_or_else(|refusal| self.refuse(&refusal))
    }

    /// The answer to a request that is not carried.
    pub(crate) fn refuse(&self, refusal: &Refusal) -> Response<Answer> {
        self.agent.figures().refused.up();
        tracing::debug!(%refusal, "refused");
        refusal.answer()
    }

    async fn try_carry(&self, request: Request<Incoming>, site: Site) -> Result<Response<Answer>, Refusal> {
        if request.method() == Method::TRACE {
            return Err(Refusal::Trace);
        }
        let (mut head, body) = request.into_parts();
        strip_connection(&mut head.headers);
        strip_identity(&mut head.headers);
        let target = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        head.uri = Uri::from(target);
        head.version = Version::HTTP_11;
        let host = HeaderValue::from_str(site.authority.as_str()).map_err(|_| Refusal::Site)?;
        head.headers.insert(header::HOST, host);
        let is_listed = self.agent.protocols(&site).is_some();
        let (content, sent) = match is_listed {
            true => read_ahead(body, self.body, self.pause).await?,
            false => (Content::Unseen, unseen(body, self.pause)),
        };
        let Sent { body, moved } = sent;
        let (answer, sender) = self.exchange(Request::from_parts(head, body), &site, content, moved).await?;
        let figures = self.agent.figures();
        if is_listed {
            figures.signed.up()
        } else {
            figures.anonymous.up()
        }
        if is_listed && content == Content::Unseen {
            figures.uncovered.up();
        }
        Ok(self.relay(answer, sender, &site))
    }

    /// Sends a request over an idle connection or a new one. It is signed when there is a connection to send it over,
    /// and anew for each.
    async fn exchange(
        &self,
        mut request: Request<Outgoing>,
        site: &Site,
        content: Content,
        moved: Option<Arc<AtomicU64>>,
    ) -> Result<(Response<Incoming>, Sender), Refusal> {
        loop {
            let idle = self.pool.take(site);
            let reused = idle.is_some();
            let mut sender = match idle {
                Some(sender) => sender,
                None => self.outbound.open(site).await?,
            };
            strip_identity(request.headers_mut());
            let ticket = self.sign(&mut request, site, content).await?;
            let answer = within(self.answer, moved.as_deref(), sender.try_send_request(request)).await;
            match answer.ok_or(Refusal::AnswerTimeout)? {
                Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(Refusal::Switched);
                }
                Ok(answer) => {
                    if let Some(ticket) = ticket {
                        ticket.answered(answer.status(), next_number(&answer));
                    }
                    return Ok((answer, sender));
                }
                Err(mut failed) => match failed.take_message() {
                    // The site closed the idle connection at that very moment; nothing was sent.
                    Some(unsent) if reused => request = unsent,
                    _ => return Err(broken(failed.into_error())),
                },
            }
        }
    }

    async fn sign(
        &self,
        request: &mut Request<Outgoing>,
        site: &Site,
        content: Content,
    ) -> Result<Option<Ticket>, Refusal> {
        let question = Question {
            method: request.method().to_string(),
            site: site.clone(),
            target: request.uri().to_string(),
            content,
        };
        let signed = match self.agent.sign_counted(question).await {
            Err(DeskError::Sign(SignError::Target(_))) => return Err(Refusal::Target),
            signed => signed?,
        };
        let Some((fields, ticket)) = signed else { return Ok(None) };
        for (name, value) in fields {
            request.headers_mut().insert(name, value);
        }
        Ok(ticket)
    }

    fn relay(&self, answer: Response<Incoming>, sender: Sender, site: &Site) -> Response<Answer> {
        let mut answer = answer.map(|incoming| {
            let link = Some((sender, Arc::clone(&self.pool), site.to_string()));
            let mut relay = Relay { incoming: Paced::new(incoming, self.pause), link };
            if relay.incoming.is_end_stream() {
                relay.finish();
            }
            relay.boxed_unsync()
        });
        strip_connection(answer.headers_mut());
        answer
    }
}

/// Waits for an answer, counting from the last piece of content that moved; `None` when that took too long.
async fn within<T>(limit: Duration, moved: Option<&AtomicU64>, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = pin!(answer);
    let moved = || moved.map_or(0, |moved| moved.load(Ordering::Relaxed));
    loop {
        let before = moved();
        match tokio::time::timeout(limit, answer.as_mut()).await {
            Ok(answer) => return Some(answer),
            Err(_) if moved() != before => {}
            Err(_) => return None,
        }
    }
}

/// Which number the site says is next (`docs/formats/registration-entity.md`).
fn next_number(answer: &Response<Incoming>) -> Option<u64> {
    answer.headers().get("saip-next-seq")?.to_str().ok()?.parse().ok()
}

/// Tells a failure of the program's content from one of the site.
fn broken(error: hyper::Error) -> Refusal {
    match std::error::Error::source(&error).and_then(|source| source.downcast_ref::<BodyError>()) {
        Some(BodyError::Paused) => Refusal::Content(BodyError::Paused),
        Some(BodyError::Broken(_)) => Refusal::Content(BodyError::Broken(error)),
        None => Refusal::Broken(error),
    }
}

/// An answer on its way. At its end the connection goes back to the pool; dropped before, it is closed.
struct Relay {
    incoming: Paced,
    link: Option<(Sender, Arc<Pool>, String)>,
}

impl Relay {
    fn finish(&mut self) {
        if let Some((sender, pool, site)) = self.link.take() {
            pool.give_back(&site, sender);
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            Some(Ok(_)) if !self.incoming.is_end_stream() => {}
            Some(Err(_)) => self.link = None,
            Some(Ok(_)) | None => self.finish(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
