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

            /// The value whose name is the first `length` octets of a word, of up to seven; `None`
            /// for names that mean nothing here.
            #[inline]
            #[expect(non_upper_case_globals, reason = "each is called as its value is")]
            const fn named(word: u64, length: usize) -> Option<Self> {
                $(const $value: u64 = number(octets::word($name.as_bytes()), $name.len());)*
                match number(word, length) {
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

/// The first octets of a word, of up to seven, as a number that no other octets share.
#[inline]
const fn number(word: u64, length: usize) -> u64 {
    let end = 1 << (8 * length);
    word & (end - 1) | end
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
        let octets = text.as_bytes();
        let mut at = behind_blanks(octets, 0);
        loop {
            at = behind_blanks(octets, self.read_pair(text, at)?);
            match octets.get(at) {
                None => return Ok(()),
                Some(b';') => at = behind_blanks(octets, at + 1),
                Some(_) => return Err(HeaderError::Pair(at)),
            }
        }
    }

    /// Takes the pair that begins at an offset; gives the one behind it.
    #[inline]
    fn read_pair(&mut self, text: &'a str, at: usize) -> Result<usize, HeaderError> {
        let octets = text.as_bytes();
        let rest = octets.get(at..).unwrap_or_default();
        let word = octets::word(rest);
        // Names that mean something here are so short that their `=` stands in the first word.
        let short = octets::find(word, b'=');
        let length = short.or_else(|| rest.iter().position(|octet| *octet == b'='));
        let equals = at + length.ok_or(HeaderError::Pair(at))?;
        if octets.get(equals + 1) != Some(&b'"') {
            return Err(HeaderError::Pair(at));
        }
        let known = short.and_then(|length| Value::named(word, length));
        if known.is_none() {
            let name = text.get(at..equals).filter(|name| is_name(name));
            self.put_unknown(name.ok_or(HeaderError::Pair(at))?, at)?;
        }
        let begin = equals + 2;
        let end = begin + octets::quotable(octets.get(begin..).unwrap_or_default());
        match text.get(begin..end) {
            Some(value) if !value.is_empty() && octets.get(end) == Some(&b'"') => {
                known.map_or(Ok(end + 1), |known| self.put(known, value).map(|()| end + 1))
            }
            _ => Err(HeaderError::Octet(begin)),
        }
    }

    #[inline]
    fn put(&mut self, known: Value, value: &'a str) -> Result<(), HeaderError> {
        let Some(slot) = self.values.get_mut(known as usize) else { return Ok(()) };
        if slot.replace(value).is_some() {
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

/// The offset behind SP and HTAB.
#[inline]
fn behind_blanks(octets: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t') = octets.get(at) {
        at += 1;
    }
    at
}

fn is_name(text: &str) -> bool {
    let is_octet = |octet: u8| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    !text.is_empty() && text.bytes().all(is_octet)
}
