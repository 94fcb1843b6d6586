//! Who signs: a key, the name it speaks for, and the fields that say so.

use avouch_keys::saip::{Mode, RequestToSign, Signer, Speaker};
use avouch_keys::web_bot_auth;
use avouch_wire::content::ContentDigest;
use avouch_wire::key::PublicKey;
use avouch_wire::target::Target;
use avouch_wire::time::Time;

use crate::config;
use crate::config::Protocols;
use crate::key::{self, OpenError};
use crate::question::{Content, Question};

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
    Saip(#[from] avouch_keys::saip::SignError),
    /// Not by Web Bot Auth.
    #[error(transparent)]
    Bot(#[from] web_bot_auth::SignError),
}

/// A key and the name it speaks for.
#[derive(Debug)]
pub(crate) struct Identity {
    signer: Signer,
    mode: Mode,
    directory: Option<String>,
}

impl Identity {
    pub(crate) fn open(config: &config::Identity) -> Result<Self, OpenError> {
        let speaker = Speaker {
            domain: config.domain.clone(),
            agent: config.agent.clone(),
            instance: config.instance.clone(),
        };
        let signer = Signer::new(key::open(config)?, speaker);
        Ok(Self { signer, mode: config.mode, directory: config.directory.clone() })
    }

    /// The public half of the key.
    pub(crate) fn public(&self) -> &PublicKey {
        self.signer.public()
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
        if by.saip {
            let content = match *content {
                Content::None => Some(ContentDigest::of(b"")),
                Content::Unseen => None,
                Content::Read(digest) => Some(digest),
            };
            let request = RequestToSign { method, target: &target, authority: &site.authority, content };
            fields.push(("saip", self.signer.sign(request, self.mode, now)?));
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
            fields.extend(web_bot_auth::sign(self.signer.key(), speaker, request, now)?);
        }
        Ok(fields)
    }
}
