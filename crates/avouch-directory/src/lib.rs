//! The key directory of a bot: made, signed, and served.
//!
//! In scope: the document ([`Document`]), its keys' signatures for one site ([`Directory`]), the answers of a server
//! that signs each anew ([`run`]), and the same for nginx, which has to be told again before they end ([`nginx`]).
//!
//! Out of scope: making and opening keys (`avouch-keys`), TLS itself (`avouch-tls`), fetching directories and judging
//! who signed them (`avouch-gather`).
//!
//! Limits: 100 keys in a document, 8 in one that is signed, for verifiers read no more of either; one site; 1 024
//! connections, each for 10 s at most and with a head of at most 16 KiB.
//!
//! Formats: draft-meunier-http-message-signatures-directory, RFC 7517 (the document), RFC 9421 (its signatures),
//! `docs/formats/web-bot-auth.md`.
//!
//! ```
//! use avouch_directory::{Document, Validity};
//! use avouch_keys::SecretKey;
//! use avouch_keys::entropy::SystemEntropy;
//! use avouch_wire::key::KeyType;
//!
//! let key = SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy)?;
//! let document = Document::new(&[key.public().clone()], Validity::default())?;
//! assert!(document.as_str().starts_with(r#"{"keys":["#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod directory;
mod document;
pub mod nginx;
mod serve;

pub use directory::{Directory, Lifetime, LifetimeError, UnsignableError};
pub use document::{Document, DocumentError, Validity};
pub use serve::{Keys, Settings, StartError, Tls, run};
