//! What a registrar keeps: who may enrol, who is enrolled, what is still to be published, and what was done; and what a
//! registration entity does ([`entity`]).
//!
//! One contract for SQLite and PostgreSQL. Everything happens in a [`Transaction`]: what was written in it is there
//! when [`Transaction::commit`] has returned, after a crash of this machine too (SQLite with a write-ahead log that is
//! synchronised at each commit), and nothing of it otherwise. A registrar's rules decide upon what they have
//! read, so one registrar uses a database at a time ([`Ledger::alone`]), and one transaction after the other.

pub mod entity;
mod open;
mod rows;
mod schema;
#[cfg(test)]
mod tests;
mod transaction;

pub use open::{Alone, Ledger, LedgerError, Service};
pub use rows::{Agent, AgentState, Audited, Proposal, Publication, Token};
pub use transaction::Transaction;
