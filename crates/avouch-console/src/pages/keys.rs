//! Keys that are registered, answers and data that are kept.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use avouch_gateway::config::StorePlace;
use avouch_wire::outside::grouped;
use axum::extract::State;
use axum::response::Response;

use crate::Console;
use crate::frame::Frame;
use crate::refusal::page as shown;
use crate::user::User;

#[derive(Template)]
#[template(path = "keys.html")]
struct Page {
    frame: Frame,
    partners: Vec<Partner>,
    issuers: Vec<(String, String)>,
    entities: Vec<Entity>,
    caches: Vec<(&'static str, String)>,
    nonces: String,
    room: String,
    octets: String,
    store: String,
    data: Vec<Data>,
}

/// A key that is registered with the site.
struct Partner {
    id: String,
    identity: String,
    algorithms: String,
    file: String,
}

/// A registration entity that is asked.
struct Entity {
    host: String,
    heard: bool,
    agents: String,
}

/// Data on networks.
struct Data {
    of: String,
    source: String,
    age: String,
    oldest: String,
    old: bool,
}

/// `/console/keys`.
pub(crate) async fn page(State(console): State<Arc<Console>>, user: User) -> Response {
    let (insight, config) = (&console.insight, console.insight.config());
    let partners = config.http_signatures.iter().map(|key| Partner {
        id: key.keyid.clone(),
        identity: key.identity.to_string(),
        algorithms: match &key.algorithms {
            Some(named) => named.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            None => "the key’s own".to_owned(),
        },
        file: key.key.display().to_string(),
    });
    let issuers =
        config.privacy_pass.iter().map(|issuer| (issuer.issuer.to_string(), issuer.attester.to_string()));
    let entities = insight.entities().into_iter().map(|(host, figures)| Entity {
        host,
        heard: figures.listening,
        agents: grouped(figures.agents as u64),
    });
    let cached = insight.cached();
    let caches = [
        ("Records of agents and domains", cached.records),
        ("Addresses of names", cached.addresses),
        ("Names of addresses", cached.pointers),
        ("Directories of keys", cached.directories),
    ];
    let stats = insight.nonces();
    let networks = insight.networks();
    let data = networks.ages(insight.now()).map(|age| Data {
        of: age.of.to_owned(),
        source: age.source.to_owned(),
        age: span(age.age),
        oldest: span(age.oldest),
        old: age.age >= age.oldest,
    });
    shown(&Page {
        partners: partners.collect(),
        issuers: issuers.collect(),
        entities: entities.collect(),
        caches: caches.map(|(what, held)| (what, grouped(held as u64))).to_vec(),
        nonces: grouped(stats.held),
        room: grouped(config.limits.nonces as u64),
        octets: grouped((stats.octets >> 20) as u64),
        store: match &config.store.place {
            StorePlace::Memory => "this process alone (memory)".to_owned(),
            StorePlace::File(folder) => format!("this gateway alone ({})", folder.display()),
            StorePlace::Shared(_) => "a group of gateways (Redis)".to_owned(),
        },
        data: data.collect(),
        frame: Frame::of(user, "/console/keys"),
    })
}

/// A span in the largest unit that says enough.
fn span(span: Duration) -> String {
    let minutes = span.as_secs() / 60;
    match minutes {
        0 => "less than a minute".to_owned(),
        1..120 => format!("{minutes} min"),
        120..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_one_unit() {
        let told = [59, 60, 7_199, 7_200, 172_799, 172_800].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told, ["less than a minute", "1 min", "119 min", "2 h", "47 h", "2 days"]);
    }
}
