//! How records come into the DNS: by a name server of others, or by one of our own.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Quoted, Table, Value};

use super::{file, path};

/// TTL of records, in seconds: how long a revocation takes at most to be known everywhere.
const TTL: u32 = 300;

/// How records come into the DNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// `[publish]`: sent to the primary of a zone elsewhere.
    Elsewhere(Publish),
    /// `[zone]`: in a zone that the registrar itself serves.
    Own(OwnZone),
}

/// A zone at a name server that takes changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The primary of the zone.
    pub server: SocketAddr,
    /// The zone in which the names are.
    pub zone: String,
    /// The file of the TSIG key.
    pub tsig: PathBuf,
    /// TTL of records in seconds.
    pub ttl: u32,
}

/// The zone `_saip.<domain>`, served by the registrar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnZone {
    /// Where it answers, for UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Names of the servers, as the parent has them.
    pub servers: Vec<String>,
    /// The file of the key that it is signed with; made where there is none.
    pub key: PathBuf,
    /// TTL of records in seconds.
    pub ttl: u32,
}

impl Records {
    /// TTL of records in seconds.
    #[must_use]
    pub const fn ttl(&self) -> u32 {
        match self {
            Self::Elsewhere(Publish { ttl, .. }) | Self::Own(OwnZone { ttl, .. }) => *ttl,
        }
    }

    pub(super) fn read(root: &mut Table<'_>, domain: Option<&Domain<'_>>) -> Option<Self> {
        let (elsewhere, own) = (root.has("publish"), root.has("zone"));
        let publish = root.sub("publish").and_then(|table| Publish::read(table, domain));
        let zone = root.sub("zone").and_then(OwnZone::read);
        match (elsewhere, own) {
            (true, true) => {
                let fix = "remove one of them: records stand either in a zone elsewhere or in one of our own";
                root.complain("zone", Fault::new("is there beside `[publish]`", fix));
                None
            }
            (false, false) => {
                let fix = "add `[publish]` with `server` and `tsig`, or `[zone]` with `listen`, `servers` and `key`";
                root.complain("[publish]", Fault::new("is missing, and so is `[zone]`", fix));
                None
            }
            (true, false) => publish.map(Self::Elsewhere),
            (false, true) => zone.map(Self::Own),
        }
    }

    pub(super) fn resolve(&mut self, folder: &Path) {
        let (Self::Elsewhere(Publish { tsig: path, .. }) | Self::Own(OwnZone { key: path, .. })) = self;
        *path = folder.join(&path);
    }
}

impl Publish {
    fn read(mut table: Table<'_>, domain: Option<&Domain<'_>>) -> Option<Self> {
        let server = table.required("server", |value| value.socket());
        let zone = table.optional("zone", |value| {
            let fix = "write the name of the zone that the server has, such as \"_saip.acme.example\"";
            let is_name = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
            value.convert("a zone", fix, |text| is_name(text).then(|| text.to_owned()))
        });
        let tsig = table.required("tsig", path);
        let ttl = table.optional("ttl", ttl);
        Some(Self {
            server: server?,
            zone: zone.or_else(|| domain.map(|domain| format!("_saip.{domain}")))?,
            tsig: tsig?,
            ttl: ttl.unwrap_or(TTL),
        })
    }
}

impl OwnZone {
    fn read(mut table: Table<'_>) -> Option<Self> {
        for (key, fix) in [
            ("listen", "add the addresses where the zone is served, such as `listen = [\"192.0.2.53:53\"]`"),
            ("servers", "add the names of those addresses, such as `servers = [\"ns1.acme.example\"]`"),
        ] {
            if !table.has(key) {
                table.complain(key, Fault::new("is missing", fix));
            }
        }
        let listen = table.some("listen", |value| value.socket());
        let servers = table.some("servers", host);
        let key = table.required("key", path);
        let ttl = table.optional("ttl", ttl);
        let (listen, servers) =
            (listen.filter(|some| !some.is_empty()), servers.filter(|some| !some.is_empty()));
        Some(Self { listen: listen?, servers: servers?, key: key?, ttl: ttl.unwrap_or(TTL) })
    }
}

fn ttl(value: Value<'_>) -> Result<u32, Fault> {
    value.number(1..=3_600).map(|ttl| u32::try_from(ttl).unwrap_or(TTL))
}

/// The name of a server. That it lies outside of the zone is seen when the zone is made.
fn host(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write the name of a host that has addresses, such as \"ns1.acme.example\"";
    value.convert("a host's name", fix, |text| Domain::parse(text).ok().map(|host| host.to_string()))
}

/// What is in force, as a table of the file.
impl fmt::Display for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Elsewhere(Publish { server, zone, tsig, ttl }) => {
                writeln!(f, "\n[publish]\nserver = \"{server}\"\nzone = {}", Quoted(zone))?;
                writeln!(f, "tsig = {}\nttl = {ttl}", file(tsig))
            }
            Self::Own(OwnZone { listen, servers, key, ttl }) => {
                let list = |some: Vec<String>| some.join(", ");
                let listen = list(listen.iter().map(|address| format!("\"{address}\"")).collect());
                let servers = list(servers.iter().map(|server| Quoted(server).to_string()).collect());
                writeln!(f, "\n[zone]\nlisten = [{listen}]\nservers = [{servers}]")?;
                writeln!(f, "key = {}\nttl = {ttl}", file(key))
            }
        }
    }
}
