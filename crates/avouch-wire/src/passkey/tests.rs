//! Assertions that hold, and each with one thing changed, which do not.

use super::*;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

const PARTY: RelyingParty<'static> =
    RelyingParty { id: "avouch.shop.example", origin: "https://avouch.shop.example:8443" };
const CHALLENGE: Challenge = [7; 32];

enum Authenticator {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Authenticator {
    fn both() -> [Self; 2] {
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        [Self::P256(p256), Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap())]
    }

    fn key(&self) -> PublicKey {
        let octets = match self {
            Self::P256(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        };
        PublicKey::from_octets(octets).unwrap()
    }

    fn sign(&self, client: &str, data: &[u8]) -> Vec<u8> {
        let signed = [data, &ContentDigest::of(client.as_bytes()).0].concat();
        match self {
            Self::P256(pair) => pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(&signed).as_ref().to_vec(),
        }
    }

    fn verdict(&self, client: &str, data: &[u8]) -> Result<(), AssertionError> {
        let signature = self.sign(client, data);
        let client_data = client.as_bytes();
        Assertion { client_data, authenticator_data: data, signature: &signature }.verify(
            PARTY,
            &CHALLENGE,
            &self.key(),
        )
    }
}

fn client(ceremony: &str, challenge: &[u8], origin: &str, more: &str) -> String {
    let challenge = crate::b64u::encode(challenge);
    format!(r#"{{"type":"{ceremony}","challenge":"{challenge}","origin":"{origin}"{more}}}"#)
}

fn data(id: &str, flags: u8, more: &[u8]) -> Vec<u8> {
    [&ContentDigest::of(id.as_bytes()).0[..], &[flags, 0, 0, 0, 1], more].concat()
}

#[test]
fn an_assertion_for_what_was_asked_holds_under_its_key() {
    for authenticator in Authenticator::both() {
        for more in ["", r#","crossOrigin":false"#, r#","other_keys_can_be_added_here":"x""#] {
            let client = client("webauthn.get", &CHALLENGE, PARTY.origin, more);
            assert_eq!(authenticator.verdict(&client, &data(PARTY.id, 0x05, &[])), Ok(()), "{more}");
            // Backed up, and with extensions.
            assert_eq!(authenticator.verdict(&client, &data(PARTY.id, 0x9d, &[0xa0])), Ok(()), "{more}");
        }
    }
}

#[test]
fn an_assertion_with_one_thing_changed_does_not_hold() {
    use AssertionError as E;
    let (party, origin) = (PARTY.id, PARTY.origin);
    let good = data(party, 0x05, &[]);
    for authenticator in Authenticator::both() {
        let of_client = |ceremony: &str, challenge: &[u8], origin: &str, more: &str| {
            authenticator.verdict(&client(ceremony, challenge, origin, more), &good).unwrap_err()
        };
        let get = "webauthn.get";
        assert_eq!(
            of_client("webauthn.create", &CHALLENGE, origin, ""),
            E::ClientData(ClientDataError::Type)
        );
        assert_eq!(of_client(get, &[8; 32], origin, ""), E::Challenge);
        assert_eq!(of_client(get, &[7; 31], origin, ""), E::ClientData(ClientDataError::Challenge));
        assert_eq!(of_client(get, &CHALLENGE, "https://avouch.shop.example", ""), E::Origin);
        assert_eq!(of_client(get, &CHALLENGE, "https://evil.example", ""), E::Origin);
        let framed = E::ClientData(ClientDataError::Framed);
        assert_eq!(of_client(get, &CHALLENGE, origin, r#","crossOrigin":true"#), framed);
        assert_eq!(of_client(get, &CHALLENGE, origin, r#","topOrigin":"https://evil.example""#), framed);
        let twice = format!(r#","origin":"{origin}""#);
        assert_eq!(of_client(get, &CHALLENGE, origin, &twice), E::ClientData(ClientDataError::Json));
        let long = format!(r#","x":"{}""#, "x".repeat(MAX_CLIENT_DATA));
        assert_eq!(of_client(get, &CHALLENGE, origin, &long), E::ClientData(ClientDataError::Length));

        let client = client(get, &CHALLENGE, origin, "");
        let of_data = |data: &[u8]| authenticator.verdict(&client, data).unwrap_err();
        assert_eq!(of_data(&data("shop.example", 0x05, &[])), E::RelyingParty);
        assert_eq!(of_data(&data(party, 0x04, &[])), E::Presence);
        assert_eq!(of_data(&data(party, 0x01, &[])), E::Verification);
        let broken = E::AuthenticatorData;
        assert_eq!(of_data(&data(party, 0x45, &[0; 18])), broken(AuthenticatorDataError::Key));
        assert_eq!(of_data(&data(party, 0x05, &[0])), broken(AuthenticatorDataError::End));
        assert_eq!(of_data(&data(party, 0x85, &[])), broken(AuthenticatorDataError::End));
        assert_eq!(of_data(&good[..36]), broken(AuthenticatorDataError::Length));
        assert_eq!(of_data(&data(party, 0x85, &[0; 1024])), broken(AuthenticatorDataError::Length));
    }
}

#[test]
fn a_changed_signature_or_another_key_does_not_hold() {
    let [p256, ed25519] = Authenticator::both();
    let client = client("webauthn.get", &CHALLENGE, PARTY.origin, "");
    let data = data(PARTY.id, 0x05, &[]);
    for (authenticator, other) in [(&p256, &ed25519), (&ed25519, &p256)] {
        let good = authenticator.sign(&client, &data);
        let verdict = |signature: &[u8], key: &PublicKey| {
            Assertion { client_data: client.as_bytes(), authenticator_data: &data, signature }
                .verify(PARTY, &CHALLENGE, key)
        };
        let key = authenticator.key();
        assert_eq!(verdict(&good, &key), Ok(()));
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            assert_eq!(verdict(&changed, &key), Err(AssertionError::Signature), "octet {at}");
        }
        for bad in [&good[..good.len() - 1], &[&good[..], &[0]].concat(), &[]] {
            assert_eq!(verdict(bad, &key), Err(AssertionError::Signature));
        }
        assert_eq!(verdict(&good, &other.key()), Err(AssertionError::Signature));
        assert_eq!(verdict(&other.sign(&client, &data), &key), Err(AssertionError::Signature));
    }
}

#[test]
fn r_and_s_have_one_spelling() {
    assert_eq!(
        signature::p256(&[0x30, 6, 2, 1, 1, 2, 1, 2]).map(|fixed| (fixed[31], fixed[63])),
        Some((1, 2))
    );
    let high = [&[0x30, 38, 2, 33, 0][..], &[0xff; 32], &[2, 1, 1]].concat();
    assert!(signature::p256(&high).is_some());
    for bad in [
        &[0x30, 7, 2, 2, 0, 1, 2, 1, 2][..], // r with a zero too many
        &[0x30, 6, 2, 1, 0x81, 2, 1, 2],     // r below zero
        &[0x30, 6, 2, 1, 0, 2, 1, 2],        // r of zero
        &[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2],  // a length too long
        &[0x30, 6, 2, 1, 1, 2, 1, 2, 0],     // something behind
        &[0x30, 7, 2, 1, 1, 2, 1, 2, 0],     // something within
        &[0x30, 3, 2, 1, 1],                 // no s
    ] {
        assert_eq!(signature::p256(bad), None, "{bad:?}");
    }
    let long = [&[0x30, 38, 2, 33, 1][..], &[0; 32], &[2, 1, 1]].concat();
    assert_eq!(signature::p256(&long), None, "r of 257 bits");
}

#[test]
fn a_key_is_ed25519_or_p256_as_browsers_give_it() {
    let p256 = crate::b64u::decode_vec(
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li_hp_m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q",
    )
    .unwrap();
    assert_eq!(key(&p256).map(|key| key.key_type()), Some(KeyType::P256));
    assert!(key(&p256[..90]).is_none());
    assert!(key(&[&p256[..], &[0]].concat()).is_none());
    assert!(key(b"").is_none());
}
