//! Logs of JSON objects, one a line: nginx with `escape=json`, Caddy, Traefik, avouch itself.

use super::{Line, LineError, address, moment, target};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The keys that name the client's address; where several do, the first of this list counts. What
/// a server worked out from trusted proxies comes before the address of the connection.
const ADDRESS: [&str; 6] = ["client_ip", "ClientHost", "peer", "remote_addr", "remote_ip", "ClientAddr"];
const AGENT: [&str; 4] = ["user_agent", "http_user_agent", "userAgent", "request_User-Agent"];
const TIME: [&str; 8] =
    ["time", "ts", "timestamp", "@timestamp", "time_iso8601", "time_local", "msec", "StartUTC"];
const BYTES: [&str; 5] = ["bytes", "body_bytes_sent", "bytes_sent", "size", "DownstreamContentSize"];
const PATH: [&str; 4] = ["path", "uri", "request_uri", "RequestPath"];

pub(super) fn read(line: &[u8]) -> Result<Line<'_>, LineError> {
    // Octets that are not UTF-8 are replaced, so that a client cannot hide its line by sending some.
    match String::from_utf8_lossy(line) {
        Cow::Borrowed(text) => found(text)?.into_line(),
        Cow::Owned(text) => found(&text)?.into_line().map(owned),
    }
}

fn found(text: &str) -> Result<Found<'_>, LineError> {
    let mut found = Found::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let read = Object { found: &mut found, part: Part::Line }.deserialize(&mut json);
    read.and_then(|()| json.end()).map_err(|error| LineError::NotJson(error.column()))?;
    Ok(found)
}

fn owned<'a>(line: Line<'_>) -> Line<'a> {
    let own = |text: Cow<'_, [u8]>| Cow::Owned(text.into_owned());
    Line {
        address: line.address,
        agent: line.agent.map(own),
        time: line.time,
        bytes: line.bytes,
        path: own(line.path),
    }
}

/// A value and the place of its key in its list.
type Ranked<'a> = Option<(usize, Scalar<'a>)>;

/// The values met so far, each with the place of its key in its list.
#[derive(Default)]
struct Found<'a> {
    address: Ranked<'a>,
    agent: Ranked<'a>,
    time: Ranked<'a>,
    bytes: Ranked<'a>,
    path: Ranked<'a>,
    /// nginx's `$request`, from which the path is taken if nothing else names it.
    request: Scalar<'a>,
}

impl<'a> Found<'a> {
    /// Where the value of this key belongs, with the key's rank.
    fn place(&mut self, key: &str) -> Option<(usize, &mut Ranked<'a>)> {
        let lists: [(&[&str], &mut Ranked<'a>); 5] = [
            (&ADDRESS, &mut self.address),
            (&AGENT, &mut self.agent),
            (&TIME, &mut self.time),
            (&BYTES, &mut self.bytes),
            (&PATH, &mut self.path),
        ];
        lists.into_iter().find_map(|(keys, place)| {
            let rank = keys.iter().position(|known| *known == key)?;
            Some((rank, place))
        })
    }

    fn into_line(self) -> Result<Line<'a>, LineError> {
        let value = |found: Ranked<'a>| found.map_or(Scalar::Other, |(_, value)| value);
        let address = match value(self.address) {
            Scalar::Text(text) => address(&text),
            Scalar::Number(_) | Scalar::Other => None,
        };
        let time = match value(self.time) {
            Scalar::Text(text) => Some(moment::of_text(&text).ok_or(LineError::BadTime)?),
            Scalar::Number(number) => Some(moment::of_number(number).ok_or(LineError::BadTime)?),
            Scalar::Other => None,
        };
        let path = match (value(self.path), self.request) {
            (Scalar::Text(path), _) => octets(path),
            (_, Scalar::Text(Cow::Borrowed(request))) => Cow::Borrowed(target(request.as_bytes())),
            (_, Scalar::Text(Cow::Owned(request))) => Cow::Owned(target(request.as_bytes()).to_vec()),
            _ => Cow::Borrowed(&[][..]),
        };
        let agent = match value(self.agent) {
            Scalar::Text(agent) if !agent.is_empty() && agent != "-" => Some(octets(agent)),
            _ => None,
        };
        let bytes = value(self.bytes).count();
        Ok(Line { address: address.ok_or(LineError::NoAddressKey)?, agent, time, bytes, path })
    }
}

fn octets(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// A value that is text or a number, or the first of a list; anything else is skipped.
#[derive(Debug, Default, PartialEq)]
enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(f64),
    #[default]
    Other,
}

impl Scalar<'_> {
    /// As a number of octets; nginx can write numbers as text.
    fn count(&self) -> u64 {
        let number = match self {
            Self::Text(text) => text.parse().unwrap_or(0.0),
            Self::Number(number) => *number,
            Self::Other => 0.0,
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
        let count = number as u64;
        count
    }
}

/// Which object is being read.
#[derive(Clone, Copy)]
enum Part {
    Line,
    /// `request`, as Caddy nests it.
    Request,
    /// `request.headers`, of which each is a list.
    Headers,
}

struct Object<'f, 'a> {
    found: &'f mut Found<'a>,
    part: Part,
}

impl<'a> Object<'_, 'a> {
    fn member<M: MapAccess<'a>>(&mut self, key: &str, map: &mut M) -> Result<(), M::Error> {
        let within = match (self.part, key) {
            (Part::Line, "request") => Some(Part::Request),
            (Part::Request, "headers") => Some(Part::Headers),
            _ => None,
        };
        if let Some(part) = within {
            return map.next_value_seed(Object { found: &mut *self.found, part });
        }
        let place = match self.part {
            Part::Headers if key.eq_ignore_ascii_case("user-agent") => Some((0, &mut self.found.agent)),
            Part::Headers => None,
            Part::Line | Part::Request => self.found.place(key),
        };
        match place {
            Some((rank, place)) => {
                let value = map.next_value()?;
                if value != Scalar::Other && place.as_ref().is_none_or(|(before, _)| rank < *before) {
                    *place = Some((rank, value));
                }
            }
            None => {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

impl<'a> DeserializeSeed<'a> for Object<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.part {
            Part::Line => deserializer.deserialize_map(self),
            Part::Request | Part::Headers => deserializer.deserialize_any(self),
        }
    }
}

impl<'a> Visitor<'a> for Object<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'a>>(mut self, mut map: M) -> Result<(), M::Error> {
        while let Some(Key(key)) = map.next_key()? {
            self.member(&key, &mut map)?;
        }
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<(), E> {
        self.found.request = Scalar::Text(Cow::Borrowed(text));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.found.request = Scalar::Text(Cow::Owned(text.to_owned()));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A key, borrowed from the line where it holds no escape.
#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'a> Visitor<'a> for ScalarVisitor {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    #[expect(clippy::cast_precision_loss, reason = "times and sizes beyond 2^53 need no last digit")]
    fn visit_u64<E>(self, number: u64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "times and sizes beyond 2^53 need no last digit")]
    fn visit_i64<E>(self, number: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number(number))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Other)
    }

    fn visit_seq<S: SeqAccess<'a>>(self, mut list: S) -> Result<Scalar<'a>, S::Error> {
        let first = list.next_element()?.unwrap_or_default();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<Scalar<'a>, M::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    const NGINX: &str = r#"{"time_iso8601":"2026-11-21T01:05:00+01:00","remote_addr":"192.0.2.7","request":"GET /a?b HTTP/2.0","status":"200","body_bytes_sent":"512","http_user_agent":"Googlebot/2.1"}"#;
    const CADDY: &str = r#"{"level":"info","ts":1795219500.25,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"10.0.0.1","remote_port":"41342","client_ip":"192.0.2.7","proto":"HTTP/2.0","method":"GET","host":"shop.example","uri":"/a?b","headers":{"Accept":["*/*"],"User-Agent":["Googlebot/2.1"]},"tls":{"resumed":false}},"bytes_read":0,"duration":0.0009,"size":512,"status":200}"#;
    const TRAEFIK: &str = r#"{"ClientAddr":"192.0.2.7:52341","ClientHost":"192.0.2.7","DownstreamContentSize":512,"RequestPath":"/a?b","StartUTC":"2026-11-21T00:05:00.123456789Z","request_User-Agent":"Googlebot/2.1","time":"2026-11-21T00:05:00Z"}"#;
    const OWN: &str = r#"{"time":"2026-11-21T00:05:00Z","request_id":"0","peer":"192.0.2.7","method":"GET","authority":"www.shop.example","path":"/a?b","user_agent":"Googlebot/2.1","status":200,"bytes":512,"duration_us":9,"verdict":{"class":1,"claimed":"google.com"}}"#;

    #[test]
    fn the_logs_of_four_servers_are_read_alike() {
        for line in [NGINX, CADDY, TRAEFIK, OWN] {
            let read = read(line.as_bytes()).unwrap();
            assert_eq!(read.address, IpAddr::from([192, 0, 2, 7]), "{line}");
            assert_eq!(read.agent.as_deref(), Some(&b"Googlebot/2.1"[..]), "{line}");
            assert_eq!(read.time.unwrap().to_string(), "2026-11-21T00:05:00Z", "{line}");
            assert_eq!((read.bytes, &*read.path), (512, &b"/a?b"[..]), "{line}");
        }
    }

    #[test]
    fn a_request_without_a_user_agent_is_read_as_one() {
        let bare = CADDY.replace(r#","User-Agent":["Googlebot/2.1"]"#, "");
        assert_eq!(read(bare.as_bytes()).unwrap().agent, None);
        for none in ["null", "\"\"", "\"-\"", "{}", "[]", "true", "7"] {
            let line = OWN.replace("\"Googlebot/2.1\"", none);
            assert_eq!(read(line.as_bytes()).unwrap().agent, None, "{none}");
        }
    }

    #[test]
    fn escapes_and_octets_that_are_no_text_hide_nothing() {
        let agent =
            |line: &[u8]| read(line).unwrap().agent.map(|agent| String::from_utf8_lossy(&agent).into_owned());
        let escaped = OWN.replace("Googlebot/2.1", r#"\u0047ooglebot \"x\" \n"#);
        assert_eq!(agent(escaped.as_bytes()), Some("Googlebot \"x\" \n".to_owned()));
        let mut raw = OWN.as_bytes().to_vec();
        let at = raw.windows(9).position(|window| window == b"Googlebot").unwrap();
        raw.insert(at, 0xff);
        assert_eq!(agent(&raw), Some("\u{fffd}Googlebot/2.1".to_owned()));
    }

    #[test]
    fn near_misses_are_refused_for_what_they_lack() {
        let refused = |line: &str| read(line.as_bytes()).unwrap_err();
        assert!(matches!(refused(OWN.strip_suffix('}').unwrap()), LineError::NotJson(_)));
        assert!(matches!(refused(&format!("{OWN}{OWN}")), LineError::NotJson(_)));
        assert!(matches!(refused("[]"), LineError::NotJson(_)));
        assert_eq!(refused("{}"), LineError::NoAddressKey);
        assert_eq!(refused(&OWN.replace("192.0.2.7", "shop.example")), LineError::NoAddressKey);
        assert_eq!(refused(&OWN.replace("\"192.0.2.7\"", "7")), LineError::NoAddressKey);
        assert_eq!(refused(&OWN.replace("2026-11-21T", "yesterday")), LineError::BadTime);
        assert!(matches!(refused(&"{\"a\":".repeat(500)), LineError::NotJson(_)));
    }
}
