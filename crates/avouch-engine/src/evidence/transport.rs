//! What was seen of TLS, beside a claim that holds otherwise: it may take from it, and adds nothing.

use super::Trail;
use crate::claim::Claim;
use crate::request::{Indicators, Request, Transport};
use crate::verdict::{CheckName, Outcome};
use avouch_wire::authority::Authority;

/// Whether what was seen contradicts the claim: the client asked for another site by TLS than in the request, or its
/// certificate names others than who is claimed.
pub(crate) fn contradicts(
    claim: &Claim<'_>,
    request: &Request<'_>,
    ours: &[Authority<'static>],
    trail: &mut Trail,
) -> bool {
    let indicators = match request.transport() {
        Transport::Unseen => return false,
        Transport::Elsewhere => {
            trail.note(CheckName::Transport, Outcome::Skipped, "TLS ended at a proxy", None);
            return false;
        }
        Transport::Seen(indicators) => indicators,
    };
    let found = [site(indicators, request, ours), sender(indicators, claim)];
    let (outcome, detail) = match found {
        [Found::Contradicts(detail), _] | [_, Found::Contradicts(detail)] => (Outcome::Fail, detail),
        [Found::Nothing, Found::Nothing] => (Outcome::Skipped, String::new()),
        _ => (Outcome::Pass, String::new()),
    };
    trail.note(CheckName::Transport, outcome, detail, None);
    outcome == Outcome::Fail
}

/// What an indicator says.
enum Found {
    Nothing,
    Agrees,
    Contradicts(String),
}

/// The site that was asked for. One connection may carry requests for several that its certificate is valid for
/// (RFC 9113 section 9.1.1), and what is ours is no other site. An address cannot be asked for.
fn site(indicators: Indicators<'_>, request: &Request<'_>, ours: &[Authority<'static>]) -> Found {
    let host = request.authority().host();
    let Some(asked) = indicators.server_name else { return Found::Nothing };
    if host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok() {
        return Found::Nothing;
    }
    let is_ours = |host: &str| ours.iter().any(|authority| authority.host() == host);
    if asked == host || indicators.covers_authority || (is_ours(asked) && is_ours(host)) {
        return Found::Agrees;
    }
    Found::Contradicts(["asked TLS for ", asked, ", and the request for ", host].concat())
}

/// Who presented a certificate. One of its names suffices.
fn sender(indicators: Indicators<'_>, claim: &Claim<'_>) -> Found {
    let Some(first) = indicators.client_names.first() else { return Found::Nothing };
    match indicators.client_names.iter().any(|name| claim.is_of(name)) {
        true => Found::Agrees,
        false => Found::Contradicts(["the client's certificate names ", first.as_str()].concat()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Content, Head, Peer};
    use avouch_wire::authority::Scheme;

    #[test]
    fn an_address_cannot_be_asked_for() {
        let indicators = Indicators { server_name: Some("www.shop.example"), ..Indicators::default() };
        for (host, says_nothing) in
            [("192.0.2.1", true), ("[2001:db8::1]:8443", true), ("other.example", false)]
        {
            let request = Request::read(Head {
                method: "GET",
                target: "/",
                authority: Some(host),
                scheme: Scheme::Https,
                fields: std::iter::empty,
                peer: Peer::client([192, 0, 2, 9].into()),
                content: Content::Empty,
            });
            let found = site(indicators, &request.unwrap(), &[]);
            assert_eq!(matches!(found, Found::Nothing), says_nothing, "{host}");
        }
    }
}
