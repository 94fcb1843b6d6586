//! The three questions avouch asks of the DNS, and following aliases to their answers.

use std::net::IpAddr;
use std::time::Duration;

use avouch_engine::evidence::{Answer, Cause, Dnssec};
use avouch_wire::time::Time;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::{Resolver, ZoneFiles};

/// How many CNAMEs are followed. Real chains have two or three; a loop has no end.
pub const MAX_ALIASES: usize = 8;

/// How long absence may be relied on at most: a record published now is seen within five minutes.
pub const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(300);

/// Where DNS answers come from.
#[derive(Clone, Debug)]
pub enum Dns {
    /// Name servers, asked over the network; their answers are validated here.
    Live(Resolver),
    /// Zone files, for judging a request without any network.
    Zones(ZoneFiles),
}

/// The TXT records at one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txt {
    /// One entry per record, its strings joined without blanks; in no particular order.
    pub records: Vec<Box<[u8]>>,
    /// The records were synthesised from a wildcard (RFC 4592). Detected in signed zones, by the
    /// signature's label count, and in zone files; an unsigned zone does not show it.
    pub wildcard: bool,
    /// Where they really stand, in lower case without the trailing dot, when the name is an alias.
    pub alias: Option<String>,
}

/// What one question, without following aliases, came to.
pub(crate) enum Reply {
    /// Records of the type asked for.
    Records { data: Vec<RData>, meta: Meta },
    /// The name is an alias for another.
    Alias { target: Name, meta: Meta },
    /// No such name, or no records of this type at it.
    Absent { dnssec: Dnssec, ttl: u32 },
    /// It could not be found out.
    Unknown(Cause),
}

/// What holds for all records of one reply.
#[derive(Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) dnssec: Dnssec,
    /// The smallest of the records, in seconds.
    pub(crate) ttl: u32,
    pub(crate) wildcard: bool,
}

impl Meta {
    /// What holds for a chain of two replies: the weaker standing and the shorter life.
    fn and(self, next: Self) -> Self {
        Self {
            dnssec: self.dnssec.min(next.dnssec),
            ttl: self.ttl.min(next.ttl),
            wildcard: self.wildcard || next.wildcard,
        }
    }
}

/// Records at the end of a chain of aliases.
struct Found {
    data: Vec<RData>,
    wildcard: bool,
    /// Their own name, when it is not the one asked for.
    alias: Option<Name>,
}

impl Dns {
    /// The TXT records at `name`, following aliases.
    ///
    /// `now` is when the question is asked. The answer's `until` is `now` and the smallest TTL of
    /// all records used; for absence the negative TTL of RFC 2308 section 5, at most
    /// [`MAX_NEGATIVE_TTL`]. A name that cannot be asked (not ASCII, over 253 octets) is
    /// [`Cause::NotAsked`].
    pub async fn txt(&self, name: &str, now: Time) -> Answer<Txt> {
        let Some(name) = absolute(name) else { return Answer::Unknown(Cause::NotAsked) };
        let answer = self.follow(name, RecordType::TXT, now).await;
        answer.map(|found| Txt {
            records: found.data.iter().filter_map(joined_strings).collect(),
            wildcard: found.wildcard,
            alias: found.alias.as_ref().map(crate::direct::shown),
        })
    }

    /// The IPv4 and IPv6 addresses of `name`, following aliases; `now` as in [`Dns::txt`].
    ///
    /// Both families are asked at once. Found when either has addresses and the other has some or
    /// provably none; when one family could not be found out the whole is unknown, because a
    /// partial list would turn a true claim into a false one.
    pub async fn addresses(&self, name: &str, now: Time) -> Answer<Vec<IpAddr>> {
        let Some(name) = absolute(name) else { return Answer::Unknown(Cause::NotAsked) };
        let (v4, v6) = tokio::join!(
            self.follow(name.clone(), RecordType::A, now),
            self.follow(name, RecordType::AAAA, now),
        );
        union(addresses_of(v4), addresses_of(v6))
    }

    /// The host names that `address` points to, in lower case without the trailing dot; `now` as
    /// in [`Dns::txt`]. An IPv4 address mapped into IPv6 is asked as IPv4.
    pub async fn pointers(&self, address: IpAddr, now: Time) -> Answer<Vec<String>> {
        let answer = self.follow(Name::from(address.to_canonical()), RecordType::PTR, now).await;
        answer.map(|found| found.data.iter().filter_map(host_name).collect())
    }

    /// The name servers of the zone that `name` is in, in lower case without the trailing dot, with the first name of
    /// that zone; `now` as in [`Dns::txt`]. Found by asking `name` and the names above it.
    pub async fn name_servers(&self, name: &str, now: Time) -> Answer<(String, Vec<String>)> {
        let Some(mut name) = absolute(name) else { return Answer::Unknown(Cause::NotAsked) };
        loop {
            match self.follow(name.clone(), RecordType::NS, now).await {
                Answer::Absent { .. } if name.num_labels() > 1 => name = name.base_name(),
                answer => {
                    let zone = crate::direct::shown(&name);
                    return answer.map(|found| (zone, found.data.iter().filter_map(server_name).collect()));
                }
            }
        }
    }

    async fn follow(&self, name: Name, record_type: RecordType, now: Time) -> Answer<Found> {
        match self {
            Self::Zones(zones) => {
                let mut chain = Chain::new(name, now);
                loop {
                    if let Some(answer) = chain.take(zones.ask(chain.name(), record_type)) {
                        return answer;
                    }
                }
            }
            Self::Live(resolver) => {
                let mut chain = Chain::new(name, now);
                let whole = async {
                    loop {
                        let reply = resolver.ask(chain.name(), record_type).await;
                        if let Some(answer) = chain.take(reply) {
                            return answer;
                        }
                    }
                };
                let in_time = tokio::time::timeout(crate::MAX_LOOKUP, whole).await;
                in_time.unwrap_or(Answer::Unknown(Cause::Timeout))
            }
        }
    }
}

/// The aliases followed so far.
struct Chain {
    name: Name,
    now: Time,
    followed: usize,
    so_far: Meta,
}

impl Chain {
    fn new(name: Name, now: Time) -> Self {
        let so_far = Meta { dnssec: Dnssec::Secure, ttl: u32::MAX, wildcard: false };
        Self { name, now, followed: 0, so_far }
    }

    fn name(&self) -> &Name {
        &self.name
    }

    /// Takes the reply for the current name; `None` means that there is a next name to ask.
    fn take(&mut self, reply: Reply) -> Option<Answer<Found>> {
        match reply {
            Reply::Records { data, meta } => {
                let Meta { dnssec, ttl, wildcard } = self.so_far.and(meta);
                let until = self.now.after(seconds(ttl));
                let alias = (self.followed > 0).then(|| self.name.clone());
                Some(Answer::Found { value: Found { data, wildcard, alias }, dnssec, until })
            }
            Reply::Absent { dnssec, ttl } => {
                let span = seconds(ttl.min(self.so_far.ttl)).min(MAX_NEGATIVE_TTL);
                let dnssec = dnssec.min(self.so_far.dnssec);
                Some(Answer::Absent { dnssec, until: self.now.after(span) })
            }
            Reply::Unknown(cause) => Some(Answer::Unknown(cause)),
            Reply::Alias { .. } if self.followed == MAX_ALIASES => {
                Some(Answer::Unknown(Cause::ServerFailure))
            }
            Reply::Alias { target, meta } => {
                self.name = target;
                self.followed += 1;
                self.so_far = self.so_far.and(meta);
                None
            }
        }
    }
}

const fn seconds(count: u32) -> Duration {
    Duration::from_secs(count as u64)
}

/// The name as asked; `None` for one that the DNS cannot carry.
fn absolute(name: &str) -> Option<Name> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// The strings of one TXT record, joined (`docs/formats/record.md`).
pub(crate) fn joined_strings(data: &RData) -> Option<Box<[u8]>> {
    let RData::TXT(txt) = data else { return None };
    Some(txt.txt_data.concat().into_boxed_slice())
}

fn host_name(data: &RData) -> Option<String> {
    let RData::PTR(target) = data else { return None };
    let text = target.0.to_lowercase().to_ascii();
    Some(text.strip_suffix('.').unwrap_or(&text).to_owned())
}

fn server_name(data: &RData) -> Option<String> {
    let RData::NS(server) = data else { return None };
    Some(crate::direct::shown(&server.0))
}

fn addresses_of(answer: Answer<Found>) -> Answer<Vec<IpAddr>> {
    answer.map(|found| found.data.iter().filter_map(RData::ip_addr).collect())
}

/// Both families as one answer: unknown wins, then found, with the weaker standing and shorter life.
fn union(one: Answer<Vec<IpAddr>>, other: Answer<Vec<IpAddr>>) -> Answer<Vec<IpAddr>> {
    use Answer::{Absent, Found, Unknown};
    match (one, other) {
        (Unknown(cause), _) | (_, Unknown(cause)) => Unknown(cause),
        (Found { value: mut all, dnssec: a, until: u }, Found { value, dnssec: b, until: v }) => {
            all.extend(value);
            Found { value: all, dnssec: a.min(b), until: u.min(v) }
        }
        (Found { value, dnssec: a, until: u }, Absent { dnssec: b, until: v })
        | (Absent { dnssec: b, until: v }, Found { value, dnssec: a, until: u }) => {
            Found { value, dnssec: a.min(b), until: u.min(v) }
        }
        (Absent { dnssec: a, until: u }, Absent { dnssec: b, until: v }) => {
            Absent { dnssec: a.min(b), until: u.min(v) }
        }
    }
}

/// The alias among the records at a name, if it is one.
pub(crate) fn alias_target(records: &[&Record]) -> Option<Name> {
    records.iter().find_map(|record| match &record.data {
        RData::CNAME(target) => Some(target.0.clone()),
        _ => None,
    })
}
