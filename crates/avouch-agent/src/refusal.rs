//! Why the agent answers a request itself, and what a program is told then.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};

use crate::body::{Answer, BodyError};
use crate::desk::DeskError;

/// Why a request was not carried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this is a proxy: send it a request with an absolute http or https URL, or CONNECT")]
    NotForProxy,
    #[error(
        "the request does not name one site that it is for: URL and Host differ, or a name holds other characters than letters, digits and hyphens"
    )]
    Site,
    #[error("the target cannot be signed: write other characters than visible ASCII percent-encoded")]
    Target,
    #[error("TRACE would show the signature to whoever asks; it is not carried")]
    Trace,
    #[error("a web page of another site asked for this, and it must not act in the agent's name")]
    Browser,
    #[error("the request came from this agent: a proxy leads to itself")]
    Loop,
    #[error(
        "the host has no address on the public Internet; `[proxy] allow_networks` names others that may be connected to"
    )]
    Prohibited,
    #[error("the host cannot be looked up: {0}")]
    Name(std::io::Error),
    #[error("the site cannot be reached: {0}")]
    Unreachable(std::io::Error),
    #[error("the site does not accept connections in time")]
    ConnectTimeout,
    #[error("no TLS with the site: {0}")]
    Tls(std::io::Error),
    #[error("the site does not answer in time")]
    AnswerTimeout,
    #[error("the site's answer is broken: {0}")]
    Broken(hyper::Error),
    #[error("the site switched to another protocol, which nobody asked for")]
    Switched,
    #[error("the request's content: {0}")]
    Content(#[from] BodyError),
    #[error("not signed, and so not sent: {0}")]
    Unsigned(#[from] DeskError),
}

impl Refusal {
    const fn status(&self) -> StatusCode {
        match self {
            Self::NotForProxy | Self::Site | Self::Target | Self::Content(_) => StatusCode::BAD_REQUEST,
            Self::Trace => StatusCode::METHOD_NOT_ALLOWED,
            Self::Browser | Self::Prohibited => StatusCode::FORBIDDEN,
            Self::Loop => StatusCode::LOOP_DETECTED,
            Self::Name(_) | Self::Unreachable(_) | Self::Tls(_) | Self::Broken(_) | Self::Switched => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::AnswerTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Unsigned(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// As RFC 9209 section 2.3 calls it.
    const fn token(&self) -> &'static str {
        match self {
            Self::NotForProxy | Self::Site | Self::Target | Self::Content(_) => "http_request_error",
            Self::Trace | Self::Browser => "http_request_denied",
            Self::Loop => "proxy_loop_detected",
            Self::Prohibited => "destination_ip_prohibited",
            Self::Name(_) => "dns_error",
            Self::Unreachable(_) => "connection_refused",
            Self::ConnectTimeout => "connection_timeout",
            Self::Tls(_) => "tls_protocol_error",
            Self::AnswerTimeout => "http_response_timeout",
            Self::Broken(_) => "http_protocol_error",
            Self::Switched => "http_upgrade_failed",
            Self::Unsigned(_) => "proxy_internal_error",
        }
    }

    /// What the program is told: a sentence, and the same for machines (`Proxy-Status`, RFC 9209).
    pub(crate) fn answer(&self) -> Response<Answer> {
        let text = format!("avouch agent: {self}\n");
        let mut answer =
            Response::new(Full::from(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync());
        *answer.status_mut() = self.status();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if let Ok(status) = HeaderValue::try_from(format!("avouch-agent; error={}", self.token())) {
            headers.insert("proxy-status", status);
        }
        answer
    }
}
