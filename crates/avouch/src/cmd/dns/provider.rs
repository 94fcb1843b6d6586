//! What to do with a record where a name server takes no changes: by whose servers the domain has.

use super::text;
use crate::output;
use avouch_dns::Dns;
use avouch_engine::evidence::Answer;
use avouch_wire::record::Place;
use avouch_wire::time::Time;

/// A provider of DNS, known by the names of its servers.
#[derive(Debug)]
struct Provider {
    name: &'static str,
    /// What the names of its servers end with, or hold where the end varies.
    servers: &'static [&'static str],
    /// What differs from a zone file there.
    hints: &'static [&'static str],
}

/// Texts of up to 255 octets need no thought anywhere; an agent's record has about 60.
const PROVIDERS: &[Provider] = &[
    Provider {
        name: "Cloudflare",
        servers: &[".ns.cloudflare.com"],
        hints: &[
            "give the text without quotes; it divides what is longer than 255 octets itself: see `avouch dns check` after",
            "it takes no RFC 2136 changes (TSIG there is for zone transfers): use its form or API",
            "_saip can be delegated by NS records, with DS records where the domain is signed",
        ],
    },
    Provider {
        name: "Amazon Route 53",
        servers: &[".awsdns-"],
        hints: &[
            "give the text in quotes, each string of at most 255 octets in quotes of its own, as above",
            "several records at one name are one record set there, one value a line",
            "it takes no RFC 2136 changes: use its console or API",
            "_saip can be delegated by NS records to a hosted zone of its own, with a DS record",
        ],
    },
    Provider {
        name: "Google Cloud DNS",
        servers: &[".googledomains.com"],
        hints: &[
            "give the text in quotes, each string of at most 255 octets in quotes of its own, as above",
            "it takes no RFC 2136 changes: use its console, gcloud or API",
            "_saip can be delegated by NS records to a zone of its own, with a DS record",
        ],
    },
    Provider {
        name: "Azure DNS",
        servers: &[".azure-dns."],
        hints: &[
            "give the text without quotes; portal and command line divide what is longer than 255 octets themselves",
            "it takes no RFC 2136 changes: use its portal or API",
            "_saip can be delegated by NS records to a zone of its own",
        ],
    },
    Provider {
        name: "deSEC",
        servers: &[".desec.io", ".desec.org"],
        hints: &[
            "give the text in quotes, as above",
            "the least TTL is set by them for each domain (minimum_ttl, often 3600 s): so long a revoked key lives on",
            "it takes no RFC 2136 changes: use its form or API, whose tokens can be bound to single names",
            "zones there are signed; _saip can be a zone of its own there, with a DS record above",
        ],
    },
];

/// What is to be done by hand at one name.
#[derive(Debug)]
pub(super) struct ByHand<'a> {
    pub(super) place: &'a Place,
    pub(super) ttl: u32,
    /// What is to stand there.
    pub(super) texts: &'a [&'a [u8]],
    /// Whether whatever else stands there has to go.
    pub(super) alone: bool,
}

impl ByHand<'_> {
    /// Says how it is done where the domain has its servers.
    pub(super) async fn say(&self, dns: &Dns, now: Time) {
        let domain = self.place.domain.to_string();
        match dns.name_servers(&domain, now).await {
            Answer::Found { value: (zone, servers), .. } => match provider(&servers) {
                Some(provider) => self.say_of(provider, &zone),
                None => self.say_to_update(&zone, &servers),
            },
            Answer::Absent { .. } => output::talk(format_args!("{domain} has no name servers yet")),
            Answer::Unknown(_) => output::talk(format_args!(
                "which servers {domain} has could not be found out, so there are no hints for its provider"
            )),
        }
    }

    fn say_of(&self, provider: &Provider, zone: &str) {
        let name = self.place.to_string();
        let within = name.strip_suffix(zone).and_then(|name| name.strip_suffix('.')).unwrap_or(&name);
        output::talk(format_args!(
            "{zone} is at {}: name {within}, type TXT, TTL {}",
            provider.name, self.ttl
        ));
        if self.alone {
            output::talk("  remove what else begins with v=saip1 at this name");
        }
        provider.hints.iter().for_each(|hint| output::talk(format_args!("  {hint}")));
    }

    /// For servers that are nobody's we know, most often BIND, Knot or PowerDNS of one's own.
    fn say_to_update(&self, zone: &str, servers: &[String]) {
        output::talk(format_args!("{zone} is served by {}", servers.join(", ")));
        output::talk(
            "  if its primary takes changes (RFC 2136), name it: --server ADDRESS --tsig FILE, or by hand:",
        );
        output::talk(format_args!("  nsupdate -k KEYFILE <<END\n  zone {zone}"));
        if self.alone {
            output::talk(format_args!("  update delete {}. TXT", self.place));
        }
        for text in self.texts {
            output::talk(format_args!(
                "  update add {}. {} TXT {}",
                self.place,
                self.ttl,
                text::quoted(text)
            ));
        }
        output::talk("  send\n  END");
    }
}

fn provider(servers: &[String]) -> Option<&'static Provider> {
    let is_of = |server: &String, mark: &str| {
        let server = format!(".{server}.");
        if mark.ends_with(['-', '.']) { server.contains(mark) } else { server.ends_with(&format!("{mark}.")) }
    };
    PROVIDERS.iter().find(|provider| {
        !servers.is_empty()
            && servers.iter().all(|server| provider.servers.iter().any(|mark| is_of(server, mark)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(servers: &[&str]) -> Option<&'static str> {
        let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
        provider(&servers).map(|provider| provider.name)
    }

    #[test]
    fn a_provider_is_known_by_all_of_its_servers() {
        assert_eq!(found(&["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"]), Some("Cloudflare"));
        assert_eq!(found(&["ns-1.awsdns-01.co.uk", "ns-2.awsdns-02.org"]), Some("Amazon Route 53"));
        assert_eq!(found(&["ns-cloud-a1.googledomains.com"]), Some("Google Cloud DNS"));
        assert_eq!(found(&["ns1-05.azure-dns.com", "ns2-05.azure-dns.net"]), Some("Azure DNS"));
        assert_eq!(found(&["ns1.desec.io", "ns2.desec.org"]), Some("deSEC"));
        assert_eq!(found(&["ada.ns.cloudflare.com", "ns1.acme.example"]), None, "two providers");
        assert_eq!(found(&["ns.cloudflare.com.acme.example"]), None);
        assert_eq!(found(&["ns1.notdesec.io"]), None);
        assert_eq!(found(&[]), None);
    }
}
