//! The request as the upstream gets it.

use avouch_engine::verdict::{Class, Verdict};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, Version, header};
use hyper::body::Body;

use crate::access_log::Entry;
use crate::body::RequestBody;
use crate::hygiene;
use crate::trust::Peer;

const CLASS: HeaderName = HeaderName::from_static("avouch-class");
const STANDING: HeaderName = HeaderName::from_static("avouch-standing");
const IDENTITY: HeaderName = HeaderName::from_static("avouch-identity");
const MECHANISM: HeaderName = HeaderName::from_static("avouch-mechanism");
const DECISION: HeaderName = HeaderName::from_static("avouch-decision");
const REQUEST_ID: HeaderName = HeaderName::from_static("avouch-request-id");
const ASSERTION: HeaderName = HeaderName::from_static("avouch-assertion");

/// The fields that are set on each request, by whoever forwards it.
pub(crate) const TOLD: [HeaderName; 7] =
    [CLASS, STANDING, IDENTITY, MECHANISM, DECISION, REQUEST_ID, ASSERTION];

/// The one of them that is a signed word to the upstream.
pub(crate) const ASSERTED: HeaderName = ASSERTION;

/// Tells an agent that counts its requests which number is accepted next.
const NEXT_SEQUENCE: HeaderName = HeaderName::from_static("saip-next-seq");

const EMPTY: HeaderValue = HeaderValue::from_static("-");

/// Makes the request for the upstream: cleaned, told who asked, in origin form.
pub(crate) fn request(
    mut parts: Parts,
    body: RequestBody,
    peer: &Peer,
    entry: &Entry,
    assertion: Option<&str>,
) -> Request<RequestBody> {
    let host = host(&parts);
    hygiene::clean(&mut parts.headers);
    hygiene::forwarding(&mut parts.headers, peer, host.clone());
    if let Some(host) = host {
        parts.headers.insert(header::HOST, host);
    }
    tell(&mut parts.headers, entry, assertion);
    if let Some(trace) = &entry.trace {
        trace.tell(&mut parts.headers);
    }
    frame(&mut parts.headers, &body);
    parts.uri = origin_form(parts.uri);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Request::from_parts(parts, body)
}

/// Says how content of unknown length is framed. Unless told to, hyper leaves such content out of a
/// GET or HEAD, and the upstream would get another request than the one that was judged.
fn frame(headers: &mut HeaderMap, body: &RequestBody) {
    if body.size_hint().exact().is_none() {
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Sets the fields that carry verdict and decision; all of them, whatever is known.
pub(crate) fn tell(headers: &mut HeaderMap, entry: &Entry, assertion: Option<&str>) {
    let verdict = entry.verdict.as_deref();
    headers.insert(CLASS, entry.class().map_or(EMPTY, class));
    headers.insert(
        STANDING,
        verdict.map_or(EMPTY, |verdict| HeaderValue::from_static(verdict.standing().name())),
    );
    let identity = verdict.and_then(Verdict::identity);
    headers.insert(IDENTITY, identity.map_or(EMPTY, hygiene::shown));
    headers.insert(MECHANISM, verdict.map_or(EMPTY, mechanism));
    headers.insert(DECISION, HeaderValue::from_static(entry.told()));
    headers.insert(REQUEST_ID, request_id(entry));
    headers.insert(ASSERTION, assertion.map_or(EMPTY, hygiene::value));
}

/// Sets the same fields where the answer goes on to whoever asked, who is told no more than its route allows.
pub(crate) fn tell_nothing(headers: &mut HeaderMap, entry: &Entry) {
    for name in [CLASS, STANDING, IDENTITY, MECHANISM, DECISION, ASSERTION] {
        headers.insert(name, EMPTY);
    }
    headers.insert(REQUEST_ID, request_id(entry));
}

/// Tells who sent an accepted request which sequence number is accepted next, where requests are counted. What another
/// says of it goes.
pub(crate) fn tell_next(answer: &mut HeaderMap, next: Option<u64>) {
    answer.remove(NEXT_SEQUENCE);
    if let Some(next) = next {
        answer.insert(NEXT_SEQUENCE, HeaderValue::from(next));
    }
}

fn request_id(entry: &Entry) -> HeaderValue {
    HeaderValue::from_bytes(&entry.id.digits()).unwrap_or(EMPTY)
}

fn class(class: Class) -> HeaderValue {
    HeaderValue::from_static(match class {
        Class::Anonymous => "0",
        Class::Unverifiable => "1",
        Class::Partial => "2",
        Class::Verified => "3",
    })
}

fn mechanism(verdict: &Verdict) -> HeaderValue {
    match verdict.mechanism().name() {
        "none" => EMPTY,
        name => HeaderValue::from_static(name),
    }
}

/// The Host the client sent, else what its target or `:authority` names, which were found to agree.
fn host(parts: &Parts) -> Option<HeaderValue> {
    let named = || parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    parts.headers.get(header::HOST).cloned().or_else(named)
}

fn origin_form(uri: Uri) -> Uri {
    if uri.authority().is_none() {
        return uri;
    }
    let mut kept = http::uri::Parts::default();
    kept.path_and_query = uri.into_parts().path_and_query;
    Uri::from_parts(kept).unwrap_or_default()
}
