//! Signatures of ES256 as WebAuthn writes them: DER of r and s (section 6.5.5).

use crate::der::{INTEGER, SEQUENCE, alone, element, positive};

/// r and s, 32 octets each. `None` for anything but their one spelling.
pub(super) fn p256(der: &[u8]) -> Option<[u8; 64]> {
    let whole = alone(SEQUENCE, der)?;
    let (r, rest) = element(INTEGER, whole)?;
    let s = alone(INTEGER, rest)?;
    let mut fixed = [0; 64];
    let (first, second) = fixed.split_at_mut(32);
    fill(first, positive(r)?)?;
    fill(second, positive(s)?)?;
    Some(fixed)
}

/// Big-endian at the end of its place.
fn fill(place: &mut [u8], octets: &[u8]) -> Option<()> {
    let from = place.len().checked_sub(octets.len())?;
    place.get_mut(from..)?.copy_from_slice(octets);
    Some(())
}
