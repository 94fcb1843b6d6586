//! `avouch delegate`: tokens by which a domain has others act for it.

use super::key;
use super::resolving::Resolving;
use super::zones::Zones;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{files, instant, output};
use avouch_dns::Dns;
use avouch_engine::evidence::Issued;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::delegation::{IssueError, issue};
use avouch_keys::entropy::{Entropy as _, SystemEntropy};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::delegation::{Grant, MAX_LIFETIME, Scope, Subject, SubjectError, Token, TokenError};
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::record::NetworkError;
use avouch_wire::time::Time;
use clap::{ArgGroup, Args, Subcommand};
use serde_json::json;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// How long a token lasts unless asked otherwise: a month, so that a timer that fails is noticed in time.
const USUAL_LIFETIME: u64 = 30 * 24 * 60 * 60;

/// Have a key or a network act for a domain
///
/// A delegation token says who may act for the domain, for what, where, and until when. It is signed by a key that
/// stands at _saip.DOMAIN, so that any site can verify it.
#[derive(Debug, Args)]
pub(crate) struct Delegate {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Issue(Issue),
    Check(Check),
}

/// Issue a token, and print it
///
/// Whoever is named sends it with each request, in SAIP-Delegation: a key with requests that it signs itself, a
/// network with what comes from its addresses.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("who").required(true), after_long_help = "Examples:
  avouch delegate issue --key file:acme.key --dom acme.example --sub-key worker.pem \\
      --scope 'GET /feeds' --aud www.shop.example > worker.token
  avouch delegate issue --key file:acme.key --dom acme.example --sub asn:64500 --scope '* /'")]
struct Issue {
    /// The domain's key: file:PATH or tpm:PATH; it has to stand at _saip.DOMAIN
    #[arg(long, value_name = "KEY")]
    key: String,
    /// The domain that delegates
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    dom: Domain<'static>,
    /// Who may act for it: asn:NUMBER, ip:NETWORK or key:sha256:FINGERPRINT
    #[arg(long, value_name = "SUBJECT", group = "who", value_parser = subject)]
    sub: Option<Subject>,
    /// The key that may act for it: file:PATH or tpm:PATH of a key store, or a file with a public key in PEM
    #[arg(long, value_name = "KEY", group = "who")]
    sub_key: Option<String>,
    /// What may be asked for: a method, or * for any, and a path below which it holds; may be repeated
    #[arg(long, value_name = "METHOD PATH", required = true, value_parser = scope)]
    scope: Vec<Scope>,
    /// A site at which it counts, without it at all; may be repeated
    #[arg(long, value_name = "AUTHORITY", value_parser = site)]
    aud: Vec<Authority<'static>>,
    /// When it begins to count: Unix seconds or a time such as 2027-01-01T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    nbf: Option<Time>,
    /// When it ends, 90 days later at most [default: 30 days after it begins]
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    exp: Option<Time>,
    /// Its own name, for logs [default: random]
    #[arg(long, value_name = "NAME")]
    jti: Option<String>,
    /// A file whose one line is the key's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Say what a token allows, and whether it counts now
///
/// Ends 0 when a live key of the domain signed it and it is in force, otherwise 1; 4 when that could not be found
/// out.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch delegate check worker.token
  avouch delegate check --zone acme.zone --at 2027-01-01T00:00:00Z worker.token")]
struct Check {
    /// A file that holds the token, or - for standard input
    #[arg(value_name = "FILE")]
    token: PathBuf,
    /// The time to check it for, instead of now: Unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    at: Option<Time>,
    #[command(flatten)]
    zones: Zones,
    #[command(flatten)]
    resolving: Resolving,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Delegate {
    pub(super) fn run(&self) -> Result<Exit, Failure> {
        match &self.verb {
            Verb::Issue(issue) => issue.run(),
            Verb::Check(check) => super::wait_for(check.run()),
        }
    }
}

impl Issue {
    fn run(&self) -> Result<Exit, Failure> {
        let grant = self.grant()?;
        let secret = key::open(&self.key, self.passphrase_file.as_deref())?;
        let token = issue(&secret, &grant).map_err(|error| match error {
            IssueError::Token(TokenError::Length(_)) => Failure::usage(format_args!("the token {error}"))
                .fix("name fewer scopes and sites, or issue several tokens"),
            IssueError::Token(_) => Failure::usage(error),
            IssueError::Key(_) => Failure::unknown(error),
        })?;
        output::data(&token)?;
        let (until, fingerprint) = (Time::from_seconds(grant.expires), secret.public().fingerprint());
        output::talk(format_args!("counts until {until}, while {fingerprint} stands at _saip.{}", self.dom));
        Ok(Exit::Positive)
    }

    fn grant(&self) -> Result<Grant, Failure> {
        let not_before = self.nbf.unwrap_or_else(|| SystemClock::new().now()).seconds();
        let expires = self.exp.map_or(not_before.saturating_add(USUAL_LIFETIME), Time::seconds);
        if expires.saturating_sub(not_before) > MAX_LIFETIME {
            let most = Time::from_seconds(not_before.saturating_add(MAX_LIFETIME));
            return Err(Failure::usage("a token lasts 90 days at most")
                .fix(format_args!("--exp {most} or earlier, and issue the next in time")));
        }
        Ok(Grant {
            issuer: self.dom.clone(),
            subject: self.subject()?,
            not_before,
            expires,
            scopes: self.scope.clone(),
            audience: self.aud.clone(),
            id: match &self.jti {
                Some(name) => name.clone(),
                None => random_name()?,
            },
        })
    }

    fn subject(&self) -> Result<Subject, Failure> {
        match (self.sub, &self.sub_key) {
            (Some(subject), _) => Ok(subject),
            (None, Some(key)) => Ok(Subject::Key(*key::public_key(key)?.fingerprint())),
            (None, None) => Err(Failure::usage("nothing says who may act for the domain")
                .fix("name a network or a key with --sub, or a key by its file with --sub-key")),
        }
    }
}

impl Check {
    async fn run(&self) -> Result<Exit, Failure> {
        let text = read(&self.token)?;
        let token = parse(&self.token, &text)?;
        let now = self.at.unwrap_or_else(|| SystemClock::new().now());
        let dns = match self.zones.is_empty() {
            true => Dns::Live(self.resolving.resolver()?),
            false => Dns::Zones(self.zones.read()?),
        };
        let itself = AgentId::parse("_").map_err(Failure::bug)?;
        let name = itself.record_name(&token.grant().issuer).map_err(Failure::usage)?;
        let issued = Issued::examine(&token, avouch_gather::records(&dns, &name, now).await, now);
        self.show(&token, &issued)?;
        Ok(match issued {
            Issued::Holds { testing: false, .. } => Exit::Positive,
            Issued::Holds { testing: true, .. } | Issued::Fails(_) => Exit::Negative,
            Issued::Unknown(..) => Exit::Unknown,
        })
    }

    fn show(&self, token: &Token<'_>, issued: &Issued) -> Result<(), Failure> {
        let grant = token.grant();
        let (standing, reason) = match issued {
            Issued::Holds { testing: false, .. } => ("holds", None),
            Issued::Holds { testing: true, .. } => ("testing", Some(avouch_engine::reason::Reason::Testing)),
            Issued::Fails(reason) => ("fails", Some(*reason)),
            Issued::Unknown(reason, _) => ("undetermined", Some(*reason)),
        };
        let (from, until) = (Time::from_seconds(grant.not_before), Time::from_seconds(grant.expires));
        if self.json {
            return output::json(&json!({
                "standing": standing, "reason": reason.map(|reason| reason.code()),
                "iss": grant.issuer.as_str(), "sub": grant.subject.to_string(),
                "nbf": grant.not_before, "exp": grant.expires, "scope": texts(&grant.scopes),
                "aud": texts(&grant.audience), "jti": grant.id, "kid": token.key().to_string(),
            }));
        }
        let line = |name: &str, value: &dyn Display| output::data(format_args!("{name:<10} {value}"));
        match reason {
            Some(reason) => line(standing, &format_args!("{reason}: {}", reason.sentence()))?,
            None => line(standing, &format_args!("signed by {}", token.key()))?,
        }
        line("domain", &grant.issuer)?;
        line("delegate", &grant.subject)?;
        line("from", &from)?;
        line("until", &until)?;
        for scope in &grant.scopes {
            line("scope", scope)?;
        }
        match grant.audience.is_empty() {
            true => line("site", &"any")?,
            false => grant.audience.iter().try_for_each(|site| line("site", site))?,
        }
        line("name", &grant.id)?;
        if let Some(reason) = reason {
            output::talk(format_args!("  fix: {}", reason.fix()));
        }
        Ok(())
    }
}

/// The text of a token in a file.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    Ok(files::read_text(path)?.trim().to_owned())
}

/// The token that a text holds.
pub(super) fn parse<'a>(path: &Path, text: &'a str) -> Result<Token<'a>, Failure> {
    Token::parse(text).map_err(|error| {
        Failure::configuration(format_args!("{}: the token is none: it {error}", path.display()))
            .fix("give a file that holds what `avouch delegate issue` printed")
    })
}

fn texts<T: Display>(list: &[T]) -> Vec<String> {
    list.iter().map(T::to_string).collect()
}

fn random_name() -> Result<String, Failure> {
    let mut octets = [0; 12];
    SystemEntropy.fill(&mut octets).map_err(Failure::unknown)?;
    Ok(b64u::encode(&octets))
}

fn domain(text: &str) -> Result<Domain<'static>, String> {
    Domain::parse(text).map(Domain::into_owned).map_err(|error| error.to_string())
}

fn subject(text: &str) -> Result<Subject, String> {
    Subject::parse(text).map_err(|error| match error {
        SubjectError::Network(NetworkError::HostBits(meant)) => format!("{error}; ip:{meant} has none"),
        _ => error.to_string(),
    })
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).map_err(|error| error.to_string())
}

fn site(text: &str) -> Result<Authority<'static>, String> {
    Authority::parse(text, Scheme::Https).map(Authority::into_owned).map_err(|error| error.to_string())
}
