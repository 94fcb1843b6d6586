//! What a registrar answers.

use avouch_wire::enrolment::Challenge;
use http::StatusCode;
use serde::Deserialize;

/// Longest answer that is read, in octets: it names an agent and its record, or a problem.
pub(super) const MAX_ANSWER: usize = 16 << 10;

/// Longest sentence of a registrar's that is passed on, in characters.
const MAX_DETAIL: usize = 300;

/// What became of the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The key stands in the DNS, or will within seconds.
    Enrolled,
    /// The owner of the domain has to approve; in words.
    Pending(String),
    /// The registrar cannot say now; in words.
    Postponed(String),
    /// It wants to be shown that a TPM holds the key; in words.
    Unattested(String),
    /// It refuses: a word for programs, and one for people.
    Refused(String, String),
    /// It is no answer of a registrar; in words.
    Foreign(String),
}

#[derive(Deserialize)]
struct Enrolled {
    agent: String,
    state: String,
    name: String,
}

#[derive(Deserialize)]
struct Problem {
    reason: String,
    detail: String,
}

impl Answer {
    /// Reads the answer to the question of this agent, whose record is to stand at this name.
    pub(super) fn read(status: StatusCode, octets: &[u8], agent: &str, name: &str) -> Self {
        if status.is_success() {
            return Self::read_success(status, octets, agent, name);
        }
        Self::read_problem(status, octets)
    }

    /// Reads a challenge; or the answer in its place.
    pub(super) fn challenge(status: StatusCode, octets: &[u8]) -> Result<Challenge, Self> {
        if !status.is_success() {
            return Err(Self::read_problem(status, octets));
        }
        let foreign = || Self::Foreign(format!("it answers {status} with something else than a challenge"));
        Challenge::read(octets).ok_or_else(foreign)
    }

    fn read_problem(status: StatusCode, octets: &[u8]) -> Self {
        let Ok(Problem { reason, detail }) = serde_json::from_slice(octets) else {
            return match is_passing(status) {
                true => Self::Postponed(format!("it answers {status}")),
                false => Self::Foreign(format!(
                    "it answers {status}, and gives no reason: see that the URL is a registrar's"
                )),
            };
        };
        let (reason, detail) = (shown(&reason), shown(&detail));
        match (status, &*reason) {
            (status, _) if is_passing(status) => Self::Postponed(detail),
            (StatusCode::CONFLICT, "key-conflict") => Self::Pending(detail),
            // It was started anew, or the TPM took its time: the next challenge may be answered.
            (_, "challenge-unknown" | "challenge-expired" | "challenge-replayed") => Self::Postponed(detail),
            (_, "not-attested") => Self::Unattested(detail),
            _ => Self::Refused(reason, detail),
        }
    }

    fn read_success(status: StatusCode, octets: &[u8], agent: &str, name: &str) -> Self {
        let Ok(enrolled) = serde_json::from_slice::<Enrolled>(octets) else {
            return Self::Foreign(format!(
                "it answers {status} with something else than a registrar's answer"
            ));
        };
        let is_same = |one: &str, other: &str| {
            one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'))
        };
        if enrolled.agent != agent || !is_same(&enrolled.name, name) {
            return Self::Foreign(format!(
                "it answers about {} at {}, and was asked about {agent} at {name}: it is the registrar of another domain",
                shown(&enrolled.agent),
                shown(&enrolled.name)
            ));
        }
        match &*enrolled.state {
            "enrolled" => Self::Enrolled,
            "pending" => Self::Pending("the owner of the domain has to approve".to_owned()),
            other => Self::Foreign(format!("it answers with the state {}, which is none", shown(other))),
        }
    }
}

/// Whether the same may be answered otherwise in a while.
fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}

/// What somebody else wrote, as it may be shown on a terminal.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, text: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer::read(status, text.as_bytes(), "crawler-7", "crawler-7._saip.acme.example")
    }

    #[test]
    fn each_answer_is_what_it_says_and_near_misses_are_none() {
        let good = r#"{"agent":"crawler-7","state":"enrolled","name":"crawler-7._saip.acme.example."}"#;
        assert_eq!(read(200, good), Answer::Enrolled);
        assert!(matches!(read(202, &good.replace("enrolled", "pending")), Answer::Pending(_)));
        for (from, to) in [
            ("enrolled", "revoked"),
            ("\"crawler-7\"", "\"crawler-8\""),
            ("acme.example", "other.example"),
            ("\"agent\"", "\"agents\""),
            ("{", ""),
        ] {
            let near = read(200, &good.replace(from, to));
            assert!(matches!(near, Answer::Foreign(_)), "{to}: {near:?}");
        }
        let problem = |status, reason: &str| {
            read(status, &format!(r#"{{"type":"about:blank","reason":"{reason}","detail":"so"}}"#))
        };
        assert_eq!(problem(401, "token-unknown"), Answer::Refused("token-unknown".into(), "so".into()));
        assert_eq!(problem(409, "key-conflict"), Answer::Pending("so".into()));
        assert_eq!(problem(409, "other"), Answer::Refused("other".into(), "so".into()));
        assert_eq!(problem(403, "not-attested"), Answer::Unattested("so".into()));
        assert_eq!(problem(403, "challenge-expired"), Answer::Postponed("so".into()));
        assert!(matches!(problem(403, "challenge-unread"), Answer::Refused(..)));
        assert_eq!(problem(503, "unavailable"), Answer::Postponed("so".into()));
        assert!(matches!(read(502, "<html>"), Answer::Postponed(_)));
        assert!(matches!(read(404, "<html>"), Answer::Foreign(_)));
        assert!(matches!(read(301, ""), Answer::Foreign(_)));
    }

    #[test]
    fn what_is_no_challenge_is_told_as_what_it_is() {
        let challenge = |status, text: &str| {
            Answer::challenge(StatusCode::from_u16(status).unwrap(), text.as_bytes()).unwrap_err()
        };
        assert!(matches!(challenge(200, "{}"), Answer::Foreign(_)));
        assert!(matches!(challenge(404, ""), Answer::Foreign(_)));
        let unknown = r#"{"reason":"endorsement-unknown","detail":"so"}"#;
        assert_eq!(challenge(403, unknown), Answer::Refused("endorsement-unknown".into(), "so".into()));
    }

    #[test]
    fn what_a_registrar_says_cannot_write_to_the_terminal_and_is_short() {
        let long = format!(r#"{{"reason":"no\u001b[2J","detail":"{}"}}"#, "a".repeat(9000));
        let Answer::Refused(reason, detail) = read(403, &long) else { panic!() };
        assert_eq!((&*reason, detail.len()), ("no[2J", MAX_DETAIL));
    }
}
