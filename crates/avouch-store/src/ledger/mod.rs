//! What a registrar keeps: who may enrol, who is enrolled, what is still to be published, and what was done.
//!
//! One contract for SQLite and PostgreSQL. Everything happens in a [`Transaction`]: what was written in it is there
//! when [`Transaction::commit`] has returned, after a crash of this machine too (SQLite with a write-ahead log that is
//! synchronised at each commit), and nothing of it otherwise. Several transactions at once are kept apart by the
//! database; a registrar uses one at a time, so that its rules see what they decide upon.

mod open;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod transaction;

pub use open::{Ledger, LedgerError};
pub use rows::{Agent, AgentState, Audited, Proposal, Publication, Token};
pub use transaction::Transaction;
