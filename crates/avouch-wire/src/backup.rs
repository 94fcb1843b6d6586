//! What a backup holds: the list at its beginning (`docs/formats/backup.md`).
//!
//! A list that parses names each file once, by a path that leads nowhere else, and within bounds.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::b64u;
use crate::content::ContentDigest;
use crate::time::Time;

/// Longest list in octets: 32 768 files with paths of ordinary length.
pub const MAX_MANIFEST: usize = 8 << 20;

/// Most files. A gateway holds at most 16 384 reports that wait, and a few hundred others.
pub const MAX_FILES: usize = 32_768;

/// Largest file in octets: tables of autonomous systems take 100 MiB.
pub const MAX_FILE: u64 = 256 << 20;

/// Octets of all files together.
pub const MAX_TOTAL: u64 = 4 << 30;

/// Longest path in octets, as Linux has it (PATH_MAX, without the final zero).
pub const MAX_PATH: usize = 4_095;

/// Latest time of making in seconds: twelve digits, as `ts` and `exp` have.
const MAX_MADE: u64 = 999_999_999_999;

/// Longest name of a user or group, as useradd(8) has it.
const MAX_NAME: usize = 32;

/// What version of the format this is.
const FORMAT: &str = "avouch-backup-1";

/// Permissions that come back: nobody but the owner may ever write.
const MODE: u32 = 0o755;

/// Why a list cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// Longer than [`MAX_MANIFEST`].
    #[error("the list of files is longer than {MAX_MANIFEST} octets")]
    TooLong,
    /// No such document.
    #[error("the list of files cannot be read: {0}")]
    Json(String),
    /// Of another version, or of another program.
    #[error("the format is \"{0}\", and this version reads \"{FORMAT}\"")]
    Format(String),
    /// The time of making is not one of seconds since 1970.
    #[error("`made` is {0}, and is seconds since 1970 with at most twelve digits")]
    Made(u64),
    /// More than [`MAX_FILES`].
    #[error("more than {MAX_FILES} files are listed")]
    TooMany,
    /// A file is larger than [`MAX_FILE`], or all are than [`MAX_TOTAL`].
    #[error("{0} is too large: a file may have {MAX_FILE} octets, and all together {MAX_TOTAL}")]
    TooLarge(String),
    /// A path is not absolute, or has parts that lead elsewhere.
    #[error(
        "\"{0}\" is no path that a backup may hold: absolute, without `.` and `..`, at most {MAX_PATH} octets"
    )]
    Path(String),
    /// A path is listed twice.
    #[error("{0} is listed twice")]
    Twice(String),
    /// Permissions, owner or digest cannot be.
    #[error(
        "what is said of {0} cannot be: permissions in octal, names of owner and group, SHA-256 in base64url"
    )]
    Attributes(String),
}

/// The list of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// When it was made.
    pub made: Time,
    /// The files, in the order in which they stand in the backup.
    pub files: Vec<File>,
    /// What was there and is not in it.
    pub left_out: Vec<LeftOut>,
}

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its absolute path; each part is a name.
    pub path: String,
    /// Its permissions, of the nine bits those that come back.
    pub mode: u32,
    /// The name of its owner.
    pub owner: String,
    /// The name of its group.
    pub group: String,
    /// Its length in octets.
    pub octets: u64,
    /// SHA-256 of what it holds.
    pub digest: ContentDigest,
}

/// Something that is not in a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it was.
    pub path: String,
    /// Why it was left out.
    pub why: Why,
}

/// Why something is not in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// A secret that no passphrase protects: whoever had the backup would have it.
    PlainSecret,
    /// Which requests were accepted: put back later, what was accepted since would be accepted again.
    UsedNonces,
    /// The access log, which is no part of what the gateway needs.
    AccessLog,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: String,
    made: u64,
    files: Vec<Entry>,
    left_out: Vec<Absent>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    path: String,
    mode: String,
    owner: String,
    group: String,
    octets: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Absent {
    path: String,
    why: Why,
}

impl Manifest {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(octets: &[u8]) -> Result<Self, ManifestError> {
        if octets.len() > MAX_MANIFEST {
            return Err(ManifestError::TooLong);
        }
        let document: Document =
            serde_json::from_slice(octets).map_err(|error| ManifestError::Json(error.to_string()))?;
        if document.format != FORMAT {
            return Err(ManifestError::Format(document.format.chars().take(40).collect()));
        }
        if document.made > MAX_MADE {
            return Err(ManifestError::Made(document.made));
        }
        if document.files.len() > MAX_FILES || document.left_out.len() > MAX_FILES {
            return Err(ManifestError::TooMany);
        }
        let files: Vec<File> = document.files.into_iter().map(File::read).collect::<Result<_, _>>()?;
        let left_out = document.left_out.into_iter().map(LeftOut::read).collect::<Result<_, _>>()?;
        let (mut paths, mut total) = (BTreeSet::new(), 0_u64);
        for file in &files {
            if !paths.insert(&file.path) {
                return Err(ManifestError::Twice(file.path.clone()));
            }
            total = total.saturating_add(file.octets);
            if file.octets > MAX_FILE || total > MAX_TOTAL {
                return Err(ManifestError::TooLarge(file.path.clone()));
            }
        }
        Ok(Self { made: Time::from_seconds(document.made), files, left_out })
    }

    /// Writes a list, which reads back the same.
    #[must_use]
    pub fn write(&self) -> String {
        let document = Document {
            format: FORMAT.to_owned(),
            made: self.made.seconds(),
            files: self.files.iter().map(File::entry).collect(),
            left_out: self
                .left_out
                .iter()
                .map(|one| Absent { path: one.path.clone(), why: one.why })
                .collect(),
        };
        // Strings and numbers always can be written.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

impl File {
    fn read(entry: Entry) -> Result<Self, ManifestError> {
        let Entry { path, mode, owner, group, octets, sha256 } = entry;
        if !is_path(&path) {
            return Err(ManifestError::Path(path.chars().take(80).collect()));
        }
        let number = u32::from_str_radix(&mode, 8).ok().filter(|number| format!("{number:04o}") == mode);
        let digest = b64u::decode::<32>(&sha256).ok();
        match (number, digest) {
            (Some(mode), Some(digest)) if mode & !MODE == 0 && is_name(&owner) && is_name(&group) => {
                Ok(Self { path, mode, owner, group, octets, digest: ContentDigest(digest) })
            }
            _ => Err(ManifestError::Attributes(path)),
        }
    }

    fn entry(&self) -> Entry {
        Entry {
            path: self.path.clone(),
            mode: format!("{:04o}", self.mode & MODE),
            owner: self.owner.clone(),
            group: self.group.clone(),
            octets: self.octets,
            sha256: b64u::encode(&self.digest.0),
        }
    }

    /// What of a file's permissions comes back.
    #[must_use]
    pub const fn mode_of(mode: u32) -> u32 {
        mode & MODE
    }
}

impl LeftOut {
    fn read(absent: Absent) -> Result<Self, ManifestError> {
        let Absent { path, why } = absent;
        if is_path(&path) {
            Ok(Self { path, why })
        } else {
            Err(ManifestError::Path(path.chars().take(80).collect()))
        }
    }
}

/// Whether a path is absolute, and each of its parts is a name.
#[must_use]
pub fn is_path(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains('\0');
    path.len() <= MAX_PATH && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_part))
}

/// Names of users and groups as useradd(8) makes them, or numbers.
fn is_name(name: &str) -> bool {
    let is_allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"_-.$".contains(&octet);
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_allowed) && !name.starts_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(path: &str) -> File {
        let (owner, group) = ("root".to_owned(), "avouch".to_owned());
        File {
            path: path.to_owned(),
            mode: 0o640,
            owner,
            group,
            octets: 3,
            digest: ContentDigest::of(b"abc"),
        }
    }

    fn manifest(files: Vec<File>) -> Manifest {
        let left_out = vec![LeftOut { path: "/var/lib/avouch/replay".to_owned(), why: Why::UsedNonces }];
        Manifest { made: Time::from_seconds(1_800_000_000), files, left_out }
    }

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(text.as_bytes())
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let all = manifest(vec![file("/etc/avouch/gateway.toml"), file("/a b/\u{e4}")]);
        assert_eq!(parse(&all.write()), Ok(all));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        for good in ["/a", "/a/b.c", "/..a/b..", "/a b"] {
            assert!(parse(&manifest(vec![file(good)]).write()).is_ok(), "{good}");
        }
        let long = format!("/{}", "a".repeat(MAX_PATH));
        for bad in
            ["", "a", "a/b", "/", "//a", "/a/", "/a//b", "/../a", "/a/../b", "/a/.", "/./a", "/a\0", &long]
        {
            assert!(
                matches!(parse(&manifest(vec![file(bad)]).write()), Err(ManifestError::Path(_))),
                "{bad}"
            );
        }
        let mut other = manifest(Vec::new());
        other.left_out[0].path = "/a/../b".to_owned();
        assert!(matches!(parse(&other.write()), Err(ManifestError::Path(_))));
    }

    #[test]
    fn each_near_miss_of_a_list_is_refused() {
        let good = manifest(vec![file("/a")]).write();
        assert!(parse(&good).is_ok());
        for (from, to) in [
            ("avouch-backup-1", "avouch-backup-2"),
            ("\"0640\"", "\"0666\""),
            ("\"0640\"", "\"4640\""),
            ("\"0640\"", "\"640\""),
            ("\"0640\"", "\"+640\""),
            ("\"root\"", "\"\""),
            ("\"root\"", "\"a/b\""),
            ("\"root\"", "\"-R\""),
            ("\"octets\":3", "\"octets\":268435457"),
            ("\"octets\":3", "\"octets\":-1"),
            ("\"sha256\":\"", "\"sha256\":\"A"),
            ("\"made\"", "\"more\":1,\"made\""),
            ("used-nonces", "unused"),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(parse(&good.replacen(from, to, 1)).is_err(), "{from} {to}");
        }
        assert_eq!(
            parse(&manifest(vec![file("/a"), file("/a")]).write()),
            Err(ManifestError::Twice("/a".to_owned()))
        );
        let made = |seconds| parse(&good.replacen(":1800000000", &format!(":{seconds}"), 1));
        assert!(made(MAX_MADE).is_ok());
        assert_eq!(made(MAX_MADE + 1), Err(ManifestError::Made(MAX_MADE + 1)));
        assert_eq!(made(u64::MAX), Err(ManifestError::Made(u64::MAX)));
        let large = |count: usize| {
            let each = |number| File { octets: MAX_FILE, ..file(&format!("/{number}")) };
            parse(&manifest((0..count).map(each).collect()).write())
        };
        assert!(large(16).is_ok());
        assert!(matches!(large(17), Err(ManifestError::TooLarge(_))));
        assert_eq!(Manifest::parse(&vec![b' '; MAX_MANIFEST + 1]), Err(ManifestError::TooLong));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = parse(&text);
        }
    }
}
