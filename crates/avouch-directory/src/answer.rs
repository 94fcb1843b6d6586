//! What is answered to a request.

use crate::directory::Directory;
use avouch_keys::web_bot_auth::SignError;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{MEDIA_TYPE, WELL_KNOWN};
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderName, IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

/// The answer to a request, whose content is nobody's business.
pub(crate) fn answer<B>(directory: &Directory, request: &Request<B>, now: Time) -> Response<Full<Bytes>> {
    if !is_meant(directory, request) {
        let words = format!("This is the key directory of {}, and of nobody else.\n", directory.site());
        return refusal(StatusCode::MISDIRECTED_REQUEST, words);
    }
    if request.uri().path() != WELL_KNOWN {
        return refusal(StatusCode::NOT_FOUND, format!("The key directory stands at {WELL_KNOWN}.\n"));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer =
            refusal(StatusCode::METHOD_NOT_ALLOWED, "It can be read, and nothing else.\n".into());
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    serve(directory, request, now).unwrap_or_else(|error| {
        tracing::error!(%error, "the directory cannot be signed");
        refusal(StatusCode::INTERNAL_SERVER_ERROR, "The directory cannot be signed.\n".into())
    })
}

/// Whether it is asked of the site that the signatures name: the authority of the target where it has one (RFC 9112
/// section 3.2.2, RFC 9113 section 8.3.1), else of the one `Host`.
fn is_meant<B>(directory: &Directory, request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let asked = match (request.uri().authority(), hosts.next(), hosts.next()) {
        (Some(authority), ..) => Some(authority.as_str()),
        (None, Some(host), None) => host.to_str().ok(),
        (None, ..) => None,
    };
    let asked = asked.and_then(|asked| Authority::parse(asked, Scheme::Https).ok());
    asked.is_some_and(|asked| asked == *directory.site())
}

/// The document with signatures made now; where the client has it already, the signatures alone, which a cache puts in
/// place of those it holds (RFC 9111 section 4.3.4).
fn serve<B>(
    directory: &Directory,
    request: &Request<B>,
    now: Time,
) -> Result<Response<Full<Bytes>>, SignError> {
    let signed = directory.sign(now)?;
    let document = directory.document().as_str();
    let mut answer = Response::new(Full::default());
    let fields = answer.headers_mut();
    let mut put = |name, value: &str| {
        // None of them holds what a field could not.
        if let Ok(value) = HeaderValue::from_str(value) {
            fields.insert(name, value);
        }
    };
    put(ETAG, directory.tag());
    put(CACHE_CONTROL, &format!("max-age={}", directory.lifetime().kept()));
    put(SIGNATURE_INPUT, &signed.signature_input);
    put(SIGNATURE, &signed.signature);
    if holds(request.headers(), directory.tag()) {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    put(CONTENT_TYPE, MEDIA_TYPE);
    put(CONTENT_LENGTH, &document.len().to_string());
    if request.method() == Method::GET {
        *answer.body_mut() = Full::from(document.to_owned());
    }
    Ok(answer)
}

/// Whether a client holds what a tag stands for (RFC 9110 section 13.1.2).
fn holds(fields: &HeaderMap, tag: &str) -> bool {
    let conditions = fields.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut tags = conditions.flat_map(|value| value.split(',')).map(str::trim);
    tags.any(|own| own == "*" || own.strip_prefix("W/").unwrap_or(own) == tag)
}

fn refusal(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(words));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Lifetime;
    use crate::document::Validity;
    use avouch_keys::SecretKey;
    use avouch_keys::entropy::SystemEntropy;
    use avouch_wire::http_signature::{TimeRules, read};
    use avouch_wire::key::KeyType;
    use http_body_util::BodyExt as _;

    const NOW: Time = Time::from_seconds(1_790_000_000);

    fn directory(site: &str) -> Directory {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let site = Authority::parse(site, Scheme::Https).unwrap().into_owned();
        Directory::new(vec![key], Validity::default(), site, Lifetime::HOUR).unwrap()
    }

    /// Status, head and content of the answer to a request: method, target, then `Name: value` each.
    fn ask(
        directory: &Directory,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> (u16, HeaderMap, String) {
        let request =
            fields.iter().fold(Request::builder().method(method).uri(target), |request, (name, value)| {
                request.header(*name, *value)
            });
        let (head, body) = answer(directory, &request.body(()).unwrap(), NOW).into_parts();
        let body = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(body.collect());
        (head.status.as_u16(), head.headers, String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[test]
    fn the_document_comes_with_signatures_made_now() {
        let directory = directory("bot.example");
        let (status, fields, body) = ask(&directory, "GET", WELL_KNOWN, &[("Host", "bot.example")]);
        assert_eq!((status, body.as_str()), (200, directory.document().as_str()));
        assert_eq!(fields[CONTENT_TYPE], "application/http-message-signatures-directory+json");
        assert_eq!(fields[CACHE_CONTROL], "max-age=1800");
        let text = |name| fields[name].to_str().unwrap().to_owned();
        let (input, signature) = (text(SIGNATURE_INPUT), text(SIGNATURE));
        let input = read(&input, &signature).unwrap().remove(0).signature.unwrap().input;
        let counts = |seconds| input.check_times(NOW.seconds() + seconds, TimeRules::DEFAULT).is_ok();
        assert!(counts(0) && counts(3599) && !counts(3600));
    }

    #[test]
    fn a_client_that_has_the_document_gets_signatures_alone() {
        let directory = directory("bot.example");
        let tag = directory.tag();
        for (condition, status) in [
            (tag, 304),
            (&*format!("W/{tag}"), 304),
            (&*format!("\"other\", {tag}"), 304),
            ("*", 304),
            ("\"other\"", 200),
            (tag.trim_matches('"'), 200),
        ] {
            let sent = [("Host", "bot.example"), ("If-None-Match", condition)];
            let (came, fields, body) = ask(&directory, "GET", WELL_KNOWN, &sent);
            assert_eq!((came, body.is_empty()), (status, status == 304), "{condition}");
            assert!(fields.contains_key(SIGNATURE) && fields[ETAG] == *tag);
        }
    }

    #[test]
    fn the_head_alone_says_the_same() {
        let directory = directory("bot.example");
        let of = |method| ask(&directory, method, WELL_KNOWN, &[("Host", "bot.example")]);
        let ((_, whole, body), (status, head, nothing)) = (of("GET"), of("HEAD"));
        assert_eq!((status, nothing.as_str()), (200, ""));
        assert_eq!(head, whole);
        assert_eq!(head[CONTENT_LENGTH], body.len().to_string());
    }

    #[test]
    fn everything_else_is_refused() {
        let directory = directory("bot.example:8443");
        let here = "bot.example:8443";
        for (method, target, hosts, status) in [
            ("GET", WELL_KNOWN, &[here][..], 200),
            ("GET", WELL_KNOWN, &["BOT.example:8443"], 200),
            ("GET", &format!("https://{here}{WELL_KNOWN}"), &["other.example"], 200),
            ("GET", &format!("{WELL_KNOWN}?again"), &[here], 200),
            ("GET", WELL_KNOWN, &["bot.example"], 421),
            ("GET", WELL_KNOWN, &["other.example:8443"], 421),
            ("GET", WELL_KNOWN, &[], 421),
            ("GET", WELL_KNOWN, &[here, here], 421),
            ("GET", WELL_KNOWN, &["bot.example:8443/"], 421),
            ("GET", &format!("https://other.example{WELL_KNOWN}"), &[here], 421),
            ("GET", "/", &[here], 404),
            ("GET", &format!("{WELL_KNOWN}/"), &[here], 404),
            ("POST", "/", &[here], 404),
            ("POST", WELL_KNOWN, &[here], 405),
            ("OPTIONS", WELL_KNOWN, &[here], 405),
        ] {
            let fields: Vec<_> = hosts.iter().map(|host| ("Host", *host)).collect();
            let (came, fields, _) = ask(&directory, method, target, &fields);
            assert_eq!(came, status, "{method} {target} {hosts:?}");
            assert_eq!(fields.contains_key(SIGNATURE), status == 200, "{method} {target} {hosts:?}");
            assert_eq!(fields.get(ALLOW).is_some(), status == 405);
        }
    }
}
