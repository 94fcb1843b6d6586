//! The one serialisation of a value (RFC 9651 section 4.1).

use super::{BareItem, Dictionary, InnerList, Item, List, Member, Parameters};
use std::fmt::{self, Display, Formatter};

impl Display for BareItem<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(number) => number.fmt(f),
            Self::Decimal(thousandths) => decimal(*thousandths, f),
            Self::String(text) => ["\"", text, "\""].into_iter().try_for_each(|part| f.write_str(part)),
            Self::Token(text) => f.write_str(text),
            Self::Bytes(bytes) => write!(f, ":{}:", bytes.as_str()),
            Self::Boolean(value) => f.write_str(if *value { "?1" } else { "?0" }),
            Self::Date(seconds) => write!(f, "@{seconds}"),
            Self::DisplayString(text) => display_string(text, f),
        }
    }
}

/// Without the zeros that end a fraction, of which one digit stays.
fn decimal(thousandths: i64, f: &mut Formatter<'_>) -> fmt::Result {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    match (part % 100, part % 10) {
        (0, _) => write!(f, "{sign}{whole}.{}", part / 100),
        (_, 0) => write!(f, "{sign}{whole}.{:02}", part / 10),
        _ => write!(f, "{sign}{whole}.{part:03}"),
    }
}

fn display_string(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_str("%\"")?;
    for octet in unicode(text).unwrap_or_default().bytes() {
        match octet {
            b'%' | b'"' | ..0x20 | 0x7f.. => write!(f, "%{octet:02x}")?,
            _ => write!(f, "{}", char::from(octet))?,
        }
    }
    f.write_str("\"")
}

/// What percent-encoding in lower case stands for, if it is UTF-8.
pub(super) fn unicode(text: &str) -> Option<String> {
    let (mut octets, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            octets.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let is_digit = |octet: &u8| matches!(octet, b'0'..=b'9' | b'a'..=b'f');
        let digits =
            std::str::from_utf8(digits).ok().filter(|digits| digits.as_bytes().iter().all(is_digit))?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(octets).ok()
}

/// What is written behind a name: nothing for true, else `=` and the value.
fn behind_name(value: &BareItem<'_>, f: &mut Formatter<'_>) -> fmt::Result {
    if *value == BareItem::Boolean(true) {
        return Ok(());
    }
    f.write_str("=")?;
    value.fmt(f)
}

impl Display for Parameters<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| {
            f.write_str(";")?;
            f.write_str(name)?;
            behind_name(value, f)
        })
    }
}

impl Display for Item<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.bare.fmt(f)?;
        self.parameters.fmt(f)
    }
}

impl Display for InnerList<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        divided(&self.items, " ", f, |item, f| item.fmt(f))?;
        write!(f, "){}", self.parameters)
    }
}

impl Display for Member<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Item(item) => item.fmt(f),
            Self::List(list) => list.fmt(f),
        }
    }
}

impl Display for List<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        divided(&self.0, ", ", f, |member, f| member.fmt(f))
    }
}

impl Display for Dictionary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        divided(&self.0, ", ", f, |(name, member), f| {
            f.write_str(name)?;
            match member {
                Member::Item(item) => {
                    behind_name(&item.bare, f)?;
                    item.parameters.fmt(f)
                }
                Member::List(list) => write!(f, "={list}"),
            }
        })
    }
}

fn divided<T>(
    values: &[T],
    divider: &str,
    f: &mut Formatter<'_>,
    write: impl Fn(&T, &mut Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            f.write_str(divider)?;
        }
        write(value, f)?;
    }
    Ok(())
}
