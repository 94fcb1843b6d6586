//! `avouch entity members`: the list of registration entities that belong together, which only grows.

use crate::cmd::key;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{files, output};
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::entity::{AppendError, append};
use avouch_wire::b64u;
use avouch_wire::entity::{Act, MemberError, Members};
use avouch_wire::key::PublicKey;
use avouch_wire::name::Domain;
use avouch_wire::time::Time;
use clap::{Args, Subcommand};
use serde_json::json;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// Keep a signed list of registration entities that belong together, and check one
#[derive(Debug, Args)]
pub(super) struct MemberList {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Join(Join),
    Leave(Leave),
    Check(Check),
}

/// Add a host to the list, and print the line that says so
///
/// The list is made where there is none. It is verified by the key first, and no line of it is ever changed.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch entity members join re.example --list members.jsonl --key file:steward.key")]
struct Join {
    #[command(flatten)]
    line: Line,
}

/// Say that a host belongs to the list no longer, and print the line that says so
///
/// The list is verified by the key first. What it said before stays in it.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch entity members leave re.example --list members.jsonl --key file:steward.key")]
struct Leave {
    #[command(flatten)]
    line: Line,
}

#[derive(Debug, Args)]
struct Line {
    /// The registration entity, as domains name it in re=
    #[arg(value_parser = host)]
    host: Domain<'static>,
    /// The list
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// The key of the list's steward: file:PATH or tpm:PATH
    #[arg(long, value_name = "KEY")]
    key: String,
    /// A file whose one line is the key's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Verify a list, and print who belongs to it
///
/// Ends 0 when the steward signed every line, each follows the one before, and nothing of the older copy was taken back;
/// otherwise 1; 3 when it cannot be read.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch entity members check --list members.jsonl --steward steward.pem --after members.old")]
struct Check {
    /// The list, or - for standard input
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// The steward's key: a file with a public key in PEM, or file:PATH or tpm:PATH of a key store
    #[arg(long, value_name = "KEY")]
    steward: String,
    /// An older copy, from which it has to go on
    #[arg(long, value_name = "FILE")]
    after: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MemberList {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.verb {
            Verb::Join(join) => join.line.append(Act::Join),
            Verb::Leave(leave) => leave.line.append(Act::Leave),
            Verb::Check(check) => check.run(),
        }
    }
}

impl Line {
    fn append(&self, act: Act) -> Result<Exit, Failure> {
        let steward = key::open(&self.key, self.passphrase_file.as_deref())?;
        let failed = |error: io::Error| Failure::file(&self.list, &error);
        let path = match fs::canonicalize(&self.list) {
            Err(error) if error.kind() == ErrorKind::NotFound => self.list.clone(),
            found => found.map_err(failed)?,
        };
        let folder = Folder::of(&path)?;
        let is_new = !path.try_exists().map_err(failed)?;
        let mut list = if is_new { Vec::new() } else { files::read(&path)? };
        let now = SystemClock::new().now().seconds();
        let member = append(&steward, &list, act, &self.host, now).map_err(|error| self.refused(error))?;
        let line = member.write();
        list.extend_from_slice(line.as_bytes());
        list.push(b'\n');
        folder.replace(&path, &list).map_err(failed)?;
        output::data(&line)?;
        if is_new {
            let fingerprint = steward.public().fingerprint();
            output::talk(format_args!("{} is a new list, of {fingerprint}", self.list.display()));
        }
        Ok(Exit::Positive)
    }

    fn refused(&self, error: AppendError) -> Failure {
        let said = format!("{}: {error}", self.list.display());
        match error {
            AppendError::Key(_) => Failure::unknown(error),
            AppendError::List(_) => Failure::configuration(said).fix(
                "put a good copy of the list back, and sign with its steward's key; nothing was changed",
            ),
            AppendError::Full => Failure::configuration(said).fix("begin another list, in another file"),
            AppendError::Joined(_) | AppendError::NoMember(_) => Failure::configuration(said)
                .fix("`avouch entity members check` prints who is one; nothing was changed"),
            AppendError::Time(last) => {
                let last = Time::from_seconds(last);
                Failure::configuration(format_args!(
                    "{}: its last line is of {last}, later than this machine's clock says it is",
                    self.list.display()
                ))
                .fix("set the clock; nothing was changed")
            }
        }
    }
}

/// The folder of a list, locked: two who append at once would fork it.
struct Folder(File);

impl Folder {
    fn of(list: &Path) -> Result<Self, Failure> {
        let folder = list.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = File::open(folder).map_err(|error| Failure::file(folder, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::Error(error)) => Err(Failure::file(folder, &error)),
            Err(TryLockError::WouldBlock) => {
                let busy = format!("{}: another command is at work on a list in it", folder.display());
                Err(Failure::unknown(busy).fix("ask again when it is done"))
            }
        }
    }

    /// Replaces a file whole; it is on the disk when this returns, and the former one is until then.
    fn replace(&self, path: &Path, octets: &[u8]) -> io::Result<()> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&beside)?;
        if let Ok(former) = fs::metadata(path) {
            file.set_permissions(former.permissions())?;
        }
        file.write_all(octets)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        self.0.sync_all()
    }
}

impl Check {
    fn run(&self) -> Result<Exit, Failure> {
        let steward = key::public_key(&self.steward)?;
        let list = Self::read(&self.list, &steward)?;
        let after = self.after.as_deref().map(|path| Self::read(path, &steward)).transpose()?;
        let problem = match (&list, &after) {
            (Err(problem), _) | (_, Some(Err(problem))) => Err(problem.clone()),
            (Ok(list), Some(Ok(after))) => list.parts_from(after).map_or(Ok(list), |at| {
                let older = self.after.as_deref().unwrap_or(Path::new("")).display();
                Err(format!("{}: does not go on from {older}: it has not its line {at}", self.list.display()))
            }),
            (Ok(list), None) => Ok(list),
        };
        match &problem {
            Ok(list) => self.show(list, &steward)?,
            Err(problem) if self.json => output::json(&json!({ "standing": "fails", "problem": problem }))?,
            Err(problem) => {
                output::data(format_args!("{:<10} {problem}", "fails"))?;
                output::talk("  fix: keep the copy that held, and ask the steward");
            }
        }
        Ok(Exit::from_answer(problem.is_ok()))
    }

    /// A list, or why it is not one of the steward's.
    fn read(path: &Path, steward: &PublicKey) -> Result<Result<Members, String>, Failure> {
        let octets = files::read(path)?;
        Members::read(&octets, steward).map(Ok).or_else(|error| {
            let said = format!("{}: {error}", path.display());
            match error {
                MemberError::Chain(_) | MemberError::Signature(_) | MemberError::Act(_) => Ok(Err(said)),
                MemberError::TooMany | MemberError::Line(..) => Err(Failure::configuration(said)
                    .fix("give a list as `avouch entity members join` writes it, whole")),
            }
        })
    }

    fn show(&self, list: &Members, steward: &PublicKey) -> Result<(), Failure> {
        let (head, steward) = (b64u::encode(&list.head()), steward.fingerprint());
        let last = (list.lines() > 0).then(|| Time::from_seconds(list.time()));
        if self.json {
            let (last, members) = (last.map(Time::seconds), list.hosts().collect::<Vec<_>>());
            return output::json(&json!({
                "standing": "holds", "steward": steward.to_string(), "lines": list.lines(), "last": last,
                "head": head, "members": members,
            }));
        }
        output::data(format_args!("{:<10} signed by {steward}", "holds"))?;
        output::data(format_args!("{:<10} {}", "lines", list.lines()))?;
        if let Some(last) = last {
            output::data(format_args!("{:<10} {last}\n{:<10} {head}", "last", "head"))?;
        }
        list.hosts().try_for_each(|host| output::data(format_args!("{:<10} {host}", "member")))
    }
}

fn host(text: &str) -> Result<Domain<'static>, String> {
    Domain::parse(text).map(Domain::into_owned).map_err(|error| error.to_string())
}
