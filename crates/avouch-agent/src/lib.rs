//! The client side: programs that know nothing of signatures send signed requests.
//!
//! In scope: a forward proxy that signs, ports that lead to one site each, a signing service for programs that send
//! their requests themselves ([`Running`]); the library that it is made of ([`Agent`]), what an operator sees of both:
//! health, figures, and whether the DNS publishes the key; and how the key comes there ([`enrol`]). Requests to
//! the destinations of a [configuration](config::Config) say who sends them; all others go out without a name.
//!
//! Out of scope: how signatures are made and keys kept (`avouch-keys`), TLS itself (`avouch-tls`), judging requests
//! (`avouch-gateway`).
//!
//! Limits: `[limits]`, each with its default in [`config::Limits`]; heads of 64 KiB; 1,024 idle connections to sites, 512
//! to one; four addresses of a host.
//!
//! Specifications: RFC 9110 section 7.6 and RFC 9112 section 3.2 (proxies), RFC 9209 (`Proxy-Status`),
//! `docs/operate/agent.md`, `docs/formats/signing-service.md`.
//!
//! ```
//! use avouch_agent::config::Config;
//!
//! let text = "key = 'file:crawler.key'\ndomain = 'acme.example'\nagent = 'crawler-7'\n\
//!     proxy.listen = '127.0.0.1:8118'\ndestination = { host = '*.shop.example' }";
//! let config = Config::parse("agent.toml", text)?;
//! assert_eq!(config.destinations.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admin;
mod agent;
mod authority;
mod body;
mod bot;
mod carrier;
pub mod config;
mod desk;
mod egress;
pub mod enrol;
pub mod entity;
mod figures;
mod hygiene;
mod identity;
mod key;
mod lines;
mod listen;
mod load;
mod outbound;
mod pool;
mod proxy;
mod question;
mod refusal;
mod registered;
mod registration;
mod run;
mod signer;
mod site;
mod standing;

pub use agent::{Agent, Fields, RequestError};
pub use authority::{AuthorityError, authority_root};
pub use bot::{UrlError, check_url};
pub use desk::DeskError;
pub use hygiene::strip_identity;
pub use identity::SignError;
pub use key::OpenError;
pub use load::LoadError;
pub use question::{Content, Question, QuestionError};
pub use run::{Running, StartError, check, run};
pub use signer::SocketError;
pub use site::Site;
