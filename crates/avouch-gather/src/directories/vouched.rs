//! Whether a directory's keys vouch for it: the signatures on the answer that brought it.

use super::fetcher::TYPES;
use crate::https::{AGENT, Document};
use avouch_wire::http_signature::{self, Algorithms, Component, Message, Part, Start, Thumbprint, TimeRules};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{DIRECTORY_TAG, Directory};

/// A signature of one of its keys does not hold: the answer is not what the directory's owner sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forged;

/// The keys that signed the answer for the authority it was asked of. Signatures that are no longer or not yet in time,
/// those of other keys or by an algorithm that is not taken, and those over what is not there say nothing.
pub(super) fn by(directory: &Directory, fetched: &Document, now: Time) -> Result<Vec<Thumbprint>, Forged> {
    let joined = |name: &str| {
        let own = fetched.headers.get_all(name).iter();
        own.map(|value| String::from_utf8_lossy(value.as_bytes())).collect::<Vec<_>>().join(", ")
    };
    let (input, signature) = (joined("signature-input"), joined("signature"));
    let Ok(signatures) = http_signature::read(&input, &signature) else { return Ok(Vec::new()) };
    let asked_with: [(&str, &[u8]); 3] = [
        ("host", fetched.authority.as_bytes()),
        ("user-agent", AGENT.as_bytes()),
        ("accept", TYPES.as_bytes()),
    ];
    let request = Message {
        start: Start::Request {
            method: "GET",
            scheme: "https",
            authority: &fetched.authority,
            path: &fetched.path,
            target: &fetched.path,
        },
        fields: &asked_with,
        trailers: &[],
        request: None,
    };
    let fields: Vec<_> =
        fetched.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let answer = Message {
        start: Start::Response { status: 200 },
        fields: &fields,
        trailers: &[],
        request: Some(&request),
    };
    let mut by = Vec::new();
    for signature in signatures.into_iter().filter_map(|one| one.signature.ok()) {
        let input = &signature.input;
        let binds =
            |component: &Component<'_>| component.part() == Part::Authority && component.is_of_request();
        let counts = input.tag == Some(DIRECTORY_TAG)
            && input.covers(binds)
            && input.check_times(now.seconds(), TimeRules::DEFAULT).is_ok();
        let key =
            input.keyid.filter(|_| counts).and_then(Thumbprint::parse).and_then(|own| directory.find(&own));
        let Some(jwk) = key else { continue };
        let Ok(algorithm) = jwk.key.algorithm(input.alg, Algorithms::DEFAULT) else { continue };
        let Ok(base) = input.base(&answer) else { continue };
        jwk.key.verify(algorithm, &base, signature.octets).map_err(|_| Forged)?;
        by.push(jwk.thumbprint);
    }
    Ok(by)
}
