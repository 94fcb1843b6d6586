//! Privacy Pass: an issuer that acts for an attester, and a visitor who has tokens of it.

use std::net::SocketAddr;

use avouch_keys::SecretKey;
use avouch_keys::delegation;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::privacy_pass::TokenKey;
use avouch_wire::delegation::{Grant, Scope, Subject};
use avouch_wire::key::KeyType;
use avouch_wire::name::Domain;
use avouch_wire::privacy_pass::{Challenged, Token, TokenChallenge};
use avouch_wire::time::Time;

use crate::DemoError;
use crate::sent::{SITE, Sent};

pub(crate) const ISSUER: &str = "issuer.example";
pub(crate) const ATTESTER: &str = "attester.example";

/// How long the attester's word lasts: longer than the demonstration is looked at.
const DAY: u64 = 86_400;

/// Who vouches, and who issues.
pub(crate) struct Attester {
    pub(crate) key: SecretKey,
    pub(crate) issuer: TokenKey,
    /// An issuer that nobody delegated.
    stranger: TokenKey,
}

/// What a visitor has of them.
pub(crate) struct Tokens {
    /// For the challenge that the site sent.
    pub(crate) good: Token,
    /// By somebody else's key.
    pub(crate) foreign: Token,
    /// For a challenge that the site never sent.
    pub(crate) elsewhere: Token,
}

impl Attester {
    pub(crate) fn new() -> Result<Self, DemoError> {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy)?;
        Ok(Self { key, issuer: TokenKey::generate()?, stranger: TokenKey::generate()? })
    }

    /// The attester's word that the issuer issues for it.
    pub(crate) fn word(&self, now: Time) -> Result<String, DemoError> {
        let grant = Grant {
            issuer: Domain::parse(ATTESTER)?,
            subject: Subject::Key(*self.issuer.public().id()),
            not_before: now.seconds().saturating_sub(60),
            expires: now.seconds() + DAY,
            scopes: vec![Scope::parse("* /")?],
            audience: Vec::new(),
            id: "demo".to_owned(),
        };
        Ok(delegation::issue(&self.key, &grant)?)
    }

    /// Asks the site without saying who asks, and has tokens issued for the challenge in its answer.
    pub(crate) async fn tokens(&self, gateway: SocketAddr) -> Result<Tokens, DemoError> {
        let asked = Sent::get("/members/?token", [203, 0, 113, 8]).ask(gateway).await;
        let fields = asked.iter().flat_map(|answer| answer.headers.get_all("www-authenticate"));
        let read = fields.filter_map(|field| Challenged::read(field.to_str().ok()?).ok()).flatten();
        let challenge = read.filter_map(|one| TokenChallenge::parse(&one.challenge()?).ok()).next();
        let challenge = challenge.ok_or(DemoError::NotChallenged)?;
        let never_sent = TokenChallenge::new(ISSUER, [0; 32], SITE).ok_or(DemoError::NotChallenged)?;
        Ok(Tokens {
            good: self.issuer.issue(&challenge)?,
            foreign: self.stranger.issue(&challenge)?,
            elsewhere: self.issuer.issue(&never_sent)?,
        })
    }
}
