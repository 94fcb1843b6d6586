//! Connections that are opened, so that what goes over them can be signed.

use std::time::Duration;

use avouch_tls::Acceptor;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::agent::host_is;
use crate::body::Answer;
use crate::carrier::Carrier;
use crate::listen::{Place, Service, serve};
use crate::outbound::Ends;
use crate::refusal::Refusal;
use crate::site::Site;

/// How long a handshake may take; programs are near.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// What is inside a tunnel to a site.
#[derive(Clone)]
struct Inside {
    carrier: Carrier,
    site: Site,
}

impl Service for Inside {
    async fn answer(&self, request: Request<Incoming>, _ends: Ends, _place: &Place) -> Response<Answer> {
        // The tunnel leads to one site, and so does all that comes through it.
        if request.uri().authority().is_some() || !host_is(&request, &self.site) {
            return self.carrier.refuse(&Refusal::Site);
        }
        self.carrier.carry(request, self.site.clone()).await
    }
}

/// Speaks TLS with the program in the site's place, and carries its requests.
pub(super) async fn open<S>(
    stream: S,
    acceptor: Acceptor,
    (carrier, site): (Carrier, Site),
    (ends, place): (Ends, Place),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(secured)) => serve(secured, ends, &place, &Inside { carrier, site }).await,
        Ok(Err(error)) => {
            tracing::warn!(%site, %error, "a program did not take the agent's certificate, or spoke no TLS; does it trust what `avouch agent ca` prints?");
        }
        Err(_) => tracing::debug!(%site, "no handshake in time"),
    }
}
