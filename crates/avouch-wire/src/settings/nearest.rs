//! The known word a misspelt one was probably meant to be.

/// The candidate nearest to `word`, when it is near enough to be a likely misspelling of it:
/// at most one edit for every three characters.
pub(super) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = word.chars().count().div_ceil(3);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// The longest word that is compared, in characters; keys and options are far shorter, and the
/// comparison is quadratic.
const MAX_WORD: usize = 40;

/// Levenshtein's distance: insertions, deletions and replacements that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let a = a.chars().take(MAX_WORD);
    let mut row: Vec<usize> = (0..=b.chars().take(MAX_WORD).count()).collect();
    for (i, x) in a.enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, y) in cells.zip(b.chars()) {
            let replaced = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("lisen", "listen"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn a_misspelling_finds_its_word_and_a_stranger_none() {
        let known = ["listen", "mode", "upstream"];
        assert_eq!(nearest("lisen", known.into_iter()), Some("listen"));
        assert_eq!(nearest("upsteram", known.into_iter()), Some("upstream"));
        assert_eq!(nearest("colour", known.into_iter()), None);
    }
}
