//! What a request says about who sends it.

mod bot;
mod catalogue;
mod coverage;
mod delegated;
mod entities;
mod pass;
mod registered;
mod signature;

pub use bot::BotRules;
pub(crate) use bot::{Bot, Candidate};
pub use catalogue::{Catalogue, Crawler};
pub use coverage::{Coverage, Needed};
pub(crate) use delegated::Misfit;
pub use entities::EntityRules;
pub use pass::{Issuer, IssuerError, PassRules, Trust};
pub(crate) use pass::{Pass, Unrecognised, Vouching};
pub use registered::{KeyRegister, RegisterError, RegisteredKey};
pub(crate) use registered::{Partner, Presented};
pub(crate) use signature::{check_site, check_times, used_once};

use crate::reason::Reason;
use crate::request::{Request, SaipField};
use crate::verdict::Mechanism;
use avouch_wire::delegation::{Token, TokenError};
use avouch_wire::name::{AgentId, Domain, Identity};
use avouch_wire::saip::{Header, HeaderError};

/// What a request says about who sends it: by a SAIP header, by a delegation token, by HTTP message
/// signatures, by its user agent, by the Privacy Pass token of somebody who vouches for it, by several of them,
/// or not at all. Only this module makes one.
#[derive(Clone, Debug)]
pub struct Claim<'a> {
    header: Option<Header<'a>>,
    /// Boxed, as the next, for hardly any request has one.
    token: Option<Box<Token<'a>>>,
    pass: Option<Box<Pass<'a>>>,
    bot: Option<Bot<'a>>,
    partner: Option<Partner<'a>>,
    crawler: Option<&'a Crawler>,
    catalogue: &'a Catalogue,
}

/// Which claims a site reads, of those that not every site does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reads {
    /// Web Bot Auth signatures.
    pub bots: bool,
    /// Privacy Pass tokens.
    pub passes: bool,
}

/// A claim that cannot even be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Why.
    pub reason: Reason,
    /// What breaks where, in words; empty when the reason says it all.
    pub detail: String,
}

impl<'a> Claim<'a> {
    /// Reads the claim of a request, of kinds that not every site reads only those that `reads` names, and of HTTP
    /// message signatures that are not of Web Bot Auth those under keys of the register.
    ///
    /// # Errors
    /// [`Unreadable`] when the request claims something in a way that cannot be read; it is then
    /// an invalid claim, never no claim.
    pub fn read(
        request: &'a Request<'a>,
        catalogue: &'a Catalogue,
        reads: Reads,
        register: &'a KeyRegister,
    ) -> Result<Self, Unreadable> {
        let header = match request.saip() {
            SaipField::Absent => None,
            SaipField::One(text) => Some(Header::parse(text).map_err(Unreadable::header)?),
            SaipField::Repeated => return Err(Unreadable::because(Reason::HeaderRepeated)),
            SaipField::NotText => return Err(Unreadable::because(Reason::HeaderMalformed)),
        };
        let token = match request.delegation() {
            SaipField::Absent => None,
            SaipField::One(text) => Some(Box::new(Token::parse(text).map_err(Unreadable::token)?)),
            SaipField::Repeated => return Err(Unreadable::because(Reason::HeaderRepeated)),
            SaipField::NotText => return Err(Unreadable::because(Reason::DelegationMalformed)),
        };
        let (bot, partner) = match request.signature_fields() {
            Some(fields) => signature::claims(fields, reads.bots, register)?,
            None => (None, None),
        };
        let pass = if reads.passes { Pass::read(request)?.map(Box::new) } else { None };
        let mut claim = Self { header, token, pass, bot, partner, crawler: None, catalogue };
        if !claim.hears_last() {
            claim.hear_user_agent(request);
        }
        Ok(claim)
    }

    /// Whether the user agent is heard last: beside a signed header that names a domain it waits
    /// until the header did not fail, which nearly every forged one does for less than the search
    /// takes.
    pub(crate) fn hears_last(&self) -> bool {
        self.header.as_ref().is_some_and(|header| header.signed.is_some() && header.domain.is_some())
    }

    /// Whether a signed header or a token decides, so that what rests on the address is not asked as a rule.
    pub(crate) fn decides_before_address(&self) -> bool {
        self.hears_last() || self.token.is_some()
    }

    /// The Web Bot Auth signatures, where they are what proves the claim: a signed header beside
    /// them that names a domain says more, and decides, and so do a delegation token and signatures under registered
    /// keys.
    pub(crate) fn bot(&self) -> Option<&Bot<'a>> {
        self.bot.as_ref().filter(|_| !self.hears_last() && self.token.is_none() && self.partner.is_none())
    }

    /// The signatures under registered keys, where they are what proves the claim, as with [`Claim::bot`].
    pub(crate) fn partner(&self) -> Option<&Partner<'a>> {
        self.partner.as_ref().filter(|_| !self.hears_last() && self.token.is_none())
    }

    /// Leaves only the signatures under registered keys that pass; when none does what was claimed stays, and the
    /// first says why.
    pub(crate) fn keep_presented(
        &mut self,
        check: impl Fn(&Presented<'a>) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        self.partner.as_mut().map_or(Err(Reason::SignatureMissing), |partner| partner.keep(check))
    }

    /// Leaves of them only the one that proves the claim.
    pub(crate) fn single_out(&mut self, at: usize) {
        self.partner.iter_mut().for_each(|partner| partner.single_out(at));
    }

    /// The same with the signatures of a bot.
    pub(crate) fn keep_signatures(
        &mut self,
        check: impl Fn(&Candidate<'a>) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let bot = self.bot.as_mut();
        bot.map_or(Err(Reason::SignatureMissing), |bot| signature::keep(&mut bot.candidates, check))
    }

    /// Adds what the user agent says.
    pub(crate) fn hear_user_agent(&mut self, request: &Request<'a>) {
        self.crawler = request.user_agent().and_then(|agent| self.catalogue.find(agent));
    }

    /// Whether anything is claimed, as far as the user agent was heard.
    pub(crate) const fn is_empty(&self) -> bool {
        !self.names_somebody() && self.pass.is_none()
    }

    /// The SAIP header.
    #[must_use]
    pub const fn header(&self) -> Option<&Header<'a>> {
        self.header.as_ref()
    }

    /// The delegation token.
    pub(crate) fn token(&self) -> Option<&Token<'a>> {
        self.token.as_deref()
    }

    /// The crawler the user agent names, once it was heard.
    #[must_use]
    pub(crate) const fn crawler(&self) -> Option<&'a Crawler> {
        self.crawler
    }

    /// Whether header, token, signatures and user agent claim different domains, aliases and relaxed
    /// alignment considered, as far as the user agent was heard.
    #[must_use]
    pub(crate) fn conflicts(&self) -> bool {
        let is_apart = |first| self.domains().skip(1).any(|other| !self.catalogue.are_one(first, other));
        let is_other = |crawler: &Crawler| self.domains().any(|domain| !crawler.speaks_for(domain));
        self.domains().next().is_some_and(is_apart) || self.crawler.is_some_and(is_other)
    }

    /// Whether a name is that of who is claimed, as two claims are one: by relaxed alignment, or as an operator's alias.
    #[must_use]
    pub(crate) fn is_of(&self, name: &Domain<'_>) -> bool {
        self.domains().any(|domain| self.catalogue.are_one(domain, name))
            || self.crawler.is_some_and(|crawler| crawler.speaks_for(name))
    }

    /// The domains that are claimed, the user agent's aside.
    fn domains(&self) -> impl Iterator<Item = &Domain<'_>> {
        let partner = self.partner.iter().flat_map(Partner::domains);
        self.domain().into_iter().chain(partner).chain(self.bot.iter().flat_map(Bot::domains))
    }

    /// The domain that SAIP claims. Header and token name the same one, or the token does not fit.
    fn domain(&self) -> Option<&Domain<'_>> {
        let header = self.header.as_ref().and_then(|header| header.domain.as_ref());
        header.or_else(|| self.token.as_ref().map(|token| &token.grant().issuer))
    }

    /// Whoever is meant, if the claim holds by this mechanism: the signed agent, or the domain that a token, signatures,
    /// a bare claim or a crawler's user agent name (an address speaks for a domain, not for one of its agents).
    #[must_use]
    pub fn identity(&self, mechanism: Mechanism) -> Option<Identity> {
        let of = |domain: &Domain<'_>| Identity::of_domain(domain.clone().into_owned());
        match mechanism {
            Mechanism::WebBotAuth => self.bot.as_ref().and_then(Bot::domain).map(of),
            Mechanism::HttpSignature => self.partner.as_ref().and_then(Partner::identity).cloned(),
            Mechanism::DelegationToken => {
                self.token.as_ref().map(|token| self.delegate_of(&token.grant().issuer))
            }
            Mechanism::SaipRolling
            | Mechanism::SaipDirect
            | Mechanism::SaipStateless
            | Mechanism::SaipRegistry => self.agent(),
            // Whoever vouches names nobody.
            Mechanism::PrivacyPass => None,
            Mechanism::DelegationRecord
            | Mechanism::ForwardConfirmed
            | Mechanism::ForwardAddress
            | Mechanism::CrawlerRange
            | Mechanism::None => {
                // Beside a token only a crawler's user agent is asked.
                let bare =
                    self.header.as_ref().filter(|header| header.signed.is_none() && self.token.is_none());
                let bare = bare.and_then(|header| header.domain.as_ref());
                bare.or(self.crawler.map(Crawler::domain)).map(of)
            }
        }
    }

    /// The agent that signs by SAIP.
    fn agent(&self) -> Option<Identity> {
        let header = self.header.as_ref()?;
        let domain = header.domain.clone()?.into_owned();
        let agent = Some(header.agent.clone().into_owned()).filter(|agent| !agent.is_domain_itself());
        let instance = header.instance.clone().map(AgentId::into_owned).or_else(|| agent.clone());
        Some(Identity { domain, agent, instance })
    }

    /// The name that is claimed, as logs show it.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let bot = self.bot.iter().filter_map(Bot::domain);
        let crawler = self.crawler.iter().map(|crawler| crawler.domain());
        let token = self.token.iter().map(|token| &token.grant().issuer);
        let partner = self.partner.as_ref().and_then(Partner::identity).filter(|_| self.token.is_none());
        let named = || token.chain(bot).chain(crawler).next().map(|domain| domain.as_str().to_owned());
        let other = || partner.map(ToString::to_string).or_else(named);
        let Some(header) = &self.header else { return other() };
        let Some(domain) = &header.domain else { return other() };
        if header.agent.is_domain_itself() {
            return Some(domain.as_str().to_owned());
        }
        Some([header.agent.as_str(), "@", domain.as_str()].concat())
    }
}

impl Unreadable {
    fn because(reason: Reason) -> Self {
        Self { reason, detail: String::new() }
    }

    const fn with(reason: Reason, detail: String) -> Self {
        Self { reason, detail }
    }

    fn token(error: TokenError) -> Self {
        Self::with(Reason::DelegationMalformed, error.to_string())
    }

    fn header(error: HeaderError) -> Self {
        Self::with(Reason::HeaderMalformed, error.to_string())
    }
}
