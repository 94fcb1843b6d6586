//! The record in the DNS, by which SAIP finds keys.

use avouch_dns::Dns;
use avouch_gather::examination::Examination;
use avouch_wire::key::PublicKey;
use avouch_wire::record::Place;
use avouch_wire::time::Time;

use super::{Found, State};

/// A key as an examination shows it.
pub(crate) fn shown(key: &PublicKey) -> String {
    format!("{} {}", key.key_type().name(), key.fingerprint())
}

/// Looks whether the record publishes `key`, written as an examination shows it.
pub(crate) async fn look(dns: &Dns, place: &Place, key: &str, now: Time) -> Found {
    let seen = Examination::of(dns, place, now).await;
    if let Some(above) = seen.names.iter().find(|examined| examined.revoked) {
        return Found(State::Revoked, format!("{} revokes it", above.name));
    }
    if let Some(open) = seen.names.iter().find(|examined| examined.cause.is_some()) {
        return Found(State::Unknown, format!("{}: {}", open.name, open.cause.unwrap_or("unknown")));
    }
    let Some(own) = seen.names.first() else {
        return Found(State::Unknown, "nothing was looked up".into());
    };
    let keys: Vec<_> = own.live.iter().filter(|live| live.what == "key").collect();
    let proof = own.dnssec.unwrap_or("unknown");
    match keys.iter().find(|live| live.value == key) {
        Some(live) if live.testing => {
            Found(State::Published, format!("the key is published for testing, {proof}"))
        }
        Some(_) => Found(State::Published, format!("the key is published, {proof}")),
        None if keys.is_empty() => Found(State::Missing, "no key is published there".into()),
        None => Found(State::OtherKey, format!("the key published there is another, not {key}")),
    }
}
