//! Reading, top down, as RFC 9651 section 4.2 goes.

use super::{
    BareItem, Bytes, Dictionary, InnerList, Item, List, MAX_FIELD, MAX_MEMBERS, Member, Parameters,
    StructuredError,
};

type Read<T> = Result<T, StructuredError>;

/// Kinds of octets, a bit each; an octet may be of several. All are ASCII.
const BLANK: u8 = 1;
const TAB: u8 = 1 << 1;
const DIGIT: u8 = 1 << 2;
const KEY: u8 = 1 << 3;
const TOKEN: u8 = 1 << 4;
/// What stands in a string without an escape.
const PLAIN: u8 = 1 << 5;
const BASE64: u8 = 1 << 6;

/// The kinds of each octet.
static KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let (mut rest, mut octet): (&mut [u8], u8) = (&mut kinds, 0);
    while let [kind, after @ ..] = rest {
        *kind = kinds_of(octet);
        (rest, octet) = (after, octet.wrapping_add(1));
    }
    kinds
};

const fn kinds_of(octet: u8) -> u8 {
    let mut kinds = match octet {
        b' ' => BLANK | PLAIN,
        b'\t' => TAB,
        b'"' | b'\\' => 0,
        0x21..=0x7e => PLAIN,
        _ => 0,
    };
    kinds |= match octet {
        b'0'..=b'9' => DIGIT | KEY | TOKEN | BASE64,
        b'a'..=b'z' => KEY | TOKEN | BASE64,
        b'A'..=b'Z' => TOKEN | BASE64,
        b'_' | b'-' | b'.' | b'*' => KEY | TOKEN,
        b'+' | b'/' => TOKEN | BASE64,
        b'=' => BASE64,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'^' | b'`' | b'|' | b'~' | b':' => TOKEN,
        _ => 0,
    };
    kinds
}

fn is(octet: u8, kinds: u8) -> bool {
    KINDS.get(usize::from(octet)).is_some_and(|own| own & kinds != 0)
}

/// Room for the items and parameters of nearly every signature, so that the lists need not grow.
const USUAL: usize = 8;

/// A place in a field value.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Whether what was read since this was last set stands in its one serialisation, as far as can be told without
    /// making it.
    exact: bool,
}

impl<'a> Reader<'a> {
    /// Reads the whole of a field value, blanks around it aside.
    pub(crate) fn whole<T>(text: &'a str, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<T> {
        if text.len() > MAX_FIELD {
            return Err(StructuredError::TooLong);
        }
        let mut reader = Self { text, at: 0, exact: true };
        reader.skip(BLANK);
        let value = read(&mut reader)?;
        reader.skip(BLANK);
        if reader.rest().is_empty() { Ok(value) } else { Err(reader.expected("the end of the field")) }
    }

    pub(super) fn list(&mut self) -> Read<List<'a>> {
        let mut members = Vec::new();
        while !self.rest().is_empty() {
            self.admit(members.len())?;
            members.push(self.member()?);
            self.comma()?;
        }
        Ok(List(members))
    }

    pub(super) fn dictionary(&mut self) -> Read<Dictionary<'a>> {
        self.dictionary_of(Self::member_or_true).map(Dictionary)
    }

    /// A dictionary whose members are read by `member`, from behind their names on.
    pub(crate) fn dictionary_of<T>(
        &mut self,
        mut member: impl FnMut(&mut Self) -> Read<T>,
    ) -> Read<Vec<(&'a str, T)>> {
        let mut members: Vec<(&str, T)> = Vec::new();
        while !self.rest().is_empty() {
            self.admit(members.len())?;
            let at = self.at;
            let name = self.key()?;
            if members.iter().any(|(other, _)| *other == name) {
                return Err(StructuredError::Repeated(at));
            }
            members.push((name, member(self)?));
            self.comma()?;
        }
        Ok(members)
    }

    /// The value of a member of a dictionary, from behind its name on.
    pub(crate) fn member_or_true(&mut self) -> Read<Member<'a>> {
        match self.take(b'=') {
            true => self.member(),
            false => Ok(Member::Item(Item { bare: BareItem::Boolean(true), parameters: self.parameters()? })),
        }
    }

    /// Whether an inner list is the value of this member.
    pub(crate) fn is_at_list(&self) -> bool {
        self.rest().starts_with("=(")
    }

    /// Passes the `=` before a value.
    pub(crate) fn equals(&mut self) -> Read<()> {
        self.expect(b'=', "=")
    }

    /// What `read` reads, and its text where that stands in its one serialisation.
    pub(crate) fn with_text<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Read<T>,
    ) -> Read<(T, Option<&'a str>)> {
        let (begin, before) = (self.at, self.exact);
        self.exact = true;
        let value = read(self)?;
        let text = self.exact.then(|| self.since(begin));
        self.exact &= before;
        Ok((value, text))
    }

    /// What divides members; there is one after it.
    fn comma(&mut self) -> Read<()> {
        self.skip(BLANK | TAB);
        if self.rest().is_empty() {
            return Ok(());
        }
        if !self.take(b',') {
            return Err(self.expected("a comma"));
        }
        self.skip(BLANK | TAB);
        if self.rest().is_empty() { Err(self.expected("a member after the comma")) } else { Ok(()) }
    }

    fn member(&mut self) -> Read<Member<'a>> {
        match self.peek() {
            Some(b'(') => Ok(Member::List(self.inner_list()?)),
            _ => Ok(Member::Item(self.item()?)),
        }
    }

    fn inner_list(&mut self) -> Read<InnerList<'a>> {
        Ok(InnerList { items: self.items_of(Self::item)?, parameters: self.parameters()? })
    }

    /// Items in parentheses, each read by `item`, without what follows them.
    pub(crate) fn items_of<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        self.expect(b'(', "(")?;
        let mut items = Vec::with_capacity(USUAL);
        loop {
            let blanks = self.skip(BLANK).len();
            let is_last = self.take(b')');
            self.exact &= blanks == usize::from(!is_last && !items.is_empty());
            if is_last {
                return Ok(items);
            }
            self.admit(items.len())?;
            items.push(item(self)?);
            if !matches!(self.peek(), Some(b' ' | b')')) {
                return Err(self.expected("a blank or )"));
            }
        }
    }

    pub(crate) fn item(&mut self) -> Read<Item<'a>> {
        Ok(Item { bare: self.bare_item()?, parameters: self.parameters()? })
    }

    pub(crate) fn parameters(&mut self) -> Read<Parameters<'a>> {
        let mut parameters: Vec<(&str, BareItem<'_>)> = Vec::new();
        while self.take(b';') {
            self.exact &= self.skip(BLANK).is_empty();
            self.admit(parameters.len())?;
            let at = self.at;
            let name = self.key()?;
            if parameters.iter().any(|(other, _)| *other == name) {
                return Err(StructuredError::Repeated(at));
            }
            let value = match self.take(b'=') {
                true => self.bare_item()?,
                false => BareItem::Boolean(true),
            };
            self.exact &= value != BareItem::Boolean(true) || !self.text_before().ends_with("?1");
            if parameters.is_empty() {
                parameters.reserve(USUAL);
            }
            parameters.push((name, value));
        }
        Ok(Parameters(parameters))
    }

    fn key(&mut self) -> Read<&'a str> {
        if !matches!(self.peek(), Some(b'a'..=b'z' | b'*')) {
            return Err(self.expected("a name, which begins with a-z or *"));
        }
        Ok(self.skip(KEY))
    }

    fn bare_item(&mut self) -> Read<BareItem<'a>> {
        match self.peek() {
            Some(b'"') => self.string(),
            Some(b':') => self.bytes(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'a'..=b'z' | b'A'..=b'Z' | b'*') => Ok(BareItem::Token(self.skip(TOKEN))),
            Some(b'?') => self.boolean(),
            Some(b'@') => self.date(),
            Some(b'%') => self.display_string(),
            _ => Err(self.expected("a value")),
        }
    }

    fn string(&mut self) -> Read<BareItem<'a>> {
        self.expect(b'"', "a quote")?;
        let begin = self.at;
        loop {
            self.skip(PLAIN);
            if self.peek() == Some(b'"') {
                let text = self.since(begin);
                self.at += 1;
                return Ok(BareItem::String(text));
            }
            self.expect(b'\\', "the quote that ends the string, or an octet of 0x20-0x7E")?;
            if !self.take(b'"') {
                self.expect(b'\\', "a quote or backslash after the backslash")?;
            }
        }
    }

    fn bytes(&mut self) -> Read<BareItem<'a>> {
        self.expect(b':', "a colon")?;
        let begin = self.at;
        let text = self.skip(BASE64);
        let bytes = Bytes::parse(text).ok_or(StructuredError::Expected(begin, "base64 with its padding"))?;
        self.expect(b':', "the colon that ends the byte sequence")?;
        Ok(BareItem::Bytes(bytes))
    }

    /// An integer of up to 15 digits, or a decimal of up to 12 and 3.
    fn number(&mut self) -> Read<BareItem<'a>> {
        let begin = self.at;
        let is_negative = self.take(b'-');
        let sign = if is_negative { -1 } else { 1 };
        let whole = self.skip(DIGIT);
        let wrong = |what| StructuredError::Expected(begin, what);
        if self.peek() != Some(b'.') {
            let number = digits(whole, 15).ok_or(wrong("an integer of 1 to 15 digits"))?;
            self.exact &= number != 0 && !whole.starts_with('0') || self.since(begin) == "0";
            return Ok(BareItem::Integer(sign * number));
        }
        (self.at, self.exact) = (self.at + 1, false);
        let fraction = self.skip(DIGIT);
        let number = digits(whole, 12).zip(digits(fraction, 3));
        let (whole, part) =
            number.ok_or(wrong("a decimal of up to 12 digits and up to 3 after the point"))?;
        let unit = [100, 10, 1].get(fraction.len() - 1).copied().unwrap_or(1);
        Ok(BareItem::Decimal(sign * (whole * 1000 + part * unit)))
    }

    fn boolean(&mut self) -> Read<BareItem<'a>> {
        self.expect(b'?', "?")?;
        match self.take(b'1') {
            true => Ok(BareItem::Boolean(true)),
            false => self.expect(b'0', "?0 or ?1").map(|()| BareItem::Boolean(false)),
        }
    }

    fn date(&mut self) -> Read<BareItem<'a>> {
        let begin = self.at;
        self.expect(b'@', "@")?;
        match self.number()? {
            BareItem::Integer(seconds) => Ok(BareItem::Date(seconds)),
            _ => Err(StructuredError::Expected(begin, "a date in whole seconds")),
        }
    }

    fn display_string(&mut self) -> Read<BareItem<'a>> {
        let begin = self.at;
        self.expect(b'%', "%")?;
        self.expect(b'"', "a quote after %")?;
        self.exact = false;
        let from = self.at;
        while self.take(b'\\') || !self.skip(PLAIN).is_empty() {}
        let text = self.since(from);
        self.expect(b'"', "the quote that ends the string, or an octet of 0x20-0x7E")?;
        let wrong = StructuredError::Expected(begin, "UTF-8, percent-encoded in lower case");
        super::write::unicode(text).map(|_| BareItem::DisplayString(text)).ok_or(wrong)
    }

    fn text_before(&self) -> &'a str {
        self.text.get(..self.at).unwrap_or_default()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn since(&self, begin: usize) -> &'a str {
        self.text.get(begin..self.at).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes octets of these kinds, and gives them.
    fn skip(&mut self, kinds: u8) -> &'a str {
        let begin = self.at;
        let rest = self.text.as_bytes().get(begin..).unwrap_or_default();
        self.at += rest.iter().position(|octet| !is(*octet, kinds)).unwrap_or(rest.len());
        self.since(begin)
    }

    fn take(&mut self, octet: u8) -> bool {
        let stands = self.peek() == Some(octet);
        self.at += usize::from(stands);
        stands
    }

    fn expect(&mut self, octet: u8, what: &'static str) -> Read<()> {
        if self.take(octet) { Ok(()) } else { Err(self.expected(what)) }
    }

    const fn expected(&self, what: &'static str) -> StructuredError {
        StructuredError::Expected(self.at, what)
    }

    const fn admit(&self, count: usize) -> Read<()> {
        if count < MAX_MEMBERS { Ok(()) } else { Err(StructuredError::TooMany(self.at)) }
    }
}

/// The number that 1 to `most` digits stand for.
fn digits(text: &str, most: usize) -> Option<i64> {
    if text.is_empty() || text.len() > most { None } else { text.parse().ok() }
}
