//! What an operator sees: health, the registration, figures.

use std::sync::Arc;

use avouch_wire::b64u;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::json;

use crate::agent::Agent;
use crate::body::Answer;
use crate::config::Config;
use crate::listen::{Place, Service};
use crate::outbound::Ends;
use crate::registration::{Registration, Watch};

const TEXT: &str = "text/plain; charset=utf-8";

/// The operator's listener.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) agent: Agent,
    pub(crate) watch: Arc<Watch>,
    pub(crate) config: Arc<Config>,
}

impl Service for Admin {
    async fn answer(&self, request: Request<Incoming>, _ends: Ends, _place: &Place) -> Response<Answer> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return said(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".into());
        }
        match request.uri().path() {
            "/healthz" => said(StatusCode::OK, TEXT, "ok\n".into()),
            "/readyz" => self.readiness(),
            "/status" => said(StatusCode::OK, "application/json", self.status() + "\n"),
            "/metrics" => {
                let failing = self.agent.desk().standing().failing();
                let text = self.agent.figures().text(&self.watch.known(), failing.as_ref());
                said(StatusCode::OK, "text/plain; version=0.0.4", text)
            }
            _ => {
                said(StatusCode::NOT_FOUND, TEXT, "there is /healthz, /readyz, /status and /metrics\n".into())
            }
        }
    }
}

impl Admin {
    /// Not ready is an agent whose key does not sign, or whose signatures would be refused. What is not known is no reason
    /// not to be.
    fn readiness(&self) -> Response<Answer> {
        let known = self.watch.known();
        let failing = self.agent.desk().standing().failing();
        let is_ready = failing.is_none() && known.iter().all(|known| known.state.registered() != Some(false));
        let open = known.iter().filter(|known| known.state.registered() != Some(true));
        let shown = |known: &Registration| {
            format!("{}: {}\n", known.place.as_deref().unwrap_or_default(), known.detail)
        };
        let failing = failing.map(|failing| format!("the key does not sign: {}\n", failing.detail));
        let details: String = failing.into_iter().chain(open.map(shown)).collect();
        match is_ready {
            true => said(StatusCode::OK, TEXT, format!("ready\n{details}")),
            false => said(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("not ready\n{details}")),
        }
    }

    fn status(&self) -> String {
        let identity = &self.config.identity;
        let public = self.agent.identity().public();
        let destinations = self.agent.destinations().iter().map(|place| {
            let hosts: Vec<_> = place.hosts.iter().map(ToString::to_string).collect();
            json!({ "host": hosts, "sign": place.sign.names().collect::<Vec<_>>() })
        });
        let destinations: Vec<_> = destinations.collect();
        json!({
            "identity": {
                "domain": identity.domain.as_ref().map(ToString::to_string),
                "agent": identity.agent.as_str(),
                "instance": identity.instance.as_ref().map(|name| name.as_str()),
                "directory": identity.directory,
            },
            "key": {
                "type": public.key_type().name(),
                "fingerprint": public.fingerprint().to_string(),
                "public": b64u::encode(public.octets()),
                "failing": self.agent.desk().standing().failing(),
            },
            "registration": self.watch.known(),
            "destinations": destinations,
        })
        .to_string()
    }
}

fn said(status: StatusCode, kind: &'static str, text: String) -> Response<Answer> {
    let mut answer =
        Response::new(Full::from(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}
