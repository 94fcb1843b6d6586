//! The question to a registrar, by HTTP.

use std::time::Duration;

use avouch_wire::authority::Scheme;
use avouch_wire::enrolment::Challenge;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::time::timeout;

use super::answer::{Answer, MAX_ANSWER};
use crate::agent::site_of;
use crate::outbound::Outbound;
use crate::site::Site;

/// Where questions go, below the registrar's URL.
const PATH: &str = "/v1/enrolments";

/// Where a TPM is presented for a challenge.
const CHALLENGES: &str = "/v1/attestations";

/// How long an answer is waited for: registrars answer in milliseconds, and one whose database is slow in some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// A registrar.
#[derive(Clone, Debug)]
pub struct Registrar {
    site: Site,
    path: PathAndQuery,
    challenges: PathAndQuery,
}

/// Why a text names no registrar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrarError {
    /// No absolute URL.
    #[error("write the registrar's URL, such as https://registrar.acme.example")]
    NoUrl,
    /// With a query, a user or a fragment.
    #[error("write the registrar's URL without a query")]
    Query,
    /// In clear, to another machine.
    #[error("the token would go over the network in clear: write https://")]
    Clear,
}

impl Registrar {
    /// Reads its URL: https, or http to this machine.
    ///
    /// # Errors
    /// [`RegistrarError`].
    pub fn parse(text: &str) -> Result<Self, RegistrarError> {
        let uri: Uri = text.parse().map_err(|_| RegistrarError::NoUrl)?;
        let site = site_of(&uri).ok_or(RegistrarError::NoUrl)?;
        if uri.query().is_some() || text.contains(['#', '@']) {
            return Err(RegistrarError::Query);
        }
        let is_here = site.host() == "localhost"
            || site.host().parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        if site.scheme == Scheme::Http && !is_here {
            return Err(RegistrarError::Clear);
        }
        let below = |path| format!("{}{path}", uri.path().trim_end_matches('/')).parse();
        let path = below(PATH).map_err(|_| RegistrarError::NoUrl)?;
        let challenges = below(CHALLENGES).map_err(|_| RegistrarError::NoUrl)?;
        Ok(Self { site, path, challenges })
    }

    /// Asks, and waits for the answer. What the network does to it is an answer that is still to come.
    pub(super) async fn ask(
        &self,
        outbound: &Outbound,
        question: String,
        (agent, name): (&str, &str),
    ) -> Answer {
        match self.post(outbound, &self.path, question).await {
            Ok((status, octets)) => Answer::read(status, &octets, agent, name),
            Err(why) => Answer::Postponed(why),
        }
    }

    /// Asks for a challenge; or what is answered in its place.
    pub(super) async fn challenge(&self, outbound: &Outbound, question: String) -> Result<Challenge, Answer> {
        match self.post(outbound, &self.challenges, question).await {
            Ok((status, octets)) => Answer::challenge(status, &octets),
            Err(why) => Err(Answer::Postponed(why)),
        }
    }

    async fn post(
        &self,
        outbound: &Outbound,
        path: &PathAndQuery,
        question: String,
    ) -> Result<(StatusCode, Bytes), String> {
        let late = |_| format!("it does not answer within {} s", PATIENCE.as_secs());
        timeout(PATIENCE, self.try_post(outbound, path, question)).await.map_err(late)?
    }

    async fn try_post(
        &self,
        outbound: &Outbound,
        path: &PathAndQuery,
        question: String,
    ) -> Result<(StatusCode, Bytes), String> {
        let body = Full::new(Bytes::from(question)).map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(path.clone());
        let host = HeaderValue::from_str(self.site.authority.as_str()).map_err(|error| error.to_string())?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let mut sender = outbound.open(&self.site).await.map_err(|refusal| refusal.to_string())?;
        let broken = |error: hyper::Error| format!("its answer is broken: {error}");
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        let octets = match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(read) => read.to_bytes(),
            Err(error) => return Err(format!("its answer breaks off, or is too long: {error}")),
        };
        Ok((head.status, octets))
    }
}

/// As it was meant.
impl std::fmt::Display for Registrar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_by_https_or_within_the_machine() {
        for (url, path) in [
            ("https://registrar.acme.example", "/v1/enrolments"),
            ("https://registrar.acme.example/", "/v1/enrolments"),
            ("https://acme.example:8443/registrar/", "/registrar/v1/enrolments"),
            ("http://127.0.0.1:8200", "/v1/enrolments"),
            ("http://[::1]:8200", "/v1/enrolments"),
            ("http://localhost:8200", "/v1/enrolments"),
        ] {
            assert_eq!(Registrar::parse(url).unwrap().path.as_str(), path, "{url}");
        }
        for (url, error) in [
            ("http://registrar.acme.example", RegistrarError::Clear),
            ("http://10.0.0.1", RegistrarError::Clear),
            ("registrar.acme.example", RegistrarError::NoUrl),
            ("ftp://acme.example", RegistrarError::NoUrl),
            ("https://acme.example/?a", RegistrarError::Query),
            ("", RegistrarError::NoUrl),
        ] {
            assert_eq!(Registrar::parse(url).unwrap_err(), error, "{url}");
        }
    }
}
