//! Request, claim, evidence, verdict, decision: who is there and what happens, as pure functions.

pub mod evidence;
