//! Reading a backup: all of it is verified before anything is put in place.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufReader, Read, Seek as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Component, Path, PathBuf};

use avouch_wire::b64u;
use avouch_wire::backup::{File as Listed, MAX_MANIFEST, Manifest};
use avouch_wire::content::{ContentDigest, ContentHasher};
use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use rustix::process::geteuid;
use tar::{Archive, Entries};

use super::{BackupError, DIGEST, Damage, FILES, MANIFEST, owner};

/// What the name of a file ends in while it is written.
const BEGUN: &str = ".avouch-restore";

/// Octets of a digest in base64url.
const DIGEST_LENGTH: u64 = 43;

/// Octets that are read at once.
const PIECE: usize = 64 << 10;

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// The list of the backup.
    pub manifest: Manifest,
    /// Where each of its files is now, in its order.
    pub files: Vec<PathBuf>,
}

/// A backup, being read.
struct Reading<'a> {
    path: &'a Path,
    file: File,
}

/// Whether a backup is whole and unchanged; gives its list.
///
/// # Errors
///
/// It is not.
pub fn verify(backup: &Path) -> Result<Manifest, BackupError> {
    let mut reading = Reading::open(backup)?;
    reading.each(|_, content| io::copy(content, &mut io::sink()).map(drop).map_err(BackupError::file(backup)))
}

/// Puts every file of a backup in place below `root`, which is `/` where it came from. Nothing is overwritten, and if
/// one cannot be put in place, none is.
///
/// # Errors
///
/// The backup is not whole, a file is there already, or cannot be written.
pub fn restore(backup: &Path, root: &Path) -> Result<Restored, BackupError> {
    let manifest = verify(backup)?;
    let mut targets = Vec::new();
    for listed in &manifest.files {
        targets.push(Target::of(root, listed)?);
    }
    let mut begun = Begun(Vec::new());
    let mut waiting = targets.iter();
    let again = Reading::open(backup)?.each(|listed, content| match waiting.next() {
        Some(target) if target.listed == listed => begun.write(target, content),
        // Between the two readings it was exchanged.
        _ => Err(damaged(backup, Damage::Changed(listed.path.clone()))),
    })?;
    if again != manifest {
        return Err(damaged(backup, Damage::Changed(MANIFEST.to_owned())));
    }
    begun.put_in_place(&targets)?;
    let files = targets.into_iter().map(|target| target.path).collect();
    Ok(Restored { manifest: again, files })
}

fn damaged(path: &Path, damage: Damage) -> BackupError {
    BackupError::Damaged { path: path.to_owned(), damage }
}

impl<'a> Reading<'a> {
    fn open(path: &'a Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(BackupError::file(path))?;
        Ok(Self { path, file })
    }

    /// Gives each file of the list and what it holds to `take`, which reads all of it; then holds it to its digest.
    fn each(
        &mut self,
        mut take: impl FnMut(&Listed, &mut dyn Read) -> Result<(), BackupError>,
    ) -> Result<Manifest, BackupError> {
        let path = self.path;
        let wrong = |damage| damaged(path, damage);
        self.file.rewind().map_err(BackupError::file(path))?;
        let mut archive = Archive::new(BufReader::with_capacity(PIECE, &self.file));
        let mut entries = archive.entries().map_err(|error| wrong(Damage::Archive(error)))?;
        let manifest = manifest(&mut entries).map_err(wrong)?;
        for listed in &manifest.files {
            let Some(entry) = entries.next() else { return Err(wrong(Damage::Short(listed.path.clone()))) };
            let mut entry = entry.map_err(|error| wrong(Damage::Archive(error)))?;
            let name = name(&entry);
            let is_it = name == format!("{FILES}{}", listed.path);
            if !is_it || !entry.header().entry_type().is_file() {
                return Err(wrong(Damage::Unlisted(name)));
            }
            if entry.size() != listed.octets {
                return Err(wrong(Damage::Changed(listed.path.clone())));
            }
            let mut held = Held { content: &mut entry, hasher: ContentHasher::new(), octets: 0 };
            take(listed, &mut held)?;
            if held.octets != listed.octets || held.hasher.finish() != listed.digest {
                return Err(wrong(Damage::Changed(listed.path.clone())));
            }
        }
        match entries.next() {
            None => Ok(manifest),
            Some(Ok(entry)) => Err(wrong(Damage::Unlisted(name(&entry)))),
            Some(Err(error)) => Err(wrong(Damage::Archive(error))),
        }
    }
}

fn name(entry: &tar::Entry<'_, impl Read>) -> String {
    String::from_utf8_lossy(&entry.path_bytes()).into_owned()
}

fn manifest(entries: &mut Entries<'_, impl Read>) -> Result<Manifest, Damage> {
    // One more than may be, so that too long is told from whole.
    let list = next(entries, MANIFEST, MAX_MANIFEST as u64 + 1)?;
    let manifest = Manifest::parse(&list)?;
    let digest = next(entries, DIGEST, DIGEST_LENGTH + 1)?;
    if digest != b64u::encode(&ContentDigest::of(&list).0).as_bytes() {
        return Err(Damage::Changed(MANIFEST.to_owned()));
    }
    Ok(manifest)
}

/// What stands in the next entry, which has this name, up to so many octets.
fn next(entries: &mut Entries<'_, impl Read>, name: &str, most: u64) -> Result<Vec<u8>, Damage> {
    let mut entry = entries.next().ok_or(Damage::NoManifest)?.map_err(Damage::Archive)?;
    if &*entry.path_bytes() != name.as_bytes() || !entry.header().entry_type().is_file() {
        return Err(Damage::NoManifest);
    }
    let mut octets = Vec::new();
    entry.by_ref().take(most).read_to_end(&mut octets).map_err(Damage::Archive)?;
    Ok(octets)
}

/// What a file holds, counted and digested as it is read.
struct Held<'a> {
    content: &'a mut dyn Read,
    hasher: ContentHasher,
    octets: u64,
}

impl Read for Held<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(room)?;
        self.hasher.update(room.get(..length).unwrap_or_default());
        self.octets += length as u64;
        Ok(length)
    }
}

/// Where a file is to be, and whose.
struct Target<'l> {
    listed: &'l Listed,
    path: PathBuf,
    /// Only root may give files away.
    owner: Option<(u32, u32)>,
}

impl<'l> Target<'l> {
    fn of(root: &Path, listed: &'l Listed) -> Result<Self, BackupError> {
        let path = root.join(listed.path.trim_start_matches('/'));
        no_links(root, &path)?;
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::Exists(path));
        }
        let stranger = |name: &String| BackupError::Stranger { path: path.clone(), name: name.clone() };
        let owner = match geteuid().is_root() {
            true => {
                let user = owner::user_number(&listed.owner).ok_or_else(|| stranger(&listed.owner))?;
                let group = owner::group_number(&listed.group).ok_or_else(|| stranger(&listed.group))?;
                Some((user, group))
            }
            false => None,
        };
        Ok(Self { listed, path, owner })
    }

    /// The folder, made where it is missing: closed if the file is.
    fn make_folder(&self) -> Result<(), BackupError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let missing: Vec<_> = folder.ancestors().take_while(|part| !part.exists()).collect();
        let mode = if self.listed.mode & 0o077 == 0 { 0o700 } else { 0o755 };
        for part in missing.into_iter().rev() {
            fs::create_dir(part).map_err(BackupError::file(part))?;
            // Whoever owns the folder above could put a link in its place meanwhile.
            let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
            let made = OpenOptions::new().read(true).custom_flags(flags).open(part);
            self.give(&made.map_err(BackupError::file(part))?, part, mode)?;
        }
        Ok(())
    }

    /// Gives what was made its owner and mode: the very thing that is open, whatever stands at its path by now.
    fn give(&self, made: &File, path: &Path, mode: u32) -> Result<(), BackupError> {
        let given = self.owner.map_or(Ok(()), |(user, group)| fchown(made, Some(user), Some(group)));
        let given = given.and_then(|()| made.set_permissions(Permissions::from_mode(mode)));
        given.map_err(BackupError::file(path))
    }
}

/// Refuses a path of which a part below `root` leads elsewhere.
fn no_links(root: &Path, path: &Path) -> Result<(), BackupError> {
    let Ok(below) = path.strip_prefix(root) else { return Err(BackupError::Elsewhere(path.to_owned())) };
    let mut part = root.to_owned();
    let folders = below.parent().into_iter().flat_map(Path::components);
    for component in folders {
        let Component::Normal(name) = component else { return Err(BackupError::Elsewhere(path.to_owned())) };
        part.push(name);
        match part.symlink_metadata() {
            Ok(found) if !found.is_dir() => return Err(BackupError::Elsewhere(part)),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}

/// Files that are written and not in place yet; those that never come there are removed.
struct Begun(Vec<PathBuf>);

impl Begun {
    fn write(&mut self, target: &Target<'_>, content: &mut dyn Read) -> Result<(), BackupError> {
        target.make_folder()?;
        let mut name = target.path.clone().into_os_string();
        name.push(BEGUN);
        let path = PathBuf::from(name);
        let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = created.map_err(BackupError::file(&path))?;
        self.0.push(path.clone());
        let written = io::copy(content, &mut file).and_then(|_| file.flush()).and_then(|()| file.sync_all());
        written.map_err(BackupError::file(&path))?;
        target.give(&file, &path, target.listed.mode)
    }

    /// What crashes here leaves whole files, some of them under the name of a begun one.
    fn put_in_place(mut self, targets: &[Target<'_>]) -> Result<(), BackupError> {
        for (number, (begun, target)) in self.0.iter().zip(targets).enumerate() {
            if let Err(error) = renameat_with(CWD, begun, CWD, &target.path, RenameFlags::NOREPLACE) {
                for placed in targets.iter().take(number) {
                    let _ = fs::remove_file(&placed.path);
                }
                return Err(match error {
                    rustix::io::Errno::EXIST => BackupError::Exists(target.path.clone()),
                    other => BackupError::File { path: target.path.clone(), source: other.into() },
                });
            }
        }
        self.0.clear();
        Ok(())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        for path in &self.0 {
            // Where it was put in place and taken back, it is not there any more.
            let _ = fs::remove_file(path);
        }
    }
}
