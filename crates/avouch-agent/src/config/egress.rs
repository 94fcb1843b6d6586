//! `[[egress]]`: a port of this machine that leads to one site, signed.

use std::net::SocketAddr;

use avouch_wire::settings::{Fault, Table};
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
        let upstream = table.required("upstream", |value| value.convert("a site", fix, Site::parse));
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
