//! How often one source may ask. Who asks more often waits, before anything is looked at.

use std::net::SocketAddr;
use std::sync::Arc;

use avouch_engine::decision::{Limit, Meter as _, Subject};
use avouch_gather::clock::Clock;
use avouch_gather::meter::RateTable;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use crate::answers::problem;

/// Sources that are told apart, some 60 octets each; of a flood of more, those that find no place share one.
const SOURCES: usize = 1 << 14;

/// Counts by address: of IPv6 by the /64, which is one host's.
struct Crowd {
    table: RateTable,
    limit: Limit,
    clock: Arc<dyn Clock>,
}

impl Crowd {
    fn new(limit: Limit, clock: Arc<dyn Clock>) -> Self {
        Self { table: RateTable::new(SOURCES), limit, clock }
    }
}

/// Answers in place of a router where one source asks more often than this. A proxy on this machine counts for itself.
pub(crate) fn held_back(router: Router, limit: Limit, clock: Arc<dyn Clock>) -> Router {
    router.layer(from_fn_with_state(Arc::new(Crowd::new(limit, clock)), hold_back))
}

async fn hold_back(
    State(crowd): State<Arc<Crowd>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    question: Request,
    next: Next,
) -> Response {
    let from = from.ip().to_canonical();
    if from.is_loopback() {
        return next.run(question).await;
    }
    match crowd.table.admit(Subject::address(from), &crowd.limit, crowd.clock.now()) {
        Ok(()) => next.run(question).await,
        Err(wait) => {
            let detail =
                "this address asks too often: ask again later, or have its [limits] raised by who runs this";
            let mut answer = problem(StatusCode::TOO_MANY_REQUESTS, "too-many-questions", detail);
            let seconds = HeaderValue::from(wait.as_secs().saturating_add(1));
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
            answer
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_gather::clock::ManualClock;
    use avouch_wire::time::Time;
    use axum::body::Body;
    use axum::routing::post;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use std::time::Duration;

    #[tokio::test]
    async fn a_source_that_asks_too_often_waits_and_others_do_not() {
        let rate = crate::config::Limits { burst: 2, ..Default::default() };
        let clock = Arc::new(ManualClock::at(Time::from_seconds(1_000)));
        let router = Router::new().route("/", post(async || ""));
        let router = held_back(router, rate.limit().unwrap(), Arc::<ManualClock>::clone(&clock) as _);
        let service = TowerToHyperService::new(router);
        let ask = async |from: &str| {
            let mut question = http::Request::post("/").body(Body::empty()).unwrap();
            question.extensions_mut().insert(ConnectInfo(SocketAddr::new(from.parse().unwrap(), 9)));
            service.call(question).await.unwrap()
        };
        for from in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"] {
            assert_eq!(ask(from).await.status(), 200, "{from}");
        }
        for from in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::3"] {
            let answer = ask(from).await;
            assert_eq!(answer.status(), 429, "{from}");
            assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        }
        assert_eq!(ask("2001:db8:0:1::1").await.status(), 200, "another's network");
        for _ in 0..9 {
            assert_eq!(ask("127.0.0.1").await.status(), 200);
        }
        clock.advance(Duration::from_millis(20));
        assert_eq!(ask("192.0.2.1").await.status(), 200);
        assert_eq!(ask("192.0.2.1").await.status(), 429);
    }
}
