//! Bots with key directories on real HTTPS servers, and sites that fetch them.

mod directories;
mod outages;
mod world;
