//! Roots of batches of rolling certificates, and which of them a verifier has seen certified.

use avouch_wire::key::Fingerprint;
use avouch_wire::merkle::Hash;

/// The root of a batch with the signature that is to certify it, and the master key by which it is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchRoot {
    /// The master key, live at the name of the agent that is judged now.
    pub master: Fingerprint,
    /// How many requests the batch has.
    pub size: u64,
    /// The root of their tree.
    pub root: Hash,
    /// The value `rcert`.
    pub certificate: [u8; 64],
}

/// What a verifier remembers of roots.
///
/// Of a root that is known the signature is not verified again, and nothing else is skipped. So it may be called known
/// only if a [`CertifiedRoot`] was equal to it in every part. Forgetting costs work, and no more.
pub trait KnownRoots {
    /// Whether this root was certified.
    fn knows(&self, root: &BatchRoot) -> bool;
}

/// Remembers nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRoots;

impl KnownRoots for NoRoots {
    fn knows(&self, _: &BatchRoot) -> bool {
        false
    }
}

/// A root that a master key certified, found by a request of which every signature held. Only judgement makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertifiedRoot(BatchRoot);

impl CertifiedRoot {
    /// Says that the certificate holds for this root under this key.
    pub(super) const fn new(root: BatchRoot) -> Self {
        Self(root)
    }

    /// The root.
    #[must_use]
    pub const fn root(&self) -> &BatchRoot {
        &self.0
    }
}
