//! Who signs: a key, the name it speaks for, and the fields that say so.

use avouch_keys::batch::{BatchError, BatchSigner, Pending};
use avouch_keys::saip::{self, Mode, RequestToSign, Signer, Speaker};
use avouch_keys::{KeyError, http_signature, web_bot_auth};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::content::ContentDigest;
use avouch_wire::key::{KeyType, PublicKey};
use avouch_wire::target::Target;
use avouch_wire::time::Time;

use crate::config;
use crate::config::{Protocols, Saip};
use crate::desk::DeskError;
use crate::key::{self, OpenError};
use crate::question::{Content, Question};
use crate::registered::Registered;

/// The field of SAIP.
pub(crate) const SAIP: &str = "saip";

/// How long a signature of Web Bot Auth lasts, in seconds: sites look at clocks, and a minute is ample for both.
const LIFETIME: u64 = 60;

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// Its target cannot be sent.
    #[error("the target {0}")]
    Target(#[from] avouch_wire::target::TargetError),
    /// Not by SAIP.
    #[error(transparent)]
    Saip(#[from] saip::SignError),
    /// Not by Web Bot Auth.
    #[error(transparent)]
    Bot(#[from] web_bot_auth::SignError),
}

impl SignError {
    /// What ails the key, where nothing ails the request.
    pub(crate) const fn of_key(&self) -> Option<KeyError> {
        match self {
            Self::Saip(saip::SignError::Key(error))
            | Self::Bot(web_bot_auth::SignError::Signature(http_signature::SignError::Key(error))) => {
                Some(*error)
            }
            Self::Saip(_) | Self::Bot(_) | Self::Target(_) => None,
        }
    }
}

/// A key and the name it speaks for.
#[derive(Debug)]
pub(crate) struct Identity {
    keyed: Keyed,
    /// How the key signs for SAIP; `None` where a secret does.
    mode: Option<Mode>,
    registered: Option<Registered>,
    directory: Option<String>,
}

/// How the key comes to sign.
#[derive(Debug)]
enum Keyed {
    /// Each request takes a signature of its own.
    Each(Box<Signer>),
    /// It takes its time, and one signature certifies the rolling keys of all requests that wait.
    Batches(BatchSigner, KeyType),
}

impl Identity {
    pub(crate) fn open(config: &config::Identity) -> Result<Self, OpenError> {
        let speaker = Speaker {
            domain: config.domain.clone(),
            agent: config.agent.clone(),
            instance: config.instance.clone(),
        };
        let signer = Signer::new(key::open(config)?, speaker);
        let (mode, registered) = match &config.saip {
            Saip::Key(mode) => (Some(*mode), None),
            Saip::Secret(registry) => (None, Some(Registered::open(registry, config)?)),
        };
        let keyed = match mode {
            Some(Mode::Rolling(key_type)) if signer.key().is_in_tpm() => {
                Keyed::Batches(BatchSigner::start(signer).map_err(OpenError::Thread)?, key_type)
            }
            Some(Mode::Rolling(_) | Mode::Direct | Mode::Stateless) | None => Keyed::Each(Box::new(signer)),
        };
        Ok(Self { keyed, mode, registered, directory: config.directory.clone() })
    }

    fn signer(&self) -> &Signer {
        match &self.keyed {
            Keyed::Each(signer) => signer,
            Keyed::Batches(batches, _) => batches.signer(),
        }
    }

    /// Whether a TPM holds the key: it makes a few signatures a second, one at a time, and can go away.
    pub(crate) fn is_in_tpm(&self) -> bool {
        self.signer().key().is_in_tpm()
    }

    /// Makes a signature that nobody sees, of a request to nowhere (RFC 6761 section 6.4), to learn whether the key signs.
    pub(crate) fn try_out(&self, now: Time) -> Result<(), SignError> {
        let target = Target::parse("GET", "/")?;
        let Ok(authority) = Authority::parse("nowhere.invalid", Scheme::Https) else { return Ok(()) };
        let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
        self.signer().sign(request, Mode::Stateless, now)?;
        Ok(())
    }

    /// Signs a request by SAIP where that takes a batch, which does not block; `None` where each is signed by itself.
    pub(crate) fn hand_in(&self, question: &Question, now: Time) -> Result<Option<Pending>, DeskError> {
        let Keyed::Batches(batches, key_type) = &self.keyed else { return Ok(None) };
        let target = Target::parse(&question.method, &question.target).map_err(SignError::from)?;
        let pending = batches.sign(saip_request(question, &target), *key_type, now);
        pending.map(Some).map_err(not_in_batch)
    }

    /// With whom the agent is registered, where it signs by a secret.
    pub(crate) const fn registered(&self) -> Option<&Registered> {
        self.registered.as_ref()
    }

    /// The public half of the key.
    pub(crate) fn public(&self) -> &PublicKey {
        self.signer().public()
    }

    /// The fields that sign a request, sent now.
    pub(crate) fn sign(
        &self,
        by: Protocols,
        question: &Question,
        now: Time,
    ) -> Result<Vec<(&'static str, String)>, SignError> {
        let Question { method, site, target, content } = question;
        let target = Target::parse(method, target)?;
        let mut fields = Vec::new();
        if let (true, Some(mode)) = (by.saip, self.mode) {
            fields.push((SAIP, self.signer().sign(saip_request(question, &target), mode, now)?));
        }
        if let (Some(dialect), Some(url)) = (by.bot, &self.directory) {
            let content = match *content {
                Content::Read(digest) => Some(digest),
                Content::None | Content::Unseen => None,
            };
            let request = web_bot_auth::RequestToSign {
                method,
                scheme: site.scheme,
                authority: &site.authority,
                target: &target,
                content,
            };
            let speaker = web_bot_auth::Speaker { dialect, url, lifetime: LIFETIME };
            fields.extend(web_bot_auth::sign(self.signer().key(), speaker, request, now)?);
        }
        Ok(fields)
    }
}

pub(crate) fn saip_request<'a>(question: &'a Question, target: &'a Target<'a>) -> RequestToSign<'a> {
    let content = match question.content {
        Content::None => Some(ContentDigest::of(b"")),
        Content::Unseen => None,
        Content::Read(digest) => Some(digest),
    };
    RequestToSign { method: &question.method, target, authority: &question.site.authority, content }
}

/// Why a request of a batch has no certificate.
pub(crate) fn not_in_batch(error: BatchError) -> DeskError {
    match error {
        BatchError::Sign(error) => SignError::from(error).into(),
        BatchError::Full => DeskError::Busy,
        BatchError::Stopped => DeskError::Broken,
    }
}
