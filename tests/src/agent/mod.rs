//! `avouch agent`: programs that know nothing of signatures, a gateway that judges what they send, and what its upstream
//! is told.

mod egress;
mod enrolment;
mod forwarding;
mod health;
mod https;
mod library;
mod registry;
mod service;
mod tpm;
mod world;
