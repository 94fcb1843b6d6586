//! An agent that is registered with an entity: its secret, by which its requests are signed, and their count.

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use avouch_keys::KeyError;
use avouch_keys::entity::{Secrets, SecretsError};
use avouch_keys::saip::SignError as SaipError;
use avouch_wire::target::Target;
use avouch_wire::time::Time;

use crate::config::{Identity, Registry};
use crate::identity::{SignError, saip_request};
use crate::key::OpenError;
use crate::lines::{Lines, Ticket};
use crate::question::Question;

/// The secret and the lines that are counted with it.
#[derive(Debug)]
pub(crate) struct Registered {
    path: PathBuf,
    /// With when the file was changed last.
    secrets: RwLock<(Secrets, Option<SystemTime>)>,
    lines: Arc<Lines>,
}

impl Registered {
    /// Reads the secret, which has to be that of this agent, and of this entity.
    pub(crate) fn open(registry: &Registry, identity: &Identity) -> Result<Self, OpenError> {
        let path = registry.secret.clone();
        let changed = changed(&path);
        let secrets = Secrets::open(&path)?;
        let is_own = secrets.entity() == &registry.entity
            && secrets.agent() == &identity.agent
            && Some(secrets.domain()) == identity.domain.as_ref();
        if !is_own {
            let of = format!("{}@{} at {}", secrets.agent(), secrets.domain(), secrets.entity());
            return Err(OpenError::OtherSecret { path, of });
        }
        let lines = Arc::new(Lines::new(registry.lines, identity.instance.clone()));
        Ok(Self { path, secrets: RwLock::new((secrets, changed)), lines })
    }

    /// The value of the `SAIP` header, once a line to the site is free, and the place in that line.
    pub(crate) async fn sign(
        &self,
        question: &Question,
        now: impl Fn() -> Time,
    ) -> Result<(String, Ticket), SignError> {
        let target = Target::parse(&question.method, &question.target)?;
        let floor = self.read(Secrets::floor);
        let ticket = self.lines.take(&question.site.to_string(), floor).await;
        let ticket = ticket.map_err(|error| SaipError::from(KeyError::from(error)))?;
        let place = (Some(&ticket.instance), ticket.number);
        let header = self.read(|secrets| secrets.sign(saip_request(question, &target), place, now()))?;
        Ok((header, ticket))
    }

    /// Takes up what `avouch agent entity` wrote meanwhile.
    pub(crate) fn refresh(&self) {
        let changed = changed(&self.path);
        let known = self.secrets.read().unwrap_or_else(PoisonError::into_inner).1;
        if changed.is_none() || changed == known {
            return;
        }
        let read = Secrets::open(&self.path);
        let mut held = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        held.1 = changed;
        match read {
            Ok(secrets) if is_same_agent(&secrets, &held.0) => {
                tracing::info!(
                    version = secrets.version(),
                    floor = secrets.floor(),
                    "the secret was renewed"
                );
                held.0 = secrets;
            }
            Ok(_) => {
                tracing::error!(path = %self.path.display(), "holds another agent's secret: the one at hand stays")
            }
            Err(error) => tracing::error!(%error, "the secret at hand stays"),
        }
    }

    fn read<T>(&self, of: impl FnOnce(&Secrets) -> T) -> T {
        of(&self.secrets.read().unwrap_or_else(PoisonError::into_inner).0)
    }
}

fn is_same_agent(one: &Secrets, other: &Secrets) -> bool {
    one.entity() == other.entity() && one.domain() == other.domain() && one.agent() == other.agent()
}

fn changed(path: &std::path::Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|found| found.modified()).ok()
}

impl From<SecretsError> for OpenError {
    fn from(error: SecretsError) -> Self {
        Self::Secret(error)
    }
}
