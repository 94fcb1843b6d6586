//! What is known for or against a claim.

mod answer;

pub use answer::{Answer, Cause, Dnssec, Persistence};
