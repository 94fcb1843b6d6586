//! The proxies that operators already have, in front of a site, asking avouch about each request.

mod battery;
mod caddy;
mod cases;
mod envoy;
mod envoy_grpc;
mod grpc_verifier;
mod haproxy;
mod nginx;
mod outages;
mod spellings;
mod targets;
mod traefik;
mod world;
