//! The last good file of a feed, on disk: the operator's JSON as it came, as old as the moment of its receipt, and
//! beside it by what to ask whether it changed.
//!
//! Two files, each replaced whole. The ranges are written first; a crash before the second file follows leaves one that
//! names the digest of other ranges, and they are then fetched without a condition.

use super::Feed;
use crate::folder::{Folder, StoreError};
use crate::https::{HeaderValue, Validators};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use avouch_wire::ranges::MAX_OCTETS;
use avouch_wire::time::Time;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How a file of validators begins.
const FIRST_LINE: &str = "avouch validators 1";

/// The longest file of validators: a URL and two fields.
const MAX_VALIDATORS: u64 = 16 * 1024;

/// The longest field that is kept. Entity tags are digests, a date has 29 octets.
const MAX_FIELD: usize = 1024;

/// What stands in the folder for one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) octets: Vec<u8>,
    pub(super) received: Time,
    pub(super) validators: Validators,
}

/// Reads it. A file longer than any range file counts as none; what it holds is for the caller to judge. It was never
/// received later than now: a clock that was wrong once must not make data young for ever.
pub(super) fn read(folder: &Folder, feed: &Feed, now: Time) -> Result<Option<Kept>, StoreError> {
    let [ranges, validators] = names(feed);
    let Some(octets) = folder.read(&ranges, MAX_OCTETS as u64)? else { return Ok(None) };
    let changed = folder.changed(&ranges).unwrap_or(UNIX_EPOCH);
    let received = Time::default().after(changed.duration_since(UNIX_EPOCH).unwrap_or_default()).min(now);
    let text = folder.read(&validators, MAX_VALIDATORS)?.unwrap_or_default();
    let validators = parse(&text, feed, &octets).unwrap_or_default();
    Ok(Some(Kept { octets, received, validators }))
}

/// Keeps it in place of what was kept before.
pub(super) fn write(folder: &Folder, feed: &Feed, kept: &Kept) -> Result<(), StoreError> {
    let [ranges, validators] = names(feed);
    folder.replace_as_of(&ranges, &kept.octets, moment(kept.received))?;
    folder.replace(&validators, text(feed, kept).as_bytes())
}

/// What is kept was received again, unchanged.
pub(super) fn confirm(folder: &Folder, feed: &Feed, received: Time) -> Result<(), StoreError> {
    let [ranges, _] = names(feed);
    folder.date(&ranges, moment(received))
}

fn moment(time: Time) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(time.millis())).unwrap_or(UNIX_EPOCH)
}

/// Named after the crawler, for whoever looks, and the URL, for a crawler may have several.
fn names(feed: &Feed) -> [String; 2] {
    let mut name: String =
        feed.crawler.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    name.push('-');
    for octet in ContentDigest::of(feed.url.as_bytes()).0.iter().take(8) {
        let _ = write!(name, "{octet:02x}");
    }
    [format!("{name}.json"), format!("{name}.validators")]
}

fn text(feed: &Feed, Kept { octets, validators, .. }: &Kept) -> String {
    let digest = b64u::encode(&ContentDigest::of(octets).0);
    let (etag, date) = (line(validators.etag.as_ref()), line(validators.last_modified.as_ref()));
    format!("{FIRST_LINE}\n{}\n{digest}\n{etag}\n{date}\n", feed.url)
}

/// A field, or nothing where it is not text, or far too long.
fn line(field: Option<&HeaderValue>) -> &str {
    field.and_then(|value| value.to_str().ok()).filter(|text| text.len() <= MAX_FIELD).unwrap_or_default()
}

/// `None` for what was written for other ranges, or not by [`text`].
fn parse(content: &[u8], feed: &Feed, octets: &[u8]) -> Option<Validators> {
    let mut lines = std::str::from_utf8(content).ok()?.lines();
    let digest = b64u::encode(&ContentDigest::of(octets).0);
    let head = [lines.next()?, lines.next()?, lines.next()?];
    let mut field =
        || lines.next().map(|text| HeaderValue::from_str(text).ok().filter(|value| !value.is_empty()));
    let (etag, last_modified) = (field()?, field()?);
    (head == [FIRST_LINE, &feed.url, &digest]).then_some(Validators { etag, last_modified })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_790_000_000);

    fn feed(url: &str) -> Feed {
        Feed { crawler: "GPTBot".to_owned(), url: url.to_owned() }
    }

    fn kept(octets: &[u8]) -> Kept {
        let etag = Some(HeaderValue::from_static("W/\"7\""));
        let received = Time::from_seconds(NOW.seconds() - 60);
        Kept { octets: octets.to_vec(), received, validators: Validators { etag, last_modified: None } }
    }

    #[test]
    fn what_is_kept_is_read_as_written_and_of_each_url_apart() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::take(place.path(), "lock").unwrap();
        let (one, other) = (feed("https://a.example/1"), feed("https://a.example/2"));
        assert_eq!(read(&folder, &one, NOW).unwrap(), None);
        write(&folder, &one, &kept(b"one")).unwrap();
        write(&folder, &other, &kept(b"other")).unwrap();
        assert_eq!(read(&folder, &one, NOW).unwrap(), Some(kept(b"one")));
        confirm(&folder, &one, NOW).unwrap();
        assert_eq!(read(&folder, &one, NOW).unwrap(), Some(Kept { received: NOW, ..kept(b"one") }));
        assert_eq!(read(&folder, &other, NOW).unwrap(), Some(kept(b"other")));
        assert_eq!(read(&folder, &one, kept(b"").received).unwrap(), Some(kept(b"one")), "a clock set back");
    }

    #[test]
    fn after_a_crash_between_the_two_files_nothing_is_asked_on_condition() {
        let place = tempfile::tempdir().unwrap();
        let (folder, feed) = (Folder::take(place.path(), "lock").unwrap(), feed("https://a.example/1"));
        write(&folder, &feed, &kept(b"before")).unwrap();
        let [ranges, validators] = names(&feed);
        folder.replace(&ranges, b"after").unwrap();
        let read_back = || read(&folder, &feed, NOW).unwrap().unwrap();
        assert_eq!((read_back().octets, read_back().validators), (b"after".to_vec(), Validators::default()));
        write(&folder, &feed, &kept(b"after")).unwrap();
        assert_eq!(read_back().validators, kept(b"").validators);
        for damaged in ["", "avouch validators 1\n", "\n\n\n\n\n"] {
            folder.replace(&validators, damaged.as_bytes()).unwrap();
            assert_eq!(read_back().validators, Validators::default());
        }
    }

    #[test]
    fn what_an_operator_sends_as_a_validator_cannot_write_other_lines() {
        let long = HeaderValue::from_str(&"x".repeat(MAX_FIELD + 1)).unwrap();
        let validators =
            Validators { etag: Some(long), last_modified: HeaderValue::from_bytes(b"\xff").ok() };
        let written = text(&feed("https://a.example/1"), &Kept { validators, ..kept(b"x") });
        assert_eq!(
            parse(written.as_bytes(), &feed("https://a.example/1"), b"x"),
            Some(Validators::default())
        );
        assert!(HeaderValue::from_bytes(b"a\nb").is_err());
    }
}
