//! What may be asked for.

use crate::target::{NormalPath, is_token};
use std::fmt;
use thiserror::Error;

/// A method and everything below a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// `None`: any.
    method: Option<Box<str>>,
    prefix: Box<str>,
}

/// Why a text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ScopeError {
    /// Not two parts.
    #[error("is not a method and a path with one blank between, such as `GET /feeds`")]
    Form,
    /// Not a method.
    #[error("does not begin with a method or *")]
    Method,
    /// Not a path in the one spelling that is matched.
    #[error(
        "does not end in a path as it is matched: from /, without query, dot segments, // or escapes of plain characters"
    )]
    Path,
}

impl Scope {
    /// Reads `METHOD path-prefix`; `*` is any method.
    ///
    /// # Errors
    /// [`ScopeError`].
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        let (method, prefix) = text.split_once(' ').ok_or(ScopeError::Form)?;
        if !is_token(method) {
            return Err(ScopeError::Method);
        }
        let is_target = prefix.bytes().all(|octet| (0x21..=0x7e).contains(&octet) && !b"#?".contains(&octet));
        let normal = NormalPath::of(prefix);
        if !prefix.starts_with('/') || !is_target || normal.is_ambiguous() || normal.as_str() != prefix {
            return Err(ScopeError::Path);
        }
        Ok(Self { method: (method != "*").then(|| method.into()), prefix: prefix.into() })
    }

    /// Whether a request is within: its method is the same, and its path is the prefix or goes on from it with a
    /// new segment. A path that servers may read differently is within nothing.
    #[must_use]
    pub fn admits(&self, method: &str, path: &NormalPath<'_>) -> bool {
        let goes_on = |rest: &str| rest.is_empty() || rest.starts_with('/') || self.prefix.ends_with('/');
        !path.is_ambiguous()
            && self.method.as_deref().is_none_or(|own| own == method)
            && path.as_str().strip_prefix(&*self.prefix).is_some_and(goes_on)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method.as_deref().unwrap_or("*"), self.prefix)
    }
}
