//! How long an answer may be kept (RFC 9111).

use hyper::HeaderMap;
use hyper::header::{AGE, CACHE_CONTROL};
use std::time::Duration;

/// Where an answer says nothing: as long as a key in the DNS.
const UNSAID: Duration = Duration::from_secs(300);

/// Whatever an answer says, so that no directory is fetched for each request.
const LEAST: Duration = Duration::from_secs(60);

/// Whatever an answer says, so that a key that was removed ends within a day.
const MOST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an answer is relied on: by `Cache-Control` and `Age`, within bounds.
pub(super) fn of(headers: &HeaderMap) -> Duration {
    let directives: Vec<&str> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let is = |name: &str| directives.iter().any(|directive| directive.eq_ignore_ascii_case(name));
    if is("no-store") || is("no-cache") {
        return LEAST;
    }
    let seconds = |name: &str| {
        directives.iter().find_map(|directive| {
            let (own, value) = directive.split_once('=')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim_matches('"').parse::<u64>().ok())?
        })
    };
    let age = headers.get(AGE).and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    let fresh = seconds("max-age").map_or(UNSAID, |most| Duration::from_secs(most.saturating_sub(age)));
    fresh.clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_as_it_says_within_bounds() {
        for (control, age, kept) in [
            (None, None, 300),
            (Some("max-age=3600"), None, 3600),
            (Some("public, Max-Age=\"3600\""), Some("600"), 3000),
            (Some("max-age=3600"), Some("x"), 3600),
            (Some("max-age=0"), None, 60),
            (Some("max-age=10"), Some("100"), 60),
            (Some("no-store, max-age=3600"), None, 60),
            (Some("max-age=31536000"), None, 86_400),
            (Some("max-age=-1"), None, 300),
            (Some("private"), None, 300),
        ] {
            let mut headers = HeaderMap::new();
            control.into_iter().for_each(|value| drop(headers.insert(CACHE_CONTROL, value.parse().unwrap())));
            age.into_iter().for_each(|value: &str| drop(headers.insert(AGE, value.parse().unwrap())));
            assert_eq!(of(&headers).as_secs(), kept, "{control:?} {age:?}");
        }
    }
}
