//! Text from outside, made safe to show: whoever sends a request chooses what stands in the log.

use crate::report::is_unprintable;
use std::fmt::{self, Display, Write};

/// For a terminal: what could move the cursor or turn the direction of writing is spelled out.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a str);

/// For a page, in text and in quoted attributes.
#[derive(Clone, Copy, Debug)]
pub struct Html<'a>(pub &'a str);

impl Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| plain(f, c))
    }
}

impl Display for Html<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c => plain(f, c),
        })
    }
}

fn plain(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    if is_unprintable(c) { write!(f, "{}", c.escape_unicode()) } else { f.write_char(c) }
}

/// Text of at most `width` characters; what is cut ends with `…`.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A number with its thousands apart.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let before = |at: usize| at > 0 && (digits.len() - at).is_multiple_of(3);
    digits
        .chars()
        .enumerate()
        .flat_map(|(at, digit)| before(at).then_some(',').into_iter().chain([digit]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_place_on_a_page() {
        let hostile = "</td><script>alert(1)</script>\" onload='x' &amp;";
        let shown = Html(hostile).to_string();
        assert_eq!(
            shown,
            "&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;&quot; onload=&#39;x&#39; &amp;amp;"
        );
    }

    #[test]
    fn nothing_moves_the_cursor_or_turns_the_text() {
        assert_eq!(
            Plain("a\u{1b}[2Jb\u{9b}\n\u{202e}c\u{200b}é日").to_string(),
            r"a\u{1b}[2Jb\u{9b}\u{a}\u{202e}c\u{200b}é日"
        );
    }

    #[test]
    fn numbers_are_grouped_and_text_is_cut() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!((cut("abcd", 4), cut("abcde", 4)), ("abcd".to_owned(), "abc…".to_owned()));
    }
}
