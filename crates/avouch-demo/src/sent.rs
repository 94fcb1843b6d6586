//! A visitor's request, ready to be sent as often as wanted.

use std::net::{Ipv4Addr, SocketAddr};

use avouch_keys::delegation::issue;
use avouch_keys::saip::{Mode, RequestToSign, Signer};
use avouch_keys::{SecretKey, web_bot_auth};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::content::ContentDigest;
use avouch_wire::delegation::{FIELD, Grant, Scope, Subject};
use avouch_wire::name::Domain;
use avouch_wire::privacy_pass::Token;
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::Dialect;
use bytes::Bytes;
use http::response::Parts;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::DemoError;

/// The site all of them visit.
pub(crate) const SITE: &str = "www.shop.example";

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A request as it goes over the wire. Whatever changes after [`Sent::signed`] is tampering.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) from: Ipv4Addr,
    host: &'static str,
    user_agent: &'static str,
    fields: Vec<(&'static str, String)>,
    body: Bytes,
}

impl Sent {
    pub(crate) fn get(target: &'static str, from: [u8; 4]) -> Self {
        let (from, fields, body) = (Ipv4Addr::from(from), Vec::new(), Bytes::new());
        Self { method: "GET", target, from, host: SITE, user_agent: BROWSER, fields, body }
    }

    pub(crate) fn post(target: &'static str, from: [u8; 4], body: impl Into<Bytes>) -> Self {
        Self { method: "POST", body: body.into(), ..Self::get(target, from) }
    }

    pub(crate) fn user_agent(self, user_agent: &'static str) -> Self {
        Self { user_agent, ..self }
    }

    pub(crate) fn target(self, target: &'static str) -> Self {
        Self { target, ..self }
    }

    pub(crate) fn host(self, host: &'static str) -> Self {
        Self { host, ..self }
    }

    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }
    }

    pub(crate) fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// Names an agent and proves nothing.
    pub(crate) fn claiming(self, signer: &Signer) -> Result<Self, DemoError> {
        Ok(self.user_agent("acme-crawler/1.0").field("SAIP", signer.speaker().bare_claim()?))
    }

    /// Signs method, target, host and body as they are now.
    pub(crate) fn signed(self, signer: &Signer, mode: Mode, now: Time) -> Result<Self, DemoError> {
        let request = RequestToSign {
            method: self.method,
            target: &Target::parse(self.method, self.target)?,
            authority: &Authority::parse(self.host, Scheme::Http)?,
            content: Some(ContentDigest::of(&self.body)),
        };
        let header = signer.sign(request, mode, now)?;
        Ok(self.user_agent("acme-crawler/1.0").field("SAIP", header))
    }

    /// Adds a token by which `key` lets `subject` fetch orders in the name of partner.example, at this site.
    pub(crate) fn delegated(self, key: &SecretKey, subject: Subject, now: Time) -> Result<Self, DemoError> {
        let grant = Grant {
            issuer: Domain::parse("partner.example")?.into_owned(),
            subject,
            not_before: now.seconds(),
            expires: now.seconds() + 3600,
            scopes: vec![Scope::parse("GET /orders")?],
            audience: vec![Authority::parse(SITE, Scheme::Https)?],
            id: "demo".to_owned(),
        };
        Ok(self.field(FIELD, issue(key, &grant)?))
    }

    /// Signs by Web Bot Auth, naming the URL of a directory.
    pub(crate) fn by_bot(
        mut self,
        key: &SecretKey,
        dialect: Dialect,
        url: &str,
        now: Time,
    ) -> Result<Self, DemoError> {
        let request = web_bot_auth::RequestToSign {
            method: self.method,
            scheme: Scheme::Http,
            authority: &Authority::parse(self.host, Scheme::Http)?,
            target: &Target::parse(self.method, self.target)?,
            content: (!self.body.is_empty()).then(|| ContentDigest::of(&self.body)),
        };
        let speaker = web_bot_auth::Speaker { dialect, url, lifetime: 60 };
        self.fields.extend(web_bot_auth::sign(key, speaker, request, now)?);
        Ok(self.user_agent("bot/1.0"))
    }

    /// Redeems a Privacy Pass token.
    pub(crate) fn redeeming(self, token: &Token) -> Self {
        self.field("Authorization", format!("PrivateToken token=\"{}\"", token.text()))
    }

    /// Sends it and gives the status of the answer; `None` when there was none.
    pub(crate) async fn send(&self, gateway: SocketAddr) -> Option<u16> {
        self.ask(gateway).await.map(|answer| answer.status.as_u16())
    }

    /// Sends it and gives the head of the answer; `None` when there was none.
    pub(crate) async fn ask(&self, gateway: SocketAddr) -> Option<Parts> {
        let connection = TcpStream::connect(gateway).await.ok()?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(connection)).await.ok()?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(self.request()?).await.ok().map(http::Response::into_parts);
        let head = match answer {
            Some((head, body)) => {
                // An answer that breaks off has shown its head already.
                let _rest = body.collect().await;
                Some(head)
            }
            None => None,
        };
        drop(sender);
        driver.abort();
        head
    }

    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(self.method)
            .uri(self.target)
            .header(header::HOST, self.host)
            .header(header::USER_AGENT, self.user_agent)
            .header("X-Forwarded-For", self.from.to_string());
        for (name, value) in &self.fields {
            request = request.header(*name, value);
        }
        request.body(Full::new(self.body.clone())).ok()
    }
}
