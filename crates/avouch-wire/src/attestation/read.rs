//! Octets taken one after the other, big-endian, as TPMs write them.

/// There are fewer octets than are needed, or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unread;

/// What has not been taken yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Octets<'a>(pub(super) &'a [u8]);

impl<'a> Octets<'a> {
    pub(super) fn take(&mut self, octets: usize) -> Result<&'a [u8], Unread> {
        let (taken, rest) = self.0.split_at_checked(octets).ok_or(Unread)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unread> {
        self.take(N)?.try_into().map_err(|_| Unread)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Unread> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Unread> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Unread> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Unread> {
        self.array().map(u64::from_be_bytes)
    }

    /// A TPM2B: octets behind their number.
    pub(super) fn sized(&mut self) -> Result<&'a [u8], Unread> {
        let octets = self.u16()?;
        self.take(usize::from(octets))
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), Unread> {
        if self.0.is_empty() { Ok(()) } else { Err(Unread) }
    }
}

/// A number of at most 32 octets; a TPM may leave out zeros in front, or write more.
pub(super) fn padded(number: &[u8]) -> Option<[u8; 32]> {
    let first = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    let digits = number.get(first..)?;
    let mut padded = [0; 32];
    padded.get_mut(32_usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    Some(padded)
}
