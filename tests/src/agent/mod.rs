//! `avouch agent`: programs that know nothing of signatures, a gateway that judges what they send, and what its upstream
//! is told.

mod forwarding;
mod health;
mod world;
