//! `avouch key`: secret keys are made, listed and shown; the secret itself never is.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::files;
use crate::{output, passphrase};
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::store::{self, Keeper, Listed, Locator, Problem, Protection, StoreError};
use avouch_keys::token::TokenPlace;
use avouch_keys::tpm::Tpm;
use avouch_keys::{SecretKey, spki};
use avouch_wire::b64u;
use avouch_wire::key::{KeyType, PublicKey};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Make, list and show the keys an agent signs with
///
/// A key is named by where it is kept: file:PATH, encrypted with a passphrase; tpm:PATH, in a TPM, which wraps it for
/// itself; or pkcs11:token=NAME;object=LABEL?module-path=FILE&pin-source=FILE, in a token. Another TPM than /dev/tpmrm0 is named behind it: tpm:PATH?device=/dev/tpmrm1, or for a software TPM
/// tpm:PATH?swtpm=127.0.0.1:2321 or tpm:PATH?swtpm=/run/swtpm.sock.
#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    New(New),
    List(List),
    Show(Show),
    ExportPublic(ExportPublic),
}

/// Make a key
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch key new file:crawler.key
  avouch key new file:crawler.key --type p256 --passphrase-file crawler.pass
  avouch key new tpm:crawler.key
  avouch key new 'pkcs11:token=fleet;object=crawler-7?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=pin'")]
struct New {
    /// Where to keep it: file:PATH, tpm:PATH or pkcs11:…
    key: String,
    /// Its type [default: ed25519; in a TPM p256, which alone TPMs have, and in a token]
    #[arg(long = "type", value_name = "ed25519|p256", value_parser = key_type)]
    key_type: Option<KeyType>,
    /// A file whose one line is the passphrase to encrypt it with; without it you are asked
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Do not encrypt it: every backup and every reader of the disk then holds the key
    #[arg(long, conflicts_with = "passphrase_file")]
    unencrypted: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// List the keys of a folder
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch key list file:/etc/avouch/keys")]
struct List {
    /// The folder: file:PATH; keys in a TPM are listed, too
    #[arg(default_value = "file:.")]
    folder: String,
    /// Print JSON, one object per key
    #[arg(long)]
    json: bool,
}

/// Show what is public of a key
///
/// With a passphrase file it is also opened, which proves that the file shows its own public key. A TPM is not asked.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch key show file:crawler.key")]
struct Show {
    /// The key: file:PATH or tpm:PATH
    key: String,
    /// A file whose one line is the key's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print the public key in PEM, as other programs read it
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch key export-public file:crawler.key | openssl pkey -pubin -text")]
struct ExportPublic {
    /// The key: file:PATH or tpm:PATH
    key: String,
    /// A file whose one line is the key's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A key as it is printed.
#[derive(Debug, Serialize)]
struct Shown {
    key: String,
    #[serde(skip)]
    keeper: Keeper,
    encrypted: Option<bool>,
    #[serde(rename = "type")]
    key_type: Option<&'static str>,
    fingerprint: Option<String>,
    public: Option<String>,
    problem: Option<String>,
}

impl Key {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::New(new) => new.run(),
            Verb::List(list) => list.run(),
            Verb::Show(show) => show.run(),
            Verb::ExportPublic(export) => export.run(),
        }
    }
}

impl New {
    fn run(self) -> Result<Exit, Failure> {
        let locator = locator(&self.key)?;
        if let Some(path) = locator.path().filter(|path| path.symlink_metadata().is_ok()) {
            // Refused later, too, but only after the passphrase was asked for twice.
            return Err(refused(StoreError { path: path.clone(), problem: Problem::Exists }));
        }
        let (secret, keeper) = match &locator {
            Locator::File(path) => (self.in_file(path)?, Keeper::File),
            Locator::Tpm { path, device } => (self.in_tpm(path, &Tpm::at(device))?, Keeper::Tpm),
            Locator::Token(place) => (self.in_token(place)?, Keeper::Token),
        };
        Shown::new(self.key.clone(), keeper, Some(!self.unencrypted), Some(secret.public()))
            .print(self.json)?;
        output::talk("Publish it: `avouch dns record` prints the record for your zone.");
        Ok(Exit::Positive)
    }

    fn in_file(&self, path: &Path) -> Result<SecretKey, Failure> {
        let key_type = self.key_type.unwrap_or(KeyType::Ed25519);
        let secret = SecretKey::generate(key_type, &mut SystemEntropy).map_err(Failure::unknown)?;
        if self.unencrypted {
            store::create(path, &secret, Protection::None).map_err(refused)?;
            output::talk("The key is not encrypted: every backup and every reader of the disk holds it.");
        } else {
            let words = passphrase::of_new(self.passphrase_file.as_deref())?;
            store::create(path, &secret, Protection::Passphrase(&words)).map_err(refused)?;
        }
        Ok(secret)
    }

    fn in_tpm(&self, path: &Path, tpm: &Tpm) -> Result<SecretKey, Failure> {
        if self.key_type == Some(KeyType::Ed25519) {
            return Err(
                Failure::usage("no TPM makes Ed25519 keys").fix("leave --type out, or write --type p256")
            );
        }
        if self.passphrase_file.is_some() || self.unencrypted {
            return Err(Failure::usage("a TPM wraps the key for itself, and asks for no passphrase")
                .fix("leave --passphrase-file and --unencrypted out"));
        }
        let secret = store::create_in(tpm, path).map_err(refused)?;
        if tpm.device().is_software() {
            output::talk("This TPM is a program: the key is as safe as that program's memory and files.");
        }
        Ok(secret)
    }
}

impl New {
    fn in_token(&self, place: &TokenPlace) -> Result<SecretKey, Failure> {
        if self.passphrase_file.is_some() || self.unencrypted {
            return Err(Failure::usage("a token keeps the key, and asks for its PIN and no passphrase")
                .fix("leave --passphrase-file and --unencrypted out; pin-source names the PIN's file"));
        }
        store::create_in_token(place, self.key_type.unwrap_or(KeyType::P256)).map_err(refused)
    }
}

impl List {
    fn run(&self) -> Result<Exit, Failure> {
        let fix = "name the folder of their files by file:PATH";
        let folder = match locator(&self.folder)? {
            Locator::File(folder) => folder,
            Locator::Tpm { .. } => return Err(Failure::usage("a TPM has no list of its keys").fix(fix)),
            Locator::Token(_) => {
                let fix = "ask it itself: `pkcs11-tool --module FILE --list-objects`";
                return Err(Failure::usage("keys in a token are not listed").fix(fix));
            }
        };
        let listed = store::list(&folder).map_err(refused)?;
        let mut all_usable = true;
        for Listed { path, description } in listed {
            all_usable &= description.is_ok();
            let shown = match description {
                Ok(described) => {
                    let (keeper, encrypted) = (described.keeper, Some(described.encrypted));
                    Shown::new(keeper.locator(&path), keeper, encrypted, described.public.as_ref())
                }
                Err(error) => {
                    let shown = Shown::new(Keeper::File.locator(&path), Keeper::File, None, None);
                    Shown { problem: Some(error.problem.to_string()), ..shown }
                }
            };
            match self.json {
                true => output::json(&shown)?,
                false => output::data(shown.line())?,
            }
        }
        Ok(Exit::from_answer(all_usable))
    }
}

impl Show {
    fn run(self) -> Result<Exit, Failure> {
        let described = locator(&self.key)?.describe().map_err(refused)?;
        let public = match (described.public, &self.passphrase_file) {
            (Some(public), None) => public,
            _ => open(&self.key, self.passphrase_file.as_deref())?.public().clone(),
        };
        Shown::new(self.key, described.keeper, Some(described.encrypted), Some(&public)).print(self.json)?;
        Ok(Exit::Positive)
    }
}

impl ExportPublic {
    fn run(self) -> Result<Exit, Failure> {
        let described = locator(&self.key)?.describe().map_err(refused)?;
        let public = match (described.public, &self.passphrase_file) {
            (Some(public), None) => public,
            _ => open(&self.key, self.passphrase_file.as_deref())?.public().clone(),
        };
        let pem = spki::to_pem(&public).map_err(Failure::unknown)?;
        match self.json {
            true => output::json(&serde_json::json!({ "pem": pem }))?,
            false => output::octets(pem.as_bytes())?,
        }
        Ok(Exit::Positive)
    }
}

impl Shown {
    fn new(key: String, keeper: Keeper, encrypted: Option<bool>, public: Option<&PublicKey>) -> Self {
        Self {
            key,
            keeper,
            encrypted: encrypted.filter(|_| keeper == Keeper::File),
            key_type: public.map(|public| public.key_type().name()),
            fingerprint: public.map(|public| public.fingerprint().to_string()),
            public: public.map(|public| b64u::encode(public.octets())),
            problem: None,
        }
    }

    fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return output::json(self);
        }
        let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".into());
        output::data(format_args!(
            "key          {}\ntype         {}\nfingerprint  {}\npublic       {}\nencrypted    {}",
            self.key,
            self.key_type.unwrap_or("-"),
            known(&self.fingerprint),
            known(&self.public),
            match (self.keeper, self.encrypted) {
                (Keeper::Tpm, _) => "by its TPM",
                (Keeper::Token, _) => "by its token",
                (Keeper::File, Some(true)) => "yes",
                (Keeper::File, _) => "no",
            },
        ))
    }

    /// One line of a list: type, fingerprint, place, and what is the matter.
    fn line(&self) -> String {
        let fingerprint = self.fingerprint.as_deref().unwrap_or("-");
        let remark = match (&self.problem, self.encrypted) {
            (Some(problem), _) => format!("  {problem}"),
            (None, Some(false)) => "  not encrypted".into(),
            (None, _) => String::new(),
        };
        format!("{:<8} {fingerprint:<50} {}{remark}", self.key_type.unwrap_or("-"), self.key)
    }
}

/// Opens a key; its passphrase comes from the file or is asked for, if one is needed.
pub(super) fn open(key: &str, passphrase_file: Option<&Path>) -> Result<SecretKey, Failure> {
    let locator = locator(key)?;
    let words = match locator.describe().map_err(refused)?.encrypted {
        true => Some(passphrase::of_existing(passphrase_file)?),
        false => None,
    };
    locator.open(words.as_ref()).map_err(refused)
}

fn key_type(name: &str) -> Result<KeyType, String> {
    KeyType::parse(name).ok_or_else(|| "is neither ed25519 nor p256".to_owned())
}

fn locator(key: &str) -> Result<Locator, Failure> {
    Locator::parse(key).map_err(Failure::usage)
}

fn refused(error: StoreError) -> Failure {
    match error.problem {
        Problem::System { .. } | Problem::Key(_) => Failure::unknown(error),
        Problem::Tpm { error: cause, .. } if cause.may_pass() => Failure::unknown(error),
        _ => Failure::configuration(error),
    }
}

/// The public key that `--key` names.
pub(super) fn public_key(given: &str) -> Result<PublicKey, Failure> {
    if !["file:", "tpm:", "pkcs11:"].iter().any(|kind| given.starts_with(kind)) {
        let refused = format!("{given} holds no Ed25519 or P-256 key as a PEM block PUBLIC KEY");
        let key = spki::from_pem(&files::read_text(Path::new(given))?);
        return key.ok_or_else(|| {
            Failure::configuration(refused).fix(format_args!("for a key store write --key file:{given}"))
        });
    }
    let shown = locator(given)?.describe().map_err(Failure::configuration)?.public;
    shown.ok_or_else(|| {
        Failure::configuration(format_args!("{given} does not show its public key"))
            .fix(format_args!("avouch key export-public {given} > key.pub, then --key key.pub"))
    })
}
