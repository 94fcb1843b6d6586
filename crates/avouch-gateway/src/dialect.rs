//! How each proxy asks: where it says what the original request was, and which answers it understands.
//!
//! A proxy sets the fields of its own dialect on every question, in place of the client's. Those of another dialect
//! it passes on as the client sent them, so no more than one dialect is ever read, and which one is configured.

use http::{HeaderName, StatusCode};

use crate::config::Proxy;

const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Where the original request is described.
pub(crate) enum Original {
    /// By fields of the question.
    Fields {
        /// Its method.
        method: HeaderName,
        /// Its target, as it was sent.
        target: HeaderName,
        /// The host it asked for.
        host: HeaderName,
    },
    /// By the question itself: its method and `Host`, its target after the path that is asked.
    Question,
}

/// A proxy's way of asking.
pub(crate) struct Dialect {
    pub(crate) original: Original,
    /// The answer that lets a request through.
    pub(crate) allowed: StatusCode,
    /// Whether it knows no refusals but 401 and 403: nginx makes 500 of others.
    pub(crate) two_refusals: bool,
    /// Whether a refusal goes to the client as it is, with all its fields.
    pub(crate) passed_on: bool,
}

impl Dialect {
    /// `None` of one that does not ask by HTTP, but in messages that say what the request was.
    pub(crate) fn of(proxy: Proxy) -> Option<Self> {
        let original =
            Original::Fields { method: ORIGINAL_METHOD, target: ORIGINAL_URI, host: FORWARDED_HOST };
        let forwarded =
            Original::Fields { method: FORWARDED_METHOD, target: FORWARDED_URI, host: FORWARDED_HOST };
        let allowed = StatusCode::NO_CONTENT;
        Some(match proxy {
            Proxy::EnvoyGrpc | Proxy::HaproxySpoe => return None,
            Proxy::Nginx => Self { original, allowed, two_refusals: true, passed_on: false },
            Proxy::Haproxy => Self { original, allowed, two_refusals: false, passed_on: true },
            Proxy::Caddy | Proxy::Traefik => {
                Self { original: forwarded, allowed, two_refusals: false, passed_on: true }
            }
            // It takes 200 for a yes, and no other 2xx.
            Proxy::Envoy => Self {
                original: Original::Question,
                allowed: StatusCode::OK,
                two_refusals: false,
                passed_on: true,
            },
        })
    }
}
