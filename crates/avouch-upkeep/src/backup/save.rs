//! Writing a backup.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use avouch_wire::b64u;
use avouch_wire::backup::{self, File as Listed, LeftOut, MAX_FILE, MAX_TOTAL, Manifest};
use avouch_wire::content::ContentDigest;
use avouch_wire::time::Time;

use super::contents::Contents;
use super::{BackupError, DIGEST, FILES, MANIFEST, owner};

/// Saves what the gateway of a configuration needs, and these files beside it, into a new file that only its owner can
/// read. Gives what it holds.
///
/// # Errors
///
/// Something cannot be read, or should not be saved; there is no file then.
pub fn save(config: &Path, also: &[PathBuf], to: &Path, now: Time) -> Result<Manifest, BackupError> {
    let contents = Contents::of(config, also)?;
    let mut files = Vec::new();
    let mut total = 0_u64;
    for path in &contents.files {
        let listed = listed(path)?;
        total = total.saturating_add(listed.octets);
        if listed.octets > MAX_FILE || total > MAX_TOTAL {
            return Err(BackupError::TooMuch(path.clone()));
        }
        files.push(listed);
    }
    let left_out = contents.left_out.iter().map(|(path, why)| Ok(LeftOut { path: text(path)?, why: *why }));
    let left_out = left_out.collect::<Result<_, BackupError>>()?;
    let manifest = Manifest { made: now, files, left_out };
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    let file = created.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
        _ => BackupError::File { path: to.to_owned(), source },
    })?;
    write(&file, &manifest, to).inspect_err(|_| {
        // Half of a backup is none.
        let _ = fs::remove_file(to);
    })?;
    Ok(manifest)
}

fn listed(path: &Path) -> Result<Listed, BackupError> {
    let failed = |source| BackupError::File { path: path.to_owned(), source };
    let found = path.metadata().map_err(failed)?;
    let content = fs::read(path).map_err(failed)?;
    Ok(Listed {
        path: text(path)?,
        mode: Listed::mode_of(found.mode()),
        owner: owner::user_name(found.uid()),
        group: owner::group_name(found.gid()),
        octets: content.len() as u64,
        digest: ContentDigest::of(&content),
    })
}

fn text(path: &Path) -> Result<String, BackupError> {
    let text = path.to_str().filter(|text| backup::is_path(text));
    text.map(str::to_owned).ok_or_else(|| BackupError::Name(path.to_owned()))
}

fn write(file: &File, manifest: &Manifest, to: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::File { path: to.to_owned(), source };
    let mut archive = tar::Builder::new(io::BufWriter::new(file));
    let list = manifest.write();
    let digest = b64u::encode(&ContentDigest::of(list.as_bytes()).0);
    append(&mut archive, MANIFEST, list.as_bytes()).map_err(failed)?;
    append(&mut archive, DIGEST, digest.as_bytes()).map_err(failed)?;
    for listed in &manifest.files {
        let path = Path::new(&listed.path);
        let content = fs::read(path).map_err(BackupError::file(path))?;
        if ContentDigest::of(&content) != listed.digest {
            // The gateway is at work, and has written it since it was looked at.
            let source = io::Error::other("was changed while it was saved: try again");
            return Err(BackupError::File { path: path.to_owned(), source });
        }
        append(&mut archive, &format!("{FILES}{}", listed.path), &content).map_err(failed)?;
    }
    let mut buffered = archive.into_inner().map_err(failed)?;
    buffered.flush().map_err(failed)?;
    file.sync_all().map_err(failed)
}

fn append(archive: &mut tar::Builder<impl io::Write>, name: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    archive.append_data(&mut header, name, content)
}
