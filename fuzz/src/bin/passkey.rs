//! What passkeys show: client data, authenticator data and signature, which hold for nothing that was not asked.
#![no_main]

use avouch_wire::key::PublicKey;
use avouch_wire::passkey::{self, Assertion, AuthenticatorData, ClientData, RelyingParty};

/// Keys of whom nothing was asked.
const KEYS: [&str; 2] = [
    "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
    "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w",
];

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let _ = passkey::key(octets);
    let mut parts = octets.splitn(3, |octet| *octet == b'\n');
    let (client_data, authenticator_data) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let assertion =
        Assertion { client_data, authenticator_data, signature: parts.next().unwrap_or_default() };
    if let Ok(data) = AuthenticatorData::read(authenticator_data) {
        assert!(authenticator_data.len() >= 37 && authenticator_data.starts_with(&data.party.0));
    }
    let challenge = match ClientData::read(client_data) {
        Ok(read) => {
            assert_eq!(assertion.challenge(), Ok(read.challenge));
            read.challenge
        }
        Err(error) => {
            assert_eq!(assertion.challenge(), Err(error));
            [0; 32]
        }
    };
    for key in KEYS.iter().filter_map(|key| PublicKey::from_b64u(key).ok()) {
        let party = RelyingParty { id: "localhost", origin: "http://localhost:9180" };
        assert!(assertion.verify(party, &challenge, &key).is_err(), "nobody signed this");
    }
});
