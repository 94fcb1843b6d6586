//! The request as it arrived: bounded, read strictly, its signed content known.

use avouch_engine::pipeline::Site;
use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Head, Request};
use avouch_wire::content::ContentDigest;
use avouch_wire::http_signature::{self, FieldDigest};
use avouch_wire::saip::Header;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use hyper::body::Body;

use crate::answers::Problem;
use crate::body::{RequestBody, Signed};
use crate::config::Limits;
use crate::trust::Peer;

/// Refuses what no upstream should see: targets and heads beyond their limits (HTTP/2 knows none
/// for the count of fields), and CONNECT, which would make this a proxy to anywhere.
pub(crate) fn bounded(parts: &Parts, limits: &Limits) -> Result<(), Problem> {
    let target = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    let status = if parts.method == Method::CONNECT {
        StatusCode::METHOD_NOT_ALLOWED
    } else if target > limits.target_size.0 {
        StatusCode::URI_TOO_LONG
    } else if parts.headers.len() > limits.head_fields {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        return Ok(());
    };
    Err(Problem { status, ..Problem::of(Reason::RequestMalformed) })
}

/// What is known of the content before the verdict, and the digests it was signed with.
pub(crate) async fn content(
    parts: &Parts,
    body: &mut RequestBody,
    site: &Site,
) -> Result<(Content, Option<Signed>), Problem> {
    if body.is_end_stream() {
        return Ok((Content::Empty, None));
    }
    let field = covered_digest(&parts.headers, site);
    let signed = Signed { cd: saip_digest(&parts.headers), field };
    if signed.cd.is_none() && signed.field.is_none() {
        return Ok((Content::Streaming, None));
    }
    match Box::pin(body.read_ahead(signed)).await {
        Ok(Some(digests)) => Ok((Content::Read(digests), Some(signed))),
        Ok(None) => Ok((Content::Streaming, Some(signed))),
        Err(error) => Err(Problem::of_body(&error)),
    }
}

fn saip_digest(headers: &HeaderMap) -> Option<ContentDigest> {
    let header = Header::parse(headers.get("saip")?.to_str().ok()?).ok()?;
    header.signed?.content.map(|digest| ContentDigest(digest.octets()))
}

/// What `Content-Digest` says, if a signature covers it that says who sends the request.
fn covered_digest(headers: &HeaderMap, site: &Site) -> Option<FieldDigest> {
    let joined = |name: &str| {
        let lines: Option<Vec<_>> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect();
        lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join(", "))
    };
    let (field, input, signature) =
        (joined("content-digest")?, joined("signature-input")?, joined("signature")?);
    let signatures = http_signature::read(&input, &signature).ok()?;
    let inputs = signatures.iter().filter_map(|one| one.signature.as_ref().ok()).map(|one| &one.input);
    let ours = inputs.filter(|input| site.reads(input));
    ours.filter_map(|input| FieldDigest::covered_by(input, &field).ok()?).reduce(FieldDigest::and)
}

/// Reads a head strictly; what cannot be read without doubt is answered 400.
pub(crate) fn read<'a>(parts: &'a Parts, peer: &Peer, content: Content) -> Result<Request<'a>, Problem> {
    let head = Head {
        method: parts.method.as_str(),
        target: target(parts),
        authority: parts.uri.authority().map(http::uri::Authority::as_str),
        scheme: peer.scheme,
        fields: || parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())),
        peer: peer.into(),
        content,
    };
    Request::read(head).map_err(|error| {
        tracing::debug!(%error, "request refused");
        Problem::of(Reason::RequestMalformed)
    })
}

/// The target in origin form. A name without a scheme is not one: only CONNECT may send it (RFC 9112
/// section 3.2.3), so for any other method it stays as it was sent, and is refused.
fn target(parts: &Parts) -> &str {
    match (parts.uri.scheme(), parts.uri.authority()) {
        (None, Some(authority)) if parts.method != Method::CONNECT => authority.as_str(),
        _ => parts.uri.path_and_query().map_or("/", |path| path.as_str()),
    }
}
