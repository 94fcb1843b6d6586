//! Privacy Pass: the fields tokens and challenges travel in, and what stands in them.

#![no_main]

use avouch_wire::privacy_pass::{Challenged, IssuerKey, Token, TokenChallenge, read_authorization};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(Some(token)) = read_authorization(data) {
        assert_eq!(Token::parse_text(&token.text()), Ok(token));
    }
    if let Ok(token) = Token::parse(data) {
        assert_eq!(token.octets(), data);
    }
    challenge(data);
    if let Ok(key) = IssuerKey::from_spki(data) {
        assert_eq!(IssuerKey::from_text(&key.text()), Ok(key));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    for one in Challenged::read(text).iter().flatten() {
        one.challenge().iter().for_each(|octets| challenge(octets));
        let _ = one.token_key().map(|spki| IssuerKey::from_spki(&spki));
    }
});

fn challenge(octets: &[u8]) {
    if let Ok(challenge) = TokenChallenge::parse(octets) {
        assert_eq!(challenge.octets(), octets);
        assert!(challenge.origins().all(|origin| !origin.is_empty()));
    }
}
