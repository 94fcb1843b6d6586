//! Links between our own pages: the file is there, and so is the heading.

use crate::finding::Finding;
use crate::house::File;

/// Holds every link of every page that does not lead to another site.
pub(crate) fn check(files: &[File]) -> Vec<Finding> {
    let pages = files.iter().filter(|file| file.path.ends_with(".md"));
    pages
        .flat_map(|page| links(&page.text).filter_map(|(line, link)| broken(files, page, line, link)))
        .collect()
}

/// The targets of inline links with their lines, but those in blocks of code.
pub(super) fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    let lines = (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence && !line.starts_with("    ")
    });
    lines.flat_map(|(number, line)| targets(line).map(move |target| (number, target)))
}

fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

fn broken(files: &[File], page: &File, line: usize, link: &str) -> Option<Finding> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() { page.path.clone() } else { resolve(&page.path, path) };
    let place = format!("{}:{line}", page.path);
    let Some(file) = files.iter().find(|file| file.path == target) else {
        let folder = format!("{target}/");
        let is_folder = files.iter().any(|file| file.path.starts_with(&folder));
        let missing =
            Finding::new(place, format!("links to `{target}`, which is not there"), "mend the link");
        return (!is_folder).then_some(missing);
    };
    let found = heading.is_empty() || !target.ends_with(".md") || anchors(&file.text).any(|a| a == heading);
    (!found).then(|| Finding::new(place, format!("`{target}` has no heading `{heading}`"), "mend the link"))
}

/// `path` as seen from the folder of `page`, both from the root.
pub(crate) fn resolve(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// The anchors of a page's headings, as forges make them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(link: &str) -> usize {
        let file = |path: &str, text: String| File { path: path.into(), text };
        let page = file("docs/a/page.md", format!("See [this]({link}).\n\n## The `x` header (`X`)\n"));
        check(&[page, file("docs/other.md", "# One thing\n".into()), file("src/lib.rs", String::new())]).len()
    }

    #[test]
    fn links_that_lead_somewhere_are_accepted() {
        let good =
            ["../other.md", "../other.md#one-thing", "#the-x-header-x", "../../src/lib.rs", "../../src"];
        for link in good.into_iter().chain(["https://a.example/#x", "mailto:a@b.example"]) {
            assert_eq!(findings(link), 0, "{link}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for link in ["other.md", "../other.md#another", "#the-y-header", "../../src/main.rs", "../b"] {
            assert_eq!(findings(link), 1, "{link}");
        }
    }

    #[test]
    fn code_is_no_link() {
        let page = File { path: "a.md".into(), text: "```\n[a](b)\n```\n    [a](b)\n".into() };
        assert!(check(&[page]).is_empty());
    }
}
