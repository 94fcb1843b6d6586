//! What keeps the code readable: short files and functions, clean lines, honest names, one story.

mod book;
mod length;
mod links;
mod names;
mod quoted;
mod story;
mod words;

use crate::finding::Finding;
use crate::house::{Crate, File};

pub(crate) use links::resolve;

/// Every rule of this module.
pub(crate) fn check(files: &[File], crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        findings.extend(length::check(file));
        findings.extend(words::check(file));
        findings.extend(names::check(file));
    }
    findings.extend(names::check_pages(files, crates));
    findings.extend(story::check(files));
    findings.extend(links::check(files));
    findings.extend(book::check(files));
    findings.extend(quoted::check(files));
    findings
}
