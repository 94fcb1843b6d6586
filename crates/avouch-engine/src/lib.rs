//! Request, claim, evidence, verdict, decision: who is there and what happens, as pure functions.

pub mod claim;
pub mod decision;
pub mod evidence;
pub mod pipeline;
pub mod reason;
pub mod request;
pub mod verdict;
