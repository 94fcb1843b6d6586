//! What is said to and by registration entities: what is read is written and read again alike.
#![no_main]

use avouch_wire::entity::{
    Credentials, Event, EventQuestion, FloorAnswer, KeyAnswer, KeyQuestion, Members, RegistrationQuestion,
    Renegotiation, Rotation, SecretAnswer, VerifierDocument,
};
use avouch_wire::key::PublicKey;

/// The key of a steward who signed nothing.
const STEWARD: &str = "iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w";

libfuzzer_sys::fuzz_target!(|text: &str| {
    let octets = text.as_bytes();
    if let Ok(read) = KeyQuestion::read(octets) {
        assert_eq!(KeyQuestion::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = EventQuestion::read(octets) {
        assert_eq!(EventQuestion::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = Renegotiation::read(octets) {
        assert_eq!(Renegotiation::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = Rotation::read(octets) {
        assert_eq!(Rotation::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = RegistrationQuestion::read(octets) {
        assert_eq!(RegistrationQuestion::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = SecretAnswer::read_any(octets) {
        assert_eq!(SecretAnswer::read_any(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = FloorAnswer::read(octets) {
        assert_eq!(FloorAnswer::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = VerifierDocument::read(octets) {
        assert_eq!(VerifierDocument::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Ok(read) = Event::read(octets) {
        assert_eq!(Event::read(read.write().as_bytes()).as_ref(), Ok(&read));
    }
    if let Some(read) = Credentials::parse(text) {
        assert_eq!(read.to_string(), text);
    }
    // A question, then an answer to it.
    if let Some((question, answer)) = text.split_once('\n') {
        let question = KeyQuestion::read(question.as_bytes());
        let answer = question.and_then(|question| {
            KeyAnswer::read(answer.as_bytes(), &question).map(|answer| (question, answer))
        });
        if let Ok((question, answer)) = answer {
            assert_eq!(KeyAnswer::read(answer.write().as_bytes(), &question).as_ref(), Ok(&answer));
        }
    }
    if let Ok(steward) = PublicKey::from_b64u(STEWARD) {
        let list = Members::read(octets, &steward);
        assert!(octets.is_empty() || list.is_err(), "nobody signed this");
    }
});
