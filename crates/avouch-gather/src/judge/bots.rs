//! Web Bot Auth signatures, through the whole of judgement.

use super::{Judge, Settings};
use crate::clock::ManualClock;
use crate::directories::{Directories, Documents};
use crate::replay;
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::claim::{BotRules, Catalogue};
use avouch_engine::evidence::{Dnssec, Persistence};
use avouch_engine::pipeline::Site;
use avouch_engine::reason::Reason;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::{Class, Mechanism, Standing, Unchecked, Verdict};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::http_signature::{Members, sign};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigests;
use avouch_wire::http_signature::{Component, FieldDigest, Message, SignatureInput, Start, Thumbprint};
use avouch_wire::key::{KeyType, PublicKey};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::WELL_KNOWN;
use std::sync::Arc;

const NOW: u64 = 1_790_000_000;
const ORIGIN: &str = "https://bot.acme.example";
const REVERSE: &str = "$ORIGIN 2.0.192.in-addr.arpa.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\n\
                       7 300 IN PTR host.elsewhere.example.\n";
const BARE: &str = "\"https://bot.acme.example\"";

fn jwk(key: &PublicKey, more: &str) -> String {
    let octets = key.octets();
    match key.key_type() {
        KeyType::Ed25519 => {
            format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"{more}}}"#, b64u::encode(octets))
        }
        KeyType::P256 => {
            let (x, y) = octets[1..].split_at(32);
            format!(
                r#"{{"kty":"EC","crv":"P-256","x":"{}","y":"{}"{more}}}"#,
                b64u::encode(x),
                b64u::encode(y)
            )
        }
    }
}

/// One signature, made as a bot makes it unless told otherwise.
struct Sign<'a> {
    label: &'a str,
    covered: Vec<Component<'a>>,
    created: Option<u64>,
    expires: Option<u64>,
    alg: Option<&'a str>,
    keyid: Option<String>,
    tag: Option<&'a str>,
    nonce: Option<&'a str>,
}

impl Default for Sign<'_> {
    fn default() -> Self {
        Self {
            label: "sig1",
            covered: vec![named("@authority"), named("signature-agent")],
            created: Some(NOW),
            expires: Some(NOW + 60),
            alg: None,
            keyid: None,
            tag: Some("web-bot-auth"),
            nonce: None,
        }
    }
}

fn named(name: &str) -> Component<'_> {
    Component::named(name).unwrap()
}

fn member(key: &str) -> Component<'_> {
    Component::member("signature-agent", key).unwrap()
}

/// A bot with a key, and a site that judges it.
struct World {
    key: SecretKey,
    directory: Option<String>,
    url: String,
    zone: String,
    rules: BotRules,
    /// Fields beside Host and those of the signature.
    fields: Vec<(String, String)>,
    /// The site that the request names, and the one that the verifier serves.
    authority: &'static str,
    ours: &'static str,
    content: Content,
}

impl World {
    fn new() -> Self {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        let directory = Some(format!(r#"{{"keys":[{}]}}"#, jwk(key.public(), "")));
        let zone = "$ORIGIN acme.example.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\n".to_owned();
        Self {
            key,
            directory,
            url: format!("{ORIGIN}{WELL_KNOWN}"),
            zone,
            rules: BotRules::default(),
            fields: vec![("signature-agent".to_owned(), BARE.to_owned())],
            authority: "www.shop.example",
            ours: "www.shop.example",
            content: Content::Empty,
        }
    }

    fn with_agent(agent: &str) -> Self {
        let mut world = Self::new();
        world.fields[0].1 = agent.to_owned();
        world
    }

    fn sign(&self, how: Sign<'_>) -> Members {
        let fields: Vec<_> =
            self.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let start = Start::Request {
            method: "GET",
            scheme: "https",
            authority: self.authority,
            path: "/prices?page=2",
            target: "/prices?page=2",
        };
        let message = Message { start, fields: &fields, trailers: &[], request: None };
        let keyid = how.keyid.unwrap_or_else(|| Thumbprint::of(self.key.public()).to_string());
        let mut input = SignatureInput::covering(how.covered).unwrap();
        (input.created, input.expires, input.alg, input.tag) = (how.created, how.expires, how.alg, how.tag);
        (input.keyid, input.nonce) = (Some(keyid.as_str()), how.nonce);
        sign(&self.key, how.label, input, &message).unwrap()
    }

    fn judge(&self, members: &[Members]) -> Box<Verdict> {
        let join = |each: fn(&Members) -> &str| members.iter().map(each).collect::<Vec<_>>().join(", ");
        self.judge_fields(&join(|one| &one.signature_input), &join(|one| &one.signature))
    }

    fn judge_fields(&self, input: &str, signature: &str) -> Box<Verdict> {
        self.judge_by(&self.judge_for(), input, signature)
    }

    fn judge_for(&self) -> Judge {
        let zones = [("acme", self.zone.as_str()), ("reverse", REVERSE)];
        let zones = ZoneFiles::parse(&zones, Dnssec::Insecure).unwrap();
        let mut documents = Documents::default();
        let given = self.directory.iter().map(|text| text.clone().into_bytes());
        given.for_each(|document| documents.add(self.url.clone(), document));
        let replay = replay::Settings { capacity: 1 << 14, fresh: true, ..replay::Settings::default() };
        let settings = Settings { replay, ..Settings::default() };
        let clock = Arc::new(ManualClock::at(Time::from_seconds(NOW)));
        Judge::new(&settings, Dns::Zones(zones), Directories::Given(documents), clock).unwrap()
    }

    fn judge_by(&self, judge: &Judge, input: &str, signature: &str) -> Box<Verdict> {
        let mut fields = vec![("host", self.authority.as_bytes())];
        fields.extend(self.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
        fields.extend([("signature-input", input.as_bytes()), ("signature", signature.as_bytes())]);
        fields.retain(|(_, value)| !value.is_empty());
        let request = Request::read(Head {
            method: "GET",
            target: "/prices?page=2",
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.iter().copied(),
            peer: Peer::client([192, 0, 2, 7].into()),
            content: self.content,
        });
        let site = Site {
            authorities: vec![Authority::parse(self.ours, Scheme::Https).unwrap()],
            accept_draft: false,
            catalogue: Arc::new(Catalogue::built_in().unwrap()),
            bots: Some(self.rules),
            passes: None,
            registered: Arc::default(),
            entities: None,
            named: std::collections::BTreeSet::new(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(judge.judge(&request.unwrap(), &site))
    }

    fn come(&self, how: Sign<'_>) -> Box<Verdict> {
        self.judge(&[self.sign(how)])
    }
}

fn verified(verdict: &Verdict) -> bool {
    verdict.class() == Class::Verified
        && verdict.mechanism() == Mechanism::WebBotAuth
        && verdict.reasons() == [Reason::DirectoryVerified]
        && verdict.identity().is_some_and(|identity| identity.to_string() == "bot.acme.example")
}

/// The deciding reason of a claim that failed.
fn failed(verdict: &Verdict) -> Option<Reason> {
    (verdict.standing() == Standing::Invalid).then(|| verdict.reasons()[0])
}

#[test]
fn a_key_of_the_directory_proves_its_domain() {
    let verdict = World::new().come(Sign::default());
    assert!(verified(&verdict), "{verdict:?}");
    assert_eq!(verdict.not_checked(), [Unchecked::Target, Unchecked::Replay]);
    let mut world = World::new();
    world.key = SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap();
    world.directory = Some(jwk(world.key.public(), r#","kid":"else","alg":"RS256""#));
    assert!(verified(&world.come(Sign::default())), "another kind, a bare JWK, an odd alg");
}

#[test]
fn every_dialect_is_understood() {
    let own = || vec![named("@authority"), member("sig1")];
    let keys = "https://bot.acme.example/keys.json";
    for (agent, url, covered) in [
        (BARE.to_owned(), format!("{ORIGIN}{WELL_KNOWN}"), Sign::default().covered),
        (format!("sig1={BARE}"), format!("{ORIGIN}{WELL_KNOWN}"), own()),
        (format!("sig1={BARE};type=directory"), format!("{ORIGIN}{WELL_KNOWN}"), own()),
        (format!("sig1=\"{keys}\";type=jwks_uri"), keys.to_owned(), own()),
        (format!("sig1=\"{keys}\";type=cimd"), keys.to_owned(), own()),
        (format!("\"{keys}\""), keys.to_owned(), Sign::default().covered),
        (format!("sig1=\"{keys}\""), keys.to_owned(), own()),
    ] {
        let mut world = World::with_agent(&agent);
        let own_url = format!(r#"{{"client_id":"{url}","#);
        world.directory = world.directory.map(|directory| directory.replacen('{', &own_url, 1));
        world.url = url;
        let verdict = world.come(Sign { covered, ..Sign::default() });
        assert!(verified(&verdict), "{agent}: {verdict:?}");
    }
}

#[test]
fn each_rule_refuses_its_near_miss_with_a_reason_of_its_own() {
    let come = |agent: &str, how: Sign<'_>| failed(&World::with_agent(agent).come(how));
    let how = Sign::default;
    let day = 24 * 60 * 60;
    for (at, (came, reason)) in [
        (come("\"http://bot.acme.example\"", how()), Reason::AgentNotHttps),
        (come("\"https://192.0.2.7\"", how()), Reason::AgentMalformed),
        (come(BARE, Sign { covered: vec![named("@authority")], ..how() }), Reason::AgentNotCovered),
        (come(BARE, Sign { covered: vec![], ..how() }), Reason::CoverageEmpty),
        (come(BARE, Sign { covered: vec![named("signature-agent")], ..how() }), Reason::AuthorityUncovered),
        (come(BARE, Sign { expires: None, ..how() }), Reason::TimesMissing),
        (come(BARE, Sign { created: None, ..how() }), Reason::TimesMissing),
        (come(BARE, Sign { expires: Some(NOW + 3650 * day), ..how() }), Reason::LifetimeTooLong),
        (come(BARE, Sign { created: Some(NOW - 61), expires: Some(NOW), ..how() }), Reason::Expired),
        (come(BARE, Sign { created: Some(NOW + 31), ..how() }), Reason::AheadOfTime),
        (come(BARE, Sign { alg: Some("ecdsa-p256-sha256"), ..how() }), Reason::AlgorithmMismatch),
        (come(BARE, Sign { alg: Some("hmac-sha256"), ..how() }), Reason::AlgorithmMismatch),
        (come(BARE, Sign { keyid: Some("key-1".into()), ..how() }), Reason::KeyidInvalid),
        (come(BARE, Sign { keyid: Some("A".repeat(43)), ..how() }), Reason::KeyNotListed),
        (come(BARE, Sign { tag: None, ..how() }), Reason::TagMissing),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(came, Some(reason), "case {at}");
    }
    for (created, expires) in [(NOW + 30, NOW + 60), (NOW - 60, NOW + 1), (NOW, NOW + day)] {
        let (created, expires) = (Some(created), Some(expires));
        assert!(verified(&World::new().come(Sign { created, expires, ..how() })), "{created:?} {expires:?}");
    }
}

#[test]
fn fields_that_cannot_be_read_are_a_failed_claim() {
    let world = World::new();
    let members = world.sign(Sign::default());
    let came = |input: &str, signature: &str| failed(&world.judge_fields(input, signature));
    assert_eq!(came("", &members.signature), Some(Reason::SignatureMissing));
    assert_eq!(came(&members.signature_input, ""), Some(Reason::SignatureMalformed));
    assert_eq!(came("sig1=(", &members.signature), Some(Reason::SignatureMalformed));
    let repeated = members.signature_input.replace("(\"@authority\"", "(\"@authority\" \"@authority\"");
    assert_eq!(came(&repeated, &members.signature), Some(Reason::ComponentRepeated));
    let missing = members.signature_input.replace("(\"@authority\"", "(\"@authority\" \"x-gone\"");
    assert_eq!(came(&missing, &members.signature), Some(Reason::ComponentMissing));
    let other = members.signature_input.replace("expires=1790000060", "expires=1790000061");
    assert_eq!(came(&other, &members.signature), Some(Reason::SignatureInvalid));
    let mut nobody = World::new();
    nobody.fields.clear();
    let covered = vec![named("@authority")];
    assert_eq!(
        failed(&nobody.come(Sign { covered: covered.clone(), ..Sign::default() })),
        Some(Reason::AgentMissing)
    );
    let verdict = nobody.come(Sign { covered, tag: Some("another-profile"), ..Sign::default() });
    assert_eq!(verdict.standing(), Standing::Anonymous, "signatures of other profiles name nobody");
    for other in ["sig1=(", "sig1=(\"x\");tag=\"other\", sig1=(\"x\");tag=\"other\""] {
        assert_eq!(nobody.judge_fields(other, "sig1=:AA==:").standing(), Standing::Anonymous, "{other}");
    }
    let ours = "sig1=(\"x\");tag=\"web-bot-auth\", sig1=(";
    assert_eq!(failed(&nobody.judge_fields(ours, "sig1=:AA==:")), Some(Reason::SignatureMalformed));
}

#[test]
fn of_several_signatures_one_that_holds_is_enough() {
    let world = World::with_agent(&format!("a={BARE}, b={BARE}"));
    let signed = |label| {
        world.sign(Sign { label, covered: vec![named("@authority"), member(label)], ..Sign::default() })
    };
    let (mut first, second) = (signed("a"), signed("b"));
    first.signature = first.signature.replacen("=:", "=:AAAA", 1);
    assert!(failed(&world.judge(std::slice::from_ref(&first))).is_some());
    assert!(verified(&world.judge(&[first, second])));
    let stranger = World::new();
    let other = World { key: stranger.key, ..World::with_agent(&format!("a={BARE}, b={BARE}")) };
    let forged =
        other.sign(Sign { label: "a", covered: vec![named("@authority"), member("a")], ..Sign::default() });
    assert_eq!(failed(&world.judge(std::slice::from_ref(&forged))), Some(Reason::KeyNotListed));
    assert!(verified(&world.judge(&[forged, signed("b")])));
}

#[test]
fn keys_count_for_signatures_that_find_them_in_the_same_manner_only() {
    let url = "https://bot.acme.example/keys.json";
    for (manner, holds) in [("jwks_uri", true), ("cimd", false)] {
        let agent = format!("a=\"{url}\";type=jwks_uri, b=\"{url}\";type={manner}");
        // The keys of another document, if this one were read as one of metadata.
        let world = World { url: url.to_owned(), ..World::with_agent(&agent) };
        let signed = |label| {
            world.sign(Sign { label, covered: vec![named("@authority"), member(label)], ..Sign::default() })
        };
        let (mut first, second) = (signed("a"), signed("b"));
        first.signature = first.signature.replacen("=:", "=:AAAA", 1);
        assert_eq!(verified(&world.judge(&[first, second])), holds, "{manner}");
    }
}

#[test]
fn a_signature_counts_for_its_own_member_and_its_own_site_only() {
    let world = World::with_agent(&format!("sig1={BARE}, sig2=\"https://other.example\""));
    let sign = |label, key| {
        world.sign(Sign { label, covered: vec![named("@authority"), member(key)], ..Sign::default() })
    };
    assert!(verified(&world.judge(&[sign("sig1", "sig1")])));
    let verdict = world.judge(&[sign("sig1", "sig2"), sign("sig2", "sig2")]);
    assert_eq!(verdict.identity(), None, "the key is not one of other.example");
    let two = world.judge(&[sign("sig1", "sig1"), sign("sig2", "sig2")]);
    assert_eq!(failed(&two), Some(Reason::ClaimsConflict));
    let elsewhere = World { authority: "www.other.example", ..World::new() };
    assert_eq!(failed(&elsewhere.come(Sign::default())), Some(Reason::AuthorityNotOurs));
    let here = World { key: elsewhere.key, authority: "www.shop.example", ..World::new() };
    let relayed = World { authority: "www.other.example", ..World::new() }.sign(Sign::default());
    assert!(failed(&here.judge(&[relayed])).is_some());
}

#[test]
fn the_domains_record_rescues_a_dead_directory_and_can_revoke_all() {
    let dead = || World { directory: None, ..World::new() };
    let verdict = dead().come(Sign::default());
    assert_eq!(verdict.standing(), Standing::Undetermined(Persistence::Temporary));
    assert_eq!(verdict.reasons(), [Reason::DirectoryUnreachable]);
    let publish = |mut world: World, record: &str| {
        world.zone.push_str(&format!("_saip.bot 300 IN TXT \"v=saip1; {record}\"\n"));
        world
    };
    let key = |world: &World| b64u::encode(world.key.public().octets());
    let (own, other) = (dead(), dead());
    let (own_key, other_key) = (key(&own), key(&other));
    assert!(verified(&publish(own, &format!("pk={own_key}")).come(Sign::default())));
    let verdict = publish(other, &format!("pk={own_key}")).come(Sign::default());
    assert_eq!(verdict.reasons(), [Reason::DirectoryUnreachable], "{other_key}");
    assert_eq!(failed(&publish(World::new(), "pk=").come(Sign::default())), Some(Reason::Revoked));
    let html = World { directory: Some("<html>".into()), ..World::new() };
    assert_eq!(html.come(Sign::default()).reasons(), [Reason::DirectoryUnusable]);
    let empty = World { directory: Some(r#"{"keys":[]}"#.into()), ..World::new() };
    let own_key = key(&empty);
    assert_eq!(failed(&empty.come(Sign::default())), Some(Reason::KeyNotListed));
    assert!(verified(&publish(empty, &format!("pk={own_key}")).come(Sign::default())));
}

#[test]
fn a_record_that_cannot_be_looked_up_leaves_the_directory_to_vouch_alone() {
    let mut world = World::new();
    world.zone = "$ORIGIN another.example.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\n".into();
    let verdict = world.come(Sign::default());
    assert!(verified(&verdict), "{verdict:?}");
    assert_eq!(verdict.not_checked(), [Unchecked::Revocation, Unchecked::Target, Unchecked::Replay]);
}

#[test]
fn a_key_counts_within_its_own_times() {
    let came = |more: &str| {
        let mut world = World::new();
        world.directory = Some(format!(r#"{{"keys":[{}]}}"#, jwk(world.key.public(), more)));
        let verdict = world.come(Sign::default());
        (verified(&verdict), failed(&verdict))
    };
    let within = format!(r#","nbf":{NOW},"exp":{}"#, NOW + 1);
    assert_eq!(came(&within), (true, None));
    assert_eq!(came(&format!(r#","exp":{NOW}"#)), (false, Some(Reason::KeyExpired)));
    assert_eq!(came(&format!(r#","nbf":{}"#, NOW + 1)), (false, Some(Reason::KeyExpired)));
}

#[test]
fn covered_content_is_compared() {
    let with = |field: &str, content: Content| {
        let mut world = World::new();
        world.fields.push(("content-digest".to_owned(), field.to_owned()));
        world.content = content;
        let covered = vec![named("@authority"), named("signature-agent"), named("content-digest")];
        world.come(Sign { covered, ..Sign::default() })
    };
    let read = |octets: &[u8]| Content::Read(ContentDigests::of(octets));
    let hello = FieldDigest::of(b"hello").to_string();
    assert!(verified(&with(&hello, read(b"hello"))));
    assert_eq!(failed(&with(&hello, read(b"hallo"))), Some(Reason::BodyMismatch));
    assert_eq!(failed(&with("md5=:AAAA:", read(b"hello"))), Some(Reason::DigestUnusable));
    let streaming = with(&hello, Content::Streaming);
    assert!(verified(&streaming) && streaming.not_checked().contains(&Unchecked::Body));
    let uncovered = World { content: read(b"hello"), ..World::new() }.come(Sign::default());
    assert!(verified(&uncovered) && uncovered.not_checked().contains(&Unchecked::Body));
}

#[test]
fn a_signature_that_holds_for_other_targets_says_so() {
    let unchecked = |parts: &[&'static str]| {
        let all = ["@authority", "signature-agent"].iter().chain(parts);
        let covered = all.map(|name| named(name)).collect();
        World::new().come(Sign { covered, nonce: Some("one"), ..Sign::default() }).not_checked().to_vec()
    };
    for whole in
        [&["@method", "@path", "@query"][..], &["@method", "@target-uri"], &["@method", "@request-target"]]
    {
        assert_eq!(unchecked(whole), [], "{whole:?}");
    }
    for part in
        [&[][..], &["@method", "@path"], &["@path", "@query"], &["@target-uri"], &["@method", "@query"]]
    {
        assert_eq!(unchecked(part), [Unchecked::Target], "{part:?}");
    }
}

#[test]
fn of_content_only_what_is_covered_is_compared() {
    let with = |key: &'static str, field: String| {
        let mut world = World::new();
        world.fields.push(("content-digest".to_owned(), field));
        world.content = Content::Read(ContentDigests::of(b"hello"));
        let digest = Component::member("content-digest", key).unwrap();
        let covered = vec![named("@authority"), named("signature-agent"), digest];
        world.come(Sign { covered, ..Sign::default() })
    };
    let (hello, hallo) = (FieldDigest::of(b"hello").to_string(), FieldDigest::of(b"hallo").to_string());
    let checked = with("sha-256", hello.clone());
    assert!(verified(&checked) && !checked.not_checked().contains(&Unchecked::Body), "{checked:?}");
    assert_eq!(failed(&with("sha-256", hallo)), Some(Reason::BodyMismatch));
    let other = with("md5", format!("md5=:AAAA:, {hello}"));
    assert!(
        verified(&other) && other.not_checked().contains(&Unchecked::Body),
        "the good digest is unsigned"
    );
}

#[test]
fn a_signature_that_cannot_be_checked_hides_no_lie_and_lends_no_record() {
    let beside = |name: &str, value: &str, agent: &str, zone: &str| {
        let mut world = World::with_agent(agent);
        world.fields.push((name.to_owned(), value.to_owned()));
        world.zone.push_str(zone);
        world.come(Sign::default())
    };
    let lie = beside("user-agent", "Googlebot/2.1", "\"https://www.google.com\"", "");
    assert_eq!(failed(&lie), Some(Reason::CrawlerNotConfirmed), "whatever is signed beside it");
    let (claim, below) = (r#"dom="acme.example"; id="crawler-7""#, "\"https://evil.acme.example\"");
    let lent = "_saip.evil 300 IN TXT \"v=saip1; ip=192.0.2.0/24\"\n";
    for zone in ["", lent] {
        let verdict = beside("saip", claim, below, zone);
        assert_eq!(
            failed(&verdict),
            Some(Reason::NotConfirmed),
            "a name below does not speak for the domain"
        );
    }
    let own = "_saip 300 IN TXT \"v=saip1; ip=192.0.2.0/24\"\n";
    let verdict = beside("saip", claim, below, own);
    assert_eq!((verdict.mechanism(), verdict.class()), (Mechanism::DelegationRecord, Class::Partial));
}

#[test]
fn several_claims_are_one_only_if_they_name_one_domain() {
    let beside = |name: &str, value: &str| {
        let mut world = World::new();
        world.fields.push((name.to_owned(), value.to_owned()));
        world.come(Sign::default())
    };
    let googlebot = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
    assert_eq!(failed(&beside("user-agent", googlebot)), Some(Reason::ClaimsConflict));
    assert!(verified(&beside("user-agent", "acme-crawler/7.2")));
    let bare = beside("saip", r#"dom="acme.example"; id="crawler-7""#);
    assert!(verified(&bare), "a bare claim of the same registrable domain is proved by the signature");
    let other = beside("saip", r#"dom="other.example"; id="crawler-7""#);
    assert_eq!(failed(&other), Some(Reason::ClaimsConflict));
}

#[test]
fn a_nonce_is_used_once_for_as_long_as_the_signature_lasts() {
    for lasts in [60, 300, 301, 24 * 60 * 60] {
        let world = World::new();
        let judge = world.judge_for();
        let come = |nonce| {
            let one = world.sign(Sign { nonce, expires: Some(NOW + lasts), ..Sign::default() });
            world.judge_by(&judge, &one.signature_input, &one.signature)
        };
        let first = come(Some("one"));
        assert!(verified(&first) && first.not_checked() == [Unchecked::Target], "{lasts}: {first:?}");
        assert_eq!(failed(&come(Some("one"))), Some(Reason::Replayed), "{lasts}");
        assert!(verified(&come(Some("two"))), "{lasts}");
        assert!(verified(&come(None)) && verified(&come(None)), "without a nonce nothing is kept");
    }
    let world = World::new();
    let judge = world.judge_for();
    let mut one = world.sign(Sign { nonce: Some("one"), ..Sign::default() });
    let good = one.signature.clone();
    one.signature = one.signature.replacen("=:", "=:AAAA", 1);
    assert!(failed(&world.judge_by(&judge, &one.signature_input, &one.signature)).is_some());
    assert!(verified(&world.judge_by(&judge, &one.signature_input, &good)), "a forgery uses nothing up");
}

#[test]
fn keys_that_everyone_has_prove_nothing_where_rules_are_enforced() {
    // The example of the drafts: its signature lasts a hundred years.
    let agent = "agent2=\"https://signature-agent.test\"";
    let input = "sig2=(\"@authority\" \"signature-agent\";key=\"agent2\");created=1735689600;keyid=\"poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U\";alg=\"ed25519\";expires=4889289600;nonce=\"n9p433xm+NJ3ph3upfBIGmsuwHw387YV7Q/F+6BSpGCVjYCqQw6rznNA8PVVLySrAWsv0hQtFioQb6E1YsauiA==\";tag=\"web-bot-auth\"";
    let signature =
        "sig2=:RdNFx5Bj6au3YgAMQL/RzmUlZE8QZLIaXGRpw985hWnwPfMxT228NMk6ehRS1PSl4e8PhbNZACSanGdhEwYCCg==:";
    let mut world = World::with_agent(agent);
    (world.authority, world.ours) = ("example.com", "example.com");
    world.directory =
        Some(r#"{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#.into());
    world.url = format!("https://signature-agent.test{WELL_KNOWN}");
    assert_eq!(failed(&world.judge_fields(input, signature)), Some(Reason::LifetimeTooLong));
    world.rules.times.max_lifetime = u64::MAX;
    assert_eq!(failed(&world.judge_fields(input, signature)), Some(Reason::PublicTestKey));
    let altered = input.replace("4889289600", "4889289601");
    world.rules.refuse_test_keys = false;
    assert_eq!(failed(&world.judge_fields(&altered, signature)), Some(Reason::SignatureInvalid));
    // It holds; but nobody keeps a nonce for so long.
    let verdict = world.judge_fields(input, signature);
    assert_eq!(verdict.reasons(), [Reason::Expired, Reason::PublicTestKey]);
}
