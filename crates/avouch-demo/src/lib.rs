//! The demonstration world: a root zone, a site, its gateway and its visitors in one process.
//!
//! In scope: a signed root zone on loopback, a web server, the gateway in front of it as
//! `avouch gateway` starts it, agents with fresh keys, and a script of real HTTP requests, each
//! with what must come of it. Only loopback is used, on free ports, and nothing outlives it.
//!
//! Out of scope: judging (`avouch-engine`, by way of the gateway), printing (the command line).
//! What came of a request is read where an operator reads it, in the access log, and what the
//! web server received is asked of the web server. [`Fleet`] is another world: agents with keys in TPMs that enrol by
//! themselves, of which a part is revoked.
//!
//! Visitors have addresses of their own because the gateway trusts `X-Forwarded-For` from
//! 127.0.0.1, as behind a load balancer; all of them are documentation addresses (RFC 5737).
//! Limits: one request at a time, but for those that wait for a silent name server.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let world = avouch_demo::World::start().await?;
//! assert!(world.config().contains("authorities = [\"www.shop.example\"]"));
//! world.stop().await;
//! # Ok::<(), avouch_demo::DemoError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_log;
mod cast;
mod directory;
mod fleet;
mod passes;
mod row;
mod script;
mod sent;
mod table;
mod upstream;
mod world;

pub use fleet::{Fleet, SIZES, Zone};
pub use row::{Expected, Row};
pub use table::{Table, WIDTH};
pub use upstream::Received;
pub use world::{DemoError, Happening, World};
