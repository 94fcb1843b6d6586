//! Tests of every octet of a text, and texts put one behind the other.

/// As many octets as common processors compare at once.
const BLOCK: usize = 16;

/// Whether `is` holds for every octet. `is` should be without branches (`&`, not `&&`): the compiler
/// then looks at a block of octets at once.
#[inline]
pub(crate) fn all(octets: &[u8], is: impl Fn(u8) -> bool) -> bool {
    let (blocks, rest) = octets.as_chunks::<BLOCK>();
    // What is left over is seen in the last whole block's length, some of it twice.
    let last = octets.last_chunk::<BLOCK>();
    blocks.iter().all(|block| block_holds(block, &is))
        && last.map_or_else(|| rest.iter().all(|octet| is(*octet)), |last| block_holds(last, &is))
}

/// How many octets there are before the first for which `is` does not hold. `is` as for [`all`].
#[inline]
pub(crate) fn span(octets: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let (blocks, _) = octets.as_chunks::<BLOCK>();
    let passed = BLOCK * blocks.iter().take_while(|block| block_holds(block, &is)).count();
    let rest = octets.get(passed..).unwrap_or_default();
    passed + rest.iter().position(|octet| !is(*octet)).unwrap_or(rest.len())
}

#[inline]
fn block_holds(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(true, |all, octet| all & is(*octet))
}

/// Two octets of length, then the octets. Longer ones than 65,535 cannot be told apart by their
/// length, so they are cut to nothing that was ever signed: the length saturates and the octets
/// follow whole, which no signer produces.
pub(crate) fn lp16(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(&u16::try_from(octets.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(octets);
}

/// 0x01 in each octet of a word.
const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The highest bit of each octet of a word.
const HIGHEST: u64 = ONES << 7;

/// The first eight octets, the first one lowest; zero where there are fewer.
#[inline]
pub(crate) const fn word(octets: &[u8]) -> u64 {
    if let Some(word) = octets.first_chunk() {
        return u64::from_le_bytes(*word);
    }
    let (mut word, mut rest) = (0, octets);
    while let [before @ .., last] = rest {
        (word, rest) = (word << 8 | *last as u64, before);
    }
    word
}

/// How many octets of a word stand before the first that is this one.
#[inline]
pub(crate) const fn find(word: u64, octet: u8) -> Option<usize> {
    let found = is(word, octet) & HIGHEST;
    if found == 0 { None } else { Some(found.trailing_zeros() as usize / 8) }
}

/// How many octets at the front lie in 0x21–0x7E and are neither quote nor backslash.
#[inline]
pub(crate) fn quotable(octets: &[u8]) -> usize {
    let is_quotable =
        |octet: u8| (octet.cast_signed() > 0x20) & (octet != 0x7f) & (octet != b'"') & (octet != b'\\');
    let (blocks, _) = octets.as_chunks::<BLOCK>();
    let mut at = blocks.iter().take_while(|block| block_holds(block, is_quotable)).count() * BLOCK;
    loop {
        let word = word(octets.get(at..).unwrap_or_default());
        let failed = (below(word, 0x21) | is(word, 0x7f) | is(word, b'"') | is(word, b'\\') | word) & HIGHEST;
        if failed != 0 {
            return at + failed.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
}

/// Sets the highest bit of each octet below this one, 0x80 at most. A borrow may set it above such an octet too, never
/// below it: the lowest that is set is right.
const fn below(word: u64, octet: u8) -> u64 {
    word.wrapping_sub(ONES * octet as u64) & !word
}

/// As [`below`], of each octet that is this one.
const fn is(word: u64, octet: u8) -> u64 {
    below(word ^ (ONES * octet as u64), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_is_looked_at() {
        for length in 0..70 {
            assert!(all(&vec![1; length], |octet| octet == 1));
            for at in 0..length {
                let mut octets = vec![1; length];
                octets[at] = 2;
                assert!(!all(&octets, |octet| octet == 1), "octet {at} of {length}");
            }
        }
    }

    #[test]
    fn what_is_quotable_ends_at_the_first_octet_that_is_not() {
        let quotable_octet = |octet: u8| (0x21..=0x7e).contains(&octet) && octet != b'"' && octet != b'\\';
        for length in 0..20 {
            for octet in 0..=u8::MAX {
                for next in [b'a', b'"', b'!', 0, 0x7f, 0xff] {
                    for at in 0..length {
                        let mut octets = vec![b'~'; length];
                        octets[at] = octet;
                        octets.extend([next; 9]);
                        let expected = octets.iter().position(|octet| !quotable_octet(*octet));
                        assert_eq!(quotable(&octets), expected.unwrap_or(octets.len()), "{octets:02x?}");
                    }
                }
            }
        }
    }
}
