//! Bots with key directories on real HTTPS servers, and sites that fetch them.

mod directories;
mod nonces;
mod outages;
mod world;
