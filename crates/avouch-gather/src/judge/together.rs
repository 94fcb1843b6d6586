//! The table of several claims (`docs/formats/verdict.md`), gone through with real requests.

use super::{Judge, Settings};
use crate::clock::ManualClock;
use crate::directories::{Directories, Documents};
use crate::networks::Networks;
use crate::replay;
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::claim::{BotRules, Catalogue, KeyRegister, RegisteredKey};
use avouch_engine::evidence::Dnssec;
use avouch_engine::pipeline::Site;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::Verdict;
use avouch_keys::SecretKey;
use avouch_keys::delegation::issue;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::http_signature::sign;
use avouch_keys::saip::{Mode, RequestToSign, Signer, Speaker};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::delegation::{Grant, Scope, Subject};
use avouch_wire::http_signature::{Component, Message, SignatureInput, Start, Thumbprint};
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain, Identity};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::WELL_KNOWN;
use std::collections::BTreeSet;
use std::sync::Arc;

const NOW: Time = Time::from_seconds(1_790_000_000);
const SITE: &str = "www.shop.example";

/// Within the ranges of GPTBot, and of the network that tokens name.
const INSIDE: [u8; 4] = [203, 0, 113, 7];

/// The SAIP header. Those of OpenAI name `openai.com`.
#[derive(Clone, Copy, PartialEq)]
enum Saip {
    None,
    Holds,
    Fails,
    Elsewhere,
    Nobodys,
    NobodysFails,
    Bare,
    BareElsewhere,
    Unreadable,
}

/// Signatures of a bot.
#[derive(Clone, Copy, PartialEq)]
enum Bot {
    None,
    Holds,
    Fails,
    Elsewhere,
    Alias,
    Unreadable,
    FailsThenHolds,
}

/// Signatures under a key that the operator registered.
#[derive(Clone, Copy, PartialEq)]
enum Registered {
    None,
    Holds,
    Fails,
    Elsewhere,
    Unreadable,
}

/// The user agent.
#[derive(Clone, Copy, PartialEq)]
enum Agent {
    Curl,
    GptBot,
    Googlebot,
}

/// A token for a network.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    None,
    Holds,
    Forged,
    Elsewhere,
    /// It names an autonomous system, and no table tells of any.
    OfSystem,
    ForgedOfSystem,
}

/// What can be found out.
#[derive(Clone, Copy)]
struct Known {
    dns: bool,
    directory: bool,
    ranges: bool,
    inside: bool,
}

const ALL: Known = Known { dns: true, directory: true, ranges: true, inside: true };
const OUTSIDE: Known = Known { inside: false, ..ALL };
const NO_DNS: Known = Known { dns: false, ..ALL };
const NO_DNS_OUTSIDE: Known = Known { dns: false, ..OUTSIDE };
const NO_DIRECTORY: Known = Known { directory: false, ..ALL };

/// Claims, what is known, and the class, reason and identity they come to.
type Row = ((Saip, Bot, Agent, Token), Known, &'static str);

/// The same with a signature under a registered key beside them.
type PartnerRow = (Registered, (Saip, Bot, Agent, Token), Known, &'static str);

struct World {
    registered: Arc<KeyRegister>,
    partner: SecretKey,
    agent: Signer,
    agent_elsewhere: Signer,
    impostor: Signer,
    nobody: Signer,
    issuer: SecretKey,
    bot: SecretKey,
    stranger: SecretKey,
    catalogue: Arc<Catalogue>,
}

fn key() -> SecretKey {
    SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap()
}

fn signer(domain: Option<&str>) -> Signer {
    let domain = domain.map(|domain| Domain::parse(domain).unwrap().into_owned());
    let agent = AgentId::parse("bot").unwrap().into_owned();
    Signer::new(key(), Speaker { domain, agent, instance: None })
}

impl World {
    fn new() -> Self {
        let catalogue = Arc::new(Catalogue::built_in().unwrap());
        let partner = key();
        let mut registered = KeyRegister::default();
        for (keyid, identity) in [("own", "batch@openai.com"), ("elsewhere", "other.example")] {
            let (key, identity) = (partner.public().clone().into(), Identity::parse(identity).unwrap());
            registered.add(RegisteredKey::new(keyid, key, identity, None).unwrap()).unwrap();
        }
        Self {
            registered: Arc::new(registered),
            partner,
            agent: signer(Some("openai.com")),
            agent_elsewhere: signer(Some("other.example")),
            impostor: signer(Some("openai.com")),
            nobody: signer(None),
            issuer: key(),
            bot: key(),
            stranger: key(),
            catalogue,
        }
    }

    fn zone(&self, domain: &str, agent: &Signer) -> String {
        let [agent, issuer] = [agent.public(), self.issuer.public()].map(|key| b64u::encode(key.octets()));
        format!(
            "$ORIGIN {domain}.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\nbot._saip TXT \"v=saip1; pk={agent}\"\n\
             _saip TXT \"v=saip1; ip=203.0.113.0/28; pk={issuer}\"\n"
        )
    }

    fn judge(&self, known: Known) -> Judge {
        let reverse = "$ORIGIN in-addr.arpa.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\n";
        let (openai, other) =
            (self.zone("openai.com", &self.agent), self.zone("other.example", &self.agent_elsewhere));
        let mut zones = vec![("reverse", reverse)];
        if known.dns {
            zones.extend([("openai", openai.as_str()), ("other", other.as_str())]);
        }
        let zones = ZoneFiles::parse(&zones, Dnssec::Insecure).unwrap();
        let mut documents = Documents::default();
        if known.directory {
            let x = b64u::encode(self.bot.public().octets());
            for host in ["bot.openai.com", "other.example", "chatgpt.com"] {
                let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
                documents.add(format!("https://{host}{WELL_KNOWN}"), keys.into_bytes());
            }
        }
        let replay = replay::Settings { capacity: 1 << 14, fresh: true, ..replay::Settings::default() };
        let settings = Settings { replay, ..Settings::default() };
        let clock = Arc::new(ManualClock::at(NOW));
        let judge = Judge::new(&settings, Dns::Zones(zones), Directories::Given(documents), clock).unwrap();
        let mut networks = Networks::default();
        if known.ranges {
            let ranges = br#"{"prefixes":[{"ipv4Prefix":"203.0.113.0/28"}]}"#;
            networks.receive_ranges("GPTBot", "test", ranges, NOW).unwrap();
        }
        judge.use_networks(networks);
        judge
    }

    fn saip(&self, saip: Saip) -> Option<String> {
        let (signer, mode) = match saip {
            Saip::None => return None,
            Saip::Unreadable => return Some("dom".to_owned()),
            Saip::Bare => return Some("dom=\"openai.com\"; id=\"bot\"".to_owned()),
            Saip::BareElsewhere => return Some("dom=\"other.example\"; id=\"bot\"".to_owned()),
            Saip::Holds => (&self.agent, Mode::Direct),
            Saip::Fails => (&self.impostor, Mode::Direct),
            Saip::Elsewhere => (&self.agent_elsewhere, Mode::Direct),
            Saip::Nobodys | Saip::NobodysFails => (&self.nobody, Mode::Stateless),
        };
        let path = if saip == Saip::NobodysFails { "/b" } else { "/a" };
        let target = Target::parse("GET", path).unwrap();
        let authority = Authority::parse(SITE, Scheme::Https).unwrap();
        let content = Content::Empty.sha256();
        let request = RequestToSign { method: "GET", target: &target, authority: &authority, content };
        Some(signer.sign(request, mode, NOW).unwrap())
    }

    fn bot(&self, bot: Bot) -> Vec<(&'static str, String)> {
        let origin = match bot {
            Bot::None => return Vec::new(),
            Bot::Elsewhere => "\"https://other.example\"",
            Bot::Alias => "\"https://chatgpt.com\"",
            _ => "\"https://bot.openai.com\"",
        };
        let agent = ("signature-agent", origin.to_owned());
        if bot == Bot::Unreadable {
            return vec![agent];
        }
        let signed = |label: &str, key: &SecretKey| {
            let fields = [("signature-agent", origin.as_bytes())];
            let start =
                Start::Request { method: "GET", scheme: "https", authority: SITE, path: "/a", target: "/a" };
            let covered = ["@authority", "signature-agent"].map(|name| Component::named(name).unwrap());
            let keyid = Thumbprint::of(self.bot.public()).to_string();
            let mut input = SignatureInput::covering(covered.to_vec()).unwrap();
            (input.created, input.expires) = (Some(NOW.seconds()), Some(NOW.seconds() + 60));
            (input.keyid, input.tag) = (Some(keyid.as_str()), Some("web-bot-auth"));
            let message = Message { start, fields: &fields, trailers: &[], request: None };
            sign(key, label, input, &message).unwrap()
        };
        let members = match bot {
            Bot::Fails => vec![signed("a", &self.stranger)],
            Bot::FailsThenHolds => vec![signed("a", &self.stranger), signed("b", &self.bot)],
            _ => vec![signed("a", &self.bot)],
        };
        let inputs: Vec<_> = members.iter().map(|one| one.signature_input.clone()).collect();
        let signatures: Vec<_> = members.iter().map(|one| one.signature.clone()).collect();
        vec![agent, ("signature-input", inputs.join(", ")), ("signature", signatures.join(", "))]
    }

    /// Members of `Signature-Input` and `Signature`.
    fn partner(&self, partner: Registered) -> Option<(String, String)> {
        let (key, keyid) = match partner {
            Registered::None => return None,
            Registered::Holds => (&self.partner, "own"),
            Registered::Fails => (&self.stranger, "own"),
            Registered::Elsewhere => (&self.partner, "elsewhere"),
            Registered::Unreadable => {
                return Some(("p=(\"@path\" \"@path\");keyid=\"own\"".to_owned(), "p=:AA==:".to_owned()));
            }
        };
        let start =
            Start::Request { method: "GET", scheme: "https", authority: SITE, path: "/a", target: "/a" };
        let covered = ["@method", "@authority", "@path"].map(|name| Component::named(name).unwrap());
        let mut input = SignatureInput::covering(covered.to_vec()).unwrap();
        (input.created, input.expires) = (Some(NOW.seconds()), Some(NOW.seconds() + 60));
        input.keyid = Some(keyid);
        let message = Message { start, fields: &[], trailers: &[], request: None };
        let members = sign(key, "p", input, &message).unwrap();
        Some((members.signature_input, members.signature))
    }

    fn token(&self, token: Token) -> Option<String> {
        let (key, issuer) = match token {
            Token::None => return None,
            Token::Holds | Token::OfSystem => (&self.issuer, "openai.com"),
            Token::Forged | Token::ForgedOfSystem => (&self.stranger, "openai.com"),
            Token::Elsewhere => (&self.issuer, "other.example"),
        };
        let subject = match token {
            Token::OfSystem | Token::ForgedOfSystem => "asn:64500",
            _ => "ip:203.0.113.0/28",
        };
        let grant = Grant {
            issuer: Domain::parse(issuer).unwrap(),
            subject: Subject::parse(subject).unwrap(),
            not_before: NOW.seconds(),
            expires: NOW.seconds() + 60,
            scopes: vec![Scope::parse("* /").unwrap(), Scope::parse("* /a").unwrap()],
            audience: Vec::new(),
            id: "1".to_owned(),
        };
        Some(issue(key, &grant).unwrap())
    }

    fn come(
        &self,
        partner: Registered,
        (saip, bot, agent, token): (Saip, Bot, Agent, Token),
        known: Known,
    ) -> Box<Verdict> {
        let agent = match agent {
            Agent::Curl => "curl/8",
            Agent::GptBot => "GPTBot/1.4",
            Agent::Googlebot => "Googlebot/2.1",
        };
        let mut fields = vec![("host", SITE.to_owned()), ("user-agent", agent.to_owned())];
        fields.extend(self.saip(saip).map(|saip| ("saip", saip)));
        fields.extend(self.token(token).map(|token| ("saip-delegation", token)));
        fields.extend(self.bot(bot));
        if let Some((input, signature)) = self.partner(partner) {
            fields.extend([("signature-input", input), ("signature", signature)]);
        }
        let address = if known.inside { INSIDE } else { [203, 0, 113, 99] };
        let request = Request::read(Head {
            method: "GET",
            target: "/a",
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.iter().map(|(name, value)| (*name, value.as_bytes())),
            peer: Peer::client(address.into()),
            content: Content::Empty,
        });
        let site = Site {
            authorities: vec![Authority::parse(SITE, Scheme::Https).unwrap()],
            accept_draft: false,
            catalogue: Arc::clone(&self.catalogue),
            bots: Some(BotRules::default()),
            passes: None,
            registered: Arc::clone(&self.registered),
            entities: None,
            named: BTreeSet::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.judge(known).judge(&request.unwrap(), &site))
    }

    /// Goes through one part of the table.
    fn goes(&self, rows: &[Row]) {
        let alone: Vec<PartnerRow> = rows
            .iter()
            .map(|(claims, known, expected)| (Registered::None, *claims, *known, *expected))
            .collect();
        self.goes_with(&alone);
    }

    fn goes_with(&self, rows: &[PartnerRow]) {
        for (at, (partner, claims, known, expected)) in rows.iter().enumerate() {
            let verdict = self.come(*partner, *claims, *known);
            let identity = verdict.identity().map(ToString::to_string);
            let came = format!(
                "{} {} {}",
                verdict.class().number(),
                verdict.reasons()[0],
                identity.as_deref().unwrap_or("-")
            );
            assert_eq!(came, *expected, "row {at}: {verdict:?}");
        }
    }
}

const CURL: Agent = Agent::Curl;
const CRAWLER: Agent = Agent::GptBot;
const NO_SAIP: Saip = Saip::None;
const NO_BOT: Bot = Bot::None;
const NO_TOKEN: Token = Token::None;

#[test]
fn a_signed_header_beside_a_crawlers_user_agent_decides_unless_it_cannot_be_checked() {
    World::new().goes(&[
        ((Saip::Holds, NO_BOT, CURL, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, NO_BOT, CRAWLER, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, NO_BOT, CRAWLER, NO_TOKEN), OUTSIDE, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, NO_BOT, Agent::Googlebot, NO_TOKEN), ALL, "1 claims-conflict -"),
        ((Saip::Fails, NO_BOT, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        ((Saip::Fails, NO_BOT, CRAWLER, NO_TOKEN), ALL, "1 signature-invalid -"),
        ((Saip::Fails, NO_BOT, Agent::Googlebot, NO_TOKEN), ALL, "1 signature-invalid -"),
        ((Saip::Holds, NO_BOT, CURL, NO_TOKEN), NO_DNS, "1 dns-unreachable -"),
        ((Saip::Holds, NO_BOT, CRAWLER, NO_TOKEN), NO_DNS, "2 range-confirmed openai.com"),
        ((Saip::Fails, NO_BOT, CRAWLER, NO_TOKEN), NO_DNS, "2 range-confirmed openai.com"),
        ((Saip::Holds, NO_BOT, CRAWLER, NO_TOKEN), NO_DNS_OUTSIDE, "1 crawler-not-confirmed -"),
        ((Saip::Holds, NO_BOT, CRAWLER, NO_TOKEN), Known { ranges: false, ..NO_DNS }, "1 dns-unreachable -"),
        ((Saip::Holds, NO_BOT, Agent::Googlebot, NO_TOKEN), NO_DNS, "1 claims-conflict -"),
    ]);
}

#[test]
fn a_pseudonym_says_nothing_beside_who_names_somebody() {
    World::new().goes(&[
        ((Saip::Nobodys, NO_BOT, CURL, NO_TOKEN), ALL, "0 pseudonym -"),
        ((Saip::Nobodys, NO_BOT, CRAWLER, NO_TOKEN), ALL, "2 range-confirmed openai.com"),
        ((Saip::Nobodys, NO_BOT, CRAWLER, NO_TOKEN), OUTSIDE, "1 crawler-not-confirmed -"),
        (
            (Saip::Nobodys, NO_BOT, CRAWLER, NO_TOKEN),
            Known { ranges: false, ..ALL },
            "1 crawler-not-checkable -",
        ),
        ((Saip::NobodysFails, NO_BOT, CRAWLER, NO_TOKEN), ALL, "1 signature-invalid -"),
        ((Saip::Nobodys, Bot::Holds, CURL, NO_TOKEN), ALL, "3 directory-verified bot.openai.com"),
        ((Saip::Nobodys, Bot::Fails, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
    ]);
}

#[test]
fn a_signed_header_decides_beside_signatures_of_a_bot_that_can_be_read() {
    World::new().goes(&[
        ((Saip::Holds, Bot::Holds, CURL, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, Bot::Fails, CURL, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, Bot::Holds, CURL, NO_TOKEN), NO_DIRECTORY, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, Bot::Unreadable, CURL, NO_TOKEN), ALL, "1 signature-missing -"),
        ((Saip::Unreadable, Bot::Holds, CURL, NO_TOKEN), ALL, "1 header-malformed -"),
        ((Saip::Fails, Bot::Holds, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        ((Saip::Holds, Bot::Holds, CURL, NO_TOKEN), NO_DNS, "1 dns-unreachable -"),
        ((Saip::Holds, Bot::Elsewhere, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
        ((Saip::Elsewhere, Bot::Holds, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
        ((Saip::Elsewhere, Bot::Elsewhere, CURL, NO_TOKEN), ALL, "3 signature-verified bot@other.example"),
    ]);
}

#[test]
fn domains_of_one_operator_do_not_conflict() {
    World::new().goes(&[
        ((Saip::Holds, Bot::Alias, CURL, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, Bot::Alias, CRAWLER, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        ((Saip::Holds, Bot::Alias, Agent::Googlebot, NO_TOKEN), ALL, "1 claims-conflict -"),
        ((Saip::Elsewhere, Bot::Alias, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
        ((NO_SAIP, Bot::Alias, CURL, Token::Holds), ALL, "2 delegation-verified openai.com"),
        ((NO_SAIP, Bot::Alias, CURL, Token::Elsewhere), ALL, "1 claims-conflict -"),
    ]);
}

#[test]
fn signatures_of_a_bot_decide_beside_what_rests_on_the_address_unless_they_cannot_be_checked() {
    let none = Known { ranges: false, ..NO_DIRECTORY };
    World::new().goes(&[
        ((NO_SAIP, Bot::Holds, CURL, NO_TOKEN), ALL, "3 directory-verified bot.openai.com"),
        ((NO_SAIP, Bot::FailsThenHolds, CURL, NO_TOKEN), ALL, "3 directory-verified bot.openai.com"),
        ((NO_SAIP, Bot::Holds, CRAWLER, NO_TOKEN), OUTSIDE, "3 directory-verified bot.openai.com"),
        ((NO_SAIP, Bot::Fails, CRAWLER, NO_TOKEN), ALL, "1 signature-invalid -"),
        ((NO_SAIP, Bot::Holds, CURL, NO_TOKEN), NO_DIRECTORY, "1 directory-unreachable -"),
        ((NO_SAIP, Bot::Holds, CRAWLER, NO_TOKEN), NO_DIRECTORY, "2 range-confirmed openai.com"),
        (
            (NO_SAIP, Bot::Holds, CRAWLER, NO_TOKEN),
            Known { inside: false, ..NO_DIRECTORY },
            "1 crawler-not-confirmed -",
        ),
        ((NO_SAIP, Bot::Holds, CRAWLER, NO_TOKEN), none, "1 directory-unreachable -"),
        ((NO_SAIP, Bot::Holds, Agent::Googlebot, NO_TOKEN), ALL, "1 claims-conflict -"),
        ((Saip::Bare, Bot::Holds, CURL, NO_TOKEN), OUTSIDE, "3 directory-verified bot.openai.com"),
        ((Saip::Bare, Bot::Fails, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        ((Saip::Bare, Bot::Holds, CURL, NO_TOKEN), NO_DIRECTORY, "2 network-delegated openai.com"),
        ((Saip::BareElsewhere, Bot::Holds, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
    ]);
}

#[test]
fn what_rests_on_the_address_alone_is_confirmed_or_refuted_by_it() {
    World::new().goes(&[
        ((NO_SAIP, NO_BOT, CURL, NO_TOKEN), ALL, "0 no-claim -"),
        ((NO_SAIP, NO_BOT, CRAWLER, NO_TOKEN), ALL, "2 range-confirmed openai.com"),
        ((NO_SAIP, NO_BOT, CRAWLER, NO_TOKEN), OUTSIDE, "1 crawler-not-confirmed -"),
        ((Saip::Bare, NO_BOT, CURL, NO_TOKEN), ALL, "2 network-delegated openai.com"),
        ((Saip::Bare, NO_BOT, CURL, NO_TOKEN), NO_DNS, "1 dns-unreachable -"),
        (
            (Saip::Bare, NO_BOT, CRAWLER, NO_TOKEN),
            Known { ranges: false, ..ALL },
            "2 network-delegated openai.com",
        ),
        ((Saip::Bare, NO_BOT, CRAWLER, NO_TOKEN), NO_DNS, "1 dns-unreachable -"),
        ((Saip::BareElsewhere, NO_BOT, CRAWLER, NO_TOKEN), ALL, "1 claims-conflict -"),
    ]);
}

#[test]
fn a_token_decides_beside_everything_that_does_not_belong_to_it() {
    World::new().goes(&[
        ((NO_SAIP, NO_BOT, CURL, Token::Holds), ALL, "2 delegation-verified openai.com"),
        ((NO_SAIP, NO_BOT, CURL, Token::Holds), OUTSIDE, "1 delegation-mismatch -"),
        ((NO_SAIP, NO_BOT, CURL, Token::Forged), ALL, "1 delegation-invalid -"),
        ((Saip::Bare, NO_BOT, CURL, Token::Holds), ALL, "2 delegation-verified openai.com"),
        ((Saip::BareElsewhere, NO_BOT, CURL, Token::Holds), ALL, "1 delegation-mismatch -"),
        ((Saip::Holds, NO_BOT, CURL, Token::Holds), ALL, "1 delegation-mismatch -"),
        ((NO_SAIP, Bot::Holds, CURL, Token::Holds), ALL, "2 delegation-verified openai.com"),
        ((NO_SAIP, Bot::Holds, CURL, Token::Forged), ALL, "1 delegation-invalid -"),
        ((NO_SAIP, Bot::Holds, CURL, Token::Elsewhere), ALL, "1 claims-conflict -"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::Holds), ALL, "2 delegation-verified openai.com"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::Forged), ALL, "1 delegation-invalid -"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::Elsewhere), ALL, "1 claims-conflict -"),
        ((NO_SAIP, NO_BOT, CURL, Token::Holds), NO_DNS, "1 dns-unreachable -"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::Forged), NO_DNS, "2 range-confirmed openai.com"),
        ((Saip::Bare, NO_BOT, CRAWLER, Token::Forged), NO_DNS, "2 range-confirmed openai.com"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::Holds), NO_DNS_OUTSIDE, "1 crawler-not-confirmed -"),
    ]);
}

/// Whoever got a token once could hide a lie behind it, at a site that has no table.
#[test]
fn a_token_for_a_system_that_no_table_tells_of_hides_nothing() {
    World::new().goes(&[
        ((NO_SAIP, NO_BOT, CURL, Token::OfSystem), ALL, "1 asn-unknown -"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::OfSystem), ALL, "2 range-confirmed openai.com"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::OfSystem), OUTSIDE, "1 crawler-not-confirmed -"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::OfSystem), Known { ranges: false, ..ALL }, "1 asn-unknown -"),
        ((NO_SAIP, NO_BOT, CRAWLER, Token::ForgedOfSystem), ALL, "1 delegation-invalid -"),
    ]);
}

#[test]
fn a_token_that_could_not_be_checked_says_nothing_of_who_acted() {
    let world = World::new();
    let via = |token, known| world.come(Registered::None, (NO_SAIP, NO_BOT, CRAWLER, token), known).via();
    assert!(via(Token::Holds, ALL).is_some());
    assert_eq!(via(Token::Forged, NO_DNS), None);
}

#[test]
fn a_signature_under_a_registered_key_decides_beside_all_but_a_signed_header_and_a_token() {
    use Registered::{Elsewhere, Fails, Holds, Unreadable};
    let nothing = Known { directory: false, ranges: false, ..NO_DNS_OUTSIDE };
    let proved = "3 registered-verified batch@openai.com";
    World::new().goes_with(&[
        (Holds, (NO_SAIP, NO_BOT, CURL, NO_TOKEN), ALL, proved),
        (Holds, (NO_SAIP, NO_BOT, CURL, NO_TOKEN), nothing, proved),
        (Fails, (NO_SAIP, NO_BOT, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        // A crawler's user agent, and a bare claim.
        (Holds, (NO_SAIP, NO_BOT, CRAWLER, NO_TOKEN), nothing, proved),
        (Fails, (NO_SAIP, NO_BOT, CRAWLER, NO_TOKEN), ALL, "1 signature-invalid -"),
        (Holds, (NO_SAIP, NO_BOT, Agent::Googlebot, NO_TOKEN), ALL, "1 claims-conflict -"),
        (Elsewhere, (NO_SAIP, NO_BOT, CRAWLER, NO_TOKEN), ALL, "1 claims-conflict -"),
        (Holds, (Saip::Bare, NO_BOT, CURL, NO_TOKEN), nothing, proved),
        (Fails, (Saip::Bare, NO_BOT, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        (Holds, (Saip::BareElsewhere, NO_BOT, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
        // Signatures of a bot.
        (Holds, (NO_SAIP, Bot::Holds, CURL, NO_TOKEN), ALL, proved),
        (Holds, (NO_SAIP, Bot::Fails, CURL, NO_TOKEN), ALL, proved),
        (Holds, (NO_SAIP, Bot::Holds, CURL, NO_TOKEN), nothing, proved),
        (Fails, (NO_SAIP, Bot::Holds, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        (Holds, (NO_SAIP, Bot::Elsewhere, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
        (Elsewhere, (NO_SAIP, Bot::Holds, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
        (Elsewhere, (NO_SAIP, Bot::Elsewhere, CURL, NO_TOKEN), ALL, "3 registered-verified other.example"),
        (Holds, (NO_SAIP, Bot::Unreadable, CURL, NO_TOKEN), ALL, "1 tag-missing -"),
        (Unreadable, (NO_SAIP, NO_BOT, CURL, NO_TOKEN), ALL, "1 component-repeated -"),
        // A SAIP header.
        (Holds, (Saip::Holds, NO_BOT, CURL, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        (Fails, (Saip::Holds, NO_BOT, CURL, NO_TOKEN), ALL, "3 signature-verified bot@openai.com"),
        (Holds, (Saip::Fails, NO_BOT, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        (Holds, (Saip::Holds, NO_BOT, CURL, NO_TOKEN), NO_DNS, "1 dns-unreachable -"),
        (Elsewhere, (Saip::Holds, NO_BOT, CURL, NO_TOKEN), ALL, "1 claims-conflict -"),
        (Unreadable, (Saip::Holds, NO_BOT, CURL, NO_TOKEN), ALL, "1 component-repeated -"),
        (Holds, (Saip::Unreadable, NO_BOT, CURL, NO_TOKEN), ALL, "1 header-malformed -"),
        (Holds, (Saip::Nobodys, NO_BOT, CURL, NO_TOKEN), ALL, proved),
        (Fails, (Saip::Nobodys, NO_BOT, CURL, NO_TOKEN), ALL, "1 signature-invalid -"),
        // A token.
        (Holds, (NO_SAIP, NO_BOT, CURL, Token::Holds), ALL, "2 delegation-verified openai.com"),
        (Holds, (NO_SAIP, NO_BOT, CURL, Token::Forged), ALL, "1 delegation-invalid -"),
        (Holds, (NO_SAIP, NO_BOT, CURL, Token::Elsewhere), ALL, "1 claims-conflict -"),
    ]);
}
