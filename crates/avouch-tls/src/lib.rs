//! TLS configuration for listeners and upstreams.
//!
//! In scope: turning PEM files into something that accepts or opens TLS connections, with the
//! protocols `h2` and `http/1.1` negotiated by ALPN (RFC 7301). TLS 1.2 and 1.3 only. An authority of this machine's
//! own, for a proxy that looks into https ([`LocalAuthority`]). Certificates of TPMs, whose chains are checked as those of
//! TLS are ([`Makers`]).
//!
//! Out of scope: who the peer is (`avouch-engine`), sockets and timeouts (`avouch-gateway`),
//! certificates of sites (operators bring their own, or `avouch-acme` asks for one).
//!
//! Limits: certificate and key files of at most 1 MiB (root bundles 4 MiB); 100 names of a client's
//! certificate, which clients are asked for only where the operator names roots.
//!
//! ```
//! use std::path::Path;
//! let missing = avouch_tls::Acceptor::load(Path::new("no-such.pem"), Path::new("no-such.key"), None);
//! assert!(matches!(missing, Err(avouch_tls::CertificateError::Read { .. })));
//! ```

mod acceptor;
mod chain;
mod challenges;
mod connector;
mod local;
mod makers;
mod pem;
mod secured;
#[cfg(test)]
mod tests;

pub use acceptor::Acceptor;
pub use chain::{Chain, ChainFault};
pub use challenges::Challenges;
pub use connector::Connector;
pub use local::{LocalAuthority, LocalError};
pub use makers::{MakerFault, Makers};
pub use pem::CertificateError;
pub use secured::{MAX_NAMES, Protocol, Secured};
