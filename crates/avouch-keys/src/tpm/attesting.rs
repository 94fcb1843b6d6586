//! Attestations of a real swtpm, judged by `avouch_wire::attestation`.

use avouch_wire::attestation::{Area, Evidence, Name, Refused, certified, quoted};
use avouch_wire::key::KeyType;
use testkit::peers;
use testkit::swtpm::{PROGRAMS, Swtpm};

use super::*;
use crate::store::create_in;
use crate::{KeyError, SecretKey};

const NONCE: Nonce = [7; 32];
const HIDDEN: Hidden = [9; 32];
const BOTH: [Endorsement; 2] = [Endorsement::Ecc, Endorsement::Rsa];

/// Two TPMs, the folder of their keys, and a key of each.
struct World {
    tpms: [Tpm; 2],
    keys: [SecretKey; 2],
    _running: [Swtpm; 2],
    _folder: tempfile::TempDir,
}

fn world() -> Option<World> {
    let tools = peers::require(&PROGRAMS)?;
    let running = [Swtpm::start(&tools).unwrap(), Swtpm::start(&tools).unwrap()];
    let folder = tempfile::tempdir().unwrap();
    let tpms = running
        .each_ref()
        .map(|swtpm| Tpm::patient(&Device::parse(&swtpm.device()).unwrap(), Duration::from_secs(60)));
    let keys =
        [0, 1].map(|number| create_in(&tpms[number], &folder.path().join(number.to_string())).unwrap());
    Some(World { tpms, keys, _running: running, _folder: folder })
}

fn evidence(certification: &Certification) -> Evidence<'_> {
    let Certification { attestation_key, statement, signature, .. } = certification;
    Evidence { attestation_key, statement, signature }
}

fn name(area: &[u8]) -> Name {
    Area::parse(area).unwrap().name()
}

#[test]
fn a_tpm_certifies_its_own_key_for_one_question() {
    let Some(world) = world() else { return };
    let [own, other] = world.keys.each_ref().map(|key| key.certify(&NONCE).unwrap());
    let judged = certified(&evidence(&own), &own.key, &NONCE).unwrap();
    assert_eq!(judged.key(), world.keys[0].public());
    assert_eq!(*judged.attestation_key(), name(&world.tpms[0].attestation_key().unwrap()));
    assert_eq!(certified(&evidence(&own), &own.key, &[8; 32]), Err(Refused::Nonce));
    assert_eq!(certified(&evidence(&own), &other.key, &NONCE), Err(Refused::OtherKey));
    let borrowed = Evidence { attestation_key: &other.attestation_key, ..evidence(&own) };
    assert_eq!(certified(&borrowed, &own.key, &NONCE), Err(Refused::Signature));
    let again = world.keys[0].certify(&NONCE).unwrap();
    assert_eq!(again.attestation_key, own.attestation_key, "the attestation key is the same each time");
    assert_ne!(own.attestation_key, other.attestation_key);
}

#[test]
fn no_tpm_certifies_a_key_that_is_in_none() {
    let key = SecretKey::generate(KeyType::P256, &mut crate::entropy::SystemEntropy).unwrap();
    assert_eq!(key.certify(&NONCE).err(), Some(KeyError::NotInTpm));
}

#[test]
fn a_tpm_quotes_its_registers_for_one_question() {
    let Some(world) = world() else { return };
    let quote = world.tpms[0].quote(0x81, &NONCE).unwrap();
    let Quote { attestation_key, values, statement, signature } = &quote;
    let evidence = Evidence { attestation_key, statement, signature };
    assert_eq!(values.len(), 2);
    assert!(quoted(&evidence, 0x81, values, &NONCE).is_ok());
    assert_eq!(quoted(&evidence, 0x81, values, &[8; 32]), Err(Refused::Nonce));
    assert_eq!(quoted(&evidence, 0x01, values, &NONCE), Err(Refused::Selection));
    assert_eq!(quoted(&evidence, 0x81, &[[1; 32]; 2], &NONCE), Err(Refused::Values));
    let other = world.tpms[1].attestation_key().unwrap();
    let borrowed = Evidence { attestation_key: &other, ..evidence };
    assert_eq!(quoted(&borrowed, 0x81, values, &NONCE), Err(Refused::Signature));
}

#[test]
fn a_challenge_is_read_by_the_tpm_that_has_both_keys_and_by_no_other() {
    let Some(world) = world() else { return };
    for kind in BOTH {
        let [own, other] = world.tpms.each_ref().map(|tpm| {
            let endorsement = tpm.endorsement_key(kind).unwrap();
            let endorsement = Area::parse(&endorsement).unwrap().endorsement_key().unwrap();
            (endorsement, name(&tpm.attestation_key().unwrap()))
        });
        let read = |endorsement, attestation: &Name| {
            let challenge = Credential::new(endorsement, attestation, &HIDDEN).unwrap();
            world.tpms[0].activate(kind, &challenge).map(|hidden| hidden.to_vec())
        };
        assert_eq!(read(&own.0, &own.1), Ok(HIDDEN.to_vec()), "{kind:?}");
        assert!(read(&other.0, &own.1).is_err(), "{kind:?}: for another TPM");
        assert_eq!(
            read(&own.0, &other.1),
            Err(TpmError::NotAddressed),
            "{kind:?}: for another attestation key"
        );
        let mut challenge = Credential::new(&own.0, &own.1, &HIDDEN).unwrap();
        *challenge.object.last_mut().unwrap() ^= 1;
        assert_eq!(world.tpms[0].activate(kind, &challenge).err(), Some(TpmError::NotAddressed));
        challenge.object = vec![0; 1000];
        assert_eq!(world.tpms[0].activate(kind, &challenge).err(), Some(TpmError::NotAddressed));
    }
    // Nothing of all this is left in the way of a signature.
    for key in &world.keys {
        let signature = key.sign(b"a").unwrap();
        assert!(key.public().verify(b"a", &signature).is_ok());
    }
}

#[test]
fn attesting_leaves_nothing_in_a_tpm() {
    use tpm2_protocol::data::{TpmCap, TpmuCapabilities};
    let Some(world) = world() else { return };
    let tpm = &world.tpms[0];
    let endorsement = tpm.endorsement_key(Endorsement::Ecc).unwrap();
    let endorsement = Area::parse(&endorsement).unwrap().endorsement_key().unwrap();
    let attestation = name(&tpm.attestation_key().unwrap());
    for _ in 0..8 {
        world.keys[0].certify(&NONCE).unwrap();
        let challenge = Credential::new(&endorsement, &attestation, &HIDDEN).unwrap();
        tpm.activate(Endorsement::Ecc, &challenge).unwrap();
        let wrong = Credential::new(&endorsement, &[0; 34], &HIDDEN).unwrap();
        assert_eq!(tpm.activate(Endorsement::Ecc, &wrong).err(), Some(TpmError::NotAddressed));
    }
    for first in [0x8000_0000, 0x0200_0000, 0x0300_0000] {
        let told = tpm.turn().unwrap().at_work(|chip| chip.capability(TpmCap::Handles, first, 64)).unwrap();
        let TpmuCapabilities::Handles(handles) = told else { panic!("{told:?}") };
        assert!(handles.iter().all(|handle| handle.value() >> 24 != first >> 24), "{handles:?}");
    }
}

#[test]
fn an_endorsement_key_is_no_signing_key_and_the_other_way_round() {
    let Some(world) = world() else { return };
    let endorsement = world.tpms[0].endorsement_key(Endorsement::Ecc).unwrap();
    let area = Area::parse(&endorsement).unwrap();
    assert!(area.endorsement_key().is_ok());
    assert!(area.signing_key().is_err() && area.attestation_key().is_err());
    let attestation = world.tpms[0].attestation_key().unwrap();
    let area = Area::parse(&attestation).unwrap();
    assert!(area.attestation_key().is_ok());
    assert_eq!(area.signing_key(), Err(Unfit::Restricted));
    assert_eq!(area.endorsement_key(), Err(Unfit::Endorsement));
    let key = world.keys[0].certify(&NONCE).unwrap().key;
    let area = Area::parse(&key).unwrap();
    assert_eq!(area.attestation_key(), Err(Unfit::Unrestricted));
    assert!(area.signing_key().is_ok());
}

#[test]
fn the_certificate_of_an_endorsement_key_is_read_whole_and_without_padding() {
    use tpm2_protocol::basic::{TpmHandle, TpmUint16};
    use tpm2_protocol::data::{
        Tpm2bAuth, Tpm2bDigest, Tpm2bMaxNvBuffer, Tpm2bNvPublic, TpmAlgId, TpmRh, TpmaNv, TpmsNvPublic,
    };
    use tpm2_protocol::frame::{
        TpmNvDefineSpaceCommand, TpmNvDefineSpaceResponse, TpmNvWriteCommand, TpmNvWriteResponse,
    };
    let Some(world) = world() else { return };
    let tpm = &world.tpms[0];
    assert_eq!(tpm.certificate(Endorsement::Ecc), Ok(None));
    let index = TpmHandle::new(0x01c0_000a);
    let certificate = [[0x30, 0x82, 0x04, 0x4c].as_slice(), &[5; 1100]].concat();
    let padded = [certificate.as_slice(), &[0xff; 96]].concat();
    let define = TpmNvDefineSpaceCommand {
        handles: [TpmHandle::new(TpmRh::Owner as u32)],
        auth: Tpm2bAuth::default(),
        public_info: Tpm2bNvPublic {
            inner: TpmsNvPublic {
                nv_index: index,
                name_alg: TpmAlgId::Sha256,
                attributes: TpmaNv::AUTHREAD | TpmaNv::AUTHWRITE | TpmaNv::NO_DA,
                auth_policy: Tpm2bDigest::default(),
                data_size: TpmUint16::new(1200),
            },
        },
    };
    let made = tpm.turn().unwrap().at_work(|chip| chip.ask_authorised::<TpmNvDefineSpaceResponse>(&define));
    made.unwrap();
    for (number, piece) in padded.chunks(600).enumerate() {
        let write = TpmNvWriteCommand {
            handles: [index, index],
            data: Tpm2bMaxNvBuffer::try_from(piece).unwrap(),
            offset: TpmUint16::new(u16::try_from(number * 600).unwrap()),
        };
        let made = tpm.turn().unwrap().at_work(|chip| chip.ask_authorised::<TpmNvWriteResponse>(&write));
        made.unwrap();
    }
    assert_eq!(tpm.certificate(Endorsement::Ecc), Ok(Some(certificate)));
    assert_eq!(tpm.certificate(Endorsement::Rsa), Ok(None));
}
