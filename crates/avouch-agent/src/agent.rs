//! The agent: says for each request whether it is signed, and signs it.

use std::sync::Arc;

use avouch_gather::clock::{Clock, SystemClock};
use avouch_wire::authority::{Authority, Scheme};
use http::uri::Uri;
use http::{HeaderName, HeaderValue, Request, header};

use crate::config::{Config, Destination, Protocols};
use crate::desk::{Desk, DeskError};
use crate::figures::Figures;
use crate::hygiene;
use crate::identity::Identity;
use crate::key::OpenError;
use crate::lines::Ticket;
use crate::question::{Content, Question, QuestionError};
use crate::site::Site;

/// The fields that are set in place of any the request has.
pub type Fields = Vec<(HeaderName, HeaderValue)>;

/// Signs requests to the destinations of a configuration, and no others. Cheap to clone.
///
/// This is the library: [`Agent::sign_request`] for whoever has an [`http::Request`], as with hyper,
/// [`Agent::sign`] for whoever has its parts, as with reqwest.
#[derive(Clone)]
pub struct Agent(Arc<Inner>);

struct Inner {
    destinations: Vec<Destination>,
    desk: Desk,
    figures: Figures,
}

/// Why a request is not signed. It is not to be sent: its operator wants it to say who asks.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is none that could be signed.
    #[error("{0}")]
    Question(#[from] QuestionError),
    /// No signature.
    #[error("{0}")]
    Desk(#[from] DeskError),
}

impl Agent {
    /// Opens the key of a configuration. It may take the better part of a second where the key is encrypted.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        Self::open_with(config, Arc::new(SystemClock::new()))
    }

    /// The same, by another clock.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(config: &Config, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let desk = Desk::new(Identity::open(&config.identity)?, clock, &config.limits);
        Ok(Self(Arc::new(Inner {
            destinations: config.destinations.clone(),
            desk,
            figures: Figures::default(),
        })))
    }

    /// By what requests to this site are signed; `None`: they go out without a name.
    #[must_use]
    pub fn protocols(&self, site: &Site) -> Option<Protocols> {
        let place = self.0.destinations.iter().find(|place| place.holds(site.scheme, &site.authority))?;
        (!place.sign.is_none()).then_some(place.sign)
    }

    /// The fields that sign a request; `None` where it goes out without a name. Good for one request: one that is sent
    /// again is signed again.
    ///
    /// ```
    /// # use avouch_agent::{Agent, Content, Question};
    /// # async fn shown(agent: Agent, headers: &mut http::HeaderMap) -> Result<(), Box<dyn std::error::Error>> {
    /// let question = Question::of("GET", "https://www.shop.example/prices", Content::None)?;
    /// for (name, value) in agent.sign(question).await?.into_iter().flatten() {
    ///     headers.insert(name, value);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`DeskError`]: it is to be signed, and cannot be.
    pub async fn sign(&self, question: Question) -> Result<Option<Fields>, DeskError> {
        let Some((fields, ticket)) = self.sign_counted(question).await? else { return Ok(None) };
        ticket.into_iter().for_each(Ticket::handed_on);
        Ok(Some(fields))
    }

    /// The same, with the request's place where it is counted: to be kept until its answer begins, and to be told of it.
    pub(crate) async fn sign_counted(
        &self,
        question: Question,
    ) -> Result<Option<(Fields, Option<Ticket>)>, DeskError> {
        let Some(by) = self.protocols(&question.site) else { return Ok(None) };
        let signed = self.0.desk.sign(by, question).await;
        let (fields, ticket) = signed.inspect_err(|error| {
            self.0.figures.unsigned.up();
            tracing::warn!(%error, "a request was not signed");
        })?;
        let fields = fields.into_iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| DeskError::Broken)?;
            Ok((name, HeaderValue::try_from(value).map_err(|_| DeskError::Broken)?))
        });
        let fields = fields.collect::<Result<_, DeskError>>()?;
        Ok(Some((fields, ticket)))
    }

    /// Signs a request with an absolute URL if it goes to a destination, and says whether it did. Fields by which it says
    /// who sends it are taken away in either case.
    ///
    /// ```
    /// # use avouch_agent::{Agent, Content};
    /// # async fn shown(agent: Agent) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut request = http::Request::get("https://www.shop.example/prices").body(())?;
    /// if agent.sign_request(&mut request, Content::None).await? {
    ///     assert!(request.headers().contains_key("saip"));
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`RequestError`]: it must not be sent.
    pub async fn sign_request<B>(
        &self,
        request: &mut Request<B>,
        content: Content,
    ) -> Result<bool, RequestError> {
        hygiene::strip_identity(request.headers_mut());
        let question = Question::of(request.method().as_str(), &request.uri().to_string(), content)?;
        let Some(fields) = self.sign(question).await? else { return Ok(false) };
        for (name, value) in fields {
            request.headers_mut().insert(name, value);
        }
        Ok(true)
    }

    pub(crate) fn figures(&self) -> &Figures {
        &self.0.figures
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    pub(crate) fn identity(&self) -> &Identity {
        self.0.desk.identity()
    }

    pub(crate) fn destinations(&self) -> &[Destination] {
        &self.0.destinations
    }
}

/// The site of an absolute URL.
pub(crate) fn site_of(uri: &Uri) -> Option<Site> {
    let scheme = uri.scheme_str().and_then(Scheme::parse)?;
    let authority = Authority::parse(uri.authority()?.as_str(), scheme).ok()?.into_owned();
    Some(Site { scheme, authority })
}

/// Whether a request's `Host` names this site and nothing else does; HTTP/1.0 needs none.
pub(crate) fn host_is<B>(request: &Request<B>, site: &Site) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < http::Version::HTTP_11,
        (Some(host), None) => {
            let named = host.to_str().ok().and_then(|host| Authority::parse(host, site.scheme).ok());
            named.is_some_and(|named| named == site.authority)
        }
        (Some(_), Some(_)) => false,
    }
}
