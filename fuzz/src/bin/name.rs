//! Domains, agent ids and written identities.
#![no_main]

use avouch_wire::name::{AgentId, Domain, Identity};

fn is_ldh(label: &str) -> bool {
    let octets = label.as_bytes();
    let plain = |octet: &u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || *octet == b'-';
    (1..=63).contains(&octets.len())
        && octets.iter().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(domain) = Domain::parse(text) {
        assert!(domain.as_str().len() <= 253 && domain.as_str().split('.').count() >= 2);
        assert!(domain.as_str().split('.').all(is_ldh));
        assert!(domain.contains(domain.as_str()) && domain.as_str().ends_with(domain.registrable()));
        assert_eq!(Domain::parse(domain.as_str()).as_ref(), Ok(&domain));
    }
    if let Ok(agent) = AgentId::parse(text) {
        assert!(agent.is_domain_itself() || agent.as_str().split('.').count() <= 4);
        assert_eq!(AgentId::parse(agent.as_str()).as_ref(), Ok(&agent));
    }
    if let Ok(identity) = Identity::parse(text) {
        assert_eq!(Identity::parse(&identity.to_string()), Ok(identity));
    }
});
