//! The manual as a book, by mdBook.
//!
//! The pages of `docs/` are read in the repository, too, and link to sources beside them; in a book those links lead to
//! the sources on the web. So the pages are laid out anew for it.

use std::fs;
use std::io;
use std::path::Path;

use crate::cargo;
use crate::finding::Finding;
use crate::house::{self, Workspace};
use crate::tidy::resolve;

/// Where the sources are on the web.
const SOURCES: &str = "https://avouch.example/source/";

const PAGES: &str = "docs/";

/// Builds it.
pub(crate) fn run() -> Vec<Finding> {
    let place = match Workspace::at("Cargo.toml") {
        Ok(workspace) => workspace.target_folder().join("book-pages"),
        Err(findings) => return findings,
    };
    let files = match house::files() {
        Ok(files) => files,
        Err(findings) => return findings,
    };
    let pages = files.iter().filter(|file| file.path.starts_with(PAGES));
    for page in pages {
        let name = page.path.strip_prefix(PAGES).unwrap_or(&page.path);
        let text = if name.ends_with(".md") { laid_out(&page.path, &page.text) } else { page.text.clone() };
        if let Err(error) = write(&place.join(name), &text) {
            return vec![Finding::new(
                page.path.as_str(),
                error.to_string(),
                "see that target/ can be written",
            )];
        }
    }
    let mut mdbook = cargo::command("mdbook", &["build"]);
    cargo::open(mdbook.env("MDBOOK_BOOK__SRC", &place), "install it with `cargo install mdbook`")
}

fn write(to: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::write(to, text)
}

/// A page whose links out of the book lead to the sources on the web.
fn laid_out(page: &str, text: &str) -> String {
    let mut parts = text.split("](");
    let mut laid = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        laid.push_str("](");
        match part.split_once(')') {
            Some((link, rest)) if leaves(page, link) => {
                let (path, heading) =
                    link.split_once('#').map_or((link, None), |(path, at)| (path, Some(at)));
                laid.extend([SOURCES, &resolve(page, path)]);
                heading.iter().for_each(|heading| laid.extend(["#", heading]));
                laid.extend([")", rest]);
            }
            _ => laid.push_str(part),
        }
    }
    laid
}

/// Whether a link leads to a file of ours that is no page of the book.
fn leaves(page: &str, link: &str) -> bool {
    let is_ours = !link.contains("://") && !link.starts_with(['#', '/']) && !link.starts_with("mailto:");
    is_ours && link.starts_with("..") && !resolve(page, link).starts_with(PAGES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_book_lead_to_the_sources_and_others_stay() {
        let laid = laid_out(
            "docs/operate/a.md",
            "[a](b.md#c) [d](../../CHANGELOG.md#x) [e](../formats/f.md) [g](https://h/)",
        );
        assert_eq!(
            laid,
            "[a](b.md#c) [d](https://avouch.example/source/CHANGELOG.md#x) [e](../formats/f.md) [g](https://h/)"
        );
    }
}
