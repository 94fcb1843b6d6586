//! What a registration entity keeps: tokens, agents with what their secrets are derived of, what is revoked, the events
//! that verifiers hear of, and which questions were asked already. The rules of the ledger hold here as well.

mod mark;
mod rows;
pub(super) mod schema;
mod tables;
#[cfg(test)]
mod tests;

pub use mark::{Mark, MarkError};
pub use rows::{Agent, AgentState, Counts, Name, State, Token};
pub use tables::Tables;

use super::transaction::Transaction;

impl Transaction {
    /// The tables of a registration entity, in a ledger that was opened for one.
    pub const fn entity(&mut self) -> Tables<'_> {
        Tables(&mut self.0)
    }
}
