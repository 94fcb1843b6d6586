//! Registration entities: how they are asked, which of them count, and what shows that the questions are the site's.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use avouch_dns::Dns;
use avouch_engine::claim::EntityRules;
use avouch_engine::request::Request;
use avouch_gather::clock::Clock;
use avouch_gather::{Entities, EntitySettings};
use avouch_keys::SecretKey;
use avouch_keys::passphrase::{Passphrase, PassphraseError};
use avouch_keys::store::StoreError;
use avouch_wire::entity::{VERIFIER_PATH, VerifierDocument};
use bytes::Bytes;
use http::{HeaderValue, Response, header};

use crate::body::AnswerBody;
use crate::config::{self, Config, RegistrationEntity};
use crate::gate::Gate;
use crate::load::{self, LoadError};
use crate::snapshot::Snapshot;

/// As much of a passphrase file as is read; what is longer is refused as too long.
const MAX_WORDS: u64 = 2 << 10;

/// How long others may keep what is published: a key that is taken back should be gone soon.
const KEPT: HeaderValue = HeaderValue::from_static("max-age=60");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Why the key that asks registration entities is not there.
#[derive(Debug, thiserror::Error)]
pub enum VerifierKeyFault {
    /// The store does not give it.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The file of the passphrase cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// What is in it is no passphrase.
    #[error("{}: {source}", path.display())]
    Passphrase {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: PassphraseError,
    },
}

/// Sets up how the registration entities of a configuration are asked, and what the site publishes for that.
pub(crate) fn asked(
    config: &Config,
    dns: &Dns,
    clock: &Arc<dyn Clock>,
) -> Result<Option<(Entities, Bytes)>, LoadError> {
    let (Some(entities), Some(audience)) = (&config.entities, config.authorities.first()) else {
        return Ok(None);
    };
    let key = key(entities)?;
    let settings = entities.all.iter().map(settings).collect::<Result<_, _>>()?;
    let document = VerifierDocument { keys: vec![key.public().clone()] }.write();
    let asks = (Arc::new(key), audience.clone());
    Ok(Some((Entities::new(settings, asks, dns, Arc::clone(clock)), document.into())))
}

fn settings(entity: &RegistrationEntity) -> Result<EntitySettings, LoadError> {
    Ok(EntitySettings {
        entity: entity.host.clone(),
        port: entity.port,
        connector: load::connector(entity.ca.as_deref(), &[avouch_tls::Protocol::Http1])?,
        allowed_networks: entity.allow_networks.clone(),
    })
}

fn key(entities: &config::Entities) -> Result<SecretKey, VerifierKeyFault> {
    let words = entities.passphrase_file.as_deref().map(passphrase).transpose()?;
    Ok(entities.key.open(words.as_ref())?)
}

fn passphrase(path: &Path) -> Result<Passphrase, VerifierKeyFault> {
    let failed = |source| VerifierKeyFault::Read { path: path.to_owned(), source };
    // Taken whole at once, so that no copy of it is left behind.
    let mut content = Vec::with_capacity(usize::try_from(MAX_WORDS).unwrap_or(0));
    File::open(path).map_err(failed)?.take(MAX_WORDS).read_to_end(&mut content).map_err(failed)?;
    Passphrase::from_line(content)
        .map_err(|source| VerifierKeyFault::Passphrase { path: path.to_owned(), source })
}

/// What a site asks of claims in registry mode: those entities count that are configured now, and were at the start as
/// they are now, for nobody asks the others.
pub(crate) fn rules(config: &Config, at_start: &[RegistrationEntity]) -> Option<EntityRules> {
    let entities = config.entities.as_ref()?;
    let is_asked =
        |one: &&RegistrationEntity| at_start.iter().any(|known| known.set_at_start() == one.set_at_start());
    let all = entities.all.iter().filter(is_asked);
    Some(EntityRules::new(all.map(|one| (one.host.clone(), one.window))))
}

impl Gate {
    /// What is published for registration entities, where it is asked for and the site works with some. No upstream
    /// need know of it.
    pub(crate) fn published(
        &self,
        snapshot: &Snapshot,
        request: &Request<'_>,
    ) -> Option<Response<AnswerBody>> {
        let is_asked = request.path() == VERIFIER_PATH && matches!(request.method(), "GET" | "HEAD");
        if !is_asked || !snapshot.config.authorities.iter().any(|own| own == request.authority()) {
            return None;
        }
        self.verifier_document()
    }

    /// The same, to whoever asks.
    pub(crate) fn verifier_document(&self) -> Option<Response<AnswerBody>> {
        let mut answer = Response::new(AnswerBody::own(self.verifier.clone()?));
        answer.headers_mut().insert(header::CONTENT_TYPE, JSON);
        answer.headers_mut().insert(header::CACHE_CONTROL, KEPT);
        Some(answer)
    }
}
