//! What is signed of a request.

use avouch_wire::authority::{Authority, AuthorityError};
use avouch_wire::content::ContentDigest;
use avouch_wire::target::{Target, TargetError, is_token};

use crate::site::Site;

/// Longest method: as long as signers take.
const MAX_METHOD: usize = 64;

/// A request, as far as it is signed.
#[derive(Clone, Debug)]
pub struct Question {
    /// The method as it will be sent.
    pub method: String,
    /// The site.
    pub site: Site,
    /// Path and query as they will be sent.
    pub target: String,
    /// What is known of its content.
    pub content: Content,
}

/// What is known of a request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// There is none, which the signature says.
    None,
    /// Nothing: it is not covered, and a verifier says so.
    Unseen,
    /// Its digest, after transfer decoding and before content decoding.
    Read(ContentDigest),
}

/// Why something is no request that could be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// No method, or one that has no target to sign or shows signatures to whoever asks.
    #[error(
        "the method is not a token of at most {MAX_METHOD} letters, digits and marks, or is CONNECT or TRACE, which are not signed"
    )]
    Method,
    /// No URL, or one with other characters than visible ASCII, or a fragment.
    #[error("the URL {0}")]
    Target(#[from] TargetError),
    /// Not absolute, or of another scheme.
    #[error("the URL is not an absolute one of http or https")]
    NoSite,
    /// A site that cannot be bound to a signature.
    #[error("the URL names no site: {0}")]
    Authority(#[from] AuthorityError),
}

impl Question {
    /// A request with this method for an absolute `http` or `https` URL.
    ///
    /// # Errors
    /// [`QuestionError`].
    pub fn of(method: &str, url: &str, content: Content) -> Result<Self, QuestionError> {
        if !is_token(method) || method.len() > MAX_METHOD || matches!(method, "CONNECT" | "TRACE") {
            return Err(QuestionError::Method);
        }
        let target = Target::parse(method, url)?;
        let (scheme, authority) = target.origin().ok_or(QuestionError::NoSite)?;
        let authority = Authority::parse(authority, scheme)?.into_owned();
        let site = Site { scheme, authority };
        Ok(Self { method: method.to_owned(), site, target: target.path().to_owned(), content })
    }
}
