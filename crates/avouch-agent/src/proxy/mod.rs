//! The forward proxy: programs send it requests for any site, and it signs those to destinations.

use std::net::SocketAddr;

use http::{Method, Request, Response};
use hyper::body::Incoming;

use crate::agent::{host_is, site_of};
use crate::body::Answer;
use crate::carrier::Carrier;
use crate::listen::{Place, Service};
use crate::refusal::Refusal;

/// The proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) carrier: Carrier,
}

impl Service for Proxy {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr, place: &Place) -> Response<Answer> {
        if self.carrier.outbound.is_own(peer) {
            return self.carrier.refuse(&Refusal::Loop);
        }
        if request.method() == Method::CONNECT {
            let _ = place;
            return self.carrier.refuse(&Refusal::NotForProxy);
        }
        if request.uri().authority().is_none() {
            return self.carrier.refuse(&Refusal::NotForProxy);
        }
        match site_of(request.uri()) {
            Ok(site) if host_is(&request, &site) => self.carrier.carry(request, site).await,
            _ => self.carrier.refuse(&Refusal::Site),
        }
    }
}
