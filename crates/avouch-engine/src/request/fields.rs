//! The few fields that judgement reads.

use super::RequestError;
use avouch_wire::privacy_pass::is_private_token;
use std::borrow::Cow;

/// The SAIP field of a request.
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
    /// A delegation token beside or instead of it, which this version does not verify.
    Delegation,
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
        let all: Vec<_> = fields.collect();
        Self {
            input: joined(&all, "signature-input"),
            signature: joined(&all, "signature"),
            agent: joined(&all, "signature-agent"),
            content_digest: joined(&all, "content-digest"),
            all,
        }
    }
}

/// The lines of a field as one (RFC 9110 section 5.3), if there are any and all are ASCII.
fn joined<'a>(all: &[(&'a str, &'a [u8])], name: &str) -> Option<Cow<'a, str>> {
    let lines = all.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    let lines: Vec<_> = lines
        .map(|(_, value)| std::str::from_utf8(value).ok().filter(|text| text.is_ascii()))
        .collect::<Option<_>>()?;
    match lines.as_slice() {
        [] => None,
        [line] => Some(Cow::Borrowed(line)),
        lines => Some(Cow::Owned(lines.join(", "))),
    }
}

pub(super) fn read<'a>(
    fields: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<Fields<'a>, RequestError> {
    let mut read = Fields {
        host: None,
        saip: SaipField::Absent,
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
        } else if is_saip(name) {
            read.saip = saip(read.saip, name, value);
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

/// Whether a name is one of ours, also when spelled with underscores.
fn is_saip(name: &str) -> bool {
    let is_dash = |octet: &u8| matches!(octet, b'_' | b'-');
    let from = name.bytes().position(|octet| !is_dash(&octet)).unwrap_or(name.len());
    let Some((start, rest)) = name.as_bytes().get(from..).and_then(<[u8]>::split_first_chunk::<4>) else {
        return false;
    };
    if !start.eq_ignore_ascii_case(b"saip") {
        return false;
    }
    let end = rest.iter().rposition(|octet| !is_dash(octet)).map_or(0, |last| last + 1);
    match rest.get(..end).and_then(<[u8]>::split_first) {
        None => true,
        Some((dash, word)) => is_dash(dash) && word.eq_ignore_ascii_case(b"delegation"),
    }
}

fn pass<'a>(before: PassField<'a>, authorized: bool, value: &'a [u8]) -> PassField<'a> {
    match before {
        PassField::Absent if !is_private_token(value) => PassField::Absent,
        PassField::Absent if !authorized => PassField::One(value),
        PassField::Absent | PassField::One(_) | PassField::Repeated => PassField::Repeated,
    }
}

fn saip<'a>(before: SaipField<'a>, name: &str, value: &'a [u8]) -> SaipField<'a> {
    match before {
        _ if name.contains('_') => SaipField::Repeated,
        SaipField::Absent if name.eq_ignore_ascii_case("saip") => match std::str::from_utf8(value) {
            Ok(text) => SaipField::One(text),
            Err(_) => SaipField::NotText,
        },
        SaipField::Absent | SaipField::One(_) if !name.eq_ignore_ascii_case("saip") => SaipField::Delegation,
        SaipField::Delegation => SaipField::Delegation,
        SaipField::Absent | SaipField::One(_) | SaipField::Repeated | SaipField::NotText => {
            SaipField::Repeated
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saip_of<'a>(fields: &[(&'a str, &'a [u8])]) -> SaipField<'a> {
        read(fields.iter().copied()).unwrap().saip
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
            assert_eq!(saip_of(&[(name, b"x")]), SaipField::Repeated, "{name}");
            assert_eq!(saip_of(&[("saip", b"x"), (name, b"x")]), SaipField::Repeated, "{name}");
        }
        for name in ["saipan", "x-saip", "saip-x", "sai", "saïp"] {
            assert_eq!(saip_of(&[(name, b"x")]), SaipField::Absent, "{name}");
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
    fn a_delegation_token_is_a_claim_too() {
        assert_eq!(saip_of(&[("SAIP-Delegation", b"x")]), SaipField::Delegation);
        assert_eq!(saip_of(&[("saip", b"x"), ("saip-delegation", b"x")]), SaipField::Delegation);
    }
}
