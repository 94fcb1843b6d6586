//! What is known for or against a claim: the questions it raises, the answers that were gathered,
//! and what they prove.

mod answer;
mod delegation;
mod directory;
mod held;
mod network;
mod pass;
mod proof;
mod questions;
mod registered;
mod registry;
mod roots;
mod signed;
mod test_keys;
mod token;
mod trail;
mod transport;

pub use answer::{Answer, Cause, Dnssec, Persistence};
pub use held::{Held, MAX_ASN_AGE, MAX_RANGES_AGE};
pub use network::Network;
pub use proof::Proof;
pub use questions::{DirectoryQuestion, EntityQuestion, NetworkQuestion, Questions};
pub use registry::Registered;
pub use roots::{BatchRoot, CertifiedRoot, KnownRoots, NoRoots};
pub use test_keys::is_public_test_key;
pub use token::Issued;

pub(crate) use directory::{admit_signatures, prove_by_directory};
pub(crate) use network::located;
pub(crate) use pass::{admit_pass, vouched};
pub(crate) use proof::{limits, meant_for_us, prove, timely};
pub(crate) use registered::{admit_registered, prove_registered};
pub(crate) use token::{acts_for, admit_token, is_anywhere};
pub(crate) use trail::{Shortfall, Trail};
pub(crate) use transport::contradicts;

use avouch_wire::record::Published;
use avouch_wire::web_bot_auth::Directory;
use std::sync::Arc;

/// The count of revocations a verifier has heard of. A verdict is used only if it has not moved
/// since the evidence was gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Epoch(pub u64);

/// What stands at a `_saip` name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    /// The union of its records.
    pub published: Published,
    /// Whether the answer was made from a wildcard, which names nobody.
    pub wildcard: bool,
}

/// The answers to [`Questions`], in their order. What was not asked stays unknown.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What stands at the name that decides.
    pub record: Answer<Arc<Records>>,
    /// What stands at each name that can revoke.
    pub revocations: Vec<Answer<Arc<Records>>>,
    /// What DNS, and data on this machine, say of the client's address.
    pub network: Network,
    /// The keys that stand at the URL of a Web Bot Auth signature. Their DNSSEC standing says nothing.
    pub directory: Answer<Arc<Directory>>,
    /// What the registration entity says of the agent; absent where it knows none of this name. Its DNSSEC standing
    /// says nothing.
    pub registered: Answer<Arc<Registered>>,
    /// The epoch read before anything was looked up.
    pub epoch: Epoch,
}

impl Evidence {
    /// Whether it is open what stands at the name that decides, or at one that can revoke.
    pub(crate) fn is_open(&self) -> bool {
        let mut all = std::iter::once(&self.record).chain(&self.revocations);
        all.any(|answer| matches!(answer, Answer::Unknown(_)))
    }
}
