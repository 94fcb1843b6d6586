//! The one serialisation of a value (RFC 9651 section 4.1).

use super::{BareItem, Dictionary, InnerList, Item, List, Member, Parameters};
use std::fmt::{self, Display, Formatter, Write};

/// Writes to a string straight, as signature bases are, and to whatever else.
pub(crate) trait Serialise {
    /// The serialisation.
    fn write(&self, f: &mut impl Write) -> fmt::Result;
}

impl Serialise for BareItem<'_> {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        match self {
            Self::Integer(number) => write!(f, "{number}"),
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
fn decimal(thousandths: i64, f: &mut impl Write) -> fmt::Result {
    let sign = if thousandths < 0 { "-" } else { "" };
    let (whole, part) = (thousandths.unsigned_abs() / 1000, thousandths.unsigned_abs() % 1000);
    match (part % 100, part % 10) {
        (0, _) => write!(f, "{sign}{whole}.{}", part / 100),
        (_, 0) => write!(f, "{sign}{whole}.{:02}", part / 10),
        _ => write!(f, "{sign}{whole}.{part:03}"),
    }
}

fn display_string(text: &str, f: &mut impl Write) -> fmt::Result {
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
fn behind_name(value: &BareItem<'_>, f: &mut impl Write) -> fmt::Result {
    if *value == BareItem::Boolean(true) {
        return Ok(());
    }
    f.write_str("=")?;
    value.write(f)
}

impl Serialise for Parameters<'_> {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        self.0.iter().try_for_each(|(name, value)| {
            f.write_str(";")?;
            f.write_str(name)?;
            behind_name(value, f)
        })
    }
}

impl Serialise for Item<'_> {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        self.bare.write(f)?;
        self.parameters.write(f)
    }
}

impl Serialise for InnerList<'_> {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        f.write_str("(")?;
        divided(&self.items, " ", f, |item, f| item.write(f))?;
        f.write_str(")")?;
        self.parameters.write(f)
    }
}

impl Serialise for Member<'_> {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        match self {
            Self::Item(item) => item.write(f),
            Self::List(list) => list.write(f),
        }
    }
}

impl Serialise for List<'_> {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        divided(&self.0, ", ", f, |member, f| member.write(f))
    }
}

impl Serialise for Dictionary<'_> {
    fn write(&self, f: &mut impl Write) -> fmt::Result {
        divided(&self.0, ", ", f, |(name, member), f| {
            f.write_str(name)?;
            match member {
                Member::Item(item) => {
                    behind_name(&item.bare, f)?;
                    item.parameters.write(f)
                }
                Member::List(list) => {
                    f.write_str("=")?;
                    list.write(f)
                }
            }
        })
    }
}

fn divided<T, W: Write>(
    values: &[T],
    divider: &str,
    f: &mut W,
    write: impl Fn(&T, &mut W) -> fmt::Result,
) -> fmt::Result {
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            f.write_str(divider)?;
        }
        write(value, f)?;
    }
    Ok(())
}

macro_rules! displayed {
    ($($name:ident),+) => {
        $(
            impl Display for $name<'_> {
                fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                    self.write(f)
                }
            }
        )+
    };
}

displayed![BareItem, Parameters, Item, InnerList, Member, List, Dictionary];
