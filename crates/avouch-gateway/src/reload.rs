//! Taking a changed configuration into force without dropping anything.
//!
//! A request keeps the configuration it began with. What does not load changes nothing.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use avouch_keys::store::Locator;
use avouch_wire::content::{ContentDigest, ContentHasher};
use ipnet::IpNet;

use crate::audit::{Asked, Change};
use crate::config::{Config, ConfigError, Entities, Fetch, RegistrationEntity};
use crate::gate::Gate;
use crate::load::LoadErrors;
use crate::snapshot::Snapshot;

/// Why a reload changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration itself has problems.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Something it names cannot be used.
    #[error("{0}")]
    Load(#[from] LoadErrors),
}

/// What `systemctl status` shows after a start, a reload, one that left something for the next start, and one that
/// changed nothing.
pub(crate) const IN_FORCE: &str = "judging requests";
const PARTLY: &str = "judging requests; what the log names changes at the next start";
pub(crate) const NOT_READ: &str =
    "judging requests by the configuration before: the one there now does not load, and the log says why";

/// Puts `config` in force. Gives the keys whose change waits for the next start.
pub(crate) fn apply(gate: &Gate, config: Config, asked: Asked) -> Result<Vec<&'static str>, LoadErrors> {
    let before = gate.snapshot();
    let waiting = waiting(&before.config, &config);
    match Snapshot::after(config, &before) {
        Ok(snapshot) => {
            snapshot.say_what_is_missing();
            gate.load_networks(&snapshot.config);
            gate.snapshot.store(Arc::new(snapshot));
            gate.numbers.reloads.increment(1);
            gate.audit(&Change::Reloaded { before: &before.versions(), waiting: &waiting, asked });
            Ok(waiting)
        }
        Err(errors) => {
            refused(gate, &errors, asked);
            Err(errors)
        }
    }
}

fn refused(gate: &Gate, problems: &dyn std::fmt::Display, asked: Asked) {
    gate.numbers.failed_reloads.increment(1);
    gate.audit(&Change::Refused { problems, asked });
}

/// Reads the file again and puts it in force; tells the log what came of it, and gives what is so now.
pub(crate) fn from_file(gate: &Gate, path: &Path, asked: Asked) -> &'static str {
    let read = Config::load(path).inspect_err(|error| refused(gate, error, asked));
    let done = read.map_err(ReloadError::from).and_then(|config| Ok(apply(gate, config, asked)?));
    match done {
        Ok(waiting) if waiting.is_empty() => {
            tracing::info!(file = %path.display(), "configuration reloaded");
            IN_FORCE
        }
        Ok(waiting) => {
            tracing::warn!(file = %path.display(), "configuration reloaded; {} changes at the next start", waiting.join(", "));
            PARTLY
        }
        // It names the file itself, and ends its last line.
        Err(error) => {
            let error = error.to_string();
            tracing::error!(
                "configuration not reloaded, the one before stays in force:\n{}",
                error.trim_end()
            );
            NOT_READ
        }
    }
}

/// What the configuration and the files it names contain, to notice a change. A file that cannot
/// be read counts as empty; loading it says so. Of secrets only the looks count.
pub(crate) fn contents(path: &Path, config: &Config) -> ContentDigest {
    let mut hasher = ContentHasher::new();
    for file in std::iter::once(path).chain(config.files()) {
        let content = std::fs::read(file).unwrap_or_default();
        hasher.update(&ContentDigest::of(&content).0);
    }
    for facts in config.secrets().filter_map(|file| file.metadata().ok()) {
        let looks = [facts.dev(), facts.ino(), facts.mode().into(), facts.size()].map(u64::to_be_bytes);
        let times = [facts.ctime(), facts.ctime_nsec()].map(i64::to_be_bytes);
        hasher.update(looks.concat().as_slice());
        hasher.update(times.concat().as_slice());
    }
    hasher.update(config.networks.look().as_bytes());
    hasher.finish()
}

/// The keys that differ and are read at the start only.
fn waiting(before: &Config, after: &Config) -> Vec<&'static str> {
    let (old, new) = (&before.limits, &after.limits);
    let changed = [
        ("listen", before.listen != after.listen),
        ("[admin]", before.admin != after.admin),
        ("[console]", before.console != after.console),
        ("[verify]", before.verify != after.verify),
        ("[acme]", before.acme != after.acme),
        ("[dns]", before.dns != after.dns),
        ("[web_bot_auth] ca", before.web_bot_auth.ca != after.web_bot_auth.ca),
        (
            "[web_bot_auth] allow_networks",
            before.web_bot_auth.allow_networks != after.web_bot_auth.allow_networks,
        ),
        (
            "[web_bot_auth] require_signed_directories",
            before.web_bot_auth.require_signed_directories != after.web_bot_auth.require_signed_directories,
        ),
        ("[entities]", before.entities.as_ref().map(key_of) != after.entities.as_ref().map(key_of)),
        ("[[registration_entity]]", asked(before) != asked(after)),
        ("[fetch]", before.fetch.as_ref().map(set_at_start) != after.fetch.as_ref().map(set_at_start)),
        ("[reports]", before.reports != after.reports),
        ("[store]", before.store != after.store),
        ("[log]", (&before.log, before.log_addresses) != (&after.log, after.log_addresses)),
        ("[audit]", before.audit != after.audit),
        ("[traces]", before.traces != after.traces),
        ("limits.connections", old.connections != new.connections),
        ("limits.requests", old.requests != new.requests),
        ("limits.forwarded", old.forwarded != new.forwarded),
        ("limits.waiting", old.waiting != new.waiting),
        ("limits.wait", old.wait != new.wait),
        ("limits.nonces", old.nonces != new.nonces),
        ("limits.rates", old.rates != new.rates),
        ("limits.remembered", old.remembered != new.remembered),
        ("limits.log_buffer", old.log_buffer != new.log_buffer),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key).collect()
}

/// By what registration entities are asked.
fn key_of(entities: &Entities) -> (&Locator, Option<&PathBuf>) {
    (&entities.key, entities.passphrase_file.as_ref())
}

/// Which are asked, and how; not the window, which counts at once.
fn asked(config: &Config) -> Vec<impl PartialEq> {
    let all = config.entities.iter().flat_map(|entities| &entities.all);
    all.map(RegistrationEntity::set_at_start).collect()
}

/// All but how often.
fn set_at_start(fetch: &Fetch) -> (&Path, Option<&PathBuf>, &[IpNet]) {
    (&fetch.folder, fetch.ca.as_ref(), &fetch.allow_networks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_looks_different_is_noticed_without_being_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let lines = format!(
            "listen = '[::]:1'\nupstream = 'http://a:1'\n[asn]\nfile = '{}'\n[[crawler]]\nname = 'GPTBot'\nranges = '{}'",
            path("asn").display(),
            path("gptbot").display()
        );
        let config = Config::parse("f", &lines).unwrap();
        let mut seen = Vec::new();
        for (name, content) in [("asn", "1"), ("gptbot", "1"), ("asn", "12"), ("gptbot", "12")] {
            std::fs::write(path(name), content).unwrap();
            seen.push(contents(&path("none"), &config));
        }
        assert_eq!(contents(&path("none"), &config), seen[3]);
        seen.dedup();
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn what_waits_for_the_next_start_is_named() {
        let config = |lines: &str| Config::parse("f", &format!("upstream = 'http://a:1'\n{lines}")).unwrap();
        let before = config("listen = '127.0.0.1:1'");
        let after =
            config("listen = '127.0.0.1:2'\nmode = 'advise'\n[limits]\nwait = '1s'\nhead_time = '1s'");
        assert_eq!(waiting(&before, &after), ["listen", "limits.wait"]);
        assert_eq!(waiting(&before, &before), [""; 0]);
    }
}
