//! What a token may be made with: its name, how many use it, for how long.

use std::time::Duration;

/// The longest that a token lasts.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Most agents of a token.
const MOST_USES: u32 = 1_000_000;

/// Holds a new token to it; in words what is wrong. `lasts` is in seconds.
pub(crate) fn check(name: &str, uses: u32, lasts: u64) -> Result<(), String> {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_' | b'.');
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
        return Err("name: write 1 to 64 of letters, digits, `-`, `_` and `.`".to_owned());
    }
    if !(1..=MOST_USES).contains(&uses) {
        return Err(format!("uses: write a number from 1 to {MOST_USES}"));
    }
    if !(1..=LONGEST.as_secs()).contains(&lasts) {
        return Err(format!("lasts: write seconds from 1 to {}", LONGEST.as_secs()));
    }
    Ok(())
}
