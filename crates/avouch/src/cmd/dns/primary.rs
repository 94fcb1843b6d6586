//! Changing what stands at a name, at the primary name server that takes changes.

use super::text;
use crate::cmd::resolving;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_dns::direct::{self, AskError};
use avouch_dns::publish::{Change, PublishError, Publisher, Standing};
use avouch_keys::tsig::TsigKey;
use avouch_wire::name::ancestors;
use avouch_wire::record::{Level, Place, Published, Reading, Record};
use avouch_wire::time::Time;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How often the server is asked whether it has the change, and how long in between: 10 seconds in all. One that signs
/// its zone itself may take a moment.
const ASKED: usize = 50;
const BETWEEN: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct Sending {
    /// The primary name server that takes changes (RFC 2136), with or without a port
    #[arg(long, value_name = "ADDRESS", value_parser = resolving::server)]
    server: Option<SocketAddr>,
    /// The TSIG key that it knows, as tsig-keygen writes it
    #[arg(long, value_name = "FILE", requires = "server")]
    tsig: Option<PathBuf>,
    /// The first name of the zone [default: the server is asked]
    #[arg(long, value_name = "NAME", requires = "server")]
    zone: Option<String>,
    /// Show what would be changed, and change nothing
    #[arg(long, requires = "server")]
    dry_run: bool,
}

/// The primary at which changes are made.
#[derive(Debug)]
pub(super) struct Primary<'a> {
    server: SocketAddr,
    sending: &'a Sending,
}

/// What is to stand at a name, and what stood there when that was decided.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) place: Place,
    pub(super) seen: Standing,
    pub(super) texts: Vec<String>,
    pub(super) ttl: u32,
}

impl Sending {
    /// The primary, where one is named.
    pub(super) fn primary(&self) -> Option<Primary<'_>> {
        self.server.map(|server| Primary { server, sending: self })
    }
}

impl Primary<'_> {
    /// What stands at a name now.
    pub(super) async fn standing(&self, place: &Place) -> Result<Standing, Failure> {
        Standing::ask(self.server, &place.to_string()).await.map_err(|error| unasked(&error))
    }

    /// The names above at which an empty `pk=` stands, as far as this server has them: one of another zone is not its.
    pub(super) async fn revoked_above(&self, place: &Place) -> Vec<String> {
        let own = place.to_string();
        let mut revoked = Vec::new();
        for name in ancestors(&own) {
            let Ok(seen) = Standing::ask(self.server, name).await else { continue };
            let texts = seen.texts();
            if Published::unite(texts.iter().map(Vec::as_slice), Level::Domain).is_revoked() {
                revoked.push(name.to_owned());
            }
        }
        revoked
    }

    /// Shows a change, makes it, and looks whether it took place. `Negative` where it was not made.
    pub(super) async fn make(&self, edit: &Edit, now: Time) -> Result<Exit, Failure> {
        let lines = edit.difference();
        if lines.is_empty() {
            output::talk(format_args!("{} holds that already: nothing to change", edit.place));
            return Ok(Exit::Positive);
        }
        lines.iter().try_for_each(output::data)?;
        if self.sending.dry_run {
            output::talk("nothing was changed: this was a dry run");
            return Ok(Exit::Positive);
        }
        let path = self.sending.tsig.as_deref().ok_or_else(|| {
            Failure::usage(format_args!("{} takes changes only from those who hold a key", self.server))
                .fix("name it with --tsig FILE, or look first with --dry-run")
        })?;
        let key = TsigKey::open(path).map_err(Failure::configuration)?;
        let name = edit.place.to_string();
        let zone = match &self.sending.zone {
            Some(zone) => zone.clone(),
            None => direct::zone_of(self.server, &name).await.map_err(|error| unasked(&error))?,
        };
        let publisher = Publisher::new(self.server, &zone, key).map_err(|error| unpublished(&error))?;
        let change = Change { name: name.clone(), texts: edit.texts.clone(), ttl: edit.ttl };
        let sent = publisher.publish_over(std::slice::from_ref(&edit.seen), &[change], now).await;
        sent.map_err(|error| unpublished(&error))?;
        self.look(edit, &name).await?;
        output::talk(format_args!("{} has it, in the zone {zone}", self.server));
        Ok(Exit::Positive)
    }

    /// Asks until the change is seen.
    async fn look(&self, edit: &Edit, name: &str) -> Result<(), Failure> {
        let mut last = String::from("it shows something else");
        for _ in 0..ASKED {
            match Standing::ask(self.server, name).await {
                Ok(now) if same(&now.texts(), &edit.texts) => return Ok(()),
                Ok(_) => {}
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Err(Failure::unknown(format_args!(
            "{} took the change of {name} and does not show it: {last}",
            self.server
        ))
        .fix("look at it with `avouch dns check`; the server's log may say more"))
    }

    /// Whether changes are made, and not only shown.
    pub(super) const fn is_in_earnest(&self) -> bool {
        !self.sending.dry_run
    }
}

impl Edit {
    /// What goes and what comes, a line each.
    fn difference(&self) -> Vec<String> {
        let (name, ttl) = (self.place.to_string(), self.ttl);
        let before = self.seen.texts();
        let is_same_ttl = before.is_empty() || self.seen.ttl() == ttl;
        let after = || self.texts.iter().map(String::as_bytes);
        let gone =
            before.iter().filter(|text| !is_same_ttl || !after().any(|after| after == text.as_slice()));
        let come = after().filter(|text| !is_same_ttl || !before.iter().any(|before| before == text));
        let gone = gone.map(|text| format!("- {}", text::zone_line(&name, self.seen.ttl(), text)));
        let come = come.map(|text| format!("+ {}", text::zone_line(&name, ttl, text)));
        gone.chain(come).collect()
    }

    /// Until when caches elsewhere may say what was before.
    pub(super) fn say_when_it_holds(&self, now: Time) {
        let ttl = self.seen.ttl();
        let until = now.after(Duration::from_secs(ttl.into()));
        match self.seen.texts().is_empty() {
            false => output::talk(format_args!(
                "whoever asked before may use what stood there until {until} (TTL {ttl} s)"
            )),
            true => output::talk(format_args!(
                "whoever asked before may believe that nothing stands there until {until} (negative TTL {ttl} s)"
            )),
        }
    }
}

/// The texts at a name that are no records of ours, which a change leaves as they are.
pub(super) fn foreign(seen: &Standing) -> Result<Vec<String>, Failure> {
    seen.texts()
        .into_iter()
        .filter(|text| matches!(Record::read(text), Reading::Foreign))
        .map(written)
        .collect()
}

/// A text that stands there, to be written back.
pub(super) fn written(text: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(text).map_err(|_| {
        Failure::unknown("a text that is not UTF-8 stands there, which would not survive the change")
            .fix("remove it by hand, if it is not needed")
    })
}

fn same(texts: &[Vec<u8>], wanted: &[String]) -> bool {
    let mut texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    let mut wanted: Vec<&[u8]> = wanted.iter().map(String::as_bytes).collect();
    texts.sort_unstable();
    wanted.sort_unstable();
    texts == wanted
}

/// Why a server does not say what it has.
pub(super) fn unasked(error: &AskError) -> Failure {
    match error {
        AskError::Name(_) => Failure::usage(error),
        AskError::Alias { target, .. } => Failure::configuration(error)
            .fix(format_args!("publish at {target}, where verifiers are led, or remove the alias")),
        AskError::NotAuthoritative { .. } => {
            Failure::configuration(error).fix("name the primary of the zone with --server")
        }
        AskError::Unreachable { .. } | AskError::Form(_) => Failure::unknown(error),
        AskError::Refused { .. } => {
            Failure::unknown(error).fix("have it answer this machine (allow-query), or ask it from another")
        }
    }
}

fn unpublished(error: &PublishError) -> Failure {
    match error {
        error if error.is_temporary() => Failure::unknown(error).fix("run it again: it does no harm"),
        error => Failure::configuration(error),
    }
}
