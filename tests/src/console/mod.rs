//! The operators' pages: who gets in, what they may do, and what stands on the pages.

mod access;
mod browser;
mod passkey;
mod shown;
mod world;
