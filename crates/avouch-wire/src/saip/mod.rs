//! The SAIP header: how a request says who sends it, and the strings its signatures cover.

mod batch;
mod canonical;
mod header;
mod values;

pub use batch::{BatchProof, MAX_BATCH, ProofError, batch_tbs};
pub use canonical::{RequestParts, rcert_tbs, request_string};
pub use header::{Form, Header, HeaderError, Mode, Registry, Seal, Signed, WINDOW_AFTER, WINDOW_BEFORE};
pub use values::{MAX_HEADER, MAX_UNKNOWN, Value};

/// The field name, in lower case.
pub const FIELD: &str = "saip";
