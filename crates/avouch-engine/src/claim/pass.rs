//! Privacy Pass tokens: what a site asks of them, and the challenges by which it asks.

use super::{Claim, Unreadable};
use crate::reason::Reason;
use crate::request::{PassField, Request};
use avouch_wire::authority::Authority;
use avouch_wire::delegation::{Subject, Token as Delegation};
use avouch_wire::name::Domain;
use avouch_wire::privacy_pass::{
    Challenged, ContextKeyId, ContextKeys, Epoch, Held, IssuerKey, Token, TokenChallenge, read_authorization,
};
use avouch_wire::time::Time;
use thiserror::Error;

/// How many epochs a token counts in: that of its challenge, and the next.
const COUNTING: usize = 2;

/// How many are looked back to say that a token is too old, rather than not for a challenge of ours.
const REMEMBERED: usize = 12;

/// How many other sites are looked through to say that a token is for one of them: as long as that costs less than
/// the signature would.
const MAX_ELSEWHERE: usize = 8;

/// What a site asks of Privacy Pass tokens.
#[derive(Clone, Debug)]
pub struct PassRules {
    /// What challenges are bound to follows from these keys. They are made at each start, or by the store that a
    /// group of gateways shares and that forgets them before it forgets what was redeemed: so no token that was
    /// accepted before can be for a challenge of theirs.
    pub keys: ContextKeys,
    /// Whose tokens count.
    pub issuers: Vec<Issuer>,
}

/// An issuer of tokens, and the attester on whose behalf it issues them.
#[derive(Clone, Debug)]
pub struct Issuer {
    name: String,
    key: IssuerKey,
    delegation: Delegation<'static>,
    trust: Trust,
}

/// Why a delegation token makes nobody an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IssuerError {
    /// The name is none that a challenge can hold.
    #[error("{0:?} is no name of an issuer")]
    Name(String),
    /// The token names something else than the issuer's key.
    #[error("the delegation token names {subject}, and the issuer's key is {key}")]
    OtherKey {
        /// What it names.
        subject: Subject,
        /// What it should.
        key: Subject,
    },
}

/// What the word of an attester is worth (VICDM draft section 9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trust {
    /// The client stays anonymous, class 0; the mechanism tells it from others.
    #[default]
    Anonymous,
    /// Class 2, though nobody is named.
    Partial,
}

/// A token that came with a request.
#[derive(Clone, Debug)]
pub(crate) struct Pass<'a> {
    pub(crate) token: Token,
    /// Set once it is known to be for a challenge of ours, and signed; and only where nothing else is claimed.
    vouching: Option<Vouching<'a>>,
}

/// Who vouches for the client, and by a challenge of which epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vouching<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) epoch: Epoch,
    /// The key that the challenge was made by.
    pub(crate) key: ContextKeyId,
}

/// Why a token is for no challenge that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrecognised {
    /// It is for another, or for none of ours.
    NotOurs(Reason),
    /// What challenges of an epoch that counts were bound to could not be found out.
    KeyNotFoundOut,
}

impl Issuer {
    /// An issuer of this name, whose key the attester names by a delegation token: that one's domain is the
    /// attester, and its scope and audience bound what tokens count for.
    ///
    /// # Errors
    /// [`IssuerError`].
    pub fn new(
        name: String,
        key: IssuerKey,
        delegation: Delegation<'static>,
        trust: Trust,
    ) -> Result<Self, IssuerError> {
        let (subject, own) = (delegation.grant().subject, Subject::Key(*key.id()));
        if subject != own {
            return Err(IssuerError::OtherKey { subject, key: own });
        }
        match TokenChallenge::new(&name, [0; 32], "origin") {
            Some(_) => Ok(Self { name, key, delegation, trust }),
            None => Err(IssuerError::Name(name)),
        }
    }

    /// Its name in challenges.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The key that signs its tokens.
    pub(crate) const fn key(&self) -> &IssuerKey {
        &self.key
    }

    /// The attester's word that the key issues on its behalf.
    pub(crate) const fn delegation(&self) -> &Delegation<'static> {
        &self.delegation
    }

    /// Who vouches for clients.
    pub(crate) const fn attester(&self) -> &Domain<'static> {
        &self.delegation.grant().issuer
    }

    /// What that is worth.
    pub(crate) const fn trust(&self) -> Trust {
        self.trust
    }

    /// Whether tokens can count at this site now, as far as the delegation says.
    fn may_issue_for(&self, origin: &Authority<'_>, now: Time) -> bool {
        let grant = self.delegation.grant();
        grant.is_in_force(now) && grant.is_for(origin)
    }
}

impl PassRules {
    /// The values of `WWW-Authenticate` that ask for a token, one for each issuer whose tokens can count.
    pub fn ask(&self, origin: &Authority<'_>, now: Time) -> impl Iterator<Item = String> {
        let epoch = Epoch::at(now);
        let max_age = epoch.ends().saturating_sub(now.seconds());
        let counting = self.issuers.iter().filter(move |issuer| issuer.may_issue_for(origin, now));
        counting.filter_map(move |issuer| {
            let challenge = self.challenge(issuer, origin, epoch)?;
            Some(Challenged::write(&challenge, &issuer.key, max_age).to_string())
        })
    }

    /// The challenge of an epoch, where there is a key for it.
    fn challenge(&self, issuer: &Issuer, origin: &Authority<'_>, epoch: Epoch) -> Option<TokenChallenge> {
        let Held::Key(key) = self.keys.of(epoch) else { return None };
        TokenChallenge::new(&issuer.name, key.context(origin.as_str(), epoch), origin.as_str())
    }

    /// The issuer whose key a token names.
    pub(crate) fn issuer(&self, token: &Token) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.key.id().as_bytes() == token.key_id())
    }

    /// The epoch and the key of the challenge that a token was made for, if that was one of ours, for this origin, and
    /// counts.
    pub(crate) fn recognise(
        &self,
        token: &Token,
        issuer: &Issuer,
        origin: &Authority<'_>,
        ours: &[Authority<'static>],
        now: Time,
    ) -> Result<(Epoch, ContextKeyId), Unrecognised> {
        let is_for = |origin: &Authority<'_>, epoch: &Epoch| {
            let challenge = self.challenge(issuer, origin, *epoch);
            challenge.is_some_and(|challenge| challenge.digest() == *token.challenge_digest())
        };
        let latest = |most| Epoch::at(now).and_before().take(most);
        for epoch in latest(COUNTING) {
            match self.keys.of(epoch) {
                Held::Key(key) if is_for(origin, &epoch) => return Ok((epoch, key.id())),
                Held::Key(_) | Held::None => {}
                Held::Unknown => return Err(Unrecognised::KeyNotFoundOut),
            }
        }
        if let Some((epoch, key)) = self.keys.soon(now)
            && is_for(origin, &epoch)
        {
            return Ok((epoch, key.id()));
        }
        if latest(REMEMBERED).skip(COUNTING).any(|epoch| is_for(origin, &epoch)) {
            return Err(Unrecognised::NotOurs(Reason::PassExpired));
        }
        let elsewhere = |other: &Authority<'_>| latest(COUNTING).any(|epoch| is_for(other, &epoch));
        Err(Unrecognised::NotOurs(
            match ours.iter().filter(|other| *other != origin).take(MAX_ELSEWHERE).any(elsewhere) {
                true => Reason::PassElsewhere,
                false => Reason::PassChallengeUnknown,
            },
        ))
    }
}

impl<'a> Pass<'a> {
    /// Reads the token of a request; `None` where there is none.
    pub(crate) fn read(request: &Request<'_>) -> Result<Option<Self>, Unreadable> {
        let value = match request.pass() {
            PassField::Absent => return Ok(None),
            PassField::One(value) => value,
            PassField::Repeated => return Err(Unreadable::because(Reason::PassMalformed)),
        };
        let token = read_authorization(value);
        let token = token.map_err(|error| Unreadable::with(Reason::PassMalformed, error.to_string()))?;
        Ok(token.map(|token| Self { token, vouching: None }))
    }

    /// The token, and who vouches by it, where it decides.
    pub(crate) fn vouching(&self) -> Option<(&Token, Vouching<'a>)> {
        self.vouching.map(|vouching| (&self.token, vouching))
    }
}

impl<'a> Claim<'a> {
    /// The token, if there is one.
    pub(crate) fn pass(&self) -> Option<&Pass<'a>> {
        self.pass.as_deref()
    }

    /// The token and who vouches by it, where it is all that the request has to show.
    pub(crate) fn vouching(&self) -> Option<(&Token, Vouching<'a>)> {
        self.pass.as_ref()?.vouching()
    }

    /// The domain of whoever vouches.
    pub(crate) fn attester(&self) -> Option<String> {
        self.vouching().map(|(_, vouching)| vouching.issuer.attester().as_str().to_owned())
    }

    /// Says who vouches, and that this decides.
    pub(crate) fn vouched_for_by(&mut self, vouching: Vouching<'a>) {
        if let Some(pass) = &mut self.pass {
            pass.vouching = Some(vouching);
        }
    }

    /// Whether it says who somebody is, whatever else it has to show.
    pub(crate) const fn names_somebody(&self) -> bool {
        let is_signed = self.header.is_some() || self.bot.is_some() || self.partner.is_some();
        is_signed || self.token.is_some() || self.crawler.is_some()
    }
}
