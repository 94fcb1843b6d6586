use super::*;
use crate::claim::{Catalogue, EntityRules};
use crate::evidence::{Cause, Dnssec, Evidence, NoRoots, Records};
use crate::pipeline::{self, NotCommitted, Sequence, Site, Step};
use crate::request::{Content, Head, Peer, Request};
use crate::verdict::{Class, Verdict};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::entity::{EnrolmentSecret, KeyName, epoch_of};
use avouch_wire::name::AgentId;
use avouch_wire::record::{Level, Published};
use avouch_wire::saip::{Header, RequestParts, request_string};
use std::sync::Arc;

const NOW: u64 = 1_790_000_000;
const SECRET: [u8; 32] = [7; 32];

/// What a site knows and finds when an agent comes.
struct World {
    entities: Option<EntityRules>,
    record: Answer<Arc<Records>>,
    revocations: Vec<Answer<Arc<Records>>>,
    registered: Answer<Arc<Registered>>,
}

fn until() -> Time {
    Time::from_seconds(NOW + 100)
}

fn found<T>(value: T) -> Answer<Arc<T>> {
    Answer::Found { value: Arc::new(value), dnssec: Dnssec::Insecure, until: until() }
}

fn records(texts: &[&str], level: Level) -> Answer<Arc<Records>> {
    let published = Published::unite(texts.iter().map(|text| text.as_bytes()), level);
    found(Records { published, wildcard: false })
}

fn key_of(audience: &str, agent: &str, epoch: u64) -> VerifierKey {
    let [entity, domain] = ["re.example", "acme.example"].map(|name| Domain::parse(name).unwrap());
    let agent = &AgentId::parse(agent).unwrap();
    let name = KeyName { entity: &entity, audience, domain: &domain, agent, epoch };
    EnrolmentSecret::from_octets(SECRET).verifier_key(&name)
}

fn own_key() -> VerifierKey {
    key_of("www.shop.example", "crawler-7", epoch_of(NOW))
}

fn active(keys: Vec<VerifierKey>, floor: u64) -> Answer<Arc<Registered>> {
    found(Registered::Active { keys, floor })
}

impl World {
    fn new() -> Self {
        let absent = Answer::Absent { dnssec: Dnssec::Insecure, until: until() };
        Self {
            entities: Some(EntityRules::new([(Domain::parse("re.example").unwrap(), 5)])),
            record: records(&["v=saip1; re=other.example; re=re.example"], Level::Domain),
            revocations: vec![absent],
            registered: active(vec![own_key()], 0),
        }
    }

    /// What comes of a request with this header; `commit` says what becomes of its nonce.
    fn judge(
        self,
        header: &str,
        commit: impl FnOnce(Option<Sequence<'_>>) -> Result<(), NotCommitted>,
    ) -> Box<Verdict> {
        let fields = [("host", b"www.shop.example".as_slice()), ("saip", header.as_bytes())];
        let request = Request::read(Head {
            method: "GET",
            target: "/a?b=c",
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.into_iter(),
            peer: Peer::client([203, 0, 113, 9].into()),
            content: Content::Empty,
        });
        let request = request.unwrap();
        let site = Site {
            authorities: vec![Authority::parse("www.shop.example", Scheme::Https).unwrap().into_owned()],
            accept_draft: false,
            catalogue: Arc::new(Catalogue::built_in().unwrap()),
            bots: None,
            passes: None,
            registered: Arc::default(),
            entities: self.entities,
            named: Default::default(),
        };
        let now = Time::from_seconds(NOW);
        let opened = match pipeline::open(&request, &site, now) {
            Step::Settled(verdict) => return verdict,
            Step::Next(opened) => opened,
        };
        let question = opened.questions().entity.as_deref().unwrap();
        assert_eq!((question.entity.as_str(), &*question.audience), ("re.example", "www.shop.example"));
        assert_eq!((question.agent.as_str(), question.epoch), ("crawler-7", 5_966_666));
        assert_eq!(opened.questions().record(), Some("_saip.acme.example"));
        assert!(opened.questions().revocations().eq(["crawler-7._saip.acme.example"]));
        let leads_on = opened.questions().lead_on(&self.record, now);
        let names_it = self.record.found(now).is_some_and(|records| {
            records.published.entities(now).any(|live| live.value.as_str() == "re.example")
        });
        assert_eq!(leads_on, names_it, "who may have revoked it is asked exactly then");
        let Self { record, revocations, registered, .. } = self;
        let evidence = Evidence { record, revocations, registered, ..Evidence::default() };
        let proved = match opened.weigh(&evidence, &NoRoots, now) {
            Step::Settled(verdict) => return verdict,
            Step::Next(proved) => proved,
        };
        let committed = proved.nonce().map(|nonce| commit(nonce.sequence()).map(|()| nonce.committed()));
        proved.conclude(committed, evidence.epoch)
    }

    fn reason(self, header: &str) -> (Class, &'static str) {
        told(&self.judge(header, |_| Ok(())))
    }
}

fn told(verdict: &Verdict) -> (Class, &'static str) {
    (verdict.class(), verdict.reasons()[0].code())
}

/// A header sealed by this key, number 9 of the instance `m1`.
fn sealed(key: &VerifierKey, timestamp: u64, method: &str) -> String {
    let text = |sig: &str| {
        format!(
            "dom=\"acme.example\"; id=\"crawler-7\"; inst=\"m1\"; alg=\"hmac-sha256\"; ts=\"{timestamp}\"; \
             nonce=\"0123456789abcdef\"; aud=\"www.shop.example\"; re=\"re.example\"; seq=\"9\"; sig=\"{sig}\""
        )
    };
    let unsealed = text(&b64u::encode(&[0; 32]));
    let header = Header::parse(&unsealed).unwrap();
    let mut message = Vec::new();
    let parts = RequestParts { method, path: "/a?b=c" };
    request_string(&mut message, &header, header.signed.as_ref().unwrap(), None, parts);
    text(&b64u::encode(&key.seal("m1", 9, &message)))
}

fn good() -> String {
    sealed(&own_key(), NOW, "GET")
}

#[test]
fn an_agent_that_the_entity_vouches_for_is_verified_and_its_proof_convinces_nobody_else() {
    let mut asked = None;
    let verdict = World::new().judge(&good(), |sequence| {
        asked = sequence.map(|sequence| (sequence.instance.to_owned(), sequence.number, sequence.window));
        Ok(())
    });
    assert_eq!((verdict.class(), verdict.mechanism()), (Class::Verified, Mechanism::SaipRegistry));
    let codes: Vec<_> = verdict.reasons().iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, ["registry-verified", "not-transferable"]);
    assert_eq!(verdict.identity().unwrap().to_string(), "crawler-7@acme.example");
    assert_eq!(asked, Some(("m1".to_owned(), 9, 5)));
}

#[test]
fn during_a_rotation_either_key_counts_and_a_third_does_not() {
    let other = EnrolmentSecret::from_octets([8; 32]);
    let [entity, domain] = ["re.example", "acme.example"].map(|name| Domain::parse(name).unwrap());
    let agent = &AgentId::parse("crawler-7").unwrap();
    let audience = "www.shop.example";
    let name = KeyName { entity: &entity, audience, domain: &domain, agent, epoch: epoch_of(NOW) };
    let next = other.verifier_key(&name);
    for (keys, expected) in [
        (vec![next.clone(), own_key()], (Class::Verified, "registry-verified")),
        (vec![own_key(), next.clone()], (Class::Verified, "registry-verified")),
        (vec![next], (Class::Unverifiable, "signature-invalid")),
    ] {
        assert_eq!(World { registered: active(keys, 0), ..World::new() }.reason(&good()), expected);
    }
}

#[test]
fn a_mac_holds_for_one_site_agent_epoch_instance_number_and_request() {
    let refused = (Class::Unverifiable, "signature-invalid");
    for key in [
        key_of("www.rival.example", "crawler-7", epoch_of(NOW)),
        key_of("www.shop.example", "crawler-8", epoch_of(NOW)),
        key_of("www.shop.example", "crawler-7", epoch_of(NOW) - 1),
    ] {
        assert_eq!(World::new().reason(&sealed(&key, NOW, "GET")), refused);
    }
    assert_eq!(World::new().reason(&sealed(&own_key(), NOW, "POST")), refused);
    for (from, to) in [
        ("seq=\"9\"", "seq=\"8\""),
        ("inst=\"m1\"", "inst=\"m2\""),
        ("nonce=\"0", "nonce=\"1"),
        ("re=\"re.example\"", "re=\"Re.example\""),
    ] {
        assert_eq!(World::new().reason(&good().replace(from, to)), refused, "{to}");
    }
    let elsewhere = good().replace("www.shop", "www.rival");
    assert_eq!(World::new().reason(&elsewhere), (Class::Unverifiable, "audience-mismatch"));
    let late = sealed(&own_key(), NOW - 301, "GET");
    assert_eq!(World::new().reason(&late), (Class::Unverifiable, "expired"));
}

#[test]
fn the_operator_must_have_configured_the_entity() {
    let none = World { entities: None, ..World::new() };
    assert_eq!(none.reason(&good()), (Class::Unverifiable, "mode-unsupported"));
    let other = Some(EntityRules::new([(Domain::parse("re2.example").unwrap(), 5)]));
    let other = World { entities: other, ..World::new() };
    assert_eq!(other.reason(&good()), (Class::Unverifiable, "entity-not-configured"));
}

#[test]
fn the_domain_must_name_the_entity() {
    let absent = Answer::Absent { dnssec: Dnssec::Insecure, until: until() };
    let wildcard = Published::unite([&b"v=saip1; re=re.example"[..]], Level::Domain);
    let wildcard = found(Records { published: wildcard, wildcard: true });
    let many: Vec<_> = (0..17).map(|_| "v=saip1; re=re.example").collect();
    let expired = format!("v=saip1; re=re.example; exp={NOW}");
    for (record, reason) in [
        (absent, "entity-not-named"),
        (records(&["v=saip1; re=other.example"], Level::Domain), "entity-not-named"),
        (records(&["v=saip1; re=a.re.example"], Level::Domain), "entity-not-named"),
        (records(&["v=saip1; re=re.example"], Level::Agent), "entity-not-named"),
        (records(&[&expired], Level::Domain), "entity-not-named"),
        (records(&["v=saip1; re=re.example", "v=saip1; pk="], Level::Domain), "revoked"),
        (records(&many, Level::Domain), "record-limit"),
        (wildcard, "wildcard-record"),
        (Answer::Unknown(Cause::Timeout), "dns-timeout"),
        (Answer::Unknown(Cause::Bogus), "dnssec-bogus"),
    ] {
        let (class, told) = World { record, ..World::new() }.reason(&good());
        assert_eq!((class, told), (Class::Unverifiable, reason));
    }
}

#[test]
fn a_revocation_in_the_dns_binds_agents_of_an_entity_too() {
    let revoked = records(&["v=saip1; pk="], Level::Agent);
    let world = World { revocations: vec![revoked], ..World::new() };
    assert_eq!(world.reason(&good()), (Class::Unverifiable, "revoked"));
    let world = World { revocations: vec![Answer::Unknown(Cause::Timeout)], ..World::new() };
    assert_eq!(world.reason(&good()), (Class::Unverifiable, "dns-timeout"));
}

#[test]
fn what_the_entity_says_decides_and_its_silence_is_not_knowing() {
    let expired = Time::from_seconds(NOW);
    let past = Answer::Found {
        value: Arc::new(Registered::Active { keys: vec![own_key()], floor: 0 }),
        dnssec: Dnssec::Insecure,
        until: expired,
    };
    for (registered, reason) in [
        (found(Registered::Revoked), "revoked"),
        (Answer::Absent { dnssec: Dnssec::Insecure, until: until() }, "not-registered"),
        (Answer::default(), "not-looked-up"),
        (Answer::Unknown(Cause::EntityUnreachable), "entity-unreachable"),
        (Answer::Unknown(Cause::EntityUnusable), "entity-unusable"),
        (active(Vec::new(), 0), "signature-invalid"),
        (past, "answer-expired"),
    ] {
        let verdict = World { registered, ..World::new() }.judge(&good(), |_| Ok(()));
        assert_eq!(told(&verdict), (Class::Unverifiable, reason));
    }
}

#[test]
fn a_sequence_that_does_not_go_forward_is_a_failed_claim() {
    for (refused, reason) in [
        (NotCommitted::SequenceBehind, "sequence-behind"),
        (NotCommitted::SequenceAhead, "sequence-ahead"),
        (NotCommitted::SequencesFull, "sequence-table-full"),
        (NotCommitted::Replayed, "replayed"),
    ] {
        let verdict = World::new().judge(&good(), |_| Err(refused));
        assert_eq!(told(&verdict), (Class::Unverifiable, reason));
        assert_eq!(verdict.next_sequence(), None, "nothing is told to who was refused");
    }
}

#[test]
fn an_accepted_request_says_which_number_is_next_by_the_window_of_its_entity() {
    let entities = [("re2.example", 9), ("re.example", 2)];
    let entities = entities.map(|(name, window)| (Domain::parse(name).unwrap(), window));
    let world = World { entities: Some(EntityRules::new(entities)), ..World::new() };
    let verdict = world.judge(&good(), |sequence| {
        assert_eq!(sequence.map(|sequence| (sequence.number, sequence.window)), Some((9, 2)));
        Ok(())
    });
    assert_eq!(verdict.next_sequence(), Some(10));
    assert_eq!(verdict.as_ref().clone().with_body_mismatch().next_sequence(), None);
}

#[test]
fn an_entity_named_for_testing_proves_nothing_and_moves_nothing() {
    let record = records(&["v=saip1; t=y; re=re.example"], Level::Domain);
    let world = World { record, ..World::new() };
    let verdict = world.judge(&good(), |_| unreachable!("no nonce is used up"));
    assert_eq!((told(&verdict), verdict.next_sequence()), ((Class::Anonymous, "testing"), None));
}
