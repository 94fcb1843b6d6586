//! The `name="value"` pairs of a header, before anything is known of their form.

use super::HeaderError;
use crate::octets;
use std::fmt;

/// Longest header value in octets: room for every value at its longest, twice.
pub const MAX_HEADER: usize = 4096;

/// Most names in a header that mean nothing here: room for later versions, and few enough to
/// compare each with each.
pub const MAX_UNKNOWN: usize = 16;

/// Names the values of a header once, for the type, for reading and for writing.
macro_rules! values {
    ($($value:ident $name:literal),*) => {
        /// The names a header can hold that mean something here.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is the name of a value in the format's table")]
        pub enum Value { $($value),* }

        impl Value {
            /// How many there are.
            const COUNT: usize = [$($name),*].len();

            /// The value of this name; `None` for names that mean nothing here.
            #[inline]
            #[expect(non_upper_case_globals, reason = "each is called as its value is")]
            fn named(name: &[u8]) -> Option<Self> {
                $(const $value: u64 = number($name.as_bytes());)*
                match number(name) {
                    $($value => Some(Self::$value),)*
                    _ => None,
                }
            }

            /// As written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => $name),* }
            }
        }
    };
}

values! {
    Dom "dom", Id "id", Inst "inst", Alg "alg", Ts "ts", Nonce "nonce", Aud "aud", Cd "cd",
    Rpk "rpk", Rcert "rcert", Rproof "rproof", Pk "pk", Re "re", Seq "seq", Sig "sig"
}

/// A name of up to seven octets as a number that no other name shares, so that it is compared at
/// once; zero for longer ones.
const fn number(name: &[u8]) -> u64 {
    if name.len() > 7 {
        return 0;
    }
    let (mut number, mut rest) = (1, name);
    while let [first, after @ ..] = rest {
        (number, rest) = (number << 8 | *first as u64, after);
    }
    number
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The values of a header by name. Filled in place, as they are most of what is read of a request.
#[derive(Default)]
pub(super) struct Values<'a> {
    values: [Option<&'a str>; Value::COUNT],
    /// Names that mean nothing here, kept only to notice one that stands twice.
    unknown: [&'a str; MAX_UNKNOWN],
    unknown_count: usize,
}

impl<'a> Values<'a> {
    /// Takes the pairs of a header value: `name="value"`, divided by `;` and blanks.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), HeaderError> {
        if text.len() > MAX_HEADER {
            return Err(HeaderError::TooLong);
        }
        let mut at = skip_blanks(text, 0);
        loop {
            let pair = Pair::read(text, at)?;
            self.put(&pair, at)?;
            at = skip_blanks(text, pair.end);
            match text.as_bytes().get(at) {
                Some(b';') => at = skip_blanks(text, at + 1),
                Some(_) => return Err(HeaderError::Pair(at)),
                None => return Ok(()),
            }
        }
    }

    fn put(&mut self, pair: &Pair<'a>, at: usize) -> Result<(), HeaderError> {
        let Some(known) = pair.known else { return self.put_unknown(pair.name, at) };
        let Some(slot) = self.values.get_mut(known as usize) else { return Ok(()) };
        if slot.replace(pair.value).is_some() {
            return Err(HeaderError::Repeated(known));
        }
        Ok(())
    }

    fn put_unknown(&mut self, name: &'a str, at: usize) -> Result<(), HeaderError> {
        let is_repeated = self.unknown.iter().take(self.unknown_count).any(|seen| *seen == name);
        match self.unknown.get_mut(self.unknown_count) {
            Some(slot) if !is_repeated => *slot = name,
            _ => return Err(HeaderError::Unknown(at)),
        }
        self.unknown_count += 1;
        Ok(())
    }

    /// Whether there were names that mean nothing here.
    pub(super) const fn has_unknown(&self) -> bool {
        self.unknown_count > 0
    }

    pub(super) fn get(&self, value: Value) -> Option<&'a str> {
        self.values.get(value as usize).copied().flatten()
    }

    pub(super) fn require(&self, value: Value) -> Result<&'a str, HeaderError> {
        self.get(value).ok_or(HeaderError::Missing(value))
    }

    pub(super) fn refuse(&self, values: &[Value]) -> Result<(), HeaderError> {
        match values.iter().find(|value| self.get(**value).is_some()) {
            Some(value) => Err(HeaderError::Mixed(*value)),
            None => Ok(()),
        }
    }
}

/// One `name="value"`.
struct Pair<'a> {
    name: &'a str,
    known: Option<Value>,
    value: &'a str,
    /// The offset after it.
    end: usize,
}

impl<'a> Pair<'a> {
    /// Reads the pair that begins at an offset.
    #[inline]
    fn read(text: &'a str, at: usize) -> Result<Self, HeaderError> {
        let rest = text.as_bytes().get(at..).unwrap_or_default();
        let length = rest.iter().position(|octet| *octet == b'=').ok_or(HeaderError::Pair(at))?;
        let name = text.get(at..at + length).ok_or(HeaderError::Pair(at))?;
        let known = Value::named(name.as_bytes());
        if rest.get(length + 1) != Some(&b'"') || (known.is_none() && !is_name(name)) {
            return Err(HeaderError::Pair(at));
        }
        let (begin, rest) = (at + length + 2, rest.get(length + 2..).unwrap_or_default());
        let length = octets::quotable(rest);
        match text.get(begin..begin + length) {
            Some(value) if length > 0 && rest.get(length) == Some(&b'"') => {
                Ok(Self { name, known, value, end: begin + length + 1 })
            }
            _ => Err(HeaderError::Octet(begin)),
        }
    }
}

/// The offset of the first octet from `at` on that is neither SP nor HTAB.
fn skip_blanks(text: &str, at: usize) -> usize {
    let rest = text.as_bytes().get(at..).unwrap_or_default();
    at + rest.iter().position(|octet| !matches!(octet, b' ' | b'\t')).unwrap_or(rest.len())
}

fn is_name(text: &str) -> bool {
    let is_octet = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(is_octet)
}
