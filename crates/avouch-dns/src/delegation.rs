//! Whether the servers that a name is delegated to answer for it.
//!
//! A delegation whose servers do not answer takes every name below it along, and one to servers that somebody else
//! could set up gives the names away.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use avouch_engine::evidence::{Answer, Cause};
use avouch_wire::time::Time;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, RecordType};

use crate::Dns;
use crate::direct::{AskError, absolute, as_resolvers_do, shown};

/// Most servers of a delegation that are asked: as many as the root has.
const MAX_SERVERS: usize = 13;

/// Most addresses of one server that are asked.
const MAX_ADDRESSES: usize = 4;

/// What became of looking at a delegation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delegation {
    /// The name is part of the zone above it.
    None,
    /// It is delegated.
    To(Vec<Delegated>),
    /// It could not be found out.
    Unknown(Cause),
}

/// One server that a name is delegated to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegated {
    /// Its name.
    pub server: String,
    /// What it does.
    pub state: ServerState,
}

/// What a server does with a zone that is delegated to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerState {
    /// It has the zone.
    Serves,
    /// It answers, and does not have it.
    Lame(AskError),
    /// It does not answer.
    Silent(AskError),
    /// It has no address: nobody runs it, and whoever can register its name could.
    NoAddress,
    /// Its address could not be found out.
    Unknown(Cause),
}

impl Delegation {
    /// Asks the servers of the zone above `name` where it is delegated to, then each of those. `port` is that of all
    /// of them, 53 on the Internet.
    pub async fn of(dns: &Dns, name: &str, port: u16, now: Time) -> Self {
        let (Ok(name), Some((_, above))) = (absolute(name), name.split_once('.')) else {
            return Self::Unknown(Cause::NotAsked);
        };
        let hosts = match dns.name_servers(above, now).await {
            Answer::Found { value: (_, hosts), .. } => hosts,
            Answer::Absent { .. } => return Self::Unknown(Cause::Unreachable),
            Answer::Unknown(cause) => return Self::Unknown(cause),
        };
        for host in hosts.into_iter().take(MAX_SERVERS) {
            let Answer::Found { value, .. } = dns.addresses(&host, now).await else { continue };
            for address in value.into_iter().take(MAX_ADDRESSES) {
                let answer = as_resolvers_do(SocketAddr::new(address, port), &name, RecordType::NS).await;
                let Ok(answer) = answer else { continue };
                return Self::read(dns, &name, &answer, port, now).await;
            }
        }
        Self::Unknown(Cause::Unreachable)
    }

    /// The servers that do not answer for the zone.
    pub fn dangling(&self) -> impl Iterator<Item = &Delegated> {
        let to = if let Self::To(to) = self { to.as_slice() } else { &[] };
        to.iter().filter(|to| !matches!(to.state, ServerState::Serves | ServerState::Unknown(_)))
    }

    async fn read(dns: &Dns, name: &Name, answer: &Message, port: u16, now: Time) -> Self {
        let records = answer.answers.iter().chain(&answer.authorities);
        let here = records.filter(|record| record.name.to_lowercase() == *name);
        let hosts: BTreeSet<_> = here
            .filter_map(|record| match &record.data {
                RData::NS(host) => Some(host.0.to_lowercase()),
                _ => None,
            })
            .take(MAX_SERVERS)
            .collect();
        if hosts.is_empty() {
            return Self::None;
        }
        let mut to = Vec::new();
        for host in hosts {
            let glue: Vec<IpAddr> = answer
                .additionals
                .iter()
                .filter(|record| record.name.to_lowercase() == host)
                .filter_map(|record| record.data.ip_addr())
                .collect();
            let state = ServerState::of(dns, name, &host, glue, port, now).await;
            to.push(Delegated { server: shown(&host), state });
        }
        Self::To(to)
    }
}

impl ServerState {
    /// What a server does at the best of its addresses: one that answers is enough for resolvers.
    async fn of(dns: &Dns, zone: &Name, host: &Name, glue: Vec<IpAddr>, port: u16, now: Time) -> Self {
        let addresses = if glue.is_empty() {
            match dns.addresses(&shown(host), now).await {
                Answer::Found { value, .. } => value,
                Answer::Absent { .. } => return Self::NoAddress,
                Answer::Unknown(cause) => return Self::Unknown(cause),
            }
        } else {
            glue
        };
        let mut state = Self::NoAddress;
        for address in addresses.into_iter().take(MAX_ADDRESSES) {
            let server = SocketAddr::new(address, port);
            state = match as_resolvers_do(server, zone, RecordType::SOA).await {
                Ok(answer) if answer.metadata.authoritative => return Self::Serves,
                Ok(_) => Self::Lame(AskError::NotAuthoritative { server, name: shown(zone) }),
                Err(error @ AskError::Unreachable { .. }) => Self::Silent(error),
                Err(error) => Self::Lame(error),
            };
        }
        state
    }
}
