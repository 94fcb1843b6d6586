//! What an agent names in `Signature-Agent`.

use avouch_wire::web_bot_auth::{Agent, AgentError, Agents, Dialect};

/// Why a URL cannot be named in `Signature-Agent`.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// Verifiers would not read it.
    #[error("{0}")]
    Unreadable(#[from] AgentError),
    /// It is of another form.
    #[error("has a path with profile web-bot-auth-d, and none with the others")]
    OtherForm,
}

/// Whether verifiers can use this URL in this form: whatever is sent is read as a verifier would, first.
///
/// # Errors
/// [`UrlError`].
pub fn check_url(dialect: Dialect, url: &str) -> Result<(), UrlError> {
    let named = named(url)?;
    if (dialect == Dialect::D) == (named.dialect == Dialect::D) { Ok(()) } else { Err(UrlError::OtherForm) }
}

/// What verifiers make of this URL.
pub(crate) fn named(url: &str) -> Result<Agent, AgentError> {
    Agents::parse(&format!("\"{url}\""))?.named()
}
