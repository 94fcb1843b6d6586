//! The few fields that judgement reads.

use super::RequestError;
use avouch_wire::privacy_pass::is_private_token;
use std::borrow::Cow;

/// One of the two fields of SAIP in a request, `SAIP` or `SAIP-Delegation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaipField<'a> {
    /// No such field.
    Absent,
    /// Exactly one, and text.
    One(&'a str),
    /// Two, or one whose name is spelled with underscores, which some servers read as the same.
    Repeated,
    /// One that is not visible ASCII.
    NotText,
}

/// The `Authorization` field of a request, as far as it is of the scheme `PrivateToken`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassField<'a> {
    /// None, or of other schemes.
    Absent,
    /// Exactly one.
    One(&'a [u8]),
    /// One of the scheme beside another `Authorization`.
    Repeated,
}

pub(super) struct Fields<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) saip: SaipField<'a>,
    pub(super) pass: PassField<'a>,
    pub(super) delegation: SaipField<'a>,
    pub(super) user_agent: Option<&'a [u8]>,
    /// Whether there is a field that only HTTP message signatures come with.
    pub(super) is_signed: bool,
}

/// The fields of HTTP message signatures, the lines of each joined, and all others, for a signature
/// may cover any.
#[derive(Clone, Debug)]
pub struct SignatureFields<'a> {
    /// `Signature-Input`; `None` where there is none, or where it is not text.
    pub input: Option<Cow<'a, str>>,
    /// `Signature`.
    pub signature: Option<Cow<'a, str>>,
    /// `Signature-Agent`.
    pub agent: Option<Cow<'a, str>>,
    /// `Content-Digest`.
    pub content_digest: Option<Cow<'a, str>>,
    /// Every field, in order.
    pub all: Vec<(&'a str, &'a [u8])>,
}

impl<'a> SignatureFields<'a> {
    pub(super) fn read(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut all = Vec::with_capacity(USUAL);
        let (mut input, mut signature, mut agent, mut content_digest) = Default::default();
        for (name, value) in fields {
            // Looking at the length first leaves hardly any name to compare.
            match name.len() {
                15 if name.eq_ignore_ascii_case("signature-input") => join(&mut input, value),
                9 if name.eq_ignore_ascii_case("signature") => join(&mut signature, value),
                15 if name.eq_ignore_ascii_case("signature-agent") => join(&mut agent, value),
                14 if name.eq_ignore_ascii_case("content-digest") => join(&mut content_digest, value),
                _ => {}
            }
            all.push((name, value));
        }
        let [input, signature, agent, content_digest] =
            [input, signature, agent, content_digest].map(Option::flatten);
        Self { input, signature, agent, content_digest, all }
    }
}

/// Room for the fields of nearly every request.
const USUAL: usize = 16;

/// Adds a line to a field, which is one text of all its lines (RFC 9110 section 5.3) if all are ASCII.
fn join<'a>(lines: &mut Option<Option<Cow<'a, str>>>, value: &'a [u8]) {
    *lines = Some(match (lines.take(), ascii(value)) {
        (None, line) => line.map(Cow::Borrowed),
        (Some(Some(mut before)), Some(line)) => {
            before.to_mut().extend([", ", line]);
            Some(before)
        }
        (Some(_), _) => None,
    });
}

fn ascii(value: &[u8]) -> Option<&str> {
    if value.is_ascii() { std::str::from_utf8(value).ok() } else { None }
}

pub(super) fn read<'a>(
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Fields<'a>, RequestError> {
    let mut read = Fields {
        host: None,
        saip: SaipField::Absent,
        delegation: SaipField::Absent,
        pass: PassField::Absent,
        user_agent: None,
        is_signed: false,
    };
    let mut authorized = false;
    for (name, value) in fields {
        if name.eq_ignore_ascii_case("host") {
            let host = std::str::from_utf8(value).map_err(|_| RequestError::Disagreement)?;
            if read.host.replace(host).is_some() {
                return Err(RequestError::SeveralHosts);
            }
        } else if name.eq_ignore_ascii_case("user-agent") {
            if read.user_agent.replace(value).is_some() {
                return Err(RequestError::SeveralUserAgents);
            }
        } else if name.eq_ignore_ascii_case("authorization") {
            read.pass = pass(read.pass, authorized, value);
            authorized = true;
        } else if let Some(own) = of_saip(name) {
            let field = if own == SAIP { &mut read.saip } else { &mut read.delegation };
            field.add(name.eq_ignore_ascii_case(own), value);
        } else if is_of_signatures(name) {
            read.is_signed = true;
        }
    }
    Ok(read)
}

/// `Signature` alone is also the field of an older protocol, which names nobody here.
fn is_of_signatures(name: &str) -> bool {
    name.eq_ignore_ascii_case("signature-input") || name.eq_ignore_ascii_case("signature-agent")
}

/// The names of our fields.
const SAIP: &str = "saip";
const DELEGATION: &str = "saip-delegation";

/// Which of our fields a name means, also when it is spelled with underscores, which some servers read as the same.
fn of_saip(name: &str) -> Option<&'static str> {
    let is_dash = |octet: &u8| matches!(octet, b'_' | b'-');
    let from = name.bytes().position(|octet| !is_dash(&octet)).unwrap_or(name.len());
    let (start, rest) = name.as_bytes().get(from..).and_then(<[u8]>::split_first_chunk::<4>)?;
    if !start.eq_ignore_ascii_case(b"saip") {
        return None;
    }
    let end = rest.iter().rposition(|octet| !is_dash(octet)).map_or(0, |last| last + 1);
    match rest.get(..end)?.split_first() {
        None => Some(SAIP),
        Some((dash, word)) => {
            (is_dash(dash) && word.eq_ignore_ascii_case(b"delegation")).then_some(DELEGATION)
        }
    }
}

fn pass<'a>(before: PassField<'a>, authorized: bool, value: &'a [u8]) -> PassField<'a> {
    match before {
        PassField::Absent if !is_private_token(value) => PassField::Absent,
        PassField::Absent if !authorized => PassField::One(value),
        PassField::Absent | PassField::One(_) | PassField::Repeated => PassField::Repeated,
    }
}

impl<'a> SaipField<'a> {
    /// Another line of the field; `exact` unless its name is spelled in some other way.
    fn add(&mut self, exact: bool, value: &'a [u8]) {
        *self = match self {
            Self::Absent if exact => std::str::from_utf8(value).map_or(Self::NotText, Self::One),
            Self::Absent | Self::One(_) | Self::Repeated | Self::NotText => Self::Repeated,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saip_of<'a>(fields: &[(&'a str, &'a [u8])]) -> SaipField<'a> {
        read(fields.iter().copied()).unwrap().saip
    }

    fn delegation_of<'a>(fields: &[(&'a str, &'a [u8])]) -> SaipField<'a> {
        read(fields.iter().copied()).unwrap().delegation
    }

    #[test]
    fn exactly_one_field_speaks() {
        assert_eq!(saip_of(&[("Accept", b"*/*")]), SaipField::Absent);
        assert_eq!(saip_of(&[("sAIP", b"x")]), SaipField::One("x"));
        assert_eq!(saip_of(&[("SAIP", b"x"), ("saip", b"x")]), SaipField::Repeated);
        assert_eq!(saip_of(&[("saip", b"\xff")]), SaipField::NotText);
    }

    #[test]
    fn underscored_spellings_are_not_overlooked() {
        for name in ["SAIP_", "_saip", "SAIP_Delegation", "__saip_delegation"] {
            let field = if name.len() > 5 { delegation_of } else { saip_of };
            assert_eq!(field(&[(name, b"x")]), SaipField::Repeated, "{name}");
            let exact = if name.len() > 5 { "saip-delegation" } else { "saip" };
            assert_eq!(field(&[(exact, b"x"), (name, b"x")]), SaipField::Repeated, "{name}");
        }
        for name in ["saipan", "x-saip", "saip-x", "sai", "saïp"] {
            let fields: &[(&str, &[u8])] = &[(name, b"x")];
            assert_eq!(
                (saip_of(fields), delegation_of(fields)),
                (SaipField::Absent, SaipField::Absent),
                "{name}"
            );
        }
    }

    #[test]
    fn a_token_stands_alone_in_the_only_authorization() {
        let pass_of = |values: &[&'static [u8]]| {
            read(values.iter().map(|value| ("authorization", *value))).unwrap().pass
        };
        let (token, other) = (b"PrivateToken token=x".as_slice(), b"Bearer x".as_slice());
        assert_eq!(pass_of(&[]), PassField::Absent);
        assert_eq!(pass_of(&[other, other]), PassField::Absent);
        assert_eq!(pass_of(&[token]), PassField::One(token));
        for values in [[token, token], [token, other], [other, token]] {
            assert_eq!(pass_of(&values), PassField::Repeated);
        }
    }

    #[test]
    fn the_lines_of_a_signature_are_joined_and_every_field_is_kept() {
        let fields: &[(&str, &[u8])] = &[
            ("Signature-Input", b"a=()"),
            ("signature-INPUT", b"b=()"),
            ("Signature", b"a=::"),
            ("Signature-Agent", b"\xff"),
            ("Host", b"shop.example"),
        ];
        assert!(read(fields.iter().copied()).unwrap().is_signed);
        assert!(!read([("Signature", &b"keyId=x"[..])].into_iter()).unwrap().is_signed);
        let read = SignatureFields::read(fields.iter().copied());
        assert_eq!((read.input.as_deref(), read.signature.as_deref()), (Some("a=(), b=()"), Some("a=::")));
        assert_eq!((read.agent, read.all.len()), (None, 5));
    }

    #[test]
    fn a_token_and_a_header_are_two_fields() {
        let both: &[(&str, &[u8])] = &[("SAIP-Delegation", b"x"), ("saip", b"y")];
        assert_eq!((saip_of(both), delegation_of(both)), (SaipField::One("y"), SaipField::One("x")));
        assert_eq!(
            delegation_of(&[("saip-delegation", b"x"), ("SAIP-Delegation", b"x")]),
            SaipField::Repeated
        );
    }
}
