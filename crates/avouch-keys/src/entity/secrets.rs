//! What an agent shares with its registration entity: kept in a file, and used to sign requests in registry mode.

use std::path::{Path, PathBuf};

use avouch_wire::b64u::Text;
use avouch_wire::entity::{EnrolmentSecret, KeyName, SecretAnswer, epoch_of};
use avouch_wire::name::{AgentId, Domain, Instance};
use avouch_wire::saip::{Form, Header, Mode, Registry, Seal, Signed, request_string};
use avouch_wire::time::Time;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::entropy::{Entropy, SystemEntropy};
use crate::saip::{Draft, RequestToSign, SignError};
use crate::store::{Problem, StoreError, read_secret, replace_secret};

/// Why a file gives no secrets.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// No such file.
    #[error("{}: does not exist: register the agent first", .0.display())]
    Missing(PathBuf),
    /// Another file, or a damaged one.
    #[error("{}: holds nothing that a registration entity told an agent: correct the path, or register again", .0.display())]
    Form(PathBuf),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] StoreError),
}

/// What an agent was told by its registration entity. Wiped when dropped, and secrets are not shown by `Debug`.
#[derive(Debug, PartialEq, Eq)]
pub struct Secrets {
    entity: Domain<'static>,
    domain: Domain<'static>,
    agent: AgentId<'static>,
    floor: u64,
    present: Numbered,
    /// The one before, for the epochs before the present one counts.
    former: Option<Numbered>,
}

/// A secret and from when on it counts.
#[derive(Debug, PartialEq, Eq)]
struct Numbered {
    version: u64,
    epoch: u64,
    secret: EnrolmentSecret,
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    re: String,
    dom: String,
    id: String,
    floor: u64,
    secrets: Vec<Kept>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    version: u64,
    epoch: u64,
    secret: String,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl Secrets {
    /// What the agent was told when it registered.
    #[must_use]
    pub fn of(answer: SecretAnswer) -> Self {
        let SecretAnswer { entity, domain, agent, secret, version, epoch, floor } = answer;
        Self { entity, domain, agent, floor, present: Numbered { version, epoch, secret }, former: None }
    }

    /// What it was told after it asked for another secret. The one at hand counts until the epoch of the new one. Told
    /// again, it changes nothing. What another entity says, or what is said to another agent, replaces all.
    pub fn rotated(&mut self, answer: SecretAnswer) {
        let told = Self::of(answer);
        let is_of_same =
            (&told.entity, &told.domain, &told.agent) == (&self.entity, &self.domain, &self.agent);
        if !is_of_same {
            *self = told;
            return;
        }
        self.floor = self.floor.max(told.floor);
        if told.present != self.present {
            self.former = Some(std::mem::replace(&mut self.present, told.present));
        }
    }

    /// What it was told after it asked for another beginning. A floor never falls.
    pub fn renegotiated(&mut self, floor: u64) {
        self.floor = self.floor.max(floor);
    }

    /// The entity that told it.
    #[must_use]
    pub const fn entity(&self) -> &Domain<'static> {
        &self.entity
    }

    /// The agent's domain.
    #[must_use]
    pub const fn domain(&self) -> &Domain<'static> {
        &self.domain
    }

    /// The agent.
    #[must_use]
    pub const fn agent(&self) -> &AgentId<'static> {
        &self.agent
    }

    /// The number of the latest secret.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.present.version
    }

    /// The least sequence number that counts, as far as the agent was told.
    #[must_use]
    pub const fn floor(&self) -> u64 {
        self.floor
    }

    /// The value of the `SAIP` header for a request of this number, sent now. Numbers of one instance rise from
    /// [`Secrets::floor`] on at each site; to see to it is the caller's.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(
        &self,
        request: RequestToSign<'_>,
        (instance, sequence): (Option<&Instance<'_>>, u64),
        now: Time,
    ) -> Result<String, SignError> {
        self.sign_with(request, (instance, sequence), now, &mut SystemEntropy)
    }

    /// As [`Secrets::sign`], drawing the nonce from `entropy`.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign_with(
        &self,
        request: RequestToSign<'_>,
        (instance, sequence): (Option<&Instance<'_>>, u64),
        now: Time,
        entropy: &mut impl Entropy,
    ) -> Result<String, SignError> {
        let (mut buffer, mut unsealed, mut sealed) = (String::new(), String::new(), String::new());
        let draft = Draft::of(request, now, entropy, &mut buffer)?;
        let Self { entity, domain, agent, .. } = self;
        let registry = Registry { entity: entity.borrowed(), entity_text: entity.as_str(), sequence };
        let mut signed = Signed {
            mode: Mode::Registry(registry),
            form: Form::Full(request.authority.as_str()),
            timestamp: draft.timestamp,
            nonce: &draft.nonce,
            content: draft.content,
            seal: Seal::Mac(Text::of(&[0; 32], &mut unsealed)),
        };
        let mut header = Header {
            domain: Some(domain.borrowed()),
            domain_text: domain.as_str(),
            agent: agent.borrowed(),
            instance: instance.map(Instance::borrowed),
            signed: None,
            has_unknown: false,
        };
        let mut string = Vec::new();
        request_string(&mut string, &header, &signed, None, draft.parts());
        let epoch = epoch_of(draft.timestamp);
        let audience = request.authority.as_str();
        let key = self.secret(epoch).verifier_key(&KeyName { entity, audience, domain, agent, epoch });
        let mac = key.seal(instance.map_or("", Instance::as_str), sequence, &string);
        signed.seal = Seal::Mac(Text::of(&mac, &mut sealed));
        header.signed = Some(signed);
        Ok(header.to_string())
    }

    /// The secret that counts in an epoch.
    fn secret(&self, epoch: u64) -> &EnrolmentSecret {
        match &self.former {
            Some(former) if epoch < self.present.epoch => &former.secret,
            _ => &self.present.secret,
        }
    }

    /// Reads a file, which is closed to everyone but its owner.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn open(path: &Path) -> Result<Self, SecretsError> {
        let text = read_secret(path).map_err(|error| match error.problem {
            Problem::Missing => SecretsError::Missing(path.to_owned()),
            Problem::NoKey => SecretsError::Form(path.to_owned()),
            _ => error.into(),
        })?;
        Self::read(&text).ok_or_else(|| SecretsError::Form(path.to_owned()))
    }

    fn read(text: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(text).ok()?;
        let entity = Domain::parse(&document.re).ok()?.into_owned();
        let domain = Domain::parse(&document.dom).ok()?.into_owned();
        let agent = AgentId::parse(&document.id).ok()?.into_owned();
        let numbered = |kept: &Kept| {
            let secret = EnrolmentSecret::parse(&kept.secret)?;
            Some(Numbered { version: kept.version, epoch: kept.epoch, secret })
        };
        let (present, former) = match document.secrets.as_slice() {
            [present] => (numbered(present)?, None),
            [present, former] => (numbered(present)?, Some(numbered(former)?)),
            _ => return None,
        };
        Some(Self { entity, domain, agent, floor: document.floor, present, former })
    }

    /// Writes a file with mode 0600 in place of the one that is there, and returns once it is on the disk. After a crash
    /// either is there, whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn save(&self, path: &Path) -> Result<(), StoreError> {
        let kept = |secret: &Numbered| Kept {
            version: secret.version,
            epoch: secret.epoch,
            secret: secret.secret.b64u().to_string(),
        };
        let document = Document {
            re: self.entity.to_string(),
            dom: self.domain.to_string(),
            id: self.agent.to_string(),
            floor: self.floor,
            secrets: [Some(&self.present), self.former.as_ref()].into_iter().flatten().map(kept).collect(),
        };
        // Of what is written here nothing can fail.
        let text = Zeroizing::new(serde_json::to_string(&document).unwrap_or_default());
        replace_secret(path, text.as_bytes())
    }
}
