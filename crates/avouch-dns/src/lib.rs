//! DNS with DNSSEC: every answer with its standing, from live resolvers or zone files.
//!
//! In scope: asking for TXT, address and PTR records and saying of each answer whether it was
//! proved ([`Dnssec::Secure`](avouch_engine::evidence::Dnssec)), provably unsigned, absent, or
//! could not be found out, and until when it may be used. [`Resolver`] asks servers and validates
//! what they say itself; [`ZoneFiles`] answers from RFC 1035 zone files without any network.
//! [`publish`] changes records at a primary name server elsewhere; [`direct`] and [`Delegation`] ask single servers
//! what they have, for whoever looks after a zone.
//! With the feature `serve`, `SignedZones` is a small signed name server for demonstrations and tests.
//!
//! Out of scope: keeping answers (`avouch-gather` has the only cache; nothing here remembers an
//! answer from one look-up to the next), what records mean (`avouch-wire`), look-up budgets
//! (`avouch-gather`), and what an answer does to a claim (`avouch-engine`).
//!
//! Limits: [`MAX_ALIASES`] CNAMEs in a chain; [`MAX_LOOKUP`] for one look-up with everything its
//! validation needs; [`MAX_NEGATIVE_TTL`] for absence. Names below a DNAME in a signed zone come out
//! bogus, because the CNAME a server synthesises from it carries no signature.
//!
//! Specifications: RFC 1034, 1035, 2136, 2308, 4033–4035, 4592, 6840, 8945; `docs/formats/record.md`.
//!
//! ```
//! use avouch_dns::{Dns, ZoneFiles};
//! use avouch_engine::evidence::{Answer, Dnssec};
//! use avouch_wire::time::Time;
//!
//! let text = "$ORIGIN acme.example.\n$TTL 300\n\
//!     @ SOA ns hostmaster 1 7200 900 1209600 300\n\
//!     bot._saip TXT \"v=saip1; pk=\"\n";
//! let zones = ZoneFiles::parse(&[("acme.zone", text)], Dnssec::Insecure)?;
//! let now = Time::from_seconds(1_790_000_000);
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let answer = runtime.block_on(Dns::Zones(zones).txt("bot._saip.acme.example", now));
//! let Answer::Found { value, until, .. } = answer else { panic!() };
//! assert_eq!(&*value.records[0], b"v=saip1; pk=");
//! assert_eq!(until.seconds(), now.seconds() + 300);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod delegation;
pub mod direct;
mod lookup;
pub mod own;
pub mod publish;
mod resolver;
#[cfg(feature = "serve")]
mod serve;
mod system;
mod zone;

pub use delegation::{Delegated, Delegation, ServerState};
pub use lookup::{Dns, MAX_ALIASES, MAX_NEGATIVE_TTL, Txt};
pub use resolver::{AnchorError, MAX_LOOKUP, Resolver, ResolverSettings, SettingsError, TrustAnchor};
#[cfg(feature = "serve")]
pub use serve::{ServeError, SignedZones};
pub use system::{DNS_PORT, SYSTEM_RESOLVERS, system_resolvers};
pub use zone::{ZoneError, ZoneFiles, ZoneTxt};
