//! Delegation tokens: what is read is written so that it says the same; a scope admits what begins as it does.
#![no_main]

use avouch_wire::delegation::{Scope, Subject, Token};
use avouch_wire::key::PublicKey;
use avouch_wire::target::NormalPath;
use std::sync::LazyLock;

/// The base point of Ed25519; nothing is signed with it.
static KEY: LazyLock<PublicKey> = LazyLock::new(|| {
    let mut octets = [0x66; 32];
    octets[0] = 0x58;
    PublicKey::from_octets(&octets).expect("is a key")
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(token) = Token::parse(text) {
        assert!(token.grant().check().is_ok());
        if let Ok(input) = Token::signing_input(token.grant(), &KEY) {
            let signature = "A".repeat(86);
            let again = format!("{input}.{signature}");
            let again = Token::parse(&again).expect("what is written is read");
            assert_eq!(again.grant(), token.grant());
        }
    }
    if let Ok(subject) = Subject::parse(text) {
        assert_eq!(Subject::parse(&subject.to_string()), Ok(subject));
    }
    if let Ok(scope) = Scope::parse(text) {
        assert_eq!(Scope::parse(&scope.to_string()).as_ref(), Ok(&scope));
        let (method, path) = text.split_once(' ').expect("has two parts");
        assert!(method == "*" || scope.admits(method, &NormalPath::of(path)));
    }
});
