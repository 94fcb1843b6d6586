//! A port of this machine that leads to one site: for programs that know of no proxy, or do not speak TLS.

use std::net::IpAddr;

use avouch_wire::authority::{Authority, Scheme};
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;

use crate::agent::host_is;
use crate::body::Answer;
use crate::carrier::Carrier;
use crate::listen::{Place, Service};
use crate::outbound::Ends;
use crate::refusal::Refusal;
use crate::site::Site;

/// A port that leads to one site.
#[derive(Clone)]
pub(crate) struct Egress {
    pub(crate) carrier: Carrier,
    pub(crate) site: Site,
}

impl Service for Egress {
    async fn answer(&self, request: Request<Incoming>, ends: Ends, _place: &Place) -> Response<Answer> {
        if self.carrier.outbound.is_own(ends) {
            return self.carrier.refuse(&Refusal::Loop);
        }
        if is_of_another_page(&request) {
            return self.carrier.refuse(&Refusal::Browser);
        }
        if request.uri().authority().is_some()
            || !(host_is(&request, &self.site) || names_this_machine(&request))
        {
            return self.carrier.refuse(&Refusal::Site);
        }
        self.carrier.carry(request, self.site.clone()).await
    }
}

/// Whether another site's page asked for it, by a browser. A page anywhere can send requests to ports of this machine.
/// Browsers say so by `Sec-Fetch-Site`, though not to every address, and by `Origin`, though not with every request; and
/// a page may ask for a WebSocket, which does not pass here.
fn is_of_another_page<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    let from = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let host = headers.get(header::HOST).map_or(&b""[..], HeaderValue::as_bytes);
    let is_own = |origin: &HeaderValue| origin.as_bytes().strip_prefix(b"http://") == Some(host);
    from.is_some_and(|from| from != b"none" && from != b"same-origin")
        || headers.get_all(header::ORIGIN).iter().any(|origin| !is_own(origin))
        || headers.contains_key(header::UPGRADE)
        || headers.contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Whether the request was meant for this machine as `localhost` or by its own address, and not by a name of somebody's
/// who lets it lead here, nor by an address to which browsers do not say whose page asks.
fn names_this_machine<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Some(named) = host.to_str().ok().and_then(|host| Authority::parse(host, Scheme::Http).ok()) else {
        return false;
    };
    let host = named.host().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(fields: &[(&str, &str)]) -> Request<()> {
        let request =
            fields.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap()
    }

    #[test]
    fn a_name_of_somebodys_that_leads_here_is_not_this_machine() {
        for host in ["127.0.0.1:8119", "localhost:8119", "[::1]:8119"] {
            assert!(names_this_machine(&request(&[("host", host)])), "{host}");
        }
        for host in ["10.0.0.1:8119", "0.0.0.0:8119", "[::ffff:127.0.0.1]:8119", "[::]:8119"] {
            assert!(!names_this_machine(&request(&[("host", host)])), "{host}");
        }
        for host in ["evil.example:8119", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b"] {
            assert!(!names_this_machine(&request(&[("host", host)])), "{host}");
        }
        assert!(!names_this_machine(&request(&[])));
        assert!(!names_this_machine(&request(&[("host", "localhost"), ("host", "localhost")])));
    }

    #[test]
    fn a_page_of_another_site_is_told_from_a_program() {
        assert!(!is_of_another_page(&request(&[])));
        for own in ["none", "same-origin"] {
            assert!(!is_of_another_page(&request(&[("sec-fetch-site", own)])));
        }
        for other in ["cross-site", "same-site", "x"] {
            assert!(is_of_another_page(&request(&[("sec-fetch-site", other)])));
        }
        let host = ("host", "localhost:8119");
        assert!(!is_of_another_page(&request(&[host, ("origin", "http://localhost:8119")])));
        for origin in ["null", "https://evil.example", "http://localhost", "https://localhost:8119"] {
            assert!(is_of_another_page(&request(&[host, ("origin", origin)])), "{origin}");
        }
        assert!(is_of_another_page(&request(&[("upgrade", "websocket")])));
        assert!(is_of_another_page(&request(&[("sec-websocket-key", "a")])));
    }
}
