//! What questions of verifiers and agents have in common: who signed them, and how they are answered.

use avouch_keys::entropy::{Entropy as _, SystemEntropy};
use avouch_wire::authority::Authority;
use avouch_wire::entity::{Asker, Credentials, MessageError};
use avouch_wire::name::Domain;
use axum::body::Bytes;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use zeroize::Zeroizing;

use super::refusal::Refusal;
use crate::answers::{problem, unavailable};
use crate::desk::Unavailable;

/// Why there is no other answer.
#[derive(Debug)]
pub(super) enum Fault {
    Malformed(MessageError),
    Refused(Refusal),
    Unavailable(Unavailable),
    NoRandomness,
}

impl From<MessageError> for Fault {
    fn from(error: MessageError) -> Self {
        Self::Malformed(error)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unavailable> for Fault {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl Fault {
    pub(super) fn answer(self, asker: Asker) -> Response {
        let refusal = match self {
            Self::Malformed(error) => return problem(StatusCode::BAD_REQUEST, "malformed", error),
            Self::Unavailable(error) => return unavailable(&error),
            Self::NoRandomness => {
                let detail = "the system gives no randomness";
                return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
            }
            Self::Refused(refusal) => refusal,
        };
        let mut answer = problem(refusal.status(), refusal.code(), refusal);
        let fields = answer.headers_mut();
        if let Some(seconds) = refusal.retry_after() {
            fields.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if refusal.status() == StatusCode::UNAUTHORIZED {
            fields.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(asker.scheme()));
        }
        answer
    }
}

/// To whom what a verifier takes is counted: the registrable domain of the authority that it is; the host, if that has
/// none. Ports and names below cost nothing, and so give no more.
pub(super) fn counted(audience: &Authority<'_>) -> String {
    let host = audience.host();
    Domain::host(host).map_or_else(|_| host.to_owned(), |domain| domain.registrable().to_owned())
}

/// Who says that they signed. There is one field of it.
pub(super) fn credentials(fields: &HeaderMap, asker: Asker) -> Result<Credentials, Refusal> {
    let none = Refusal::NoSignature(asker.scheme());
    let mut fields = fields.get_all(header::AUTHORIZATION).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return Err(none) };
    let credentials = field.to_str().ok().and_then(Credentials::parse);
    credentials.filter(|credentials| credentials.asker == asker).ok_or(none)
}

/// An answer that holds secrets: nobody keeps it, and its octets are wiped when they are sent.
pub(super) fn secret(text: Zeroizing<String>) -> Response {
    let body = axum::body::Body::from(Bytes::from_owner(text));
    let mut answer = (StatusCode::OK, body).into_response();
    let fields = answer.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// What a secret is derived of.
pub(super) fn draw() -> Result<[u8; 32], Fault> {
    let mut salt = [0; 32];
    SystemEntropy.fill(&mut salt).map_err(|_| Fault::NoRandomness)?;
    Ok(salt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_wire::authority::Scheme;

    #[test]
    fn ports_and_names_below_count_to_one_domain_and_others_do_not() {
        for (audience, to) in [
            ("shop.example", "shop.example"),
            ("www.shop.example:8443", "shop.example"),
            ("a.b.shop.co.uk", "shop.co.uk"),
            ("other.co.uk", "other.co.uk"),
            ("192.0.2.1:8443", "192.0.2.1"),
            ("[2001:db8::1]:8443", "[2001:db8::1]"),
            ("localhost:8443", "localhost"),
        ] {
            assert_eq!(counted(&Authority::parse(audience, Scheme::Https).unwrap()), to);
        }
    }
}
