//! Bytes to types and back for every format avouch speaks, and public-key verification.

pub mod asn;
pub mod authority;
pub mod b64u;
pub mod capture;
pub mod content;
pub mod context;
pub mod delegation;
pub mod http_signature;
pub mod key;
pub mod name;
mod octets;
pub mod outside;
pub mod privacy_pass;
pub mod proxy_protocol;
pub mod ranges;
pub mod record;
pub mod report;
pub mod saip;
pub mod settings;
mod span;
pub mod spop;
pub mod structured;
pub mod target;
pub mod time;
pub mod trace_context;
pub mod verdict;
pub mod web_bot_auth;
