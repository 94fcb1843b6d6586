//! Questions that are answered with a secret, or by a stream that does not end.

use super::exchange::Place;
use super::{Client, HttpsError, essence, is_json};
use avouch_wire::time::Time;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use hyper::{Method, Request, Response, StatusCode};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// The media type of lines of JSON.
const LINES: &str = "application/x-ndjson";

/// A question of JSON.
#[derive(Clone, Debug)]
pub(crate) struct Question<'a> {
    /// An `https` URL.
    pub(crate) url: &'a str,
    /// The value of `Authorization`.
    pub(crate) authorization: &'a str,
    /// The content.
    pub(crate) body: Bytes,
}

/// What came of one.
pub(crate) enum Asked {
    /// Its answer, of JSON. Wiped when dropped; what TLS and HTTP held of it before is freed and not wiped.
    Answer(Zeroizing<Vec<u8>>),
    /// It was refused so, perhaps for so long.
    Refused(StatusCode, Option<Duration>),
}

/// An answer that does not end. Its connection ends with this.
pub(crate) struct Stream {
    /// What is to come.
    pub(crate) body: Incoming,
    /// What carries it.
    pub(crate) connection: JoinSet<()>,
}

impl Client {
    /// Asks, and receives an answer of at most `limit` octets.
    ///
    /// # Errors
    /// [`HttpsError`], for whatever is neither an answer nor a refusal.
    pub(crate) async fn ask(
        &self,
        question: Question<'_>,
        limit: usize,
        now: Time,
    ) -> Result<Asked, HttpsError> {
        let place = Place::of(question.url)?;
        let request = question.request(&place, "application/json")?;
        self.exchange(&place, request, now, async |answer| match answer.status() {
            StatusCode::OK if !is_json(answer.headers()) => Err(HttpsError::MediaType),
            StatusCode::OK => Ok(Asked::Answer(receive(plain(answer)?, limit).await?)),
            status => Ok(Asked::Refused(status, retry_after(&answer))),
        })
        .await
    }

    /// Asks, and gives what comes of it line by line. Only until the answer begins, patience counts.
    ///
    /// # Errors
    /// [`HttpsError`], for any other answer or none.
    pub(crate) async fn follow(&self, question: Question<'_>, now: Time) -> Result<Stream, HttpsError> {
        let place = Place::of(question.url)?;
        let request = question.request(&place, LINES)?;
        let beginning = async {
            let (mut sender, connection) = self.open(&place, now).await?;
            let answer = sender.send_request(request).await?;
            match answer.status() {
                StatusCode::OK if essence(answer.headers()).as_deref() == Some(LINES.as_bytes()) => {
                    Ok(Stream { body: plain(answer)?, connection })
                }
                StatusCode::OK => Err(HttpsError::MediaType),
                other => Err(HttpsError::Status(other)),
            }
        };
        timeout(self.patience, beginning).await.unwrap_or(Err(HttpsError::Timeout))
    }
}

impl Question<'_> {
    fn request(&self, place: &Place<'_>, accept: &'static str) -> Result<Request<Full<Bytes>>, HttpsError> {
        let head = place.head(Method::POST).header(ACCEPT, accept).header(CONTENT_TYPE, "application/json");
        let head = head.header(AUTHORIZATION, self.authorization);
        head.body(Full::new(self.body.clone())).map_err(|_| HttpsError::Url)
    }
}

/// The body, in no content coding.
fn plain(answer: Response<Incoming>) -> Result<Incoming, HttpsError> {
    match answer.headers().get(CONTENT_ENCODING) {
        Some(coding) if coding != "identity" => Err(HttpsError::Encoded),
        _ => Ok(answer.into_body()),
    }
}

/// Into memory that is taken at once, so that nothing of it is left behind where it grew.
async fn receive(mut body: Incoming, limit: usize) -> Result<Zeroizing<Vec<u8>>, HttpsError> {
    let mut octets = Zeroizing::new(Vec::with_capacity(limit));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| HttpsError::Body(limit))?;
        let Some(data) = frame.data_ref() else { continue };
        if octets.len() + data.len() > limit {
            return Err(HttpsError::Body(limit));
        }
        octets.extend_from_slice(data);
    }
    Ok(octets)
}

fn retry_after(answer: &Response<Incoming>) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
