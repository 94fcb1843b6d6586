//! The variables by which HAProxy knows what to do, and may show who asked in its own log.

use avouch_wire::privacy_pass::is_private_token;
use avouch_wire::spop::{Action, Frame, Id, PREFIX, Value};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;

use crate::access_log::Entry;
use crate::body::AnswerBody;
use crate::outgoing;
use crate::verify::on_one_line;

const ACCEPT_SIGNATURE: HeaderName = HeaderName::from_static("accept-signature");

/// Fields of a refusal that are for the client.
const SHOWN: [(HeaderName, &str); 3] = [
    (header::RETRY_AFTER, "retry_after"),
    (header::WWW_AUTHENTICATE, "www_authenticate"),
    (ACCEPT_SIGNATURE, "accept_signature"),
];

/// Variables of the transaction, without `status`.
pub(super) struct Variables {
    status: StatusCode,
    texts: Vec<(String, Vec<u8>)>,
    takes_token: bool,
}

impl Variables {
    /// A status, and nothing else.
    pub(super) const fn of(status: StatusCode) -> Self {
        Self { status, texts: Vec::new(), takes_token: false }
    }

    /// The verdict and the decision, in variables by the names of our fields.
    fn told(mut self, told: &HeaderMap) -> Self {
        for name in &outgoing::TOLD {
            let short = name.as_str().trim_start_matches("avouch-").replace('-', "_");
            let value = told.get(name).map_or(&b"-"[..], HeaderValue::as_bytes);
            self.texts.push((short, value.to_vec()));
        }
        self
    }

    fn with(mut self, name: &str, value: &[u8]) -> Self {
        self.texts.push((name.to_owned(), value.to_vec()));
        self
    }

    /// The same, saying to HAProxy alone what is wrong with its question.
    pub(super) fn explained(self, error: &str) -> Self {
        self.with("error", error.as_bytes())
    }

    /// The frame that sets them, unless it is longer.
    pub(super) fn frame(&self, id: Id, longest: u32) -> Option<Vec<u8>> {
        let status = Action::Set { name: "status", value: Value::Uint32(self.status.as_u16().into()) };
        let token = Action::Set { name: "token", value: Value::Bool(true) };
        let texts = self.texts.iter().map(|(name, value)| Action::Set { name, value: Value::Text(value) });
        let actions = texts.chain(self.takes_token.then_some(token)).chain([status]);
        let octets = Frame::Ack(id, actions.collect()).write();
        let fits = usize::try_from(longest).is_ok_and(|longest| octets.len() - PREFIX <= longest);
        fits.then_some(octets)
    }
}

/// The request goes on with our fields, all of them. Where tokens of Privacy Pass are taken, they stay here.
pub(super) fn permit(told: &HeaderMap, sent: &HeaderMap, takes_tokens: bool) -> Variables {
    let mut credentials = sent.get_all(header::AUTHORIZATION).iter();
    let takes_token = takes_tokens && credentials.any(|value| is_private_token(value.as_bytes()));
    Variables { takes_token, ..Variables::of(StatusCode::OK).told(told) }
}

/// The client is answered as the gateway itself would.
pub(super) async fn refuse(entry: &mut Entry, refusal: Response<AnswerBody>) -> Variables {
    let (mut parts, body) = refusal.into_parts();
    // It is one of ours, held in memory.
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    entry.sent(body.len());
    let mut told = HeaderMap::new();
    outgoing::tell(&mut told, entry, None);
    on_one_line(&mut parts.headers);
    let reason = entry.problem.unwrap_or("-").as_bytes();
    let variables = Variables::of(parts.status).told(&told).with("reason", reason).with("body", &body);
    SHOWN.iter().fold(variables, |variables, (name, variable)| match parts.headers.get(name) {
        Some(value) => variables.with(variable, value.as_bytes()),
        None => variables,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_tokens_are_taken_haproxy_is_told_of_one() {
        let takes = |takes_tokens, credentials: &'static str| {
            let sent = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(credentials))]);
            permit(&HeaderMap::new(), &sent, takes_tokens).takes_token
        };
        assert!(takes(true, "PrivateToken token=\"AA\""));
        assert!(!takes(true, "Basic YQ=="));
        assert!(!takes(false, "PrivateToken token=\"AA\""), "it is the site's");
    }

    #[test]
    fn a_frame_has_every_variable_or_is_none() {
        let variables = permit(&HeaderMap::new(), &HeaderMap::new(), true);
        let id = Id { stream: 1, frame: 2 };
        let whole = variables.frame(id, 1000).unwrap();
        let length = u32::try_from(whole.len() - PREFIX).unwrap();
        assert_eq!(variables.frame(id, length), Some(whole.clone()));
        assert_eq!(variables.frame(id, length - 1), None);
        let Ok(Frame::Ack(answered, actions)) = Frame::read(&whole[PREFIX..]) else { panic!("an answer") };
        assert_eq!((answered, actions.len()), (id, 8));
        let last = Action::Set { name: "status", value: Value::Uint32(200) };
        assert_eq!(actions.last(), Some(&last), "a permit comes after what it permits");
    }
}
