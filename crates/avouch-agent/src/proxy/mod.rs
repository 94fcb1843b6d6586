//! The forward proxy: programs send it requests for any site, and it signs those to destinations.

mod opened;
mod tunnel;

use std::sync::Arc;
use std::time::Duration;

use avouch_wire::authority::{Authority, Scheme};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::upgrade;
use hyper_util::rt::TokioIo;

use crate::agent::{host_is, site_of};
use crate::authority::Issuing;
use crate::body::Answer;
use crate::carrier::Carrier;
use crate::config::Intercept;
use crate::listen::{Place, Service};
use crate::outbound::Ends;
use crate::refusal::Refusal;
use crate::site::Site;

/// The proxy.
#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) carrier: Carrier,
    /// Where https is opened.
    pub(crate) tls: Option<(Arc<Issuing>, Intercept)>,
    pub(crate) tunnel_idle: Duration,
}

impl Service for Proxy {
    async fn answer(&self, request: Request<Incoming>, ends: Ends, place: &Place) -> Response<Answer> {
        if self.carrier.outbound.is_own(ends) {
            return self.carrier.refuse(&Refusal::Loop);
        }
        if request.method() == Method::CONNECT {
            let connected = self.connect(request, ends, place).await;
            return connected.unwrap_or_else(|refusal| self.carrier.refuse(&refusal));
        }
        if request.uri().authority().is_none() {
            return self.carrier.refuse(&Refusal::NotForProxy);
        }
        match site_of(request.uri()) {
            Some(site) if host_is(&request, &site) => self.carrier.carry(request, site).await,
            _ => self.carrier.refuse(&Refusal::Site),
        }
    }
}

impl Proxy {
    /// Makes a tunnel of a connection: opened where that was asked for and there is something to sign or to take away,
    /// and otherwise passed on as it is.
    async fn connect(
        &self,
        request: Request<Incoming>,
        ends: Ends,
        place: &Place,
    ) -> Result<Response<Answer>, Refusal> {
        let site = tunnel_to(&request).filter(|site| host_is(&request, site)).ok_or(Refusal::Site)?;
        let place = place.clone();
        if let Some(issuing) = self.issuing(&site) {
            let acceptor = issuing.acceptor(site.host()).map_err(|error| {
                tracing::error!(%site, %error, "no certificate could be issued");
                Refusal::Site
            })?;
            let through = (self.carrier.clone(), site);
            tokio::spawn(async move {
                // Of a program that is gone there is nothing to do.
                if let Ok(stream) = upgrade::on(request).await {
                    opened::open(TokioIo::new(stream), acceptor, through, (ends, place)).await;
                }
            });
            return Ok(Response::new(empty()));
        }
        let (far, own) = self.carrier.outbound.tcp(&site).await?;
        self.carrier.agent.figures().tunnelled.up();
        let idle = self.tunnel_idle;
        tokio::spawn(async move {
            if let Ok(near) = upgrade::on(request).await {
                tunnel::pass(TokioIo::new(near), far, idle, place.stop.clone()).await;
            }
            drop((own, place));
        });
        Ok(Response::new(empty()))
    }

    fn issuing(&self, site: &Site) -> Option<&Issuing> {
        let (issuing, intercept) = self.tls.as_ref()?;
        let opens = *intercept == Intercept::All || self.carrier.agent.protocols(site).is_some();
        opens.then_some(issuing)
    }
}

/// Where a tunnel is to lead: a host with its port, which has to be named (RFC 9110 section 9.3.6).
fn tunnel_to<B>(request: &Request<B>) -> Option<Site> {
    let authority = request.uri().authority()?;
    authority.port()?;
    let authority = Authority::parse(authority.as_str(), Scheme::Https).ok()?.into_owned();
    Some(Site { scheme: Scheme::Https, authority })
}

fn empty() -> Answer {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
}
