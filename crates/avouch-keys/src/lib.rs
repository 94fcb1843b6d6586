//! Secret keys: made, kept encrypted at rest, and used to sign statements; nothing else sees them.
//!
//! In scope: making Ed25519 and P-256 keys ([`SecretKey`]), keeping them in files ([`store`]), in a TPM ([`tpm`]) or in a
//! token of a PKCS#11 module ([`token`]), signing requests as an agent ([`saip`], [`batch`], [`web_bot_auth`], [`partner`],
//! [`http_signature`]), the agent's key directory ([`directory`]), tokens as a domain ([`delegation`]), verdicts as a gateway
//! ([`assertion`]), and a zone of the DNS ([`zone`]); both sides of a registration entity ([`entity`]); reading secrets that
//! a site shares with those who sign for it ([`shared`]), and that a publisher shares with a name server ([`tsig`]).
//!
//! Out of scope: public keys and verification (`avouch-wire`), publishing a key (`avouch-dns`), sending the
//! signed request (`avouch`), TLS keys (`avouch-tls`), asking a person for a passphrase (the command line).
//!
//! A secret key cannot be cloned, printed or exported but encrypted, unless [`store::Protection::None`] is
//! asked for; it is wiped when dropped. No function takes a digest or octets to sign: each takes the typed
//! parts of one kind of statement and builds the signed string itself, under that kind's context; what [`tsig`] and
//! [`zone`] sign has the DNS's own form, and a key of its own.
//!
//! Limits: Unix only, for a key file's protection is its mode. Keys of files are in this process's memory, readable to
//! whoever may debug it; memory is not locked against swapping. The passphrase is wiped, but the key derived
//! from it stays in freed memory for a while (`pkcs5` does not wipe it). Whoever can replace a key file can
//! make the agent sign with another key, which then is not the published one.
//!
//! Formats: RFC 5958 and RFC 8018 (key files), RFC 8410 and RFC 5915 (keys), RFC 7515 and RFC 7517
//! (assertions), `docs/formats/keys.md`; the SAIP header is described where `avouch_wire::saip` is.
//!
//! ```
//! use avouch_keys::SecretKey;
//! use avouch_keys::entropy::SystemEntropy;
//! use avouch_keys::saip::{Mode, RequestToSign, Signer, Speaker};
//! use avouch_wire::authority::{Authority, Scheme};
//! use avouch_wire::key::KeyType;
//! use avouch_wire::name::{AgentId, Domain};
//! use avouch_wire::target::Target;
//! use avouch_wire::time::Time;
//!
//! let master = SecretKey::generate(KeyType::P256, &mut SystemEntropy)?;
//! let speaker = Speaker {
//!     domain: Some(Domain::parse("acme.example")?),
//!     agent: AgentId::parse("crawler-7")?,
//!     instance: None,
//! };
//! let signer = Signer::new(master, speaker);
//! let request = RequestToSign {
//!     method: "GET",
//!     target: &Target::parse("GET", "/prices?page=2")?,
//!     authority: &Authority::parse("www.shop.example", Scheme::Https)?,
//!     content: None,
//! };
//! let header = signer.sign(request, Mode::Rolling(KeyType::Ed25519), Time::from_seconds(1_790_000_000))?;
//! assert!(header.starts_with(r#"dom="acme.example"; id="crawler-7"; alg="ed25519"; ts="1790000000""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod assertion;
pub mod batch;
pub mod delegation;
pub mod directory;
pub mod enrolment;
pub mod entity;
pub mod entropy;
pub mod http_signature;
pub mod partner;
pub mod passphrase;
pub mod privacy_pass;
pub mod saip;
pub mod shared;
pub mod spki;
pub mod store;
pub mod token;
pub mod tpm;
pub mod tsig;
pub mod web_bot_auth;
pub mod zone;

mod secret;

pub use secret::{KeyError, SecretKey};
