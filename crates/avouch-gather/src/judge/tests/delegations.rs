//! Delegation tokens: what each fits, and the near misses.

use super::*;
use avouch_keys::delegation::issue;
use avouch_wire::delegation::{Grant, Scope, Subject};

const INSIDE: [u8; 4] = [198, 51, 100, 20];
const OUTSIDE: [u8; 4] = [198, 51, 101, 20];

/// A domain with keys of its own, and what stands in its records.
struct Domains {
    world: World,
    own: SecretKey,
    trial: SecretKey,
}

fn key() -> SecretKey {
    SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).unwrap()
}

fn domains(extra: &str) -> Domains {
    let (own, trial) = (key(), key());
    let pk = |key: &SecretKey| b64u::encode(key.public().octets());
    let world = World::with_zone(&format!(
        "_saip TXT \"v=saip1; pk={}\"\n_saip TXT \"v=saip1; t=y; pk={}\"\n{extra}",
        pk(&own),
        pk(&trial)
    ));
    Domains { world, own, trial }
}

fn grant(subject: &str) -> Grant {
    Grant {
        issuer: Domain::parse("acme.example").unwrap(),
        subject: Subject::parse(subject).unwrap(),
        not_before: NOW.seconds(),
        expires: NOW.seconds() + 60,
        scopes: vec![Scope::parse("GET /a").unwrap()],
        audience: vec![Authority::parse("www.shop.example", Scheme::Https).unwrap()],
        id: "1".to_owned(),
    }
}

/// A token that names the network around [`INSIDE`].
fn of_network() -> Grant {
    grant("ip:198.51.100.0/24")
}

fn key_of(signer: &Signer) -> Grant {
    grant(&format!("key:{}", signer_key(signer)))
}

impl Domains {
    fn visit(&self, grant: &Grant) -> Visit {
        Visit { delegation: Some(issue(&self.own, grant).unwrap()), peer: INSIDE, ..Visit::default() }
    }

    fn come(&self, visit: Visit) -> Box<Verdict> {
        self.world.judge(visit)
    }

    /// A visit signed by the delegate.
    fn signed(&self, grant: &Grant, delegate: &Signer) -> Visit {
        let saip = sign(delegate, Mode::Stateless, Content::Empty, self.world.clock.now());
        Visit { saip: Some(saip), peer: OUTSIDE, ..self.visit(grant) }
    }
}

fn bare(domain: &str) -> Option<String> {
    Some(format!("dom=\"{domain}\"; id=\"bot\""))
}

#[test]
fn a_key_that_a_token_names_acts_for_the_domain_and_for_none_of_its_agents() {
    let domains = domains("");
    for id in ["worker-7", "bot", "_"] {
        let delegate = signer(KeyType::P256, id, Some("acme.example"));
        let grant = key_of(&delegate);
        let verdict = domains.come(domains.signed(&grant, &delegate));
        assert_eq!(verdict.class(), Class::Verified, "{verdict:?}");
        assert_eq!(verdict.mechanism(), Mechanism::DelegationToken);
        assert_eq!(verdict.reasons()[0], Reason::DelegationVerified);
        let identity = verdict.identity().unwrap();
        let instance = identity.instance.as_ref().map(AgentId::as_str);
        assert_eq!(
            (identity.to_string().as_str(), instance),
            ("acme.example", Some(id).filter(|id| *id != "_"))
        );
        assert_eq!(verdict.via(), Some(grant.subject));
        assert_eq!(verdict.document().via.as_deref(), Some(&*signer_key(&delegate).to_string()));
        // The records last for 60 s, and that nothing revokes the name it gives itself for 30.
        let lasts = if id == "worker-7" { 30 } else { 60 };
        assert_eq!(verdict.valid_until(), Some(NOW.after(Duration::from_secs(lasts))));
    }
}

#[test]
fn a_delegated_request_is_accepted_once_and_only_as_it_was_signed() {
    let domains = domains("");
    let delegate = signer(KeyType::Ed25519, "worker-7", Some("acme.example"));
    let visit = || domains.signed(&key_of(&delegate), &delegate);
    let (first, changed) = (visit(), Visit { path: "/a?c", ..visit() });
    let again = Visit { saip: first.saip.clone(), ..visit() };
    assert_eq!(domains.come(first).class(), Class::Verified);
    failed(&domains.come(again), Reason::Replayed);
    failed(&domains.come(changed), Reason::SignatureInvalid);
}

#[test]
fn a_token_that_names_a_key_fits_that_key_only() {
    let domains = domains("");
    let delegate = signer(KeyType::Ed25519, "worker-7", Some("acme.example"));
    let grant = key_of(&delegate);
    let with = |saip: Option<String>| domains.come(Visit { saip, ..domains.visit(&grant) });
    let by = |signer: &Signer, mode| Some(sign(signer, mode, Content::Empty, NOW));
    failed(&with(None), Reason::DelegationMismatch);
    failed(&with(bare("acme.example")), Reason::DelegationMismatch);
    let thief = signer(KeyType::Ed25519, "worker-7", Some("acme.example"));
    failed(&with(by(&thief, Mode::Stateless)), Reason::DelegationMismatch);
    for mode in [Mode::Direct, Mode::Rolling(KeyType::Ed25519)] {
        failed(&with(by(&delegate, mode)), Reason::DelegationMismatch);
    }
    // The published agent's own signature does not make up for a token that is not its own.
    let (_, agent) = &domains.world.signers[0];
    failed(&with(by(agent, Mode::Direct)), Reason::DelegationMismatch);
    let mut other = signer(KeyType::Ed25519, "worker-7", Some("rival.example"));
    failed(&with(by(&other, Mode::Stateless)), Reason::DelegationMismatch);
    other = signer(KeyType::Ed25519, "worker-7", None);
    failed(&with(by(&other, Mode::Stateless)), Reason::DelegationMismatch);
    // Without the token the key is nobody's.
    let alone = domains.world.judge_saip(&by(&delegate, Mode::Stateless).unwrap());
    failed(&alone, Reason::KeyMismatch);
}

#[test]
fn a_network_that_a_token_names_speaks_for_the_domain() {
    let domains = domains("");
    for saip in [None, bare("acme.example")] {
        let verdict = domains.come(Visit { saip, ..domains.visit(&of_network()) });
        assert_eq!((verdict.class(), verdict.mechanism()), (Class::Partial, Mechanism::DelegationToken));
        assert_eq!(verdict.identity().unwrap().to_string(), "acme.example");
        assert_eq!(verdict.document().via.as_deref(), Some("ip:198.51.100.0/24"));
    }
    // Nothing else makes up for another address, not even the domain's own network.
    let own = [192, 0, 2, 7];
    for (saip, peer) in [(None, OUTSIDE), (bare("acme.example"), own)] {
        let verdict = domains.come(Visit { saip, peer, ..domains.visit(&of_network()) });
        failed(&verdict, Reason::DelegationMismatch);
    }
    failed(
        &domains.come(Visit { saip: bare("rival.example"), ..domains.visit(&of_network()) }),
        Reason::DelegationMismatch,
    );
    let signed = domains.world.sign(KeyType::Ed25519, Mode::Direct);
    failed(
        &domains.come(Visit { saip: Some(signed), ..domains.visit(&of_network()) }),
        Reason::DelegationMismatch,
    );
    let crawler = domains.come(Visit { user_agent: CRAWLER, ..domains.visit(&of_network()) });
    failed(&crawler, Reason::ClaimsConflict);
}

#[test]
fn an_autonomous_system_that_a_token_names_speaks_for_the_domain() {
    let domains = domains("");
    let visit = |asn: &str, peer| domains.come(Visit { peer, ..domains.visit(&grant(asn)) });
    undetermined(&visit("asn:64500", INSIDE), Reason::AsnUnknown);
    let table = b"198.51.100.0/24,64500\n198.51.101.0/24,64501\n";
    domains.world.receive(|networks| networks.receive_asn("table", table, NOW).unwrap());
    let verdict = visit("asn:64500", INSIDE);
    assert_eq!((verdict.class(), verdict.mechanism()), (Class::Partial, Mechanism::DelegationToken));
    assert_eq!(detail(&verdict, CheckName::DelegatedNetwork), "AS64500, data 0 h old");
    failed(&visit("asn:64500", OUTSIDE), Reason::DelegationMismatch);
    undetermined(&visit("asn:64500", [203, 0, 113, 1]), Reason::AsnUnknown);
    domains.world.clock.advance(Duration::from_secs(30));
    domains.world.receive(|networks| {
        *networks = Networks::default();
        networks
            .receive_asn("table", table, Time::from_seconds(NOW.seconds() - MAX_ASN_AGE.as_secs()))
            .unwrap();
    });
    undetermined(&visit("asn:64500", INSIDE), Reason::AsnUnknown);
}

#[test]
fn a_token_holds_for_its_site_scope_and_time_only() {
    let domains = domains("");
    let judge = |change: &dyn Fn(&mut Grant)| {
        let mut grant = of_network();
        change(&mut grant);
        domains.come(domains.visit(&grant))
    };
    let site = |text| vec![Authority::parse(text, Scheme::Https).unwrap()];
    let scope = |text: &str| vec![Scope::parse(text).unwrap()];
    assert_eq!(judge(&|_| ()).class(), Class::Partial);
    assert_eq!(judge(&|grant| grant.audience = Vec::new()).class(), Class::Partial);
    failed(&judge(&|grant| grant.audience = site("shop.example")), Reason::DelegationMismatch);
    assert_eq!(judge(&|grant| grant.scopes = scope("* /")).class(), Class::Partial);
    for other in ["POST /a", "GET /a/", "GET /ab", "GET /b"] {
        failed(&judge(&|grant| grant.scopes = scope(other)), Reason::DelegationMismatch);
    }
    assert_eq!(judge(&|grant| grant.expires = NOW.seconds() + 1).class(), Class::Partial);
    let ended = |grant: &mut Grant| (grant.not_before, grant.expires) = (NOW.seconds() - 1, NOW.seconds());
    failed(&judge(&ended), Reason::DelegationNotInForce);
    failed(&judge(&|grant| grant.not_before = NOW.seconds() + 1), Reason::DelegationNotInForce);
    // A site that is named, and is not ours.
    let grant = Grant { audience: site("other.example"), ..of_network() };
    let visit = Visit { authority: "other.example", ..domains.visit(&grant) };
    failed(&domains.come(visit), Reason::AuthorityNotOurs);
}

#[test]
fn only_a_live_key_of_the_domain_issues_tokens() {
    let domains = domains("");
    let by = |key: &SecretKey| {
        let delegation = Some(issue(key, &of_network()).unwrap());
        domains.come(Visit { delegation, peer: INSIDE, ..Visit::default() })
    };
    failed(&by(&key()), Reason::DelegationInvalid);
    let trial = by(&domains.trial);
    assert_eq!((trial.standing(), trial.reasons()[0]), (Standing::Anonymous, Reason::Testing));
    assert_eq!((trial.via(), trial.identity()), (None, None));
    assert_eq!(trial.checks().last().map(|check| check.name), Some(CheckName::Testing));
    let delegate = signer(KeyType::Ed25519, "worker-7", Some("acme.example"));
    let delegation = Some(issue(&domains.trial, &key_of(&delegate)).unwrap());
    let trial = domains.come(Visit { delegation, ..domains.signed(&of_network(), &delegate) });
    assert_eq!((trial.standing(), trial.reasons()[0]), (Standing::Anonymous, Reason::Testing));
    // An agent's key is not the domain's.
    let agent = key();
    let pk = b64u::encode(agent.public().octets());
    let domains = self::domains(&format!("agent._saip TXT \"v=saip1; pk={pk}\""));
    let delegation = Some(issue(&agent, &of_network()).unwrap());
    failed(&domains.come(Visit { delegation, peer: INSIDE, ..Visit::default() }), Reason::DelegationInvalid);
}

#[test]
fn behind_an_unlisted_proxy_a_token_is_still_held_to_its_issuer() {
    let domains = domains("");
    let by = |key: &SecretKey| {
        let delegation = Some(issue(key, &of_network()).unwrap());
        domains.come(Visit {
            delegation,
            peer: INSIDE,
            evidence: AddressEvidence::UntrustedProxy,
            ..Visit::default()
        })
    };
    undetermined(&by(&domains.own), Reason::PeerIsUntrustedProxy);
    failed(&by(&key()), Reason::DelegationInvalid);
}

#[test]
fn revocation_reaches_whom_the_domain_authorised() {
    let delegate = signer(KeyType::Ed25519, "worker-7", Some("acme.example"));
    for revoked in ["_saip", "worker-7._saip"] {
        let domains = domains(&format!("{revoked} TXT \"v=saip1; pk=\""));
        failed(&domains.come(domains.signed(&key_of(&delegate), &delegate)), Reason::Revoked);
        let network = domains.come(domains.visit(&of_network()));
        match revoked {
            "_saip" => failed(&network, Reason::Revoked),
            _ => assert_eq!(network.class(), Class::Partial),
        }
    }
    let domains = domains("");
    let mut grant = of_network();
    grant.issuer = Domain::parse("unknown.example").unwrap();
    undetermined(&domains.come(domains.visit(&grant)), Reason::DnsUnreachable);
    grant.issuer = Domain::parse("googlebot.com").unwrap();
    failed(&domains.come(domains.visit(&grant)), Reason::KeyNotPublished);
}

#[test]
fn what_cannot_be_read_is_a_failed_claim() {
    let domains = domains("");
    let mut visit = domains.visit(&of_network());
    visit.delegation = visit.delegation.map(|token| format!("{token}="));
    let verdict = domains.come(visit);
    failed(&verdict, Reason::DelegationMalformed);
    let detail = detail(&verdict, CheckName::Syntax);
    assert_eq!(detail, "the signature is not base64url without padding");
    let site = Site { catalogue: Arc::clone(&domains.world.site.catalogue), ..domains.world.site.clone() };
    let token = issue(&domains.own, &of_network()).unwrap();
    for names in [["saip-delegation"; 2], ["saip-delegation", "saip_delegation"]] {
        let fields: Vec<_> =
            [("host", "www.shop.example")].into_iter().chain(names.map(|name| (name, &*token))).collect();
        let request = Request::read(Head {
            method: "GET",
            target: "/a",
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.iter().map(|(name, value)| (*name, value.as_bytes())),
            peer: Peer::client(INSIDE.into()),
            content: Content::Empty,
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let verdict = runtime.block_on(domains.world.judge.judge(&request.unwrap(), &site));
        failed(&verdict, Reason::HeaderRepeated);
    }
}
