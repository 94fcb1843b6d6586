//! Authentication parameters (RFC 9110 section 11.2), and lists of them.

use thiserror::Error;

/// Why a field of authentication cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FieldError {
    /// Longer than any that is meant.
    #[error("is longer than {} octets", super::MAX_FIELD)]
    Long,
    /// At this octet something else stands than a scheme or a parameter, `name=value`.
    #[error("octet {0} is not where a parameter can stand: write name=\"value\", divided by commas")]
    Syntax(usize),
    /// A parameter stands twice.
    #[error("the parameter {0} stands twice")]
    Repeated(&'static str),
    /// A parameter is missing.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
}

/// What stands in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// A scheme, with which a challenge or credentials begin.
    Scheme(&'a str),
    /// `name=value`; of a quoted value what stands between the quotes, escapes as they are.
    Parameter(&'a str, &'a str),
    /// Something else than parameters after a scheme (token68).
    Opaque,
}

/// Reads schemes and parameters one after the other.
pub(super) struct Items<'a> {
    text: &'a str,
    at: usize,
    /// Whether a scheme stands before, which opaque text may follow, and no comma.
    after_scheme: bool,
    /// Whether something stands before that only a comma divides from what comes.
    undivided: bool,
}

impl<'a> Items<'a> {
    /// Those of a field.
    ///
    /// # Errors
    /// [`FieldError::Long`].
    pub(super) fn of(text: &'a str) -> Result<Self, FieldError> {
        if text.len() > super::MAX_FIELD {
            return Err(FieldError::Long);
        }
        Ok(Self { text, at: 0, after_scheme: false, undivided: false })
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes the octets at the front that are so.
    fn take(&mut self, is: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|octet| !is(octet)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn item(&mut self) -> Option<Item<'a>> {
        let start = self.at;
        if self.after_scheme && !self.take(is_token68).is_empty() {
            self.take(|octet| octet == b'=');
            let end = self.at;
            self.take(is_blank);
            if self.rest().is_empty() || self.rest().starts_with(',') {
                self.at = end;
                return Some(Item::Opaque);
            }
            self.at = start;
        }
        let name = Some(self.take(is_token)).filter(|name| !name.is_empty())?;
        let end = self.at;
        self.take(is_blank);
        if !self.rest().starts_with('=') {
            let blank = self.at > end || self.rest().is_empty() || self.rest().starts_with(',');
            return blank.then_some(Item::Scheme(name));
        }
        self.at += 1;
        self.take(is_blank);
        let value = match self.rest().starts_with('"') {
            true => self.quoted(),
            false => Some(self.take(is_token)).filter(|value| !value.is_empty()),
        };
        value.map(|value| Item::Parameter(name, value))
    }

    fn quoted(&mut self) -> Option<&'a str> {
        let quoted = self.rest().strip_prefix('"')?;
        let (mut end, mut escaped) = (0, false);
        for octet in quoted.bytes() {
            match octet {
                b'"' if !escaped => {
                    self.at += end + 2;
                    return quoted.get(..end);
                }
                b'\t' | b' '..=b'~' | 0x80.. => escaped = octet == b'\\' && !escaped,
                _ => return None,
            }
            end += 1;
        }
        None
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, FieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        let passed = self.take(|octet| is_blank(octet) || octet == b',');
        if self.rest().is_empty() {
            return None;
        }
        let start = self.at;
        if self.undivided && !passed.contains(',') {
            self.at = self.text.len();
            return Some(Err(FieldError::Syntax(start)));
        }
        let Some(item) = self.item() else {
            self.at = self.text.len();
            return Some(Err(FieldError::Syntax(start)));
        };
        self.after_scheme = matches!(item, Item::Scheme(_));
        self.undivided = !self.after_scheme;
        Some(Ok(item))
    }
}

/// Sets a parameter that may stand once.
pub(super) fn once<'a>(
    slot: &mut Option<&'a str>,
    name: &'static str,
    value: &'a str,
) -> Result<(), FieldError> {
    slot.replace(value).map_or(Ok(()), |_| Err(FieldError::Repeated(name)))
}

const fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

pub(super) fn is_token(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

fn is_token68(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Result<Vec<Item<'_>>, FieldError> {
        Items::of(text)?.collect()
    }

    #[test]
    fn schemes_parameters_and_opaque_text_are_told_apart() {
        use Item::{Opaque, Parameter, Scheme};
        for (text, expected) in [
            ("", vec![]),
            ("Basic", vec![Scheme("Basic")]),
            ("Basic eA==", vec![Scheme("Basic"), Opaque]),
            ("a b=c", vec![Scheme("a"), Parameter("b", "c")]),
            (
                "a b=c,d=\"e, f\" , ,g = h",
                vec![Scheme("a"), Parameter("b", "c"), Parameter("d", "e, f"), Parameter("g", "h")],
            ),
            ("a b=\"\\\"\"", vec![Scheme("a"), Parameter("b", "\\\"")]),
            ("a b=\"\"", vec![Scheme("a"), Parameter("b", "")]),
            ("a, b c=d, e", vec![Scheme("a"), Scheme("b"), Parameter("c", "d"), Scheme("e")]),
            (", a x==, b=c", vec![Scheme("a"), Opaque, Parameter("b", "c")]),
        ] {
            assert_eq!(items(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_breaks_is_said_where() {
        for (text, at) in [
            ("a b=c d=e", 6),
            ("a b=\"c", 2),
            ("a b=\"c\"d=e", 7),
            ("a b=\"\u{1}\"", 2),
            ("a =", 0),
            ("a b=c;d", 5),
            ("\"a\"", 0),
            ("a/b c=d", 0),
        ] {
            let found = items(text);
            assert!(matches!(found, Err(FieldError::Syntax(found)) if found == at), "{text}: {found:?}");
        }
        assert_eq!(items(&"a".repeat(super::super::MAX_FIELD + 1)), Err(FieldError::Long));
    }
}
