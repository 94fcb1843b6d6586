//! Keys that a TPM attests: real swtpms with certificates of a maker, and everything near.

use std::collections::BTreeSet;

use avouch_gather::clock::ManualClock;
use avouch_keys::enrolment::{attest, present};
use avouch_keys::store::create_in;
use avouch_keys::tpm::{Certification, Credential, Device, Endorsement, Tpm};
use avouch_wire::enrolment::{Attestation, Challenge, Enrolment, Presented};
use testkit::maker::{Maker, PROGRAMS};
use testkit::swtpm::Swtpm;

use super::*;
use crate::config::Attestation as Wanted;

/// A TPM, a key in it, and how it presents itself.
struct Machine {
    tpm: Tpm,
    key: SecretKey,
    other: SecretKey,
    presented: (Endorsement, Presented),
    _running: Swtpm,
}

impl Machine {
    fn start(running: Swtpm, folder: &std::path::Path, name: &str) -> Self {
        let tpm = Tpm::at(&Device::parse(&running.device()).unwrap());
        let key = create_in(&tpm, &folder.join(name)).unwrap();
        let other = create_in(&tpm, &folder.join(format!("{name}-other"))).unwrap();
        let presented = present(&key).unwrap();
        Self { tpm, key, other, presented, _running: running }
    }

    /// Its question, presented so; and the token that it comes by.
    fn asked(&self, agent: &str, token: &str) -> Enrolment {
        let (agent, digest) = (AgentId::parse(agent).unwrap().into_owned(), token_digest(token).unwrap());
        enrol(&self.key, &domain(), agent, digest, SystemClock::new().now()).unwrap()
    }
}

/// Two TPMs of one maker and one of another, a name server, and a registrar that knows the first maker.
struct World {
    machines: [Machine; 3],
    house: House,
    token: String,
    clock: Arc<ManualClock>,
    wanted: Wanted,
    primary: Primary,
    folder: tempfile::TempDir,
    _makers: [Maker; 2],
}

impl World {
    async fn new(want: impl Fn(&mut Wanted)) -> Option<Self> {
        let tools = require(&PROGRAMS)?;
        let (primary, folder) = primaries().pop()?;
        let makers = [Maker::new(&tools).unwrap(), Maker::new(&tools).unwrap()];
        let machines = [(0, "a"), (0, "b"), (1, "c")].map(|(maker, name): (usize, _)| {
            Machine::start(makers[maker].start().unwrap(), folder.path(), name)
        });
        let mut wanted = Wanted {
            roots: vec![makers[0].root()],
            intermediates: vec![makers[0].issuer(), makers[1].issuer()],
            ..Wanted::default()
        };
        want(&mut wanted);
        let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
        let house = Self::house(&folder, &primary, Some(&wanted), &clock).await;
        let token = house.token("fleet", json!({ "attested": true })).await;
        Some(Self { machines, house, token, clock, wanted, primary, folder, _makers: makers })
    }

    async fn house(
        folder: &tempfile::TempDir,
        primary: &Primary,
        wanted: Option<&Wanted>,
        clock: &Arc<ManualClock>,
    ) -> House {
        let attesting = Attesting::open(domain(), wanted).unwrap();
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
        House::open_with(&folder.path().join("db"), primary, attesting, clock).await
    }

    /// The same database, by a registrar that was started anew, with other wishes.
    async fn restart(mut self, wanted: Option<&Wanted>) -> Self {
        let House { mut tasks, .. } = self.house;
        tasks.shutdown().await;
        self.house = Self::house(&self.folder, &self.primary, wanted, &self.clock).await;
        self
    }

    /// What the registrar answers to a TPM that presents itself.
    async fn challenge(&self, asked: &Enrolment, tpm: &Presented) -> Result<Challenge, String> {
        let text = asked.write_presented(&self.token, tpm);
        let (status, told) = ask(self.house.agents, "POST", "/v1/attestations", &text).await;
        match status {
            200 => Ok(Challenge::read(told.to_string().as_bytes()).unwrap()),
            _ => Err(told["reason"].as_str().unwrap_or("none").to_owned()),
        }
    }

    /// What it answers to a question with an attestation: a status and a reason.
    async fn said(&self, asked: &Enrolment, attestation: &Attestation) -> (u16, String) {
        let asked = Enrolment { attestation: Some(Box::new(attestation.clone())), ..asked.clone() };
        let (status, told) = self.house.enrol_text(&asked.write(&self.token)).await;
        (status, told["reason"].as_str().unwrap_or_default().to_owned())
    }

    /// A question of the first machine's, and what its TPM answers to a challenge.
    async fn attested(&self, agent: &str) -> (Enrolment, Attestation) {
        let machine = &self.machines[0];
        let asked = machine.asked(agent, &self.token);
        let challenge = self.challenge(&asked, &machine.presented.1).await.unwrap();
        let attestation = attest(&machine.key, machine.presented.clone(), &challenge).unwrap();
        (asked, attestation)
    }

    async fn agents(&self) -> Value {
        ask(self.house.owner, "GET", "/v1/agents", "").await.1
    }
}

impl House {
    async fn enrol_text(&self, text: &str) -> (u16, Value) {
        ask(self.agents, "POST", "/v1/enrolments", text).await
    }
}

type Change<'a> = Box<dyn Fn(&mut Attestation) + 'a>;

fn with(attestation: &Attestation, change: impl FnOnce(&mut Attestation)) -> Attestation {
    let mut changed = attestation.clone();
    change(&mut changed);
    changed
}

fn certify(attestation: &mut Attestation, said: Certification) {
    (attestation.statement, attestation.signature) = (said.statement, said.signature);
}

fn read(machine: &Machine, challenge: &Challenge) -> Option<[u8; 32]> {
    let credential = Credential { object: challenge.object.clone(), secret: challenge.secret.clone() };
    let hidden = machine.tpm.activate(machine.presented.0, &credential).ok()?;
    hidden.as_slice().try_into().ok()
}

#[tokio::test]
async fn a_key_that_its_tpm_attests_is_enrolled_and_the_ledger_says_by_which_tpm() {
    let Some(world) = World::new(|_| {}).await else { return };
    let [machine, ..] = &world.machines;
    let asked = machine.asked("a.gptbot", &world.token);
    let (status, told) = world.house.enrol_text(&asked.write(&world.token)).await;
    assert_eq!((status, told["reason"].as_str()), (403, Some("not-attested")), "the key alone is not enough");

    let (asked, attestation) = world.attested("a.gptbot").await;
    assert_eq!(world.said(&asked, &attestation).await.0, 200);
    world.house.published().await;
    assert_ne!(world.primary.dig(&format!("a.gptbot.{ZONE}"), "TXT").unwrap(), "");
    let agent = world.agents().await[0].clone();
    assert_eq!((agent["tier"].as_str(), agent["maker"].as_str()), (Some("tpm"), Some("CN=swtpm-localca")));
    let area = avouch_wire::attestation::Area::parse(&machine.presented.1.endorsement_key).unwrap();
    let fingerprint = area.endorsement_key().unwrap().fingerprint().to_string();
    assert_eq!(agent["endorsement"], fingerprint);
    let audit = ask(world.house.owner, "GET", "/v1/audit", "").await.1;
    assert!(audit[0]["detail"].as_str().unwrap().contains(&fingerprint), "{audit}");

    assert_eq!(world.said(&asked, &attestation).await, (403, "challenge-replayed".into()));
    let (asked, attestation) = world.attested("a.gptbot").await;
    assert_eq!(world.said(&asked, &attestation).await.0, 200, "the same again is answered the same");
}

#[tokio::test]
async fn a_key_that_comes_to_be_attested_is_known_as_such_and_another_key_waits_with_its_tpm() {
    let Some(mut world) = World::new(|_| {}).await else { return };
    world.token = world.house.token("free", json!({})).await;
    let asked = world.machines[0].asked("a.gptbot", &world.token);
    assert_eq!(world.house.enrol_text(&asked.write(&world.token)).await.0, 200);
    assert_eq!(world.agents().await[0]["tier"], "unknown");
    let (asked, attestation) = world.attested("a.gptbot").await;
    assert_eq!(world.said(&asked, &attestation).await.0, 200);
    assert_eq!(world.agents().await[0]["tier"], "tpm");
    let wrong = with(&attestation, |said| said.hidden[0] ^= 1);
    assert_eq!(world.said(&asked, &wrong).await.0, 403, "what nobody asked for is judged all the same");

    let second = &world.machines[1];
    let asked = second.asked("a.gptbot", &world.token);
    let challenge = world.challenge(&asked, &second.presented.1).await.unwrap();
    let attestation = attest(&second.key, second.presented.clone(), &challenge).unwrap();
    assert_eq!(world.said(&asked, &attestation).await.0, 409);
    let proposals = ask(world.house.owner, "GET", "/v1/proposals", "").await.1;
    assert_eq!(proposals[0]["tier"], "tpm");
    assert_ne!(proposals[0]["endorsement"], world.agents().await[0]["endorsement"]);
    let approve = json!({ "agent": "a.gptbot", "key": second.key.public().fingerprint().to_string() });
    assert_eq!(ask(world.house.owner, "POST", "/v1/approve", &approve.to_string()).await.0, 204);
    assert_eq!(world.agents().await[0]["endorsement"], proposals[0]["endorsement"]);
}

#[tokio::test]
async fn an_attestation_of_another_tpm_enrols_nobody_and_publishes_nothing() {
    let Some(world) = World::new(|_| {}).await else { return };
    let [first, second, foreign] = &world.machines;
    let before = world.primary.serial().unwrap();
    let asked = first.asked("a.gptbot", &world.token);

    // The second TPM presents itself, and answers for a key that is in the first.
    let challenge = world.challenge(&asked, &second.presented.1).await.unwrap();
    let of_second = attest(&second.key, second.presented.clone(), &challenge).unwrap();
    assert_eq!(world.said(&asked, &of_second).await, (403, "attested-other-key".into()));
    let borrowed =
        with(&of_second, |said| said.key = first.key.certify(&challenge.ticket.nonce).unwrap().key);
    assert_eq!(world.said(&asked, &borrowed).await, (403, "attested-other-name".into()));
    let certified = first.key.certify(&challenge.ticket.nonce).unwrap();
    let mixed = with(&of_second, |said| {
        said.key.clone_from(&certified.key);
        certify(said, certified);
    });
    assert_eq!(world.said(&asked, &mixed).await, (403, "attestation-signature".into()));

    // The first's endorsement key with the second's attestation key: neither TPM reads the challenge.
    let both = Presented {
        attestation_key: second.presented.1.attestation_key.clone(),
        ..first.presented.1.clone()
    };
    let challenge = world.challenge(&asked, &both).await.unwrap();
    assert_eq!((read(first, &challenge), read(second, &challenge)), (None, None));
    let guessed = with(&of_second, |said| {
        (said.tpm, said.ticket, said.hidden) = (both.clone(), challenge.ticket, [0; 32]);
        certify(said, second.key.certify(&challenge.ticket.nonce).unwrap());
    });
    assert_eq!(world.said(&asked, &guessed).await, (403, "challenge-unread".into()));

    // Of another maker, without a maker, with somebody else's certificate.
    let refused = |tpm: Presented| {
        let (world, asked) = (&world, &asked);
        async move { world.challenge(asked, &tpm).await.unwrap_err() }
    };
    assert_eq!(refused(foreign.presented.1.clone()).await, "endorsement-unknown");
    let certificate = None;
    assert_eq!(
        refused(Presented { certificate, ..first.presented.1.clone() }).await,
        "endorsement-uncertified"
    );
    let certificate = second.presented.1.certificate.clone();
    assert_eq!(
        refused(Presented { certificate, ..first.presented.1.clone() }).await,
        "endorsement-other-key"
    );
    let certificate = Some(vec![0x30, 0]);
    assert_eq!(
        refused(Presented { certificate, ..first.presented.1.clone() }).await,
        "endorsement-certificate"
    );
    let endorsement_key = first.presented.1.attestation_key.clone();
    assert_eq!(refused(Presented { endorsement_key, ..first.presented.1.clone() }).await, "endorsement-key");
    // A key that signs whatever it is handed.
    let attestation_key = first.key.certify(&[0; 32]).unwrap().key;
    assert_eq!(refused(Presented { attestation_key, ..first.presented.1.clone() }).await, "attestation-key");

    assert_eq!(world.agents().await, json!([]));
    assert_eq!(world.house.status().await["waiting"], 0);
    assert_eq!(world.primary.serial().unwrap(), before);
}

#[tokio::test]
async fn each_wrong_thing_in_an_attestation_is_its_own_refusal() {
    let Some(world) = World::new(|_| {}).await else { return };
    let before = world.primary.serial().unwrap();
    let machine = &world.machines[0];
    let (asked, good) = world.attested("a.gptbot").await;
    let quote = machine.tpm.quote(1, &good.ticket.nonce).unwrap();
    let mut reasons = BTreeSet::new();
    let cases: [(&str, Change<'_>); 12] = [
        ("statement-magic", Box::new(|said| said.statement[0] ^= 1)),
        ("statement-kind", Box::new(|said| said.statement[5] = 0x1a)),
        ("statement-unreadable", Box::new(|said| said.statement.push(0))),
        ("attestation-signature", Box::new(|said| *said.statement.last_mut().unwrap() ^= 1)),
        ("attestation-algorithm", Box::new(|said| said.signature[1] ^= 1)),
        ("attestation-nonce", Box::new(|said| certify(said, machine.key.certify(&[7; 32]).unwrap()))),
        (
            "attested-other-name",
            Box::new(|said| certify(said, machine.other.certify(&said.ticket.nonce).unwrap())),
        ),
        (
            "attested-other-key",
            Box::new(|said| {
                let certified = machine.other.certify(&said.ticket.nonce).unwrap();
                said.key.clone_from(&certified.key);
                certify(said, certified);
            }),
        ),
        ("attested-key", Box::new(|said| said.key.clone_from(&said.tpm.attestation_key))),
        (
            "registers-missing",
            Box::new(|said| {
                let told = quote.clone();
                said.quote = Some(avouch_wire::enrolment::Quote {
                    values: told.values,
                    statement: told.statement,
                    signature: told.signature,
                });
            }),
        ),
        ("challenge-unread", Box::new(|said| said.hidden[31] ^= 1)),
        ("challenge-unknown", Box::new(|said| said.ticket.time += 1)),
    ];
    for (reason, change) in &cases {
        assert_eq!(world.said(&asked, &with(&good, change)).await, (403, (*reason).into()));
        assert!(reasons.insert(*reason));
    }
    let quoted = with(&good, |said| {
        (said.statement, said.signature) = (quote.statement.clone(), quote.signature.clone());
    });
    assert_eq!(world.said(&asked, &quoted).await, (403, "statement-kind".into()));
    assert_eq!(world.agents().await, json!([]));
    assert_eq!(world.primary.serial().unwrap(), before);
    assert_eq!(world.said(&asked, &good).await.0, 200, "what was refused used nothing up");
}

#[tokio::test]
async fn a_challenge_is_for_one_agent_key_token_and_tpm_and_for_three_minutes() {
    let Some(world) = World::new(|_| {}).await else { return };
    let before = world.primary.serial().unwrap();
    let machine = &world.machines[0];
    let (asked, good) = world.attested("a.gptbot").await;
    let unknown = (403, "challenge-unknown".to_owned());
    let other_agent = machine.asked("b.gptbot", &world.token);
    assert_eq!(world.said(&other_agent, &good).await, unknown);
    let in_memory = SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap();
    let agent = AgentId::parse("a.gptbot").unwrap().into_owned();
    let digest = token_digest(&world.token).unwrap();
    let other_key = enrol(&in_memory, &domain(), agent, digest, SystemClock::new().now()).unwrap();
    assert_eq!(world.said(&other_key, &good).await, unknown);
    let other_tpm = with(&good, |said| said.tpm = world.machines[1].presented.1.clone());
    assert_eq!(world.said(&asked, &other_tpm).await, unknown);
    let no_certificate = with(&good, |said| said.tpm.certificate = None);
    assert_eq!(world.said(&asked, &no_certificate).await, unknown);

    let other_token = world.house.token("second", json!({ "attested": true })).await;
    let by_other =
        Enrolment { attestation: Some(Box::new(good.clone())), ..machine.asked("a.gptbot", &other_token) };
    let (status, told) = world.house.enrol_text(&by_other.write(&other_token)).await;
    assert_eq!((status, told["reason"].as_str()), (403, Some("challenge-unknown")));

    world.clock.advance(Duration::from_secs(181));
    assert_eq!(world.said(&asked, &good).await, (403, "challenge-expired".into()));
    world.clock.set(SystemClock::new().now());
    let wanted = world.wanted.clone();
    let world = world.restart(Some(&wanted)).await;
    assert_eq!(world.said(&asked, &good).await, unknown, "given before a restart");
    assert_eq!(world.agents().await, json!([]));
    assert_eq!(world.primary.serial().unwrap(), before);
    let (asked, good) = world.attested("a.gptbot").await;
    assert_eq!(world.said(&asked, &good).await.0, 200);
}

#[tokio::test]
async fn registers_hold_what_the_owner_expects_where_that_is_asked_for() {
    let Some(world) = World::new(|wanted| wanted.registers = vec![(7, [0; 32]), (0, [0; 32])]).await else {
        return;
    };
    let before = world.primary.serial().unwrap();
    // swtpm leaves the registers of a machine that measures nothing at zero.
    let (asked, good) = world.attested("a.gptbot").await;
    let missing = with(&good, |said| said.quote = None);
    assert_eq!(world.said(&asked, &missing).await, (403, "registers-missing".into()));
    let values = with(&good, |said| said.quote.as_mut().unwrap().values[0] = [1; 32]);
    assert_eq!(world.said(&asked, &values).await, (403, "registers-values".into()));
    let other = world.machines[0].tpm.quote(1, &good.ticket.nonce).unwrap();
    let selection = with(&good, |said| {
        let quote = said.quote.as_mut().unwrap();
        (quote.values, quote.statement, quote.signature) = (other.values, other.statement, other.signature);
    });
    assert_eq!(world.said(&asked, &selection).await, (403, "registers-selection".into()));

    let wanted = Wanted { registers: vec![(0, [0; 32]), (7, [1; 32])], ..world.wanted.clone() };
    let world = world.restart(Some(&wanted)).await;
    let (asked, attestation) = world.attested("a.gptbot").await;
    assert_eq!(world.said(&asked, &attestation).await, (403, "registers-expected".into()));
    assert_eq!(world.primary.serial().unwrap(), before);
    let wanted = world.wanted.clone();
    let world = world.restart(Some(&wanted)).await;
    let (asked, good) = world.attested("a.gptbot").await;
    assert_eq!(world.said(&asked, &good).await.0, 200);
}

#[tokio::test]
async fn a_tpm_of_an_unknown_maker_counts_only_where_that_is_allowed_and_is_shown_as_such() {
    let Some(world) =
        World::new(|wanted| *wanted = Wanted { allow_unknown_ek: true, ..Wanted::default() }).await
    else {
        return;
    };
    let foreign = &world.machines[2];
    let asked = foreign.asked("a.gptbot", &world.token);
    let lent = Presented {
        certificate: world.machines[0].presented.1.certificate.clone(),
        ..foreign.presented.1.clone()
    };
    assert_eq!(world.challenge(&asked, &lent).await, Err("endorsement-other-key".into()));
    let bare = Presented { certificate: None, ..foreign.presented.1.clone() };
    let challenge = world.challenge(&asked, &bare).await.unwrap();
    let attestation = attest(&foreign.key, (foreign.presented.0, bare), &challenge).unwrap();
    assert_eq!(world.said(&asked, &attestation).await.0, 200);
    let agent = world.agents().await[0].clone();
    assert_eq!((agent["tier"].as_str(), agent["maker"].as_str()), (Some("unknown"), Some("")));
    assert!(agent["endorsement"].as_str().unwrap().starts_with("sha256:"));

    let world = world.restart(None).await;
    let asked = world.machines[0].asked("b.gptbot", &world.token);
    let told = world.challenge(&asked, &world.machines[0].presented.1).await;
    assert_eq!(told, Err("attestation-unwanted".into()), "nobody's, where no maker is named");
}

#[tokio::test]
async fn half_an_attestation_is_none() {
    let Some(world) = World::new(|_| {}).await else { return };
    let (asked, good) = world.attested("a.gptbot").await;
    let whole = Enrolment { attestation: Some(Box::new(good)), ..asked.clone() }.write(&world.token);
    for member in ["tpm", "attestation"] {
        let mut half: Value = serde_json::from_str(&whole).unwrap();
        half.as_object_mut().unwrap().remove(member);
        assert_eq!(world.house.enrol_text(&half.to_string()).await.0, 400, "{member}");
    }
    for text in [&whole, &asked.write(&world.token)] {
        assert_eq!(ask(world.house.agents, "POST", "/v1/attestations", text).await.0, 400);
    }
    let presented = asked.write_presented(&world.token, &world.machines[0].presented.1);
    let stranger = presented.replace(&world.token, &token_text(&[9; 32]));
    assert_eq!(ask(world.house.agents, "POST", "/v1/attestations", &stranger).await.0, 401);
    let unproven =
        Enrolment { proof: [1; 64], ..asked }.write_presented(&world.token, &world.machines[0].presented.1);
    assert_eq!(ask(world.house.agents, "POST", "/v1/attestations", &unproven).await.1["reason"], "proof");
}
