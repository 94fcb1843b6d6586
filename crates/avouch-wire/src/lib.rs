//! Bytes to types and back for every format avouch speaks, and public-key verification.

pub mod time;
