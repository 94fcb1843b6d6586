//! `[dns]`: how the agent's own record is looked up. Sites are looked up as every program of the machine does.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use avouch_wire::settings::{Fault, Table, Value};

/// `[dns]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dns {
    /// Recursive resolvers; empty: those of the operating system.
    pub resolvers: Vec<SocketAddr>,
    /// Files of further trust anchors, DS or DNSKEY records; the root is built in.
    pub trust_anchors: Vec<PathBuf>,
    /// Resolvers on this machine whose AD bit is taken as validation.
    pub trust_ad_from: Vec<IpAddr>,
}

impl Dns {
    pub(super) fn read(mut table: Table<'_>) -> Self {
        Self {
            resolvers: table.list("resolvers", resolver).unwrap_or_default(),
            trust_anchors: table.list("trust_anchor", super::path).unwrap_or_default(),
            trust_ad_from: table.list("trust_ad_from", loopback).unwrap_or_default(),
        }
    }
}

/// An address, with port 53 unless another is given.
fn resolver(value: Value<'_>) -> Result<SocketAddr, Fault> {
    value.address().map(|address| SocketAddr::new(address, 53)).or_else(|_| value.socket())
}

/// The AD bit travels unprotected, so only a resolver on this machine can be believed.
fn loopback(value: Value<'_>) -> Result<IpAddr, Fault> {
    let address = value.address()?;
    if address.is_loopback() {
        return Ok(address);
    }
    let fix = "run a validating resolver on this machine, or leave it out: avouch validates by itself";
    Err(value.fault("a loopback address", fix))
}
