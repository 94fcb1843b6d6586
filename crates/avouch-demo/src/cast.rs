//! Who appears: agents with fresh keys, and what DNS says of them.

use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::{Signer, Speaker};
use avouch_wire::b64u;
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};

use crate::DemoError;
use crate::passes::{ATTESTER, Attester};

/// How long the two agents that are revoked may be remembered. Short enough to wait for, long
/// enough that a busy machine gets a request in before it has passed.
pub(crate) const SHORT_TTL: u32 = 3;

/// The TTL recommended for agents (VICDM draft section 6.4).
const TTL: u32 = 300;

/// Names and addresses that are not agents' keys: crawlers confirmed by reverse DNS and a partner
/// that delegates by network.
const ADDRESSES: &str = "\
66.100.51.198.in-addr.arpa.    300 IN PTR crawl-66.googlebot.com.
crawl-66.googlebot.com.        300 IN A   198.51.100.66
7.2.0.192.in-addr.arpa.        300 IN PTR bot-7.acme.example.
bot-7.acme.example.            300 IN A   192.0.2.7
acme.example.                  300 IN A   192.0.2.80
bot.example.                   300 IN A   127.0.0.1
late.example.                  300 IN A   127.0.0.1
lost.example.                  300 IN A   127.0.0.1
_saip.partner.example.         300 IN TXT \"v=saip1; ip=198.51.100.128/25\"
";

/// The agents.
pub(crate) struct Cast {
    /// Publishes an Ed25519 key.
    pub(crate) crawler: Signer,
    /// Publishes a P-256 key, as from a TPM.
    pub(crate) scout: Signer,
    /// The domain acme.example itself.
    pub(crate) domain: Signer,
    /// A key that no domain vouches for.
    pub(crate) pseudonym: Signer,
    /// An agent of acme.example whose record was never published.
    pub(crate) unpublished: Signer,
    /// Somebody else's key under the crawler's name.
    pub(crate) impostor: Signer,
    /// An agent whose key stands at a wildcard.
    pub(crate) spare: Signer,
    /// An agent whose key is published for testing.
    pub(crate) trainee: Signer,
    /// An agent that will be revoked.
    pub(crate) doomed: Signer,
    /// An agent of a fleet that will be revoked.
    pub(crate) fleet: Signer,
    /// An agent whose name servers do not answer.
    pub(crate) dark: Signer,
    /// An agent whose zone's signatures do not verify.
    pub(crate) broken: Signer,
    /// A bot that signs by Web Bot Auth; its directory is up.
    pub(crate) bot: SecretKey,
    /// A bot whose directory is down; its key stands in DNS as well.
    pub(crate) late: SecretKey,
    /// Vouches for visitors, and names none.
    pub(crate) attester: Attester,
    /// Whoever wants to be taken for a bot.
    pub(crate) stranger: SecretKey,
    /// The key of partner.example, which authorises others.
    pub(crate) partner: SecretKey,
    /// A machine that works for partner.example; nothing of it stands in DNS.
    pub(crate) worker: Signer,
}

impl Cast {
    /// Makes everybody a key.
    pub(crate) fn gather() -> Result<Self, DemoError> {
        let ed25519 = |domain, agent| signer(KeyType::Ed25519, Some(domain), agent);
        Ok(Self {
            crawler: ed25519("acme.example", "crawler-7")?,
            scout: signer(KeyType::P256, Some("acme.example"), "scout")?,
            domain: ed25519("acme.example", "_")?,
            pseudonym: signer(KeyType::Ed25519, None, "nobody")?,
            unpublished: ed25519("acme.example", "crawler-8")?,
            impostor: ed25519("acme.example", "crawler-7")?,
            spare: ed25519("acme.example", "any.spare")?,
            trainee: ed25519("acme.example", "trainee")?,
            doomed: ed25519("acme.example", "temp-1")?,
            fleet: ed25519("openai.example", "nyc.gptbot")?,
            dark: ed25519("dark.example", "bot")?,
            broken: ed25519("broken.example", "bot")?,
            bot: SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy)?,
            late: SecretKey::generate(KeyType::P256, &mut SystemEntropy)?,
            attester: Attester::new()?,
            stranger: SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy)?,
            partner: SecretKey::generate(KeyType::P256, &mut SystemEntropy)?,
            worker: ed25519("partner.example", "worker-3")?,
        })
    }

    /// Everything DNS says at the beginning, as the text of a zone file.
    pub(crate) fn zone(&self) -> Result<String, DemoError> {
        let mut zone = ADDRESSES.to_owned();
        let mut publish = |name: &str, signer: &Signer, ttl: u32, more: &str| {
            let key = b64u::encode(signer.public().octets());
            zone.push_str(&format!("{name}. {ttl} IN TXT \"v=saip1; pk={key}{more}\"\n"));
        };
        for signer in [&self.crawler, &self.scout, &self.domain, &self.dark, &self.broken] {
            publish(&record_name(signer)?, signer, TTL, "");
        }
        for signer in [&self.doomed, &self.fleet] {
            publish(&record_name(signer)?, signer, SHORT_TTL, "");
        }
        publish(&record_name(&self.trainee)?, &self.trainee, TTL, "; t=y");
        publish("*.spare._saip.acme.example", &self.spare, TTL, "");
        let attester = (ATTESTER, &self.attester.key);
        for (domain, key) in [("late.example", &self.late), ("partner.example", &self.partner), attester] {
            let key = b64u::encode(key.public().octets());
            zone.push_str(&format!("_saip.{domain}. {TTL} IN TXT \"v=saip1; pk={key}\"\n"));
        }
        Ok(zone)
    }
}

/// Where an agent's key is published.
pub(crate) fn record_name(signer: &Signer) -> Result<String, DemoError> {
    let Speaker { domain: Some(domain), agent, .. } = signer.speaker() else { return Ok(String::new()) };
    Ok(agent.record_name(domain)?)
}

fn signer(key_type: KeyType, domain: Option<&str>, agent: &str) -> Result<Signer, DemoError> {
    let key = SecretKey::generate(key_type, &mut SystemEntropy)?;
    let domain = domain.map(Domain::parse).transpose()?.map(Domain::into_owned);
    let agent = AgentId::parse(agent)?.into_owned();
    Ok(Signer::new(key, Speaker { domain, agent, instance: None }))
}
