//! Who signs, and how: the keys at the top of the file.

use std::path::PathBuf;

use avouch_keys::saip::Mode;
use avouch_keys::store::Locator;
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain, Instance};
use avouch_wire::settings::{Fault, Table, Value};

use super::{Destination, Protocols, Registry};
use crate::bot::check_url;

/// Who signs, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where the key is.
    pub key: Locator,
    /// A file whose one line is its passphrase; without it the key is not encrypted.
    pub passphrase_file: Option<PathBuf>,
    /// The domain that answers for the agent; a pseudonym has none.
    pub domain: Option<Domain<'static>>,
    /// The agent within the domain, for SAIP.
    pub agent: AgentId<'static>,
    /// The machine, where several share the key.
    pub instance: Option<Instance<'static>>,
    /// How SAIP says who signs.
    pub saip: Saip,
    /// What `Signature-Agent` names, where Web Bot Auth is spoken.
    pub directory: Option<String>,
}

/// How SAIP says who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saip {
    /// By the key, which signatures are tied to in this way.
    Key(Mode),
    /// By a secret that a registration entity knows, too.
    Secret(Registry),
}

impl Identity {
    pub(super) fn read(root: &mut Table<'_>, destinations: &[Destination]) -> Option<Self> {
        let key = root.required("key", locator);
        let passphrase_file = root.optional("passphrase_file", super::path);
        let domain = root.optional("domain", |value| {
            let fix = "write the domain that answers for the agent, such as \"acme.example\"";
            value.convert("a domain", fix, |text| Domain::parse(text).ok().map(Domain::into_owned))
        });
        let agent = root.optional("agent", |value| {
            let fix = "write the agent's id within the domain, such as \"crawler-7\", or \"_\" for the domain itself";
            value.convert("an agent's id", fix, |text| AgentId::parse(text).ok().map(AgentId::into_owned))
        });
        let instance = root.optional("instance", |value| {
            let fix = "write letters, digits and hyphens, such as \"nyc-042\"";
            value.convert("an instance", fix, |text| AgentId::parse(text).ok().map(AgentId::into_owned))
        });
        let mode = root.optional("mode", |value| value.one_of(&MODES)).unwrap_or(Some(ROLLING));
        Registry::check(root, mode.is_none());
        let registry = root.sub("registry").map(Registry::read);
        let named = root.optional("directory", |value| value.text().map(str::to_owned));
        let directory = named.or_else(|| domain.as_ref().map(|domain| format!("https://{domain}")));
        let spoken: Vec<_> = destinations.iter().map(|place| place.sign).collect();
        check_saip(root, &spoken, mode == Some(Mode::Stateless));
        check_bot(root, &spoken, directory.as_deref());
        let agent = agent.or_else(|| AgentId::parse("_").ok())?;
        let saip = mode.map_or_else(|| registry.flatten().map(Saip::Secret), |mode| Some(Saip::Key(mode)));
        Some(Self { key: key?, passphrase_file, domain, agent, instance, saip: saip?, directory })
    }
}

pub(super) const ROLLING: Mode = Mode::Rolling(KeyType::Ed25519);

/// The word of `mode` that needs `[registry]`.
pub(super) const REGISTRY: &str = "registry";

/// The words of `mode`, and how the key signs.
pub(super) const MODES: [(&str, Option<Mode>); 4] = [
    ("rolling", Some(ROLLING)),
    ("direct", Some(Mode::Direct)),
    ("stateless", Some(Mode::Stateless)),
    (REGISTRY, None),
];

fn locator(value: Value<'_>) -> Result<Locator, Fault> {
    Locator::parse(value.text()?).map_err(|error| {
        let fix =
            "write \"file:\" or \"tpm:\" and the path of a key that `avouch key new` made, or \"pkcs11:…\"";
        Fault::new(format!("names no key: {error}"), fix)
    })
}

/// What SAIP needs, where some request is signed by it.
fn check_saip(root: &Table<'_>, spoken: &[Protocols], is_pseudonym: bool) {
    if !spoken.iter().any(|protocols| protocols.saip) {
        return;
    }
    if !root.has("agent") {
        let fix = "add the agent's id within the domain, such as `agent = \"crawler-7\"`";
        root.complain("agent", Fault::new("is needed to sign by SAIP", fix));
    }
    if !root.has("domain") && !is_pseudonym {
        let fix = "add `domain = \"acme.example\"`; only a pseudonym (`mode = \"stateless\"`) has none";
        root.complain("domain", Fault::new("is needed to sign by SAIP in this mode", fix));
    }
}

/// What Web Bot Auth needs, where some request is signed by it.
fn check_bot(root: &Table<'_>, spoken: &[Protocols], directory: Option<&str>) {
    for dialect in spoken.iter().filter_map(|protocols| protocols.bot) {
        let Some(url) = directory else {
            let fix = "add `domain`, or the URL under which the keys are found: `directory = \"https://bot.example\"`";
            root.complain("directory", Fault::new("is needed to sign by Web Bot Auth", fix));
            return;
        };
        if let Err(error) = check_url(dialect, url) {
            let fix =
                format!("write what {} names in Signature-Agent: see `avouch sign --help`", dialect.name());
            root.complain("directory", Fault::new(format!("cannot be used: {error}"), fix));
            return;
        }
    }
}
