//! What a request loses and gains on its way to the upstream (RFC 9110 section 7.6).

use avouch_wire::privacy_pass::is_private_token;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::trust::Peer;

/// Fields that concern one connection only (RFC 9110 section 7.6.1). `Expect` is among them
/// because this gateway itself answers it; `Trailer` is not: it announces what we pass on.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Fields that `Connection` cannot take away: they say who asks, what is asked and what was
/// signed, and a client that could remove them after the verdict would change what was judged.
const END_TO_END: [&str; 13] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "content-digest",
    "authorization",
    "cookie",
    "origin",
    "saip",
    "saip-delegation",
    "signature",
    "signature-agent",
    "signature-input",
];

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Removes from a request what must not reach the upstream as the client sent it: every spelling
/// of our own fields, hop-by-hop fields and those `Connection` nominates, and the client's
/// forwarding headers in every spelling.
pub(crate) fn clean(headers: &mut HeaderMap) {
    nominated(headers);
    remove(headers, |name| HOP_BY_HOP.contains(name) || is_ours_to_set(name));
    if headers.contains_key(header::TRAILER) {
        announced(headers);
    }
    join_cookies(headers);
}

/// Removes every spelling of our own fields and nothing else, for a server that received the request itself.
pub(crate) fn clear_ours(headers: &mut HeaderMap) {
    remove(headers, |name| begins(name, b"avouch-"));
}

fn remove(headers: &mut HeaderMap, which: impl Fn(&HeaderName) -> bool) {
    let removed: Vec<HeaderName> = headers.keys().filter(|name| which(name)).cloned().collect();
    for name in &removed {
        headers.remove(name);
    }
}

/// Removes Privacy Pass tokens, which are for us: an upstream that read them would take a token for good that
/// was redeemed already. Other credentials stay.
pub(crate) fn keep_tokens_back(headers: &mut HeaderMap) {
    if let header::Entry::Occupied(field) = headers.entry(header::AUTHORIZATION)
        && field.iter().any(|value| is_private_token(value.as_bytes()))
    {
        let (name, values) = field.remove_entry_mult();
        let others: Vec<_> = values.filter(|value| !is_private_token(value.as_bytes())).collect();
        others.into_iter().for_each(|value| _ = headers.append(&name, value));
    }
}

/// Makes one field of the many that HTTP/2 may split cookies into; HTTP/1.1 knows one only
/// (RFC 9113 section 8.2.3), and servers differ in which of several they read.
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookies) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        headers.insert(header::COOKIE, cookies);
    }
}

/// Removes from trailers what must not reach the upstream: everything the header section may not
/// have either, and fields that frame, route or authenticate (RFC 9110 section 6.5.1).
pub(crate) fn clean_trailers(trailers: &mut HeaderMap) {
    remove(trailers, |name| !may_trail(name));
}

/// Removes hop-by-hop fields from an answer, but the protocol it switches to.
pub(crate) fn clean_answer<B>(answer: &mut Response<B>) {
    let switched = (answer.status() == StatusCode::SWITCHING_PROTOCOLS)
        .then(|| answer.headers_mut().remove(header::UPGRADE))
        .flatten();
    let headers = answer.headers_mut();
    nominated(headers);
    remove(headers, |name| HOP_BY_HOP.contains(name));
    if let Some(protocol) = switched {
        headers.insert(header::UPGRADE, protocol);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

/// Tells the upstream who asked, in place of anything the client or its proxies said. `host` is
/// the authority the request was judged under.
pub(crate) fn forwarding(headers: &mut HeaderMap, peer: &Peer, host: Option<HeaderValue>) {
    let client = match peer.address.is_unspecified() {
        true => HeaderValue::from_static("unknown"), // a Unix socket's other end, of which nobody said more
        false => shown(peer.address),
    };
    headers.insert(X_FORWARDED_FOR, client);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(peer.scheme.as_str()));
    if let Some(host) = host {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// A value made of text that is known to be visible ASCII; `-` should it not be.
pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
}

/// As [`value`], of something that is shown so.
pub(crate) fn shown(what: impl std::fmt::Display) -> HeaderValue {
    HeaderValue::try_from(what.to_string()).unwrap_or(HeaderValue::from_static("-"))
}

/// Removes the fields named in `Connection`, but those that belong to the message. Most name none: `keep-alive` and
/// `close` are no fields but what is to become of the connection.
fn nominated(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.eq_ignore_ascii_case(b"keep-alive") && !name.eq_ignore_ascii_case(b"close"))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .filter(|name| !END_TO_END.contains(&name.as_str()) && !is_signed(headers, name))
        .collect();
    for name in &named {
        headers.remove(name);
    }
}

/// Whether some signature may cover the field (RFC 9421): its name stands there in quotation marks.
fn is_signed(headers: &HeaderMap, name: &HeaderName) -> bool {
    let quoted = format!("\"{name}\"");
    let named =
        |value: &HeaderValue| value.as_bytes().windows(quoted.len()).any(|text| text == quoted.as_bytes());
    headers.get_all("signature-input").iter().any(named)
}

/// Keeps in `Trailer` the fields that may follow; without it they would not be sent on.
fn announced(headers: &mut HeaderMap) {
    let names: Vec<String> = headers
        .get_all(header::TRAILER)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|octet| *octet == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(may_trail)
        .map(|name| name.as_str().to_owned())
        .collect();
    headers.remove(header::TRAILER);
    if let Ok(names) = HeaderValue::try_from(names.join(", "))
        && !names.is_empty()
    {
        headers.insert(header::TRAILER, names);
    }
}

/// The fields of a client's that a proxy is to take away, where it sets ours and its forwarding headers itself: those
/// of our names that are not set, and other spellings of all of them.
pub(crate) fn foreign<'h>(
    headers: &'h HeaderMap,
    set: &[HeaderName],
) -> impl Iterator<Item = &'h HeaderName> {
    let is_proxys = |name: &HeaderName| {
        name.as_str().starts_with("x-forwarded-") || [X_REAL_IP, header::FORWARDED].contains(name)
    };
    headers.keys().filter(move |name| is_ours_to_set(name) && !is_proxys(name) && !set.contains(name))
}

fn may_trail(name: &HeaderName) -> bool {
    let text = name.as_str();
    let frames = text.starts_with("content-") || matches!(text, "trailer" | "set-cookie");
    !is_ours_to_set(name) && !HOP_BY_HOP.contains(name) && !frames && !END_TO_END.contains(&text)
}

/// Whether the name begins `avouch-` or is that of a forwarding header, in any spelling.
fn is_ours_to_set(name: &HeaderName) -> bool {
    match name.as_str().as_bytes() {
        [b'a', ..] => begins(name, b"avouch-"),
        [b'x', rest @ ..] => begins(name, b"x-forwarded-") || (rest.len() == 8 && begins(name, b"x-real-ip")),
        name => name == b"forwarded",
    }
}

/// Whether the name, every octet outside `a-z0-9` read as `-`, begins so. CGI and its heirs fold names that way, so
/// all spellings are one.
fn begins(name: &HeaderName, expected: &[u8]) -> bool {
    let name = name.as_str().as_bytes();
    name.len() >= expected.len()
        && name.iter().zip(expected).all(|(octet, expected)| match expected {
            b'-' => !octet.is_ascii_lowercase() && !octet.is_ascii_digit(),
            letter => octet == letter,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Through;
    use avouch_wire::authority::Scheme;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        map
    }

    fn names(map: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = map.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn every_spelling_of_our_fields_is_removed_and_near_names_stay() {
        let forged = [
            "Avouch-Class",
            "avouch_class",
            "AVOUCH.Identity",
            "avouch!x",
            "Avouch--Class",
            "avouch~",
            "avouch^1",
        ];
        for name in forged {
            let mut map = headers(&[(name, "3")]);
            clear_ours(&mut map);
            assert!(map.is_empty(), "{name}");
            let mut map = headers(&[(name, "3")]);
            clean(&mut map);
            assert!(map.is_empty(), "{name}");
        }
        for name in ["avouch", "avouchclass", "avouch1-class", "x-avouch-class", "savouch-class"] {
            let mut map = headers(&[(name, "3")]);
            clean(&mut map);
            assert_eq!(map.len(), 1, "{name}");
        }
    }

    #[test]
    fn hop_by_hop_and_nominated_fields_are_removed() {
        let mut map = headers(&[
            ("connection", "close, X-Local"),
            ("connection", "keep-alive"),
            ("x-local", "1"),
            ("x-kept", "1"),
            ("te", "trailers"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("proxy-authorization", "Basic eA=="),
        ]);
        clean(&mut map);
        assert_eq!(names(&map), ["x-kept"]);
    }

    #[test]
    fn connection_cannot_take_away_what_was_judged() {
        let mut map = headers(&[
            ("connection", "saip, host, authorization, cookie, avouch-class"),
            ("saip", "x"),
            ("host", "www.shop.example"),
            ("authorization", "Bearer x"),
            ("cookie", "a=b"),
            ("avouch-class", "3"),
        ]);
        clean(&mut map);
        assert_eq!(names(&map), ["authorization", "cookie", "host", "saip"]);
        let mut map = headers(&[
            ("connection", "signature-agent, x-amount, x-am"),
            ("signature-input", "sig1=(\"@authority\" \"x-amount\");tag=\"web-bot-auth\""),
            ("signature-agent", "\"https://bot.acme.example\""),
            ("x-amount", "1"),
            ("x-am", "1"),
        ]);
        clean(&mut map);
        assert_eq!(
            names(&map),
            ["signature-agent", "signature-input", "x-amount"],
            "what a signature covers"
        );
    }

    #[test]
    fn tokens_are_kept_back_and_other_credentials_are_not() {
        let mut map = headers(&[
            ("authorization", "PrivateToken token=x"),
            ("authorization", "Bearer x"),
            ("authorization", "privatetoken"),
            ("proxy-authorization", "PrivateToken token=x"),
        ]);
        keep_tokens_back(&mut map);
        assert!(map.get_all("authorization").iter().eq(["Bearer x"]));
        let mut map = headers(&[("authorization", "PrivateTokens x")]);
        keep_tokens_back(&mut map);
        assert_eq!(map.len(), 1);
    }

    #[test]
    fn cookies_split_over_several_fields_become_one() {
        let mut map = headers(&[("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("x", "2")]);
        clean(&mut map);
        assert_eq!((names(&map), map.get_all("x").iter().count()), (vec!["cookie", "x"], 2));
        assert_eq!(map["cookie"], "a=1; b=2");
    }

    #[test]
    fn forwarding_headers_are_replaced_in_every_spelling() {
        let mut map = headers(&[
            ("x-forwarded-for", "192.0.2.66"),
            ("x_forwarded_for", "192.0.2.66"),
            ("x-forwarded-prefix", "/x"),
            ("x_real_ip", "192.0.2.66"),
            ("forwarded", "for=192.0.2.66"),
            ("x-real-ipx", "stays"),
        ]);
        clean(&mut map);
        assert_eq!(names(&map), ["x-real-ipx"]);
        let address = "203.0.113.9".parse().unwrap();
        let peer = Peer { address, through: Through::Direct, scheme: Scheme::Https };
        forwarding(&mut map, &peer, Some(HeaderValue::from_static("www.shop.example")));
        assert_eq!(map.get("x-forwarded-for").unwrap(), "203.0.113.9");
        assert_eq!(map.get("x-forwarded-proto").unwrap(), "https");
        assert_eq!(map.get("x-forwarded-host").unwrap(), "www.shop.example");
    }

    #[test]
    fn trailers_carry_neither_our_fields_nor_framing() {
        let mut trailers = headers(&[
            ("avouch_class", "3"),
            ("content-length", "9"),
            ("saip", "x"),
            ("host", "evil.example"),
            ("transfer-encoding", "chunked"),
            ("x-checksum", "ok"),
        ]);
        clean_trailers(&mut trailers);
        assert_eq!(names(&trailers), ["x-checksum"]);
        let mut map = headers(&[("trailer", "X-Checksum, Avouch-Class"), ("trailer", "Host")]);
        clean(&mut map);
        assert_eq!(map.get("trailer").unwrap(), "x-checksum");
    }
}
