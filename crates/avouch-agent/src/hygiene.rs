//! What a request loses on its way: what says who sends it, and what concerns one connection only.

use http::{HeaderMap, HeaderName, header};

/// Fields that concern one connection only (RFC 9110 section 7.6.1). `Expect` is among them because the agent itself
/// answers it, and trailers are not passed on.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Fields that `Connection` cannot take away: without them the message would be another.
const FRAMING: [HeaderName; 3] = [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE];

/// Beside those that begin `saip-`, the fields by which a request says who sends it.
const IDENTITY: [&str; 4] = ["saip", "signature", "signature-agent", "signature-input"];

/// Removes every spelling of the fields by which a request says who sends it: `SAIP` and all that begins so, `Signature`,
/// `Signature-Input`, `Signature-Agent`.
pub fn strip_identity(headers: &mut HeaderMap) {
    remove(headers, says_who);
}

/// Removes from a request what concerns the connection it came by.
pub(crate) fn strip_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !FRAMING.contains(name))
        .collect();
    // Where both frame the content, the length is not true (RFC 9112 section 6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn remove(headers: &mut HeaderMap, which: impl Fn(&str) -> bool) {
    let found: Vec<HeaderName> = headers.keys().filter(|name| which(name.as_str())).cloned().collect();
    for name in &found {
        headers.remove(name);
    }
}

/// Whether a field says who sends the request. CGI and its heirs read every octet outside `a-z0-9` of a name as one, so
/// all spellings count.
fn says_who(name: &str) -> bool {
    let folded: String =
        name.chars().map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' }).collect();
    IDENTITY.contains(&folded.as_str()) || folded.starts_with("saip-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(names: &[&str]) -> HeaderMap {
        let name = |name: &&str| HeaderName::from_bytes(name.as_bytes()).unwrap();
        names.iter().map(|text| (name(text), "x".parse().unwrap())).collect()
    }

    #[test]
    fn every_spelling_of_a_name_goes_and_near_names_stay() {
        let ours = [
            "SAIP",
            "saip-delegation",
            "SAIP_Delegation",
            "SAIP-Next-Seq",
            "saip.x",
            "Signature",
            "signature_input",
            "Signature-Input",
            "Signature-Agent",
            "signature.agent",
        ];
        let near = ["x-saip", "saipan", "signatures", "x-signature", "signature-algorithm", "content-digest"];
        let mut map = headers(&[&ours[..], &near[..]].concat());
        strip_identity(&mut map);
        let mut left: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let mut near = near;
        near.sort_unstable();
        assert_eq!(left, near);
    }

    #[test]
    fn what_concerns_the_connection_goes_and_what_frames_the_message_stays() {
        let mut map =
            headers(&["te", "proxy-authorization", "upgrade", "x-mine", "x-other", "host", "content-length"]);
        map.insert("connection", "x-mine, host, content-length, close".parse().unwrap());
        strip_connection(&mut map);
        let mut left: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-other"]);
    }
}
