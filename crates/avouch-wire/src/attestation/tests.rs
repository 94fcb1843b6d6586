//! Each thing that is wrong is its own refusal. What swtpm says is held to this in `avouch-keys`.

use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};

const KEY: u32 = 0x0004_0472;
const ATTESTATION: u32 = 0x0005_0472;
const NONCE: Nonce = [7; 32];

fn pair() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn sized(octets: &[u8]) -> Vec<u8> {
    [&u16::try_from(octets.len()).unwrap().to_be_bytes(), octets].concat()
}

/// The area of a key that signs by ECDSA with SHA-256.
fn area(attributes: u32, pair: &EcdsaKeyPair) -> Vec<u8> {
    let point = pair.public_key().as_ref();
    let fixed = [0, 0, 0, 0x10, 0, 0x18, 0, 0x0b, 0, 3, 0, 0x10];
    let (x, y) = (sized(&point[1..33]), sized(&point[33..]));
    [[0, 0x23, 0, 0x0b].as_slice(), &attributes.to_be_bytes(), &fixed, &x, &y].concat()
}

/// An agent with its TPM, or what it makes up instead.
struct Agent {
    attestation: EcdsaKeyPair,
    attestation_area: Vec<u8>,
    key: Vec<u8>,
    magic: u32,
    kind: u16,
    signer: Vec<u8>,
    purpose: Vec<u8>,
    attested: Vec<u8>,
}

impl Agent {
    fn new() -> Self {
        let (attestation, key) = (pair(), area(KEY, &pair()));
        let attestation_area = area(ATTESTATION, &attestation);
        let signer = qualified(&Area::parse(&attestation_area).unwrap().name()).to_vec();
        let name = Area::parse(&key).unwrap().name();
        let attested = [sized(&name), sized(&[0; 34])].concat();
        let purpose = purpose(&NONCE).to_vec();
        Self {
            attestation,
            attestation_area,
            key,
            magic: 0xff54_4347,
            kind: 0x8017,
            signer,
            purpose,
            attested,
        }
    }

    /// One that quotes registers 0 and 7, in this selection.
    fn quoting(selection: &[u8], values: &[[u8; 32]]) -> Self {
        let told = digest(&SHA256, values.as_flattened());
        Self { kind: 0x8018, attested: [selection, &sized(told.as_ref())].concat(), ..Self::new() }
    }

    fn statement(&self) -> Vec<u8> {
        let head = [self.magic.to_be_bytes().as_slice(), &self.kind.to_be_bytes()].concat();
        let clock = [[0; 7].as_slice(), &[9], &[0, 0, 0, 2], &[0, 0, 0, 3], &[1], &[0; 8]].concat();
        [head, sized(&self.signer), sized(&self.purpose), clock, self.attested.clone()].concat()
    }

    fn signature(&self, statement: &[u8]) -> Vec<u8> {
        let signed = self.attestation.sign(&SystemRandom::new(), statement).unwrap();
        let (r, s) = signed.as_ref().split_at(32);
        [[0, 0x18, 0, 0x0b].as_slice(), &sized(r), &sized(s)].concat()
    }

    fn ask<T>(&self, judge: impl Fn(&Evidence<'_>) -> Result<T, Refused>) -> Result<T, Refused> {
        let statement = self.statement();
        let signature = self.signature(&statement);
        judge(&Evidence {
            attestation_key: &self.attestation_area,
            statement: &statement,
            signature: &signature,
        })
    }

    fn certified(&self) -> Result<Certified, Refused> {
        self.ask(|evidence| certified(evidence, &self.key, &NONCE))
    }
}

const SELECTION: [u8; 10] = [0, 0, 0, 1, 0, 0x0b, 3, 0x81, 0, 0];
const VALUES: [[u8; 32]; 2] = [[1; 32], [2; 32]];

fn refused(change: impl Fn(&mut Agent)) -> Refused {
    let mut agent = Agent::new();
    change(&mut agent);
    agent.certified().unwrap_err()
}

#[test]
fn a_key_that_its_tpm_certifies_is_certified() {
    let agent = Agent::new();
    let certified = agent.certified().unwrap();
    assert_eq!(certified.key(), &Area::parse(&agent.key).unwrap().signing_key().unwrap());
    assert_eq!(certified.attestation_key(), &Area::parse(&agent.attestation_area).unwrap().name());
    assert_eq!(certified.clock(), Clock { milliseconds: 9, resets: 2, restarts: 3, is_safe: true });
}

#[test]
fn each_wrong_thing_is_its_own_refusal() {
    assert_eq!(refused(|agent| agent.magic ^= 1), Refused::Statement(StatementError::Magic));
    assert_eq!(refused(|agent| agent.kind = 0x801a), Refused::Statement(StatementError::Kind(0x801a)));
    assert_eq!(refused(|agent| agent.attested.push(0)), Refused::Statement(StatementError::Unreadable));
    assert_eq!(refused(|agent| agent.purpose = purpose(&[8; 32]).to_vec()), Refused::Nonce);
    assert_eq!(refused(|agent| agent.purpose = NONCE.to_vec()), Refused::Nonce);
    assert_eq!(refused(|agent| agent.purpose.clear()), Refused::Nonce);
    assert_eq!(refused(|agent| agent.signer = vec![0; 34]), Refused::Hierarchy);
    assert_eq!(refused(|agent| agent.key = area(KEY, &pair())), Refused::OtherKey);
    assert_eq!(refused(|agent| agent.attestation = pair()), Refused::Signature);
    let quote = Agent { key: Agent::new().key, ..Agent::quoting(&SELECTION, &VALUES) };
    assert_eq!(quote.certified().unwrap_err(), Refused::Kind);
}

#[test]
fn an_attestation_key_that_signs_whatever_it_is_handed_is_refused() {
    let with = |attributes| refused(|agent| agent.attestation_area = area(attributes, &agent.attestation));
    for (attribute, unfit) in [
        (1 << 1, Unfit::FixedTpm),
        (1 << 4, Unfit::FixedParent),
        (1 << 5, Unfit::Origin),
        (1 << 6, Unfit::UserWithAuth),
        (1 << 10, Unfit::NoDa),
        (1 << 16, Unfit::Unrestricted),
        (1 << 17, Unfit::Decrypt),
        (1 << 18, Unfit::Sign),
        (1 << 2, Unfit::Further(1 << 2)),
    ] {
        assert_eq!(with(ATTESTATION ^ attribute), Refused::AttestationKey(unfit), "{attribute:#x}");
    }
}

#[test]
fn a_key_that_could_leave_its_tpm_is_refused_however_it_is_certified() {
    for (attribute, unfit) in [
        (1 << 1, Unfit::FixedTpm),
        (1 << 5, Unfit::Origin),
        (1 << 16, Unfit::Restricted),
        (1 << 17, Unfit::Decrypt),
    ] {
        let mut agent = Agent::new();
        agent.key = area(KEY ^ attribute, &pair());
        let name = Area::parse(&agent.key).unwrap().name();
        agent.attested = [sized(&name), sized(&[0; 34])].concat();
        assert_eq!(agent.certified().unwrap_err(), Refused::Key(unfit));
    }
}

#[test]
fn a_number_of_a_signature_is_padded_in_front_and_never_cut() {
    let of = |r: &[u8], s: &[u8]| signature(&[[0, 0x18, 0, 0x0b].as_slice(), &sized(r), &sized(s)].concat());
    let both = |r: [u8; 32], s: [u8; 32]| Some(<[u8; 64]>::try_from([r, s].as_flattened()).unwrap());
    let mut short = [0; 32];
    (short[30], short[31]) = (1, 2);
    assert_eq!(of(&[1, 2], &[7; 32]), both(short, [7; 32]));
    assert_eq!(of(&[[0].as_slice(), &[7; 32]].concat(), &[]), both([7; 32], [0; 32]));
    assert_eq!(of(&[7; 33], &[7; 32]), None);
    assert_eq!(signature(&[[0, 0x1b, 0, 0x0b].as_slice(), &sized(&[1]), &sized(&[1])].concat()), None);
    assert_eq!(signature(&[[0, 0x18, 0, 0x0c].as_slice(), &sized(&[1]), &sized(&[1])].concat()), None);
}

#[test]
fn a_changed_statement_or_signature_is_refused() {
    let agent = Agent::new();
    let statement = agent.statement();
    let signature = agent.signature(&statement);
    let judge = |statement: &[u8], signature: &[u8]| {
        let evidence = Evidence { attestation_key: &agent.attestation_area, statement, signature };
        certified(&evidence, &agent.key, &NONCE)
    };
    assert!(judge(&statement, &signature).is_ok());
    for at in 0..statement.len() {
        let mut changed = statement.clone();
        changed[at] ^= 1;
        assert!(
            matches!(judge(&changed, &signature), Err(Refused::Statement(_) | Refused::Signature)),
            "{at}"
        );
        assert!(judge(&statement[..at], &signature).is_err());
    }
    for at in 0..signature.len() {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        assert!(matches!(judge(&statement, &changed), Err(Refused::Algorithm | Refused::Signature)), "{at}");
        assert!(judge(&statement, &signature[..at]).is_err());
    }
    assert_eq!(judge(&statement, &[signature.as_slice(), &[0]].concat()), Err(Refused::Algorithm));
}

#[test]
fn registers_are_quoted_as_they_were_asked_for_and_as_they_are() {
    let ask = |agent: &Agent, selected, values: &[[u8; 32]]| {
        agent.ask(|evidence| quoted(evidence, selected, values, &NONCE))
    };
    let agent = Agent::quoting(&SELECTION, &VALUES);
    assert!(ask(&agent, 0x81, &VALUES).is_ok());
    assert_eq!(ask(&agent, 0x80, &VALUES), Err(Refused::Selection));
    assert_eq!(ask(&agent, 0x81, &[VALUES[1], VALUES[0]]), Err(Refused::Values));
    assert_eq!(ask(&agent, 0x81, &VALUES[..1]), Err(Refused::Values));
    let nonce = agent.ask(|evidence| quoted(evidence, 0x81, &VALUES, &[8; 32]));
    assert_eq!(nonce, Err(Refused::Nonce));
    let other_bank = Agent::quoting(&[0, 0, 0, 1, 0, 0x04, 3, 0x81, 0, 0], &VALUES);
    assert_eq!(ask(&other_bank, 0x81, &VALUES), Err(Refused::Selection));
    let two = [[0, 0, 0, 2].as_slice(), &SELECTION[4..], &SELECTION[4..]].concat();
    assert_eq!(ask(&Agent::quoting(&two, &VALUES), 0x81, &VALUES), Err(Refused::Selection));
    assert_eq!(ask(&Agent::new(), 0x81, &VALUES), Err(Refused::Kind));
    let many = Agent::quoting(&[0xff, 0xff, 0xff, 0xff], &VALUES);
    assert_eq!(ask(&many, 0x81, &VALUES), Err(Refused::Statement(StatementError::Unreadable)));
}

/// The area of an endorsement key: of P-256 with this point, or of RSA with this modulus.
fn endorsement(unique: &[&[u8]]) -> Vec<u8> {
    let (kind, parameters): (u8, &[u8]) = match unique {
        [_] => (0x01, &[0, 0x10, 0x08, 0, 0, 0, 0, 0]),
        _ => (0x23, &[0, 0x10, 0, 3, 0, 0x10]),
    };
    let policy = [
        0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd,
        0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
    ];
    let head = [0, kind, 0, 0x0b, 0, 0x03, 0, 0xb2];
    let cipher = [0, 0x06, 0, 0x80, 0, 0x43];
    let unique: Vec<u8> = unique.iter().flat_map(|part| sized(part)).collect();
    [head.as_slice(), &sized(&policy), &cipher, parameters, &unique].concat()
}

#[test]
fn an_endorsement_key_is_of_a_standard_template_and_nothing_near() {
    let pair = pair();
    let point = pair.public_key().as_ref();
    let modulus = [0xc1; 256];
    let (ecc, rsa) = (endorsement(&[&point[1..33], &point[33..]]), endorsement(&[&modulus]));
    let read = |octets: &[u8]| Area::parse(octets).and_then(|area| area.endorsement_key());
    assert_eq!(read(&ecc), Ok(EndorsementKey::Ecc(Box::new(PublicKey::from_octets(point).unwrap()))));
    assert_eq!(read(&rsa), Ok(EndorsementKey::Rsa(modulus.to_vec())));
    for octets in [&ecc, &rsa] {
        let changed = |at: usize, bits: u8| {
            let mut octets = octets.clone();
            octets[at] ^= bits;
            read(&octets).unwrap_err()
        };
        // fixedTPM, restricted, sign, userWithAuth; the policy; the name's hash; the cipher's bits and mode.
        for (at, bits) in [(7, 0x02), (5, 0x01), (5, 0x04), (7, 0x40)] {
            assert_eq!(changed(at, bits), Unfit::Endorsement);
        }
        assert_eq!(changed(10, 1), Unfit::Policy);
        assert_eq!(changed(3, 7), Unfit::NameHash);
        assert_eq!((changed(45, 0x80), changed(47, 1)), (Unfit::Parameters, Unfit::Parameters));
        assert_eq!(read(&octets[..octets.len() - 1]), Err(Unfit::Unreadable));
        assert_eq!(read(&[octets.as_slice(), &[0]].concat()), Err(Unfit::Unreadable));
    }
    let with = |octets: &[u8], at: usize, bits: u8| {
        let mut octets = octets.to_vec();
        octets[at] ^= bits;
        read(&octets).unwrap_err()
    };
    assert_eq!((with(&rsa, 50, 0x04), with(&rsa, 55, 1)), (Unfit::Type, Unfit::Type), "bits and exponent");
    assert_eq!((with(&ecc, 51, 7), with(&ecc, 60, 1)), (Unfit::Type, Unfit::Point), "curve and point");
    assert_eq!(read(&endorsement(&[&modulus[1..]])), Err(Unfit::Type));
    assert_eq!(read(&[0; MAX_AREA + 1]), Err(Unfit::Unreadable));
}
