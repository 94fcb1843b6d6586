//! What is asked and answered, as JSON.

use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::agent::Fields;
use crate::question::{Content, Question, QuestionError};
use crate::site::Site;

/// The fields that a request must not have of its own, in any spelling.
const STRIP: [&str; 5] = ["saip", "saip-*", "signature", "signature-agent", "signature-input"];

/// Why a question has no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("this user may not ask; `[signer] users` names those who may")]
    User,
    #[error("there is /v1/sign, and nothing else")]
    Path,
    #[error("a question is asked by POST")]
    Method,
    #[error("a question is application/json")]
    Kind,
    #[error("the question did not arrive in time")]
    Late,
    #[error("the question is longer than 64 KiB")]
    Long,
    #[error("the question broke off")]
    Broken,
    #[error("the question cannot be read: {0}")]
    Json(String),
    #[error("{0}")]
    Question(#[from] QuestionError),
    #[error("`content` is not \"none\", \"unseen\" or {{\"sha256\": 43 characters of base64url}}")]
    Content,
    #[error("the request cannot be signed: {0}")]
    Unsignable(String),
    #[error("more requests are to be signed than the key signs; ask again")]
    Busy,
    #[error("not signed: {0}")]
    Key(String),
    #[error("signing broke off; a defect of avouch")]
    Defect,
}

impl Fault {
    pub(crate) const fn status(&self) -> StatusCode {
        match self {
            Self::User => StatusCode::FORBIDDEN,
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Kind => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::Long => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken | Self::Json(_) | Self::Question(_) | Self::Content | Self::Unsignable(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::Busy | Self::Key(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Defect => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// As RFC 9457 writes it.
    pub(crate) fn text(&self) -> String {
        let status = self.status();
        let title = status.canonical_reason().unwrap_or_default();
        json!({ "status": status.as_u16(), "title": title, "detail": self.to_string() }).to_string()
    }
}

/// A question.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    method: String,
    url: String,
    #[serde(default)]
    content: AskedContent,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AskedContent {
    #[default]
    None,
    Unseen,
    #[serde(untagged)]
    Read(Digest),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Digest {
    sha256: String,
}

impl Asked {
    pub(crate) fn read(octets: &[u8]) -> Result<Self, Fault> {
        serde_json::from_slice(octets).map_err(|error| Fault::Json(error.to_string()))
    }

    /// The request that is meant. The message that is signed is made of it here, and of nothing else.
    pub(crate) fn question(self) -> Result<Question, Fault> {
        let Self { method, url, content } = self;
        let content = match content {
            AskedContent::None => Content::None,
            AskedContent::Unseen => Content::Unseen,
            AskedContent::Read(Digest { sha256 }) => Content::Read(digest(&sha256).ok_or(Fault::Content)?),
        };
        Ok(Question::of(&method, &url, content)?)
    }
}

fn digest(text: &str) -> Option<ContentDigest> {
    b64u::decode(text).ok().map(ContentDigest)
}

/// The answer with the fields that sign the request.
pub(crate) fn signed(fields: &Fields) -> String {
    let shown = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers: Vec<_> =
        fields.iter().map(|(name, value)| [name.as_str().to_owned(), shown(value)]).collect();
    json!({ "signed": true, "headers": headers, "strip": STRIP }).to_string()
}

/// The answer where the request is to go out without a name.
pub(crate) fn anonymous(site: &Site) -> String {
    let detail = format!("{site} is no destination: send the request without a name");
    json!({ "signed": false, "headers": [], "strip": STRIP, "detail": detail }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &str) -> Result<Question, Fault> {
        Asked::read(text.as_bytes())?.question()
    }

    #[test]
    fn a_question_is_a_request_and_its_content() {
        let read = |content: &str| {
            question(&format!(r#"{{"method":"GET","url":"https://WWW.shop.example:443/a?b=%2F"{content}}}"#))
                .unwrap()
        };
        let plain = read("");
        assert_eq!((plain.method.as_str(), plain.target.as_str()), ("GET", "/a?b=%2F"));
        assert_eq!(
            (plain.site.to_string().as_str(), plain.content),
            ("https://www.shop.example", Content::None)
        );
        assert_eq!(read(r#","content":"none""#).content, Content::None);
        assert_eq!(read(r#","content":"unseen""#).content, Content::Unseen);
        let digest = ContentDigest::of(b"x");
        let text = format!(r#","content":{{"sha256":"{}"}}"#, b64u::encode(&digest.0));
        assert_eq!(read(&text).content, Content::Read(digest));
    }

    #[test]
    fn whatever_else_is_refused_with_its_reason() {
        let ask = |method: &str, url: &str, more: &str| {
            question(&format!(r#"{{"method":"{method}","url":"{url}"{more}}}"#)).unwrap_err()
        };
        let url = "https://a.example/";
        for method in ["", "GE T", "GET\\n", "CONNECT", "TRACE", &"A".repeat(65)] {
            assert_eq!(ask(method, url, ""), Fault::Question(QuestionError::Method), "{method}");
        }
        for url in [
            "",
            "/a",
            "*",
            "ftp://a.example/",
            "https://",
            "https://u@a.example/",
            "https://a.example/#b",
            "https://a.example/ b",
            "https://a.example/\u{e4}",
            "https://a_b.example/",
        ] {
            let refused = ask("GET", url, "");
            assert!(matches!(refused, Fault::Question(error) if error != QuestionError::Method), "{url}");
        }
        let short = format!(r#","content":{{"sha256":"{}"}}"#, "A".repeat(42));
        assert_eq!(ask("GET", url, &short), Fault::Content);
        for more in [
            r#","content":"all""#,
            r#","content":{"sha256":"x","more":1}"#,
            r#","digest":"x""#,
            r#","method":"GET""#,
        ] {
            assert!(matches!(ask("GET", url, more), Fault::Json(_)), "{more}");
        }
        assert!(matches!(question("[]"), Err(Fault::Json(_))));
        assert!(matches!(question(r#"{"url":"https://a.example/"}"#), Err(Fault::Json(_))));
    }
}
