//! Every context string, in one table.
//!
//! Whatever avouch signs or hashes in an encoding of its own begins with the purpose's context
//! string, so that bytes made for one purpose are never accepted for another. The strings end in
//! a zero octet; none is a prefix of another.

/// The canonical string of a request, full form.
pub const REQUEST: &[u8] = b"avouch request v1\0";

/// A rolling certificate: the master key's signature over a rolling key and its request.
pub const RCERT: &[u8] = b"avouch rcert v1\0";

/// A batch of rolling certificates: the master key's signature over the root of their tree.
pub const RCERT_BATCH: &[u8] = b"avouch rcert batch v1\0";

/// Fingerprints in the replay table of a group.
pub const REPLAY: &[u8] = b"avouch replay v1\0";

/// The context of a Privacy Pass challenge.
pub const PASS_CONTEXT: &[u8] = b"avouch pass context v1\0";

/// What stands for the key that a challenge's context was derived by.
pub const PASS_KEY: &[u8] = b"avouch pass key v1\0";

/// What stands for the name of a registered key in the replay table.
pub const REGISTERED_KEY: &[u8] = b"avouch registered key v1\0";

/// What an agent signs to enrol: that it holds the key it asks to have published.
pub const ENROLMENT: &[u8] = b"avouch enrolment v1\0";

/// The digest of an enrolment token, by which a registrar knows it.
pub const ENROLMENT_TOKEN: &[u8] = b"avouch enrolment token v1\0";

/// What a TPM signs along when it attests something.
pub const ATTESTATION: &[u8] = b"avouch attestation v1\0";

/// A registrar's seal upon a challenge that it gave.
pub const ATTESTATION_SEAL: &[u8] = b"avouch attestation seal v1\0";

/// What a registrar hides in such a challenge.
pub const ATTESTATION_HIDDEN: &[u8] = b"avouch attestation hidden v1\0";

/// The key that a registration entity hands to one verifier, for one agent and one epoch.
pub const RE_VERIFIER: &[u8] = b"avouch re verifier v1\0";

/// The key of one request in registry mode.
pub const RE_ROLLING: &[u8] = b"avouch re rolling v1\0";

/// What stands for an agent of a registration entity where others are known by a key.
pub const RE_AGENT: &[u8] = b"avouch re agent v1\0";

/// The name of the count of an instance that a group of verifiers shares.
pub const RE_COUNT: &[u8] = b"avouch re count v1\0";

/// What a verifier signs to ask a registration entity.
pub const RE_QUESTION: &[u8] = b"avouch re question v1\0";

/// What an agent signs to ask its registration entity for another beginning of its sequence.
pub const RE_RENEGOTIATION: &[u8] = b"avouch re renegotiation v1\0";

/// What an agent signs to register with a registration entity.
pub const RE_REGISTRATION: &[u8] = b"avouch re registration v1\0";

/// What an agent signs to have its registration entity change its secret.
pub const RE_ROTATION: &[u8] = b"avouch re rotation v1\0";

/// The digest of a registration token, by which a registration entity knows it.
pub const RE_TOKEN: &[u8] = b"avouch re token v1\0";

/// The secret of one agent, derived from what a registration entity keeps in a file of its own.
pub const RE_SECRET: &[u8] = b"avouch re secret v1\0";

/// By what a registration entity notices that it was given the file of another.
pub const RE_ROOT: &[u8] = b"avouch re root v1\0";

/// An entry of the list of registration entities that belong together.
pub const RE_MEMBER: &[u8] = b"avouch re member v1\0";

/// All of the above; the test below holds them apart.
pub const ALL: &[&[u8]] = &[
    REQUEST,
    RCERT,
    RCERT_BATCH,
    REPLAY,
    PASS_CONTEXT,
    PASS_KEY,
    REGISTERED_KEY,
    ENROLMENT,
    ENROLMENT_TOKEN,
    ATTESTATION,
    ATTESTATION_SEAL,
    ATTESTATION_HIDDEN,
    RE_VERIFIER,
    RE_ROLLING,
    RE_AGENT,
    RE_COUNT,
    RE_QUESTION,
    RE_RENEGOTIATION,
    RE_REGISTRATION,
    RE_ROTATION,
    RE_TOKEN,
    RE_SECRET,
    RE_ROOT,
    RE_MEMBER,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_context_is_a_prefix_of_another() {
        for (i, one) in ALL.iter().enumerate() {
            assert!(one.ends_with(b"\0") && one.iter().filter(|octet| **octet == 0).count() == 1);
            for (j, other) in ALL.iter().enumerate() {
                assert!(i == j || !other.starts_with(one));
            }
        }
    }
}
