//! Two published implementations of Web Bot Auth, the npm package and the crate `web-bot-auth`: what they sign is
//! verified here, what is signed here by them, and where they judge otherwise a table says why.

mod both_ways;
mod differences;
pub(super) mod npm;
mod published;
pub(super) mod request;
pub(super) mod shape;
