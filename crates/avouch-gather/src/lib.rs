//! Looks up what a claim needs: DNS keys and revocations, key directories, registration entities, forward
//! confirmation, networks, the replay table.

mod bounded;
pub mod budget;
pub mod cache;
pub mod clock;
pub mod config_file;
mod directories;
mod entities;
pub mod examination;
pub mod folder;
mod hash_key;
pub mod https;
mod judge;
mod lookups;
pub mod manager;
pub mod meter;
pub mod networks;
pub mod pauses;
pub mod replay;
pub mod room;
mod roots;
pub mod watch;

pub use directories::{Directories, Documents, FetchSettings, Fetcher};
pub use entities::{Entities, EntityFigures, EntitySettings};
pub use judge::{Judge, Settings};
pub use lookups::{Cached, Lookups, records};
