//! What replicas share, in Redis: which nonces are used, the secrets of challenges, how much of a rate is used.
//!
//! In scope: one connection to one Redis (or Valkey), kept and asked within a deadline; that no nonce is entered twice
//! among all gateways of a group, whatever Redis forgets; that every gateway of a group challenges by the same secrets;
//! that what each admits under a rate is known to the others soon after.
//! `script` is where that is decided, in one step of Redis; `line` is a connection, `store` keeps it.
//!
//! Out of scope: what is remembered at each node, and the order of the two (`avouch-gather`); which claims have a nonce
//! (`avouch-engine`); Redis Cluster, and finding a primary by Sentinel (a name that follows the primary does).
//!
//! Limits: 512 questions under way, each within the deadline; connecting within 2 s; pauses of up to 5 s between
//! attempts. Formats: `docs/formats/replay.md`.
//!
//! ```
//! use avouch_store::Address;
//!
//! let address = Address::parse("redis://avouch:secret@cache.example/1")?;
//! assert_eq!(address.to_string(), "redis://avouch@cache.example:6379/1");
//! # Ok::<(), avouch_store::AddressError>(())
//! ```

mod address;
mod counts;
mod examine;
#[cfg(feature = "sql")]
pub mod ledger;
mod line;
mod rates;
mod script;
mod secrets;
mod store;
#[cfg(test)]
mod tests;
mod trouble;

pub use address::{Address, AddressError, Group, Password, PasswordError};
pub use counts::Figures;
pub use examine::{Unfit, examine};
pub use store::{Settings, Store, Unavailable};
