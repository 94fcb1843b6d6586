//! Whether the resolvers answer and can be validated, and whether the site's names lead here.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use avouch_dns::Dns;
use avouch_engine::evidence::{Answer, Cause, Dnssec};
use avouch_gateway::config::Config;
use avouch_gateway::{resolver, resolvers};
use avouch_wire::time::Time;
use tokio::time::timeout;

use super::{About, Finding, PATIENCE};

/// What every resolver is asked: whatever it says of it, the root proves by signatures.
const SIGNED: &str = "com";

pub(super) async fn examine(config: &Config, now: Time) -> Vec<Finding> {
    let servers = match resolvers(&config.dns) {
        Ok(servers) if !servers.is_empty() => servers,
        Ok(_) => {
            let fix = "name some in `[dns] resolvers`";
            return vec![Finding::wrong(About::Resolvers, "the system names no resolvers", fix)];
        }
        Err(error) => {
            return vec![Finding::unknown(About::Resolvers, error.to_string(), "name some in [dns]")];
        }
    };
    let mut found = Vec::new();
    for server in servers {
        found.push(of_resolver(config, server, now).await);
    }
    if let Ok(dns) = resolvers(&config.dns).and_then(|servers| resolver(&config.dns, servers)) {
        for authority in &config.authorities {
            let host = authority.host();
            if host.trim_matches(['[', ']']).parse::<IpAddr>().is_err() {
                found.push(leads_here(&dns, host, now, behind_proxies(config)).await);
            }
        }
    }
    found
}

fn behind_proxies(config: &Config) -> bool {
    !config.trusted_proxies.networks.is_empty() || config.trusted_proxies.unix
}

async fn of_resolver(config: &Config, server: SocketAddr, now: Time) -> Finding {
    let dns = match resolver(&config.dns, vec![server]) {
        Ok(dns) => dns,
        Err(error) => return Finding::unknown(About::Resolvers, error.to_string(), "correct [dns]"),
    };
    let answer = timeout(PATIENCE, dns.txt(SIGNED, now)).await.unwrap_or(Answer::Unknown(Cause::Timeout));
    let wrong = |said: String, fix: &str| Finding::wrong(About::Resolvers, said, fix);
    match answer {
        Answer::Found { dnssec: Dnssec::Secure, .. } | Answer::Absent { dnssec: Dnssec::Secure, .. } => {
            Finding::fine(About::Resolvers, format!("{server} answers, with proof by DNSSEC"))
        }
        Answer::Found { .. }
        | Answer::Absent { .. }
        | Answer::Unknown(Cause::Bogus | Cause::Indeterminate) => wrong(
            format!("{server} answers without the signatures of DNSSEC: nothing can be proved by it"),
            "name a resolver that passes them on, such as unbound on this machine; a clock that is wrong has the same effect",
        ),
        Answer::Unknown(cause) => wrong(
            format!("{server} does not answer ({cause:?}): every claim is undetermined"),
            "see that it runs, and that a firewall lets questions by UDP and TCP through",
        ),
    }
}

/// Whether a name of the site leads to this machine, or to a proxy that is listed.
async fn leads_here(dns: &Dns, host: &str, now: Time, behind: bool) -> Finding {
    let answer = timeout(PATIENCE, dns.addresses(host, now)).await.unwrap_or(Answer::Unknown(Cause::Timeout));
    match answer {
        Answer::Found { value: addresses, .. } => {
            let told = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            if addresses.iter().any(|address| UdpSocket::bind((*address, 0)).is_ok()) {
                return Finding::fine(About::Authorities, format!("{host} leads here"));
            }
            if behind {
                let said = format!("{host} leads to {told}, and proxies are listed");
                return Finding::fine(About::Authorities, said);
            }
            Finding::unknown(
                About::Authorities,
                format!("whether {host} leads here: {told} is no address of this machine"),
                "if a proxy stands there, list it in `trusted_proxies`; if addresses are translated on the way, disregard this",
            )
        }
        Answer::Absent { .. } => {
            let said = format!("{host} has no address: no client comes by it");
            Finding::wrong(About::Authorities, said, "publish it, or take it out of `authorities`")
        }
        Answer::Unknown(cause) => Finding::unknown(
            About::Authorities,
            format!("whether {host} leads here: its addresses could not be looked up ({cause:?})"),
            "mend the resolvers first",
        ),
    }
}
