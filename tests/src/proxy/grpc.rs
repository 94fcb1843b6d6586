//! What the listener for proxies answers who asks by gRPC, as Envoy does.

use std::time::Duration;

use avouch_gateway::Running;
use avouch_gateway::config::Endpoint;
use envoy_types::ext_authz::v3::pb::{
    Address, CheckRequest, CheckResponse, HeaderAppendAction, HeaderValue, HttpResponse,
};
use envoy_types::pb::envoy::config::core::v3::{self as core, HeaderMap, SocketAddress};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{self, HttpRequest, Peer};
use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, OkHttpResponse};
use envoy_types::pb::google::protobuf::value::Kind;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::gateway;

async fn listener(trusted: &str) -> (Running, Upstream) {
    let upstream = Upstream::start().await.unwrap();
    let lines = format!(
        "verify.listen = '127.0.0.1:0'\nverify.proxy = 'envoy-grpc'\ntrusted_proxies = '{trusted}'\n\
         mode = 'enforce'\nauthorities = 'www.shop.example'\nlimits.head_time = '300ms'\n\
         [[route]]\npath = '/members'\nrequire = 3"
    );
    (gateway(&upstream, &lines).await, upstream)
}

async fn client(running: &Running) -> AuthorizationClient<Channel> {
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    AuthorizationClient::connect(format!("http://{verify}")).await.unwrap()
}

/// A question about `GET path`, with these fields.
fn question(path: &str, fields: &[(&str, &str)]) -> CheckRequest {
    let field = |(key, value): &(&str, &str)| HeaderValue {
        key: (*key).to_owned(),
        raw_value: value.as_bytes().to_vec(),
        ..Default::default()
    };
    let http = HttpRequest {
        method: "GET".into(),
        path: path.into(),
        host: "www.shop.example".into(),
        scheme: "https".into(),
        header_map: Some(HeaderMap { headers: fields.iter().map(field).collect() }),
        ..Default::default()
    };
    let socket = SocketAddress { address: "203.0.113.9".into(), ..Default::default() };
    let address = core::Address { address: Some(Address::SocketAddress(socket)) };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer { address: Some(address), ..Default::default() }),
            request: Some(attribute_context::Request { http: Some(http), ..Default::default() }),
            ..Default::default()
        }),
    }
}

async fn ask(running: &Running, question: CheckRequest) -> Result<CheckResponse, Status> {
    client(running).await.check(question).await.map(tonic::Response::into_inner)
}

/// The status of a refusal, its problem document, and what Envoy is told of it.
fn refusal(answer: CheckResponse) -> (i32, String, String) {
    let status = answer.status.unwrap();
    assert_ne!(status.code, 0, "a refusal says so twice");
    let Some(HttpResponse::DeniedResponse(denied)) = answer.http_response else {
        panic!("refused: {:?}", answer.http_response)
    };
    (denied.status.unwrap().code, denied.body, status.message)
}

fn permit(answer: &CheckResponse) -> &OkHttpResponse {
    assert_eq!(answer.status.as_ref().map(|status| status.code), Some(0));
    match &answer.http_response {
        Some(HttpResponse::OkResponse(ok)) => ok,
        other => panic!("let through: {other:?}"),
    }
}

#[tokio::test]
async fn a_permit_sets_every_field_and_takes_away_what_is_not_ours() {
    let (running, _upstream) = listener("127.0.0.1").await;
    let sent = [("avouch-class", "3"), ("avouch_class", "3"), ("avouch-later", "3"), ("avouchclass", "3")];
    let answer = ask(&running, question("/open", &sent)).await.unwrap();
    let ok = permit(&answer);
    let mut names = Vec::new();
    for option in &ok.headers {
        assert_eq!(option.append_action(), HeaderAppendAction::OverwriteIfExistsOrAdd);
        let header = option.header.as_ref().unwrap();
        assert!(!header.value.is_empty() && header.raw_value.is_empty(), "{header:?}");
        names.push(header.key.strip_prefix("avouch-").unwrap());
    }
    names.sort_unstable();
    let told = ["assertion", "class", "decision", "identity", "mechanism", "request-id", "standing"];
    assert_eq!(names, told);
    let mut removed = ok.headers_to_remove.clone();
    removed.sort_unstable();
    assert_eq!(removed, ["avouch-later", "avouch_class"]);
    let shown = answer.dynamic_metadata.unwrap().fields;
    let text = |name: &str| match &shown[name].kind {
        Some(Kind::StringValue(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(
        (text("class"), text("standing"), text("identity")),
        ("0".into(), "anonymous".into(), "-".into())
    );
    assert!(!shown.contains_key("assertion"), "it is for the site alone");
    running.stop().await;
}

#[tokio::test]
async fn a_refusal_is_the_gateways_own_answer() {
    let (running, _upstream) = listener("127.0.0.1").await;
    let answer = ask(&running, question("/members", &[])).await.unwrap();
    let shown = answer.dynamic_metadata.clone().unwrap();
    assert_eq!(shown.fields["decision"].kind, Some(Kind::StringValue("challenge".into())));
    let (status, body, message) = refusal(answer);
    assert_eq!((status, message.as_str()), (401, "class-required"));
    assert!(body.contains("\"reason\":\"class-required\""), "{body}");
    running.stop().await;
}

#[tokio::test]
async fn what_describes_no_request_is_refused_with_what_is_wrong() {
    let (running, _upstream) = listener("127.0.0.1").await;
    let fields: Vec<_> = (0..101).map(|_| ("a", "b")).collect();
    for (question, status, why) in [
        (CheckRequest::default(), 400, "`attributes.request.http` is missing"),
        (question("/open#a", &[]), 400, "`path`"),
        (question("/open", &[("a b", "c")]), 400, "field 0"),
        (question("/members/%2f", &[]), 400, "request-malformed"),
        (question("/open", &fields), 431, "request-malformed"),
    ] {
        let (answered, body, message) = refusal(ask(&running, question).await.unwrap());
        assert!(answered == status && message.contains(why), "{answered} {message}");
        assert!(body.contains("request-malformed"), "{body}");
    }
    running.stop().await;
}

#[tokio::test]
async fn a_stranger_is_refused_and_told_where_to_be_listed() {
    let (running, _upstream) = listener("192.0.2.1").await;
    let (status, _, message) = refusal(ask(&running, question("/open", &[])).await.unwrap());
    assert!(status == 400 && message.contains("trusted_proxies"), "{status} {message}");
    let mut large = question("/open", &[]);
    let request = large.attributes.as_mut().and_then(|said| said.request.as_mut()).unwrap();
    request.http.as_mut().unwrap().raw_body = vec![0; 70_000];
    assert_eq!(ask(&running, large).await.unwrap_err().code(), Code::OutOfRange, "nor is it read");
    running.stop().await;
}

#[tokio::test]
async fn a_question_has_its_size_and_its_time() {
    let (running, _upstream) = listener("127.0.0.1").await;
    let with = |octets: usize| {
        let mut question = question("/open", &[]);
        let request = question.attributes.as_mut().and_then(|said| said.request.as_mut()).unwrap();
        request.http.as_mut().unwrap().raw_body = vec![0; octets];
        question
    };
    permit(&ask(&running, with(900_000)).await.unwrap());
    assert_eq!(ask(&running, with(1 << 20)).await.unwrap_err().code(), Code::OutOfRange);
    // Its reading counts, too.
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    let slow = "POST /envoy.service.auth.v3.Authorization/Check HTTP/1.1\r\nHost: a\r\ngrpc-timeout: 100m\r\n\
                Content-Type: application/grpc\r\nContent-Length: 100\r\n\r\n\0";
    let answer = exchange(verify, slow).await.unwrap().unwrap();
    assert_eq!(answer.field("grpc-status"), Some("4"), "{}", answer.head);
    running.stop().await;
}

#[tokio::test]
async fn who_connects_and_says_nothing_is_not_waited_for() {
    let (running, _upstream) = listener("127.0.0.1").await;
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    for start in ["", "PRI * HTT", "POST /v1/judge HTTP/1.1\r\nHost"] {
        let mut silent = Raw::connect(verify).await.unwrap();
        silent.send(start).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), silent.answer()).await;
        assert!(ended.is_ok(), "{start:?}: the connection ends");
    }
    running.stop().await;
}

#[tokio::test]
async fn other_methods_are_unknown_and_json_is_answered_too() {
    let (running, _upstream) = listener("127.0.0.1").await;
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    let post = |path: &str, kind: &str, text: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        )
    };
    let text = "{\"method\":\"GET\",\"scheme\":\"https\",\"target\":\"/open\",\"headers\":[[\"Host\",\"www.shop.example\"]]}";
    let answer = exchange(verify, post("/v1/judge", "application/json", text)).await.unwrap().unwrap();
    assert!(answer.status() == 200 && answer.text().contains("\"permit\":{"), "{}", answer.text());
    let other = post("/envoy.service.auth.v3.Authorization/Other", "application/grpc", "");
    let answer = exchange(verify, other).await.unwrap().unwrap();
    assert_eq!(answer.field("grpc-status"), Some("12"), "{}", answer.head);
    for path in ["/verify", "/verify/open", "/envoy.service.auth.v2.Authorization/Check"] {
        let answer = exchange(verify, post(path, "application/grpc", "")).await.unwrap().unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
    running.stop().await;
}
