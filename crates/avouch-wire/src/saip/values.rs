//! The `name="value"` pairs of a header, before anything is known of their form.

use super::HeaderError;
use crate::octets;
use std::fmt;

/// Longest header value in octets: room for every value at its longest, twice.
pub const MAX_HEADER: usize = 4096;

/// Most names in a header that mean nothing here: room for later versions, and few enough to
/// look for each among all before it.
pub const MAX_UNKNOWN: usize = 16;

/// The names a header can hold that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the name of a value in the format's table")]
pub enum Value {
    Dom,
    Id,
    Inst,
    Alg,
    Ts,
    Nonce,
    Aud,
    Cd,
    Rpk,
    Rcert,
    Rproof,
    Pk,
    Re,
    Seq,
    Sig,
}

impl Value {
    /// How many there are.
    const COUNT: usize = Self::Sig as usize + 1;

    /// The value of this name; `None` for names that mean nothing here.
    fn named(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"dom" => Self::Dom,
            b"id" => Self::Id,
            b"inst" => Self::Inst,
            b"alg" => Self::Alg,
            b"ts" => Self::Ts,
            b"nonce" => Self::Nonce,
            b"aud" => Self::Aud,
            b"cd" => Self::Cd,
            b"rpk" => Self::Rpk,
            b"rcert" => Self::Rcert,
            b"rproof" => Self::Rproof,
            b"pk" => Self::Pk,
            b"re" => Self::Re,
            b"seq" => Self::Seq,
            b"sig" => Self::Sig,
            _ => return None,
        })
    }

    /// As written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dom => "dom",
            Self::Id => "id",
            Self::Inst => "inst",
            Self::Alg => "alg",
            Self::Ts => "ts",
            Self::Nonce => "nonce",
            Self::Aud => "aud",
            Self::Cd => "cd",
            Self::Rpk => "rpk",
            Self::Rcert => "rcert",
            Self::Rproof => "rproof",
            Self::Pk => "pk",
            Self::Re => "re",
            Self::Seq => "seq",
            Self::Sig => "sig",
        }
    }
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
    unknown: usize,
}

impl<'a> Values<'a> {
    /// Takes the pairs of a header value.
    pub(super) fn read(&mut self, text: &'a str) -> Result<(), HeaderError> {
        if text.len() > MAX_HEADER {
            return Err(HeaderError::TooLong);
        }
        for pair in Pairs::of(text) {
            self.put(&pair?, text)?;
        }
        Ok(())
    }

    fn put(&mut self, pair: &Pair<'a>, text: &str) -> Result<(), HeaderError> {
        let Some(known) = pair.known else { return self.put_unknown(pair, text) };
        let Some(slot) = self.values.get_mut(known as usize) else { return Ok(()) };
        if slot.replace(pair.value).is_some() {
            return Err(HeaderError::Repeated(known));
        }
        Ok(())
    }

    /// Nothing is kept of such a name, so whether it stands twice is seen by reading again what
    /// stands before it.
    fn put_unknown(&mut self, pair: &Pair<'a>, text: &str) -> Result<(), HeaderError> {
        let mut before = Pairs::of(text).map_while(Result::ok).take_while(|seen| seen.at < pair.at);
        let is_repeated = before.any(|seen| seen.name == pair.name);
        if is_repeated || self.unknown >= MAX_UNKNOWN {
            return Err(HeaderError::Unknown(pair.at));
        }
        self.unknown += 1;
        Ok(())
    }

    /// Whether there were names that mean nothing here.
    pub(super) const fn has_unknown(&self) -> bool {
        self.unknown > 0
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

/// One `name="value"`, beginning at an offset.
struct Pair<'a> {
    at: usize,
    name: &'a str,
    known: Option<Value>,
    value: &'a str,
}

/// The pairs of a text, in order; ends after the first error.
struct Pairs<'a> {
    text: &'a str,
    /// Where the last pair ended; `None` after an error.
    end: Option<usize>,
}

impl<'a> Pairs<'a> {
    const fn of(text: &'a str) -> Self {
        Self { text, end: Some(0) }
    }

    /// Where the next pair begins: the first at once, others after a divider.
    #[inline]
    fn begin(&self, end: usize) -> Option<Result<usize, HeaderError>> {
        let at = skip_blanks(self.text, end);
        match self.text.as_bytes().get(at) {
            _ if end == 0 => Some(Ok(at)),
            Some(b';') => Some(Ok(skip_blanks(self.text, at + 1))),
            Some(_) => Some(Err(HeaderError::Pair(at))),
            None => None,
        }
    }

    /// The pair at `at`.
    #[inline]
    fn pair(&self, at: usize) -> Result<Pair<'a>, HeaderError> {
        let rest = self.text.as_bytes().get(at..).unwrap_or_default();
        let equals = rest.iter().position(|octet| *octet == b'=').ok_or(HeaderError::Pair(at))?;
        let name = self.text.get(at..at + equals).ok_or(HeaderError::Pair(at))?;
        let known = Value::named(name.as_bytes());
        if rest.get(equals + 1) != Some(&b'"') || (known.is_none() && !is_name(name)) {
            return Err(HeaderError::Pair(at));
        }
        let begin = at + equals + 2;
        let rest = rest.get(equals + 2..).unwrap_or_default();
        let length = octets::quotable(rest);
        match self.text.get(begin..begin + length) {
            Some(value) if length > 0 && rest.get(length) == Some(&b'"') => {
                Ok(Pair { at, name, known, value })
            }
            _ => Err(HeaderError::Octet(begin)),
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, HeaderError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let end = self.end.take()?;
        let pair = self.begin(end)?.and_then(|at| self.pair(at));
        if let Ok(pair) = &pair {
            self.end = Some(pair.at + pair.name.len() + pair.value.len() + "=\"\"".len());
        }
        Some(pair)
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
