//! An agent's question to a registrar: that its key be published; and what its TPM says along.

use crate::secret::{KeyError, SecretKey};
use crate::tpm::{Credential, Endorsement, Tpm, TpmError};
use avouch_wire::enrolment::{Attestation, Challenge, Enrolment, Presented, Quote, TokenDigest};
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::time::Time;

/// Proves that the key is held, for a domain, an agent and a token.
///
/// # Errors
/// The key refuses.
pub fn enrol(
    key: &SecretKey,
    domain: &Domain<'_>,
    agent: AgentId<'static>,
    token: TokenDigest,
    now: Time,
) -> Result<Enrolment, KeyError> {
    let time = now.seconds();
    let proof = key.sign(&Enrolment::signed_string(domain, &agent, key.public(), &token, time))?;
    Ok(Enrolment { agent, key: key.public().clone(), token, time, proof, attestation: None })
}

/// The TPM that holds a key, as it is presented for a challenge, and by which of its endorsement keys: one that its maker
/// certified, if there is one.
///
/// # Errors
/// [`KeyError::NotInTpm`], [`KeyError::Tpm`].
pub fn present(key: &SecretKey) -> Result<(Endorsement, Presented), KeyError> {
    let tpm = key.tpm().ok_or(KeyError::NotInTpm)?;
    let mut certified = None;
    for kind in [Endorsement::Ecc, Endorsement::Rsa] {
        if let Some(certificate) = tpm.certificate(kind)? {
            certified = Some((kind, certificate));
            break;
        }
    }
    let (kind, endorsement_key, certificate) = match certified {
        Some((kind, certificate)) => (kind, tpm.endorsement_key(kind)?, Some(certificate)),
        None => {
            let (kind, area) = uncertified(tpm)?;
            (kind, area, None)
        }
    };
    Ok((kind, Presented { endorsement_key, certificate, attestation_key: tpm.attestation_key()? }))
}

/// Any endorsement key: not every chip makes both.
fn uncertified(tpm: &Tpm) -> Result<(Endorsement, Vec<u8>), TpmError> {
    match tpm.endorsement_key(Endorsement::Ecc) {
        Ok(area) => Ok((Endorsement::Ecc, area)),
        Err(TpmError::Refused { .. }) => Ok((Endorsement::Rsa, tpm.endorsement_key(Endorsement::Rsa)?)),
        Err(error) => Err(error),
    }
}

/// What the TPM that holds a key answers to a challenge.
///
/// # Errors
/// [`KeyError::NotInTpm`]; [`KeyError::Tpm`], with [`TpmError::NotAddressed`] where the challenge is for another TPM.
pub fn attest(
    key: &SecretKey,
    (kind, presented): (Endorsement, Presented),
    challenge: &Challenge,
) -> Result<Attestation, KeyError> {
    let tpm = key.tpm().ok_or(KeyError::NotInTpm)?;
    let Challenge { ticket, object, secret, registers } = challenge;
    let credential = Credential { object: object.clone(), secret: secret.clone() };
    let hidden = tpm.activate(kind, &credential)?;
    let said = key.certify(&ticket.nonce)?;
    let quote = match registers {
        0 => None,
        registers => {
            let told = tpm.quote(*registers, &ticket.nonce)?;
            Some(Quote { values: told.values, statement: told.statement, signature: told.signature })
        }
    };
    Ok(Attestation {
        tpm: presented,
        ticket: *ticket,
        hidden: hidden.as_slice().try_into().map_err(|_| TpmError::NotAddressed)?,
        key: said.key,
        statement: said.statement,
        signature: said.signature,
        quote,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::enrolment::{EnrolmentError, Fault, token_digest, token_text};
    use avouch_wire::key::KeyType;

    const NOW: u64 = 1_790_000_000;

    fn domain() -> Domain<'static> {
        Domain::parse("acme.example").unwrap()
    }

    fn asked(key_type: KeyType) -> (Enrolment, String) {
        let key = SecretKey::generate(key_type, &mut Fixed(1)).unwrap();
        let token = token_text(&[7; 32]);
        let agent = AgentId::parse("nyc-042.gptbot").unwrap();
        let digest = token_digest(&token).unwrap();
        (enrol(&key, &domain(), agent, digest, Time::from_seconds(NOW)).unwrap(), token)
    }

    #[test]
    fn what_is_asked_is_read_and_holds_for_five_minutes() {
        for key_type in [KeyType::Ed25519, KeyType::P256] {
            let (asked, token) = asked(key_type);
            let read = Enrolment::read(asked.write(&token).as_bytes(), &domain()).unwrap();
            assert!(read == asked);
            for now in [NOW - 300, NOW, NOW + 300] {
                assert_eq!(read.holds(&domain(), now), Ok(()));
            }
            for now in [NOW - 301, NOW + 301] {
                assert_eq!(read.holds(&domain(), now), Err(Fault::Time));
            }
        }
    }

    #[test]
    fn what_was_signed_for_one_question_holds_for_no_other() {
        let (asked, _) = asked(KeyType::P256);
        let other_key = SecretKey::generate(KeyType::P256, &mut Fixed(2)).unwrap();
        for other in [
            Enrolment { agent: AgentId::parse("nyc-043.gptbot").unwrap(), ..asked.clone() },
            Enrolment { key: other_key.public().clone(), ..asked.clone() },
            Enrolment { token: [8; 32], ..asked.clone() },
            Enrolment { time: NOW + 1, ..asked.clone() },
        ] {
            assert_eq!(other.holds(&domain(), NOW), Err(Fault::Signature));
        }
        assert_eq!(asked.holds(&Domain::parse("other.example").unwrap(), NOW), Err(Fault::Signature));
    }

    #[test]
    fn what_is_no_question_is_told_by_its_member() {
        let (asked, token) = asked(KeyType::Ed25519);
        let text = asked.write(&token);
        let changed = |from: &str, to: &str| Enrolment::read(text.replace(from, to).as_bytes(), &domain());
        for (from, to, told) in [
            ("nyc-042.gptbot", "Nyc", "agent: "),
            ("nyc-042.gptbot", "_", "agent: "),
            ("avouch-enrol-", "avouch-", "token: "),
            ("\"proof\":\"", "\"proof\":\"A", "proof: "),
            ("\"key\":\"", "\"key\":\"A", "key: "),
            ("\"time\"", "\"more\":1,\"time\"", "not an enrolment: "),
            ("\"time\":", "\"time\":-", "not an enrolment: "),
            ("{", "[", "not an enrolment: "),
        ] {
            let error = changed(from, to).err().unwrap();
            assert!(error.to_string().starts_with(told), "{error}");
        }
        let long = format!("{}.{}", "a".repeat(60), "b".repeat(60));
        let deep = Domain::parse(
            "a-domain-with-a-long-name.another-label-of-it.and-one-more-for-good-measure.\
             to-be-really-sure-of-it.and-again-a-label-that-is-long.example",
        );
        let read = Enrolment::read(text.replace("nyc-042.gptbot", &long).as_bytes(), &deep.unwrap());
        assert_eq!(read.err(), Some(EnrolmentError::NoAgent));
    }
}
