//! What Envoy is told to do, and what it may show in its own log.

use std::collections::HashMap;

use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue as FieldValue,
    HeaderValueOption as Field, HttpResponse, HttpStatus, OkHttpResponse,
};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use envoy_types::pb::google::rpc;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tonic::Code;

use super::QuestionError;
use crate::access_log::Entry;
use crate::body::AnswerBody;
use crate::{hygiene, outgoing};

/// The request goes on with our fields, all of them, and with none of ours that the client sent. Where tokens of
/// Privacy Pass are taken, they stay here. `next` is what the client is told of its sequence.
pub(super) fn permit(
    (mut told, next): (HeaderMap, Option<u64>),
    sent: &HeaderMap,
    takes_tokens: bool,
) -> CheckResponse {
    let mut answered = HeaderMap::new();
    outgoing::tell_next(&mut answered, next);
    let mut removed: Vec<String> =
        hygiene::foreign(sent, &outgoing::TOLD).map(|name| name.as_str().to_owned()).collect();
    let dynamic_metadata = Some(metadata(&told));
    if takes_tokens {
        keep_tokens_back(sent, &mut told, &mut removed);
    }
    let ok = OkHttpResponse {
        headers: fields(&told),
        headers_to_remove: removed,
        response_headers_to_add: fields(&answered),
        ..Default::default()
    };
    CheckResponse {
        status: Some(status(Code::Ok, String::new())),
        dynamic_metadata,
        http_response: Some(HttpResponse::OkResponse(ok)),
    }
}

/// The client is answered as the gateway itself would. `error` says to Envoy alone what is wrong with its question.
pub(super) async fn refuse(
    entry: &mut Entry,
    refusal: Response<AnswerBody>,
    error: Option<&QuestionError>,
) -> CheckResponse {
    let (parts, body) = refusal.into_parts();
    // It is one of ours, held in memory.
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    entry.sent(body.len());
    let mut told = HeaderMap::new();
    outgoing::tell(&mut told, entry, None);
    let code =
        if parts.status == StatusCode::UNAUTHORIZED { Code::Unauthenticated } else { Code::PermissionDenied };
    let message = error.map_or_else(|| entry.problem.unwrap_or_default().to_owned(), ToString::to_string);
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: i32::from(parts.status.as_u16()) }),
        headers: fields(&parts.headers),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    CheckResponse {
        status: Some(status(code, message)),
        dynamic_metadata: Some(metadata(&told)),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
    }
}

/// Has Envoy take tokens away from the client's credentials, and leave the others.
fn keep_tokens_back(sent: &HeaderMap, told: &mut HeaderMap, removed: &mut Vec<String>) {
    let credentials = |headers: &HeaderMap| -> Vec<HeaderValue> {
        headers.get_all(header::AUTHORIZATION).iter().cloned().collect()
    };
    let mut kept = sent.clone();
    hygiene::keep_tokens_back(&mut kept);
    let (kept, sent) = (credentials(&kept), credentials(sent));
    if kept.is_empty() && !sent.is_empty() {
        removed.push(header::AUTHORIZATION.as_str().to_owned());
    } else if kept != sent {
        kept.into_iter().for_each(|value| _ = told.append(header::AUTHORIZATION, value));
    }
}

fn status(code: Code, message: String) -> rpc::Status {
    rpc::Status { code: code.into(), message, details: Vec::new() }
}

/// Fields to set in place of any by the same names; of several lines of one, the later are added to the first.
fn fields(headers: &HeaderMap) -> Vec<Field> {
    let lines = |name: &HeaderName| {
        let further = std::iter::repeat(HeaderAppendAction::AppendIfExistsOrAdd);
        let actions = std::iter::once(HeaderAppendAction::OverwriteIfExistsOrAdd).chain(further);
        let lines = headers.get_all(name).iter().zip(actions);
        lines.map(|(value, action)| field(name, value, action)).collect::<Vec<_>>()
    };
    headers.keys().flat_map(lines).collect()
}

fn field(name: &HeaderName, value: &HeaderValue, action: HeaderAppendAction) -> Field {
    let key = name.as_str().to_owned();
    // One of the two is read. The client's own credentials need not be text.
    let (value, raw_value) = match value.to_str() {
        Ok(text) => (text.to_owned(), Vec::new()),
        Err(_) => (String::new(), value.as_bytes().to_vec()),
    };
    Field {
        header: Some(FieldValue { key, value, raw_value }),
        append_action: action.into(),
        ..Default::default()
    }
}

/// What Envoy's access log and its other filters may know: what the site is told, but for the signed word to it.
fn metadata(told: &HeaderMap) -> Struct {
    let members = told.iter().filter(|(name, _)| **name != outgoing::ASSERTED).filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("avouch-")?.replace('-', "_");
        let value = Kind::StringValue(value.to_str().ok()?.to_owned());
        Some((name, Value { kind: Some(value) }))
    });
    Struct { fields: members.collect::<HashMap<_, _>>() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static [u8]]) -> HeaderMap {
        let values = values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value).unwrap()));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| _ = headers.append(name, value));
        headers
    }

    /// Name, value and whether it stands in place of others, of each field.
    fn shown(told: &HeaderMap) -> Vec<(String, Vec<u8>, bool)> {
        let shown = |option: Field| {
            let overwrites = option.append_action() == HeaderAppendAction::OverwriteIfExistsOrAdd;
            let FieldValue { key, value, raw_value } = option.header.unwrap();
            assert!(value.is_empty() || raw_value.is_empty(), "one of the two is read");
            (key, [value.into_bytes(), raw_value].concat(), overwrites)
        };
        fields(told).into_iter().map(shown).collect()
    }

    #[test]
    fn lines_of_one_field_replace_the_clients_and_not_one_another() {
        let told = headers(&header::WWW_AUTHENTICATE, &[b"SAIP", b"PrivateToken challenge=\"a\""]);
        let expected = [(b"SAIP".to_vec(), true), (b"PrivateToken challenge=\"a\"".to_vec(), false)];
        let expected = expected.map(|(value, first)| ("www-authenticate".to_owned(), value, first));
        assert_eq!(shown(&told), expected);
        let octets = headers(&header::AUTHORIZATION, &[b"Basic \xe9"]);
        assert_eq!(shown(&octets)[0].1, b"Basic \xe9");
    }

    #[test]
    fn tokens_stay_here_and_other_credentials_go_on() {
        let after = |sent: &[&'static [u8]]| {
            let (mut told, mut removed) = (HeaderMap::new(), Vec::new());
            keep_tokens_back(&headers(&header::AUTHORIZATION, sent), &mut told, &mut removed);
            let kept: Vec<_> = shown(&told).into_iter().map(|(_, value, _)| value).collect();
            (kept, removed)
        };
        let token = b"PrivateToken token=\"AA\"";
        assert_eq!(after(&[token]), (vec![], vec!["authorization".to_owned()]));
        assert_eq!(after(&[token, b"Basic YQ=="]), (vec![b"Basic YQ==".to_vec()], vec![]));
        assert_eq!(after(&[b"Basic YQ=="]), (vec![], vec![]), "nothing to change");
        assert_eq!(after(&[]), (vec![], vec![]));
    }
}
