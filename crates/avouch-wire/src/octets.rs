//! Tests of every octet of a text.

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

#[inline]
fn block_holds(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> bool {
    block.iter().fold(true, |all, octet| all & is(*octet))
}

/// How many octets at the front lie in 0x21–0x7E and are neither quote nor backslash.
///
/// Looks at eight at once: each of the four tests sets the highest bit of an octet that fails it. A borrow or carry
/// may set it above such an octet too, never below; the lowest that is set is right.
#[inline]
pub(crate) fn quotable(octets: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHEST: u64 = ONES << 7;
    let below = |word: u64, least: u8| word.wrapping_sub(ONES * u64::from(least)) & !word;
    let is = |word: u64, octet: u8| below(word ^ (ONES * u64::from(octet)), 1);
    let (words, rest) = octets.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let above = word.wrapping_add(ONES) | word;
        let failed = (below(word, 0x21) | above | is(word, b'"') | is(word, b'\\')) & HIGHEST;
        if failed != 0 {
            return at * 8 + failed.trailing_zeros() as usize / 8;
        }
    }
    let is_quotable = |octet: &u8| matches!(octet, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    octets.len() - rest.len() + rest.iter().position(|octet| !is_quotable(octet)).unwrap_or(rest.len())
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
