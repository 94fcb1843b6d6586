//! Numbers, strings and names, taken from the front of some octets and put at their end.

use super::FrameError;

/// The first octet of a number of more than one (section 3.1, "Peers encoding").
const LONG: u8 = 240;

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Octets<'a>(pub(super) &'a [u8]);

impl<'a> Octets<'a> {
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn octet(&mut self) -> Result<u8, FrameError> {
        self.array::<1>().map(|[octet]| octet)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(FrameError::Short)?;
        self.0 = rest;
        Ok(*array)
    }

    /// A number. Each has one spelling: what the first octets carry is not carried again by those that follow.
    pub(super) fn number(&mut self) -> Result<u64, FrameError> {
        let first = self.octet()?;
        let mut number = u64::from(first);
        if first < LONG {
            return Ok(number);
        }
        let mut shift = 4;
        loop {
            let octet = self.octet()?;
            let part = u64::from(octet);
            let moved = part.checked_shl(shift).filter(|moved| moved >> shift == part);
            number = moved.and_then(|moved| number.checked_add(moved)).ok_or(FrameError::Number)?;
            if octet < 0x80 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    /// Octets that say before how many they are.
    pub(super) fn string(&mut self) -> Result<&'a [u8], FrameError> {
        let length = usize::try_from(self.number()?).map_err(|_| FrameError::Short)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(FrameError::Short)?;
        self.0 = rest;
        Ok(string)
    }

    pub(super) fn name(&mut self) -> Result<&'a str, FrameError> {
        let name = self.string()?;
        let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
        is_name.then(|| str::from_utf8(name).ok()).flatten().ok_or(FrameError::Name)
    }
}

pub(super) fn put_number(number: u64, into: &mut Vec<u8>) {
    let Some(beyond) = number.checked_sub(u64::from(LONG)) else {
        into.push(low(number));
        return;
    };
    into.push(low(number) | LONG);
    let mut rest = beyond >> 4;
    while rest >= 0x80 {
        into.push(low(rest) | 0x80);
        rest = (rest - 0x80) >> 7;
    }
    into.push(low(rest));
}

pub(super) fn put_string(string: &[u8], into: &mut Vec<u8>) {
    put_number(string.len() as u64, into);
    into.extend_from_slice(string);
}

/// The lowest eight bits.
const fn low(number: u64) -> u8 {
    let [.., low] = number.to_be_bytes();
    low
}
