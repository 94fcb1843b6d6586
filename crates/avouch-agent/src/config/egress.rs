//! `[[egress]]`: a port of this machine that leads to one site, signed.

use std::net::SocketAddr;

use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::settings::{Fault, Table};
use avouch_wire::target::Target;
use ipnet::IpNet;

use super::Destination;
use super::proxy::listening;
use crate::site::Site;

/// A port that leads to one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Egress {
    /// Where programs connect, by plain http.
    pub listen: SocketAddr,
    /// Who may; without it this machine alone.
    pub clients: Vec<IpNet>,
    /// The site.
    pub upstream: Site,
}

impl Egress {
    pub(super) fn read(mut table: Table<'_>, destinations: &[Destination]) -> Option<Self> {
        let (listen, clients) = listening(&mut table);
        let fix = "write the site without a path, such as \"https://api.shop.example\"";
        let upstream = table.required("upstream", |value| value.convert("a site", fix, site));
        if let Some(site) = &upstream
            && !destinations
                .iter()
                .any(|place| place.holds(site.scheme, &site.authority) && !place.sign.is_none())
        {
            let fix =
                format!("add `[[destination]]` with `host = \"{}\"`, or remove the table", site.authority);
            table.complain(
                "upstream",
                Fault::new("is no destination: nothing sent there would be signed", fix),
            );
        }
        Some(Self { listen: listen?, clients, upstream: upstream? })
    }
}

fn site(text: &str) -> Option<Site> {
    let target = Target::parse("GET", text).ok()?;
    let (scheme, authority) = target.origin()?;
    let bare = text.strip_suffix('/').unwrap_or(text).ends_with(authority);
    let authority = Authority::parse(authority, scheme).ok()?.into_owned();
    bare.then_some(Site { scheme, authority })
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", Scheme::as_str(self.scheme), self.authority)
    }
}
