//! Questions of agents and challenges of registrars, in JSON.
#![no_main]

use avouch_wire::enrolment::{Challenge, Enrolment};
use avouch_wire::name::Domain;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| {
    let Ok(domain) = Domain::parse("acme.example") else { return };
    let token = format!("avouch-enrol-{}", "A".repeat(43));
    if let Ok(asked) = Enrolment::read(octets, &domain) {
        let again = Enrolment::read(asked.write(&token).as_bytes(), &domain).expect("it was written");
        assert!(again.agent == asked.agent && again.key == asked.key && again.attestation == asked.attestation);
        assert!(asked.holds(&domain, u64::MAX).is_err());
    }
    if let Ok((asked, tpm)) = Enrolment::read_presented(octets, &domain) {
        let again = Enrolment::read_presented(asked.write_presented(&token, &tpm).as_bytes(), &domain);
        assert!(again.expect("it was written").1 == tpm);
    }
    if let Some(challenge) = Challenge::read(octets) {
        assert_eq!(Challenge::read(challenge.write().as_bytes()), Some(challenge));
    }
});
