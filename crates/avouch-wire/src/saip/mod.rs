//! The SAIP header: how a request says who sends it, and the strings its signatures cover.

mod canonical;
mod header;

pub use canonical::{RequestParts, rcert_tbs, request_string};
pub use header::{
    Form, Header, HeaderError, MAX_HEADER, MAX_UNKNOWN, Mode, Signed, Value, WINDOW_AFTER, WINDOW_BEFORE,
};

/// The field name, in lower case.
pub const FIELD: &str = "saip";
