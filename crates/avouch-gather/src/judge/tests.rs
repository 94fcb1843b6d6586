//! One request of each kind, judged from zone files; beside each the near miss that fails.

use super::*;
use crate::clock::ManualClock;
use crate::networks::Networks;
use avouch_dns::ZoneFiles;
use avouch_engine::claim::{BotRules, Catalogue};
use avouch_engine::evidence::{Dnssec, MAX_ASN_AGE, MAX_RANGES_AGE, Persistence};
use avouch_engine::reason::Reason;
use avouch_engine::request::{AddressEvidence, Content, Head, Peer};
use avouch_engine::verdict::{CheckName, Class, Mechanism, Standing};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::{Mode, RequestToSign, Signer, Speaker};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigests;
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use std::time::Duration;

mod breaker;
mod delegations;

const NOW: Time = Time::from_seconds(1_790_000_000);
const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1)";
const RANGES: &[u8] = br#"{"prefixes":[{"ipv4Prefix":"203.0.113.0/24"}]}"#;

struct World {
    judge: Judge,
    clock: Arc<ManualClock>,
    site: Site,
    signers: Vec<(KeyType, Signer)>,
}

/// What a visitor sends. The signature covers `signed`, the site receives `sent`.
struct Visit {
    saip: Option<String>,
    delegation: Option<String>,
    user_agent: &'static str,
    path: &'static str,
    authority: &'static str,
    peer: [u8; 4],
    evidence: AddressEvidence,
    content: Content,
}

impl Default for Visit {
    fn default() -> Self {
        Self {
            saip: None,
            delegation: None,
            user_agent: "curl/8",
            path: "/a?b",
            authority: "www.shop.example",
            peer: [203, 0, 113, 9],
            evidence: AddressEvidence::Client,
            content: Content::Empty,
        }
    }
}

impl World {
    fn new() -> Self {
        Self::with_zone("")
    }

    fn with_zone(extra: &str) -> Self {
        let kinds = [KeyType::Ed25519, KeyType::P256];
        let signers: Vec<_> = kinds.map(|kind| (kind, signer(kind, "bot", Some("acme.example")))).into();
        let key = |at: usize| b64u::encode(signers[at].1.public().octets());
        let acme = format!(
            "$ORIGIN acme.example.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\n@ A 198.51.100.7\n\
             bot._saip TXT \"v=saip1; pk={}\"\nbot._saip TXT \"v=saip1; k=p256; pk={}\"\n\
             _saip TXT \"v=saip1; ip=192.0.2.0/24; pk={0}\"\n{extra}\n",
            key(0),
            key(1)
        );
        let google =
            "$ORIGIN google.com.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\ncrawl-1.googlebot A 66.249.66.1\n";
        let googlebot = "$ORIGIN googlebot.com.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\ncrawl-1 A 66.249.66.1\n";
        let reverse = "$ORIGIN in-addr.arpa.\n$TTL 60\n@ SOA ns host 1 2 3 4 30\n\
             1.66.249.66 PTR crawl-1.googlebot.com.\n2.66.249.66 PTR crawl-1.googlebot.com.\n\
             4.66.249.66 PTR a.googlebot.com.\n4.66.249.66 PTR b.googlebot.com.\n\
             4.66.249.66 PTR c.googlebot.com.\n4.66.249.66 PTR d.googlebot.com.\n\
             4.66.249.66 PTR e.googlebot.com.\n4.66.249.66 PTR f.googlebot.com.\n\
             7.100.51.198 PTR www.acme.example.\n";
        let texts =
            [("acme", acme.as_str()), ("google", google), ("googlebot", googlebot), ("reverse", reverse)];
        let zones = ZoneFiles::parse(&texts, Dnssec::Insecure).unwrap();
        Self::with_dns(Dns::Zones(zones), NOW, signers)
    }

    fn with_dns(dns: Dns, now: Time, signers: Vec<(KeyType, Signer)>) -> Self {
        let clock = Arc::new(ManualClock::at(now));
        let replay = replay::Settings { capacity: 1 << 14, fresh: true, ..replay::Settings::default() };
        let settings = Settings { replay, ..Settings::default() };
        let own_clock = Arc::<ManualClock>::clone(&clock) as _;
        let judge = Judge::new(&settings, dns, Directories::default(), own_clock).unwrap();
        let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
        let catalogue = Arc::new(Catalogue::built_in().unwrap());
        let site = Site {
            authorities: vec![authority],
            accept_draft: false,
            catalogue,
            bots: Some(BotRules::default()),
            passes: None,
            registered: Arc::default(),
            entities: None,
            named: std::collections::BTreeSet::new(),
        };
        Self { judge, clock, site, signers }
    }

    fn sign(&self, kind: KeyType, mode: Mode) -> String {
        let (_, signer) = self.signers.iter().find(|(own, _)| *own == kind).unwrap();
        sign(signer, mode, Content::Empty, self.clock.now())
    }

    fn judge(&self, visit: Visit) -> Box<Verdict> {
        self.judge_within(&tokio::runtime::Builder::new_current_thread().build().unwrap(), visit)
    }

    fn judge_within(&self, runtime: &tokio::runtime::Runtime, visit: Visit) -> Box<Verdict> {
        let mut fields =
            vec![("host", visit.authority.as_bytes()), ("user-agent", visit.user_agent.as_bytes())];
        fields.extend(visit.saip.as_deref().map(|saip| ("saip", saip.as_bytes())));
        fields.extend(visit.delegation.as_deref().map(|token| ("saip-delegation", token.as_bytes())));
        let request = Request::read(Head {
            method: "GET",
            target: visit.path,
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.iter().copied(),
            peer: Peer { evidence: visit.evidence, ..Peer::client(visit.peer.into()) },
            content: visit.content,
        });
        runtime.block_on(self.judge.judge(&request.unwrap(), &self.site))
    }

    fn receive(&self, change: impl FnOnce(&mut Networks)) {
        let mut networks = (*self.judge.networks()).clone();
        change(&mut networks);
        self.judge.use_networks(networks);
    }

    fn judge_saip(&self, saip: &str) -> Box<Verdict> {
        self.judge(Visit { saip: Some(saip.to_owned()), ..Visit::default() })
    }
}

fn signer(kind: KeyType, agent: &str, domain: Option<&str>) -> Signer {
    let domain = domain.map(|domain| Domain::parse(domain).unwrap().into_owned());
    let agent = AgentId::parse(agent).unwrap().into_owned();
    let key = SecretKey::generate(kind, &mut SystemEntropy).unwrap();
    Signer::new(key, Speaker { domain, agent, instance: None })
}

fn sign(signer: &Signer, mode: Mode, content: Content, now: Time) -> String {
    let target = Target::parse("GET", "/a?b").unwrap();
    let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
    let request =
        RequestToSign { method: "GET", target: &target, authority: &authority, content: content.sha256() };
    signer.sign(request, mode, now).unwrap()
}

fn failed(verdict: &Verdict, reason: Reason) {
    assert_eq!((verdict.standing(), verdict.reasons()[0]), (Standing::Invalid, reason), "{verdict:?}");
    assert!(verdict.identity().is_none() && verdict.mechanism() == Mechanism::None);
}

fn undetermined(verdict: &Verdict, reason: Reason) {
    let standing = Standing::Undetermined(Persistence::Temporary);
    assert_eq!((verdict.standing(), verdict.reasons()[0]), (standing, reason), "{verdict:?}");
}

/// What a check says to a human reader.
fn detail(verdict: &Verdict, name: CheckName) -> &str {
    &verdict.checks().iter().find(|check| check.name == name).unwrap().detail
}

#[test]
fn no_claim_is_anonymous() {
    let verdict = World::new().judge(Visit::default());
    assert_eq!((verdict.standing(), verdict.reasons()), (Standing::Anonymous, &[Reason::NoClaim][..]));
}

#[test]
fn every_published_key_is_verified_in_every_mode() {
    let modes = [
        (Mode::Rolling(KeyType::Ed25519), Mechanism::SaipRolling),
        (Mode::Rolling(KeyType::P256), Mechanism::SaipRolling),
        (Mode::Direct, Mechanism::SaipDirect),
    ];
    for kind in [KeyType::Ed25519, KeyType::P256] {
        for (mode, mechanism) in modes {
            let world = World::new();
            let verdict = world.judge_saip(&world.sign(kind, mode));
            assert_eq!((verdict.class(), verdict.mechanism()), (Class::Verified, mechanism), "{verdict:?}");
            assert_eq!(verdict.identity().unwrap().to_string(), "bot@acme.example");
            assert_eq!(verdict.valid_until(), Some(NOW.after(Duration::from_secs(60))), "the records' TTL");
        }
    }
    let world = World::new();
    let stateless = world.judge_saip(&world.sign(KeyType::Ed25519, Mode::Stateless));
    assert_eq!((stateless.class(), stateless.mechanism()), (Class::Verified, Mechanism::SaipStateless));
    failed(&world.judge_saip(&world.sign(KeyType::P256, Mode::Stateless)), Reason::KeyMismatch);
}

#[test]
fn a_signature_is_accepted_once() {
    let world = World::new();
    let saip = world.sign(KeyType::Ed25519, Mode::Rolling(KeyType::Ed25519));
    assert_eq!(world.judge_saip(&saip).class(), Class::Verified);
    failed(&world.judge_saip(&saip), Reason::Replayed);
}

#[test]
fn each_request_of_a_batch_is_accepted_once_and_for_its_own_path() {
    let world = World::new();
    let target = Target::parse("GET", "/a?b").unwrap();
    let authority = Authority::parse("www.shop.example", Scheme::Https).unwrap();
    let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
    for (kind, signer) in &world.signers {
        let batch = signer.sign_batch(&[request; 3], KeyType::Ed25519, NOW).unwrap();
        for saip in &batch {
            let elsewhere = Visit { saip: Some(saip.clone()), path: "/a?c", ..Visit::default() };
            failed(&world.judge(elsewhere), Reason::CertificateInvalid);
            let verdict = world.judge_saip(saip);
            assert_eq!(
                (verdict.class(), verdict.mechanism()),
                (Class::Verified, Mechanism::SaipRolling),
                "{kind:?}"
            );
        }
        for saip in &batch {
            failed(&world.judge_saip(saip), Reason::Replayed);
        }
    }
}

#[test]
fn a_changed_request_is_refused_and_leaves_no_trace() {
    let world = World::new();
    let saip = Some(world.sign(KeyType::P256, Mode::Rolling(KeyType::Ed25519)));
    let path = world.judge(Visit { saip: saip.clone(), path: "/a?c", ..Visit::default() });
    failed(&path, Reason::CertificateInvalid);
    let site = world.judge(Visit { saip: saip.clone(), authority: "evil.example", ..Visit::default() });
    failed(&site, Reason::AudienceMismatch);
    assert_eq!(world.judge(Visit { saip, ..Visit::default() }).class(), Class::Verified);
    let direct = Some(world.sign(KeyType::P256, Mode::Direct));
    failed(&world.judge(Visit { saip: direct, path: "/", ..Visit::default() }), Reason::SignatureInvalid);
}

#[test]
fn a_site_that_is_not_ours_is_refused_even_when_signed_for() {
    let mut world = World::new();
    world.site.authorities = vec![Authority::parse("other.example", Scheme::Https).unwrap()];
    failed(&world.judge_saip(&world.sign(KeyType::Ed25519, Mode::Direct)), Reason::AuthorityNotOurs);
}

#[test]
fn without_authorities_the_class_is_two_at_most() {
    let mut world = World::new();
    world.site.authorities.clear();
    let verdict = world.judge_saip(&world.sign(KeyType::Ed25519, Mode::Direct));
    assert_eq!(verdict.standing(), Standing::Partial);
    assert!(verdict.reasons().contains(&Reason::AuthoritiesUnset));
}

#[test]
fn the_time_window_is_exact() {
    for (later, reason) in [(300, None), (301, Some(Reason::Expired))] {
        let world = World::new();
        let saip = world.sign(KeyType::Ed25519, Mode::Direct);
        world.clock.set(Time::from_seconds(NOW.seconds() + later));
        let verdict = world.judge_saip(&saip);
        assert_eq!(verdict.class() == Class::Verified, reason.is_none(), "{verdict:?}");
        reason.into_iter().for_each(|reason| failed(&verdict, reason));
    }
    for (earlier, verified) in [(30, true), (31, false)] {
        let world = World::new();
        let saip = world.sign(KeyType::Ed25519, Mode::Direct);
        world.clock.set(Time::from_seconds(NOW.seconds() - earlier));
        assert_eq!(world.judge_saip(&saip).class() == Class::Verified, verified);
    }
}

#[test]
fn a_digest_binds_the_content() {
    let world = World::new();
    let signed = Content::Read(ContentDigests::of(b"hello"));
    let saip = Some(sign(&world.signers[0].1, Mode::Direct, signed, NOW));
    let swapped = Content::Read(ContentDigests::of(b"hallo"));
    failed(
        &world.judge(Visit { saip: saip.clone(), content: swapped, ..Visit::default() }),
        Reason::BodyMismatch,
    );
    let verdict = world.judge(Visit { saip, content: signed, ..Visit::default() });
    assert_eq!((verdict.class(), verdict.not_checked()), (Class::Verified, &[][..]));
}

#[test]
fn an_unpublished_agent_and_a_strangers_key_are_refused() {
    let world = World::new();
    let nobody = signer(KeyType::Ed25519, "nobody", Some("acme.example"));
    failed(&world.judge_saip(&sign(&nobody, Mode::Direct, Content::Empty, NOW)), Reason::KeyNotPublished);
    let thief = signer(KeyType::Ed25519, "bot", Some("acme.example"));
    failed(&world.judge_saip(&sign(&thief, Mode::Direct, Content::Empty, NOW)), Reason::SignatureInvalid);
    let rolling = sign(&thief, Mode::Rolling(KeyType::Ed25519), Content::Empty, NOW);
    failed(&world.judge_saip(&rolling), Reason::CertificateInvalid);
}

#[test]
fn an_empty_key_revokes_at_the_name_and_below() {
    for extra in ["bot._saip TXT \"v=saip1; pk=\"", "_saip TXT \"v=saip1; pk=\""] {
        let world = World::with_zone(extra);
        failed(&world.judge_saip(&world.sign(KeyType::Ed25519, Mode::Direct)), Reason::Revoked);
        failed(&world.judge_saip(&world.sign(KeyType::Ed25519, Mode::Stateless)), Reason::Revoked);
    }
}

#[test]
fn a_name_nobody_can_look_up_leaves_the_claim_undetermined() {
    let world = World::new();
    let elsewhere = signer(KeyType::Ed25519, "bot", Some("elsewhere.test"));
    let verdict = world.judge_saip(&sign(&elsewhere, Mode::Direct, Content::Empty, NOW));
    assert_eq!(verdict.standing(), Standing::Undetermined(Persistence::Temporary));
    assert_eq!((verdict.identity(), verdict.claimed()), (None, Some("bot@elsewhere.test")));
}

#[test]
fn a_key_alone_is_a_pseudonym() {
    let world = World::new();
    let stranger = signer(KeyType::P256, "whoever", None);
    let saip = sign(&stranger, Mode::Stateless, Content::Empty, NOW);
    let verdict = world.judge_saip(&saip);
    assert_eq!(
        (verdict.standing(), verdict.identity(), verdict.claimed()),
        (Standing::Pseudonymous, None, None)
    );
    assert_eq!(verdict.pseudonym(), Some(signer_key(&stranger)));
    failed(&world.judge_saip(&saip), Reason::Replayed);
}

fn signer_key(signer: &Signer) -> &avouch_wire::key::Fingerprint {
    signer.public().fingerprint()
}

#[test]
fn a_testing_key_succeeds_for_nothing_and_fails_as_any_other() {
    let world = World::new();
    let key = signer(KeyType::Ed25519, "new", Some("acme.example"));
    let record = format!("new._saip TXT \"v=saip1; t=y; pk={}\"", b64u::encode(key.public().octets()));
    let testing = World::with_zone(&record);
    let verdict = testing.judge_saip(&sign(&key, Mode::Direct, Content::Empty, NOW));
    assert_eq!((verdict.standing(), verdict.reasons()[0]), (Standing::Anonymous, Reason::Testing));
    assert!(verdict.checks().iter().any(|check| check.name == CheckName::Testing));
    failed(&world.judge_saip(&sign(&key, Mode::Direct, Content::Empty, NOW)), Reason::KeyNotPublished);
}

#[test]
fn a_bare_claim_is_judged_by_the_network() {
    let world = World::new();
    let claim = Some("dom=\"acme.example\"; id=\"bot\"".to_owned());
    let cases =
        [([198, 51, 100, 7], Mechanism::ForwardAddress), ([192, 0, 2, 77], Mechanism::DelegationRecord)];
    for (peer, mechanism) in cases {
        let verdict = world.judge(Visit { saip: claim.clone(), peer, ..Visit::default() });
        assert_eq!((verdict.class(), verdict.mechanism()), (Class::Partial, mechanism), "{verdict:?}");
        assert_eq!(verdict.identity().unwrap().to_string(), "acme.example");
    }
    failed(&world.judge(Visit { saip: claim.clone(), ..Visit::default() }), Reason::NotConfirmed);
    let revoked = World::with_zone("_saip TXT \"v=saip1; pk=\"");
    failed(
        &revoked.judge(Visit { saip: claim, peer: [198, 51, 100, 7], ..Visit::default() }),
        Reason::Revoked,
    );
}

#[test]
fn a_crawlers_user_agent_is_a_claim() {
    let world = World::new();
    let visit = |peer| world.judge(Visit { user_agent: CRAWLER, peer, ..Visit::default() });
    let confirmed = visit([66, 249, 66, 1]);
    assert_eq!((confirmed.class(), confirmed.mechanism()), (Class::Partial, Mechanism::ForwardConfirmed));
    assert_eq!(confirmed.identity().unwrap().to_string(), "google.com");
    failed(&visit([66, 249, 66, 2]), Reason::CrawlerNotConfirmed);
    failed(&visit([66, 249, 66, 3]), Reason::CrawlerNotConfirmed);
    // More names than are followed: those left over are no reason to doubt that it lied.
    failed(&visit([66, 249, 66, 4]), Reason::CrawlerNotConfirmed);
    let saip = Some(world.sign(KeyType::Ed25519, Mode::Direct));
    failed(&world.judge(Visit { saip, user_agent: CRAWLER, ..Visit::default() }), Reason::ClaimsConflict);
}

#[test]
fn a_second_claim_conflicts_whatever_the_first_came_to_short_of_failing() {
    let key = signer(KeyType::Ed25519, "new", Some("acme.example"));
    let published = b64u::encode(key.public().octets());
    let world = World::with_zone(&format!("new._saip TXT \"v=saip1; t=y; pk={published}\""));
    let visit = |saip: String, user_agent| {
        let peer = [198, 51, 100, 7]; // acme.example's own address
        world.judge(Visit { saip: Some(saip), user_agent, peer, ..Visit::default() })
    };
    let elsewhere = signer(KeyType::Ed25519, "bot", Some("elsewhere.test"));
    let bare = || "dom=\"acme.example\"; id=\"bot\"".to_owned();
    let direct = |signer: &Signer| sign(signer, Mode::Direct, Content::Empty, NOW);
    let own = "acme-crawler/1.0";
    assert_eq!(visit(bare(), own).standing(), Standing::Partial);
    failed(&visit(bare(), CRAWLER), Reason::ClaimsConflict);
    assert_eq!(visit(direct(&key), own).reasons()[0], Reason::Testing);
    failed(&visit(direct(&key), CRAWLER), Reason::ClaimsConflict);
    assert_eq!(visit(direct(&elsewhere), own).standing(), Standing::Undetermined(Persistence::Temporary));
    failed(&visit(direct(&elsewhere), CRAWLER), Reason::ClaimsConflict);
    let nobody = signer(KeyType::Ed25519, "nobody", Some("acme.example"));
    failed(&visit(direct(&nobody), CRAWLER), Reason::KeyNotPublished);
}

#[test]
fn a_malformed_header_is_a_claim_that_failed() {
    let world = World::new();
    failed(&world.judge_saip("dom=\"acme.example\""), Reason::HeaderMalformed);
    failed(&world.judge_saip(""), Reason::HeaderMalformed);
}

#[test]
fn a_bare_claim_is_delegated_by_the_autonomous_system_of_the_address() {
    let world = World::with_zone("_saip TXT \"v=saip1; asn=64500,64501\"");
    let visit = |peer| {
        let saip = Some("dom=\"acme.example\"; id=\"bot\"".to_owned());
        world.judge(Visit { saip, peer, ..Visit::default() })
    };
    let (inside, beside, unlisted) = ([203, 0, 113, 7], [198, 18, 0, 1], [198, 19, 0, 1]);
    for peer in [inside, beside, unlisted] {
        undetermined(&visit(peer), Reason::AsnUnknown);
    }
    let table = b"203.0.113.0/24,64499\n203.0.113.0/24,64501\n198.18.0.0/16,64502\n";
    world.receive(|networks| networks.receive_asn("table", table, NOW).unwrap());
    let delegated = visit(inside);
    assert_eq!((delegated.class(), delegated.mechanism()), (Class::Partial, Mechanism::DelegationRecord));
    assert_eq!(detail(&delegated, CheckName::DelegationRecord), "AS64499 AS64501, data 0 h old");
    failed(&visit(beside), Reason::NotConfirmed);
    undetermined(&visit(unlisted), Reason::AsnUnknown);
    // What something else confirms or refutes needs no table: the address of the domain, its own
    // network, and a domain that names no autonomous system.
    assert_eq!(visit([198, 51, 100, 7]).mechanism(), Mechanism::ForwardAddress);
    assert_eq!(visit([192, 0, 2, 77]).mechanism(), Mechanism::DelegationRecord);
    world.clock.advance(MAX_ASN_AGE + Duration::from_secs(1));
    undetermined(&visit(inside), Reason::AsnUnknown);
    undetermined(&visit(beside), Reason::AsnUnknown);
    assert_eq!(detail(&visit(inside), CheckName::DelegationRecord), "AS64499 AS64501, data 30 d old");
}

#[test]
fn a_domain_that_is_revoked_delegates_to_no_autonomous_system() {
    let revoked = World::with_zone("_saip TXT \"v=saip1; asn=64500\"\n_saip TXT \"v=saip1; pk=\"");
    let tried = World::with_zone("_saip TXT \"v=saip1; asn=64500; t=y\"");
    for (world, reason) in [(revoked, Reason::Revoked), (tried, Reason::NotConfirmed)] {
        world.receive(|networks| networks.receive_asn("table", b"203.0.113.0/24,64500", NOW).unwrap());
        let saip = Some("dom=\"acme.example\"; id=\"bot\"".to_owned());
        failed(&world.judge(Visit { saip, peer: [203, 0, 113, 7], ..Visit::default() }), reason);
    }
}

#[test]
fn a_crawler_without_names_is_judged_by_its_ranges() {
    let world = World::new();
    let visit = |peer| world.judge(Visit { user_agent: "GPTBot/1.4", peer, ..Visit::default() });
    let (inside, outside) = ([203, 0, 113, 7], [203, 0, 114, 7]);
    undetermined(&visit(inside), Reason::CrawlerNotCheckable);
    world.receive(|networks| networks.receive_ranges("GPTBot", "file", RANGES, NOW).unwrap());
    let confirmed = visit(inside);
    assert_eq!((confirmed.class(), confirmed.mechanism()), (Class::Partial, Mechanism::CrawlerRange));
    assert_eq!(confirmed.reasons(), [Reason::RangeConfirmed]);
    assert_eq!(confirmed.identity().unwrap().to_string(), "openai.com");
    assert_eq!(confirmed.valid_until(), Some(NOW.after(MAX_RANGES_AGE)));
    failed(&visit(outside), Reason::CrawlerNotConfirmed);
    world.clock.advance(MAX_RANGES_AGE);
    assert_eq!(visit(inside).mechanism(), Mechanism::CrawlerRange);
    world.clock.advance(Duration::from_millis(1));
    for peer in [inside, outside] {
        undetermined(&visit(peer), Reason::RangesStale);
    }
    assert_eq!(detail(&visit(inside), CheckName::CrawlerRange), "data 14 d old");
}

#[test]
fn a_crawler_with_names_is_confirmed_by_ranges_or_names() {
    let world = World::new();
    let visit = |peer| world.judge(Visit { user_agent: CRAWLER, peer, ..Visit::default() });
    let (named, forged, listed) = ([66, 249, 66, 1], [66, 249, 66, 2], [203, 0, 113, 7]);
    failed(&visit(listed), Reason::CrawlerNotConfirmed);
    world.receive(|networks| networks.receive_ranges("Googlebot", "file", RANGES, NOW).unwrap());
    assert_eq!(visit(listed).mechanism(), Mechanism::CrawlerRange);
    assert_eq!(visit(named).mechanism(), Mechanism::ForwardConfirmed);
    failed(&visit(forged), Reason::CrawlerNotConfirmed);
    world.clock.advance(MAX_RANGES_AGE + Duration::from_secs(1));
    assert_eq!(visit(named).mechanism(), Mechanism::ForwardConfirmed);
    failed(&visit(listed), Reason::CrawlerNotConfirmed);
}
