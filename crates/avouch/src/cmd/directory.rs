//! `avouch directory`: the keys of a bot, as sites fetch them.

use super::key::{self, public_key};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{instant, output};
use avouch_directory::{
    Directory as Signed, Document, DocumentError, Lifetime, Settings, StartError, Tls, UnsignableError,
    Validity, nginx,
};
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::SecretKey;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::name::Domain;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::WELL_KNOWN;
use clap::{Args, Subcommand};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Make the key directory of a bot, and serve it
#[derive(Debug, Args)]
pub(crate) struct Directory {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Build(Build),
    Serve(Serve),
}

/// Print a key directory, to be served by https at the bot's origin
///
/// It belongs at /.well-known/http-message-signatures-directory, with the media type
/// application/http-message-signatures-directory+json; --nginx prints a location that serves it so.
/// Publish a new key beside the old one before signing with it, and take the old one out when
/// nothing signs with it any more.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch directory build --key file:bot.key --exp 2027-06-01T00:00:00Z > keys.json
  avouch directory build --key file:old.key --key file:new.key
  avouch directory build --key file:bot.key --nginx --domain bot.example > directory.conf")]
struct Build {
    /// A key: file:PATH or tpm:PATH of a key store, or a file with a public key in PEM (- for standard input);
    /// may be repeated
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    #[command(flatten)]
    times: Times,
    /// Print a location for nginx's configuration with the directory in it
    #[arg(long)]
    nginx: bool,
    /// Have the keys sign it for this site; it must be printed again before the signatures end
    #[arg(long, value_name = "DOMAIN", requires = "nginx", value_parser = site)]
    domain: Option<Authority<'static>>,
    /// How long the signatures last, in seconds
    #[arg(long, value_name = "SECONDS", requires = "domain", default_value = "86400", value_parser = lifetime)]
    lifetime: Lifetime,
    /// A file whose one line is the passphrase of the keys that sign
    #[arg(long, value_name = "FILE", requires = "domain")]
    passphrase_file: Option<PathBuf>,
}

/// Serve a key directory, signed anew for each that asks
///
/// Each key signs that it is published at this site. SIGTERM and SIGINT let what is under way end;
/// SIGHUP reads keys and certificate again. Without a certificate it speaks plain http, for a server
/// that speaks https in front of it and passes Host on.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch directory serve --key file:bot.key --domain bot.example --listen [::]:443 --tls-cert chain.pem --tls-key key.pem
  avouch directory serve --key file:bot.key --domain bot.example --listen 127.0.0.1:8080")]
struct Serve {
    /// A key: file:PATH of a key store; may be repeated
    #[arg(long, value_name = "KEY", required = true)]
    key: Vec<String>,
    #[command(flatten)]
    times: Times,
    /// The site, as the bot names it in Signature-Agent: a domain, with its port if that is not 443
    #[arg(long, value_name = "DOMAIN", value_parser = site)]
    domain: Authority<'static>,
    /// Where to listen: address and port
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The certificate chain in PEM, leaf first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How long a signature lasts, in seconds; answers may be kept for half of it
    #[arg(long, value_name = "SECONDS", default_value = "3600", value_parser = lifetime)]
    lifetime: Lifetime,
    /// A file whose one line is the passphrase of the keys
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// When the keys count.
#[derive(Debug, Args)]
struct Times {
    /// When the keys begin to count: Unix seconds or a time such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    nbf: Option<Time>,
    /// When the keys end
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    exp: Option<Time>,
}

impl Directory {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        match self.verb {
            Verb::Build(build) => build.run(),
            Verb::Serve(serve) => serve.run().await,
        }
    }
}

impl Build {
    fn run(self) -> Result<Exit, Failure> {
        if let Some(site) = self.domain {
            let keys = secret_keys(&self.key, self.passphrase_file.as_deref())?;
            let directory = Signed::new(keys, self.times.validity(), site, self.lifetime);
            let directory = directory.map_err(unsignable)?;
            let now = SystemClock::new().now();
            output::octets(nginx::signed(&directory, now).map_err(Failure::usage)?.as_bytes())?;
            let (half, whole) = (self.lifetime.kept(), self.lifetime.seconds());
            output::talk(format_args!(
                "The signatures end in {whole} s: print it again and reload nginx every {half} s."
            ));
            return Ok(Exit::Positive);
        }
        let keys: Vec<_> = self.key.iter().map(|key| public_key(key)).collect::<Result<_, _>>()?;
        let document = Document::new(&keys, self.times.validity()).map_err(no_document)?;
        if self.nginx {
            output::octets(nginx::unsigned(&document).map_err(Failure::usage)?.as_bytes())?;
            output::talk("It belongs in the server block of the bot's domain.");
        } else {
            output::octets(document.as_str().as_bytes())?;
            output::talk(format_args!("Serve it by https at the bot's origin: {WELL_KNOWN}"));
        }
        Ok(Exit::Positive)
    }
}

impl Serve {
    async fn run(self) -> Result<Exit, Failure> {
        let tls = self.tls_cert.zip(self.tls_key).map(|(certificate, key)| Tls { certificate, key });
        let secured = tls.is_some();
        let settings = Settings {
            listen: self.listen,
            site: self.domain,
            validity: self.times.validity(),
            lifetime: self.lifetime,
            tls,
        };
        let (key, passphrase_file) = (self.key, self.passphrase_file);
        let keys = move || secret_keys(&key, passphrase_file.as_deref());
        avouch_directory::run(settings, Arc::new(keys), |address, directory| {
            let site = directory.site();
            output::talk(format_args!("the directory of {site}: https://{site}{WELL_KNOWN}"));
            let how = if secured { "" } else { ", by plain http: let a server in front speak https" };
            output::talk(format_args!("listening on {address}{how}"));
        })
        .await
        .map_err(not_served)?;
        output::talk("stopped");
        Ok(Exit::Positive)
    }
}

impl Times {
    const fn validity(&self) -> Validity {
        Validity { not_before: self.nbf, expires: self.exp }
    }
}

fn secret_keys(given: &[String], passphrase_file: Option<&Path>) -> Result<Vec<SecretKey>, Failure> {
    given.iter().map(|key| key::open(key, passphrase_file)).collect()
}

/// A site that can be named in `Signature-Agent`.
fn site(text: &str) -> Result<Authority<'static>, String> {
    let authority = Authority::parse(text, Scheme::Https).map_err(|error| error.to_string())?;
    Domain::parse(authority.host()).map_err(|error| error.to_string())?;
    Ok(authority.into_owned())
}

fn lifetime(text: &str) -> Result<Lifetime, String> {
    let seconds = text.parse().map_err(|_| "is not a number of seconds".to_owned())?;
    Lifetime::new(seconds).map_err(|error| error.to_string())
}

fn no_document(error: DocumentError) -> Failure {
    match error {
        DocumentError::TooMany | DocumentError::Twice(_) => Failure::usage(error),
        DocumentError::Validity => Failure::usage(error).fix("let --exp lie after --nbf"),
    }
}

fn unsignable(error: UnsignableError) -> Failure {
    match error {
        UnsignableError::Document(error) => no_document(error),
        UnsignableError::TooMany | UnsignableError::Nothing => Failure::usage(error),
    }
}

fn not_served(error: StartError<Failure>) -> Failure {
    match error {
        StartError::Keys(failure) => failure,
        StartError::Directory(error) => unsignable(error),
        StartError::InTpm => Failure::usage(error)
            .fix("have a timer run `avouch directory build --nginx`, or serve a key of a file"),
        StartError::Ended => Failure::usage(error).fix("let --exp lie ahead"),
        StartError::Listen { .. } | StartError::Certificate(_) => Failure::configuration(error),
        StartError::Signals(_) => Failure::unknown(error),
        StartError::Broken => Failure::bug(error),
    }
}
