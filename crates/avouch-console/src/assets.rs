//! The files that pages load: part of the binary, so that nothing comes from elsewhere.

use std::sync::LazyLock;

use avouch_wire::b64u;
use avouch_wire::content::ContentHasher;
use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::header;

use crate::refusal::Refusal;

/// Most octets of all files together: a page is there at once on any line.
#[cfg(test)]
const MOST: usize = 300 << 10;

/// Their place has their digest in it, so what is there never changes.
const FOREVER: &str = "private, max-age=31536000, immutable";

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Name, type and content.
const FILES: [(&str, &str, &str); 6] = [
    ("console.css", STYLE, include_str!("../assets/console.css")),
    ("console.js", SCRIPT, include_str!("../assets/console.js")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
    ("htmx.js", SCRIPT, include_str!("../assets/htmx-2.0.11.min.js")),
    ("uplot.js", SCRIPT, include_str!("../assets/uplot-1.6.32.min.js")),
    ("uplot.css", STYLE, include_str!("../assets/uplot-1.6.32.min.css")),
];

static PLACE: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = ContentHasher::new();
    FILES.iter().for_each(|(_, _, content)| hasher.update(content.as_bytes()));
    let digest = b64u::encode(&hasher.finish().0);
    format!("/console/assets/{}", digest.get(..16).unwrap_or_default())
});

/// The path of their folder.
pub(crate) fn place() -> &'static str {
    &PLACE
}

/// Serves a file. What asks for those of another build gets none, rather than others than it knows.
pub(crate) async fn serve(Path((digest, name)): Path<(String, String)>) -> Response {
    let asked = format!("/console/assets/{digest}");
    let found = FILES.iter().find(|(known, ..)| asked == place() && *known == name);
    match found {
        Some((_, kind, content)) => {
            ([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, FOREVER)], *content).into_response()
        }
        None => Refusal::Missing.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_together_are_small() {
        let all: usize = FILES.iter().map(|(.., content)| content.len()).sum();
        assert!(all <= MOST, "{all} octets");
    }

    #[test]
    fn what_others_wrote_is_under_licences_that_stand_beside_it() {
        assert!(include_str!("../assets/htmx-LICENSE.txt").contains("Zero-Clause BSD"));
        assert!(include_str!("../assets/uplot-LICENSE.txt").contains("MIT License"));
    }
}
