//! What attackers send, through the gateway's socket: each attack beside an honest request, judged
//! by what the upstream received and what the access log says.

#![expect(clippy::string_slice, reason = "the headers that are cut up here are ASCII")]

mod world;

mod bodies;
mod configuration;
mod crash;
mod dnssec;
mod failures;
mod floods;
mod framing;
mod groups;
mod headers;
mod http2;
mod hygiene;
mod passes;
mod records;
mod relays;
mod reloads;
mod replays;
