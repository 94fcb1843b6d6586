//! Privacy Pass tokens: redeemed once, here, in time, and on the word of an attester who can be verified.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use avouch_dns::SignedZones;
use avouch_gateway::config::Endpoint;
use avouch_keys::SecretKey;
use avouch_keys::delegation;
use avouch_keys::entropy::SystemEntropy;
use avouch_test_issuer::{Issuer, challenge_by, issue};
use avouch_wire::b64u;
use avouch_wire::delegation::{Grant, Scope, Subject};
use avouch_wire::key::KeyType;
use avouch_wire::name::Domain;
use avouch_wire::privacy_pass::{Token, TokenChallenge};
use avouch_wire::time::Time;
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::task::JoinSet;

use super::crash::{self, Program};
use super::world::{Agent, Ask, CLOSED, NOW, OPEN, Plan, SITE, Seen, World, anonymous, request};

/// Where class 2 gets through, and nothing less.
pub(super) const VOUCHED: &str = "/vouched";

/// An attester, and an issuer that it has issue tokens.
pub(super) struct Attester {
    issuer: Issuer,
    key: SecretKey,
    folder: tempfile::TempDir,
}

impl Attester {
    pub(super) fn new() -> Self {
        let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap();
        Self { issuer: Issuer::generate().unwrap(), key, folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn record(&self) -> String {
        self.record_with("")
    }

    fn record_with(&self, more: &str) -> String {
        let key = b64u::encode(self.key.public().octets());
        format!("_saip.attester.example. 300 TXT \"v=saip1; pk={key}{more}\"\n")
    }

    pub(super) fn grant(&self) -> Grant {
        Grant {
            issuer: Domain::parse("attester.example").unwrap(),
            subject: Subject::Key(*self.issuer.key().id()),
            not_before: NOW - 1_000,
            expires: NOW + 100_000,
            scopes: vec![Scope::parse("* /").unwrap()],
            audience: vec![],
            id: "1".to_owned(),
        }
    }

    /// What a gateway is told of it, whose attester says this.
    pub(super) fn lines(&self, grant: &Grant) -> String {
        let file = self.folder.path().join("issuer.jwt");
        fs::write(&file, delegation::issue(&self.key, grant).unwrap() + "\n").unwrap();
        self.table(&file)
    }

    fn table(&self, file: &Path) -> String {
        format!(
            "[[privacy_pass]]\nissuer = 'issuer.example'\nkey = '{}'\nattester = 'attester.example'\n\
             delegation = '{}'\ntrust = 2\n[[route]]\npath = '{VOUCHED}'\nmode = 'enforce'\nrequire = 2\n",
            self.issuer.key().text(),
            file.display()
        )
    }

    fn plan(&self, records: &str) -> Plan {
        self.plan_granting(records, &self.grant())
    }

    fn plan_granting(&self, records: &str, grant: &Grant) -> Plan {
        Plan::records(records).lines(&self.lines(grant))
    }

    async fn world(&self) -> World {
        self.plan(&self.record()).start().await
    }

    /// A token for the challenge that this answer holds.
    pub(super) fn answer(&self, answer: &Message) -> Token {
        issue(&self.issuer, &self.challenge(answer)).unwrap()
    }

    pub(super) fn challenge(&self, answer: &Message) -> TokenChallenge {
        assert_eq!(answer.status(), 401, "{}", answer.head);
        let fields = answer.fields("www-authenticate");
        challenge_by(self.issuer.key(), fields.into_iter()).expect("a challenge")
    }

    /// A token that this site asked for just now.
    async fn token(&self, world: &World) -> Token {
        self.answer(&world.send(anonymous(VOUCHED)).await)
    }
}

pub(super) fn redeeming(path: &str, token: &Token) -> Vec<u8> {
    request(Ask::get(path), &field(token))
}

fn field(token: &Token) -> String {
    format!("Authorization: PrivateToken token=\"{}\"\r\n", token.text())
}

impl Seen {
    #[track_caller]
    fn is_vouched_for(&self) {
        let told =
            ["class", "standing", "identity", "mechanism"].map(|name| self.told(name).unwrap_or_default());
        assert_eq!(told, ["2", "partial", "-", "privacy-pass"], "{self:#?}");
        let verdict = &self.line["verdict"];
        assert_eq!(
            (&verdict["via"], &verdict["reasons"][0]),
            (&"attester.example".into(), &"pass-redeemed".into())
        );
        assert!(verdict["identity"].is_null() && verdict["claimed"].is_null());
    }
}

#[tokio::test]
async fn a_token_that_was_asked_for_is_redeemed_once_and_goes_no_further() {
    let attester = Attester::new();
    let world = attester.world().await;
    let token = attester.token(&world).await;
    let seen = world.see(redeeming(VOUCHED, &token)).await;
    seen.is_vouched_for();
    assert_eq!(seen.reached.as_ref().unwrap().field("authorization"), None);
    for path in [VOUCHED, OPEN, "/vouched/else"] {
        world.see(redeeming(path, &token)).await.is_not_verified("replayed");
    }
    world.see(redeeming(VOUCHED, &token)).await.is_kept_out("replayed");
    let another = attester.token(&world).await;
    world.see(redeeming(VOUCHED, &another)).await.is_vouched_for();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_token_on_64_sockets_at_once_is_accepted_once() {
    let attester = Attester::new();
    let world = attester.world().await;
    let sent = redeeming(VOUCHED, &attester.token(&world).await);
    let (address, begin) = (world.address(), Arc::new(tokio::sync::Barrier::new(64)));
    let mut sockets = JoinSet::new();
    for _ in 0..64 {
        let (sent, begin) = (sent.clone(), Arc::clone(&begin));
        sockets.spawn(async move {
            let mut client = testkit::raw::Raw::connect(address).await.unwrap();
            begin.wait().await;
            client.send(sent).await.unwrap();
            client.answer().await.unwrap().unwrap().status()
        });
    }
    let statuses = sockets.join_all().await;
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    assert_eq!(world.completed().len(), 1);
}

#[tokio::test]
async fn a_token_counts_until_the_end_of_the_epoch_after_its_challenge() {
    let attester = Attester::new();
    let world = attester.world().await;
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(attester.token(&world).await);
    }
    // The epoch of now began 50 s ago.
    for (token, (later, reason)) in tokens.iter().zip([
        (249, ""),
        (250, "pass-expired"),
        (1_749, "pass-expired"),
        (1_750, "pass-challenge-unknown"),
    ]) {
        world.clock.set(Time::from_seconds(NOW + later));
        let seen = world.see(redeeming(VOUCHED, token)).await;
        if reason.is_empty() { seen.is_vouched_for() } else { seen.is_kept_out(reason) }
    }
    world.clock.set(Time::from_seconds(NOW + 249));
    world.see(redeeming(VOUCHED, &tokens[0])).await.is_kept_out("replayed");
}

#[tokio::test]
async fn a_token_counts_at_the_site_that_asked_for_it() {
    let attester = Attester::new();
    let plan = attester.plan(&attester.record()).sites("['www.shop.example', 'other.shop.example']");
    let world = plan.start().await;
    let elsewhere = Ask::get(VOUCHED).to("other.shop.example");
    let there = attester.answer(&world.send(request(elsewhere, "")).await);
    world.see(redeeming(VOUCHED, &there)).await.is_kept_out("pass-elsewhere");
    world.see(request(elsewhere, &field(&there))).await.is_vouched_for();
    // A site of somebody else, who makes challenges for ours.
    for context in [[0; 32], [7; 32]] {
        let forged = TokenChallenge::new("issuer.example", context, SITE).unwrap();
        let token = issue(&attester.issuer, &forged).unwrap();
        world.see(redeeming(VOUCHED, &token)).await.is_kept_out("pass-challenge-unknown");
    }
    // Tokens that count anywhere and at any time are never asked for, and never taken.
    let unbound = TokenChallenge::parse(b"\x00\x02\x00\x0eissuer.example\x00\x00\x00").unwrap();
    let token = issue(&attester.issuer, &unbound).unwrap();
    world.see(redeeming(VOUCHED, &token)).await.is_kept_out("pass-challenge-unknown");
    let not_ours = request(Ask::get(VOUCHED).to("evil.example"), &field(&token));
    world.see(not_ours).await.is_kept_out("authority-not-ours");
    assert!(
        world.send(request(Ask::get(VOUCHED).to("evil.example"), "")).await.fields("www-authenticate").len()
            == 1
    );
}

#[tokio::test]
async fn nginx_is_given_every_challenge_on_one_line() {
    let attester = Attester::new();
    let lines = "verify.listen = '127.0.0.1:0'\ntrusted_proxies = '127.0.0.1'\n".to_owned();
    let plan = Plan::records(attester.record()).lines(&(lines + &attester.lines(&attester.grant())));
    let world = plan.start().await;
    let verify = world.running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    let ask = |more: &str| {
        format!(
            "GET /verify HTTP/1.1\r\nHost: auth\r\nX-Original-Method: GET\r\nX-Original-URI: {VOUCHED}\r\n\
             X-Forwarded-Host: {SITE}\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n{more}\r\n"
        )
    };
    let asked = exchange(verify, ask("")).await.unwrap().unwrap();
    let [line] = asked.fields("www-authenticate")[..] else { panic!("one line: {}", asked.head) };
    assert!(line.starts_with("PrivateToken ") && line.ends_with(", SAIP"), "{line}");
    let token = attester.answer(&asked);
    let allowed = exchange(verify, ask(&field(&token))).await.unwrap().unwrap();
    assert_eq!((allowed.status(), allowed.field("avouch-mechanism")), (204, Some("privacy-pass")));
    // Both listeners share what was redeemed.
    world.see(redeeming(VOUCHED, &token)).await.is_kept_out("replayed");
}

#[tokio::test]
async fn only_the_issuer_makes_tokens() {
    let (attester, other) = (Attester::new(), Issuer::generate().unwrap());
    let world = attester.world().await;
    let challenge = attester.challenge(&world.send(anonymous(VOUCHED)).await);
    let foreign = issue(&other, &challenge).unwrap();
    world.see(redeeming(VOUCHED, &foreign)).await.is_kept_out("pass-key-unknown");
    let id = *attester.issuer.key().id().as_bytes();
    let relabelled = Token::new(*foreign.nonce(), challenge.digest(), id, *foreign.authenticator());
    world.see(redeeming(VOUCHED, &relabelled)).await.is_kept_out("pass-invalid");
    let good = issue(&attester.issuer, &challenge).unwrap();
    let renamed = Token::new([9; 32], challenge.digest(), id, *good.authenticator());
    world.see(redeeming(VOUCHED, &renamed)).await.is_kept_out("pass-invalid");
    world.see(redeeming(VOUCHED, &good)).await.is_vouched_for();
}

#[tokio::test]
async fn an_attester_that_cannot_be_verified_vouches_for_nobody() {
    let attester = Attester::new();
    let other = Attester::new();
    let revoked = attester.record() + "_saip.attester.example. 300 TXT \"v=saip1; pk=\"\n";
    for (records, reason) in [
        (String::new(), "attester-unverified"),
        ("_saip.attester.example. 300 TXT \"v=saip1\"\n".to_owned(), "attester-unverified"),
        (attester.record_with(&format!("; exp={NOW}")), "attester-unverified"),
        (revoked, "revoked"),
        (other.record(), "attester-undelegated"),
    ] {
        let world = attester.plan(&records).start().await;
        let token = attester.token(&world).await;
        world.see(redeeming(VOUCHED, &token)).await.is_kept_out(reason);
    }
    let world = attester.plan(&attester.record_with("; t=y")).start().await;
    let seen = world.see(redeeming(OPEN, &attester.token(&world).await)).await;
    assert_eq!((seen.told("class"), seen.reasons()), (Some("0"), vec!["testing"]), "{seen:#?}");
}

#[tokio::test]
async fn what_is_unknown_of_an_attester_is_unknown() {
    let attester = Attester::new();
    let world = attester.plan(&attester.record()).start_signed().await;
    world.zones.as_ref().unwrap().mute("attester.example");
    let token = attester.token(&world).await;
    let seen = world.see(redeeming(VOUCHED, &token)).await;
    seen.is_kept_out("dns-timeout");
    assert_eq!(seen.answer.status(), 503);
    assert_eq!(seen.line["verdict"]["standing"], "undetermined");
}

#[tokio::test]
async fn an_attesters_word_bounds_what_its_tokens_count_for() {
    let attester = Attester::new();
    let narrow = Grant { scopes: vec![Scope::parse("GET /vouched/for").unwrap()], ..attester.grant() };
    let world = attester.plan_granting(&attester.record(), &narrow).start().await;
    let token = attester.token(&world).await;
    world.see(redeeming(VOUCHED, &token)).await.is_kept_out("attester-undelegated");
    world.see(redeeming("/vouched/for", &token)).await.is_vouched_for();
    // Whoever has no word in force, or none for this site, is not asked for tokens.
    let shop =
        avouch_wire::authority::Authority::parse("shop.example", avouch_wire::authority::Scheme::Https);
    for grant in [
        Grant { not_before: NOW + 1, ..attester.grant() },
        Grant { expires: NOW, ..attester.grant() },
        Grant { audience: vec![shop.unwrap()], ..attester.grant() },
    ] {
        let world = attester.plan_granting(&attester.record(), &grant).start().await;
        assert_eq!(world.send(anonymous(VOUCHED)).await.fields("www-authenticate"), ["SAIP"]);
    }
}

#[tokio::test]
async fn an_attesters_word_ends_when_it_ends() {
    let attester = Attester::new();
    let grant = Grant { expires: NOW + 100, ..attester.grant() };
    let world = attester.plan_granting(&attester.record(), &grant).start().await;
    let (first, second) = (attester.token(&world).await, attester.token(&world).await);
    world.clock.set(Time::from_seconds(NOW + 99));
    world.see(redeeming(VOUCHED, &first)).await.is_vouched_for();
    world.clock.set(Time::from_seconds(NOW + 100));
    world.see(redeeming(VOUCHED, &second)).await.is_kept_out("attester-undelegated");
}

#[tokio::test]
async fn whoever_says_who_they_are_is_judged_by_that_and_keeps_the_token() {
    let (attester, bot) = (Attester::new(), Agent::new("bot", "acme.example"));
    let world = attester.plan(&(attester.record() + &bot.record())).start().await;
    let token = attester.token(&world).await;
    let header = bot.header(Ask::get(CLOSED));
    let seen = world.see(request(Ask::get(CLOSED), &format!("SAIP: {header}\r\n{}", field(&token)))).await;
    seen.is_verified("bot@acme.example");
    assert!(seen.reasons().contains(&"pass-unneeded"), "{seen:#?}");
    let liar = format!("User-Agent: Googlebot/2.1\r\n{}", field(&token));
    world.see(request(Ask::get(VOUCHED), &liar)).await.is_kept_out("crawler-not-confirmed");
    world.see(redeeming(VOUCHED, &token)).await.is_vouched_for();
}

#[tokio::test]
async fn a_token_that_fails_is_worse_than_none() {
    let (attester, bot) = (Attester::new(), Agent::new("bot", "acme.example"));
    let world = attester.plan(&(attester.record() + &bot.record())).start().await;
    let token = attester.token(&world).await;
    let text = token.text();
    for (value, reason) in [
        ("PrivateToken".to_owned(), "pass-malformed"),
        (format!("PrivateToken {text}"), "pass-malformed"),
        (format!("PrivateToken token=\"{text}AAAA\""), "pass-malformed"),
        (format!("PrivateToken token=\"{text}\"\r\nAuthorization: Basic eA=="), "pass-malformed"),
        (
            format!("PrivateToken token=\"{text}\"\r\nAuthorization: PrivateToken token=\"{text}\""),
            "pass-malformed",
        ),
        (
            format!("PrivateToken token=\"{}\"", text.replacen(text.split_at(400).1, &"A".repeat(72), 1)),
            "pass-invalid",
        ),
    ] {
        world
            .see(request(Ask::get(OPEN), &format!("Authorization: {value}\r\n")))
            .await
            .is_not_verified(reason);
        let header = bot.header(Ask::get(CLOSED));
        let both = format!("SAIP: {header}\r\nAuthorization: {value}\r\n");
        world.see(request(Ask::get(CLOSED), &both)).await.is_kept_out(reason);
    }
    world.see(redeeming(VOUCHED, &token)).await.is_vouched_for();
}

#[tokio::test]
async fn nobody_needs_a_token_and_other_credentials_pass_untouched() {
    let attester = Attester::new();
    let world = attester.world().await;
    for value in ["Basic eA==", "Bearer PrivateToken"] {
        let seen = world.see(request(Ask::get(OPEN), &format!("Authorization: {value}\r\n"))).await;
        assert_eq!((seen.told("class"), seen.reasons()), (Some("0"), vec!["no-claim"]), "{seen:#?}");
        assert_eq!(seen.reached.as_ref().unwrap().field("authorization"), Some(value));
    }
    // A token that means nothing says nothing (RFC 9577 section 6.2.1), and is for nobody.
    let seen = world.see(request(Ask::get(OPEN), "Authorization: PrivateToken token=\"Aqp4eHh4\"\r\n")).await;
    assert_eq!((seen.told("class"), seen.reasons()), (Some("0"), vec!["no-claim"]), "{seen:#?}");
    // Where no issuer is configured, all of it is the upstream's own.
    let (world, _) = World::with_bot().await;
    for value in ["PrivateToken token=x", "Basic eA=="] {
        let seen = world.see(request(Ask::get(OPEN), &format!("Authorization: {value}\r\n"))).await;
        assert_eq!((seen.told("class"), seen.reasons()), (Some("0"), vec!["no-claim"]), "{seen:#?}");
        assert_eq!(seen.reached.as_ref().unwrap().field("authorization"), Some(value));
    }
    assert_eq!(world.send(anonymous(CLOSED)).await.fields("www-authenticate"), ["SAIP"]);
}

#[tokio::test]
async fn a_reload_neither_voids_tokens_nor_makes_them_count_twice() {
    let attester = Attester::new();
    let world = attester.world().await;
    let (spent, kept) = (attester.token(&world).await, attester.token(&world).await);
    world.see(redeeming(VOUCHED, &spent)).await.is_vouched_for();
    world.running.reload(world.config("")).unwrap();
    world.see(redeeming(VOUCHED, &spent)).await.is_kept_out("replayed");
    world.see(redeeming(VOUCHED, &kept)).await.is_vouched_for();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_redeemed_before_a_restart_or_a_crash_is_not_redeemed_after_it() {
    for store in ["memory:", "file:store"] {
        let (attester, folder) = (Attester::new(), tempfile::tempdir().unwrap());
        let upstream = Upstream::start().await.unwrap();
        let zones = SignedZones::start(&attester.record()).await.unwrap();
        fs::write(folder.path().join("root.anchor"), zones.trust_anchor().to_string()).unwrap();
        let now = crash::now();
        let grant = Grant { not_before: now - 100, expires: now + 1_000, ..attester.grant() };
        let common = format!(
            "listen = '127.0.0.1:0'\nupstream = '{}'\nauthorities = '{SITE}'\nmode = 'enforce'\n\
             private_peers = 'clients'\nlog.access = 'access.log'\nstore.url = '{store}'\n\
             dns.resolvers = '{}'\ndns.trust_anchor = 'root.anchor'\n{}",
            upstream.url(),
            zones.address(),
            attester.lines(&grant)
        );
        fs::write(folder.path().join("common.toml"), common).unwrap();
        let (mut spent, mut fresh): (Vec<Token>, Vec<Token>) = (Vec::new(), Vec::new());
        for end in [Program::stop, Program::kill, Program::stop, Program::kill] {
            let program = Program::start(folder.path(), false);
            for token in spent.iter().chain(&fresh) {
                let answer = program.send(&redeeming(VOUCHED, token)).await;
                // It is asked anew.
                assert_eq!(answer.status(), 401, "{store}");
                attester.challenge(&answer);
                assert!(answer.text().contains("pass-challenge-unknown"), "{}", answer.text());
            }
            // Nothing has to be waited for: what this start asked for, no earlier one can have accepted.
            let challenged = program.send(&anonymous(VOUCHED)).await;
            let (one, other) = (attester.answer(&challenged), attester.answer(&challenged));
            let statuses = [
                program.send(&redeeming(VOUCHED, &one)).await.status(),
                program.send(&redeeming(VOUCHED, &one)).await.status(),
            ];
            assert_eq!(statuses, [200, 403], "{store}");
            spent.push(one);
            fresh.push(other);
            end(program);
        }
        assert_eq!(upstream.received().len(), 4, "{store}");
    }
}
