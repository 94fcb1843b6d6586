//! The book: its table of contents names each page once.

use std::collections::BTreeMap;

use super::links;
use crate::finding::Finding;
use crate::house::File;

/// Where the table of contents is, and the pages it is of.
pub(crate) const CONTENTS: &str = "docs/SUMMARY.md";
const PAGES: &str = "docs/";

/// Holds the table of contents to the pages there are; that those it names exist is a rule of links.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let Some(contents) = files.iter().find(|file| file.path == CONTENTS) else {
        return vec![Finding::new(CONTENTS, "does not exist", "list every page of docs/ there")];
    };
    let mut named: BTreeMap<String, usize> = BTreeMap::new();
    for (_, link) in links::links(&contents.text) {
        *named.entry(links::resolve(CONTENTS, link)).or_default() += 1;
    }
    let pages = files.iter().map(|file| file.path.as_str());
    let pages = pages.filter(|path| path.starts_with(PAGES) && path.ends_with(".md") && *path != CONTENTS);
    let wrong = pages.filter_map(|page| match named.get(page) {
        Some(1) => None,
        Some(_) => Some((page, "is named twice")),
        None => Some((page, "is not named")),
    });
    wrong
        .map(|(page, what)| {
            Finding::new(CONTENTS, format!("`{page}` {what}"), "name each page of docs/ once")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(contents: &str, pages: &[&str]) -> usize {
        let file = |path: &str, text: &str| File { path: path.into(), text: text.into() };
        let mut files: Vec<_> = pages.iter().map(|page| file(page, "# A page\n")).collect();
        files.push(file(CONTENTS, contents));
        check(&files).len()
    }

    #[test]
    fn each_page_is_named_once() {
        let pages = ["docs/a.md", "docs/b/c.md", "README.md", "docs/b/d.lua"];
        assert_eq!(findings("- [A](a.md)\n  - [C](b/c.md)\n", &pages), 0);
        assert_eq!(findings("- [A](a.md)\n", &pages), 1);
        assert_eq!(findings("- [A](a.md)\n- [C](b/c.md)\n- [A](a.md)\n", &pages), 1);
        assert_eq!(check(&[]).len(), 1);
    }
}
