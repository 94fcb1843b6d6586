//! The record in the DNS, by which SAIP finds keys.

use avouch_dns::Dns;
use avouch_gather::examination::{Examination, Examined};
use avouch_wire::key::PublicKey;
use avouch_wire::name::Domain;
use avouch_wire::record::Place;
use avouch_wire::time::Time;

use super::{Found, State};

/// A key as an examination shows it.
pub(crate) fn shown(key: &PublicKey) -> String {
    format!("{} {}", key.key_type().name(), key.fingerprint())
}

/// Looks whether the record publishes `key`, written as an examination shows it.
pub(crate) async fn look(dns: &Dns, place: &Place, key: &str, now: Time) -> Found {
    let own = match examined(dns, place, now).await.map(|names| names.into_iter().next()) {
        Ok(Some(own)) => own,
        Ok(None) => return Found(State::Unknown, "nothing was looked up".into()),
        Err(found) => return found,
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

/// Looks whether the domain's own record, above that of the agent, names this registration entity.
pub(crate) async fn look_for(dns: &Dns, place: &Place, entity: &Domain<'_>, now: Time) -> Found {
    let top = match examined(dns, place, now).await.map(|names| names.into_iter().next_back()) {
        Ok(Some(top)) => top,
        Ok(None) => return Found(State::Unknown, "nothing was looked up".into()),
        Err(found) => return found,
    };
    let is_named =
        top.live.iter().any(|live| live.what == "registration entity" && live.value == entity.as_str());
    match is_named {
        true => {
            let proof = top.dnssec.unwrap_or("unknown");
            Found(State::Published, format!("{} names {entity}, {proof}", top.name))
        }
        false => Found(State::Missing, format!("{} has no re={entity}", top.name)),
    }
}

/// What stands at the name and those above it, where nothing revokes and everything could be found out.
async fn examined(dns: &Dns, place: &Place, now: Time) -> Result<Vec<Examined>, Found> {
    let seen = Examination::of(dns, place, now).await;
    if let Some(above) = seen.names.iter().find(|examined| examined.revoked) {
        return Err(Found(State::Revoked, format!("{} revokes it", above.name)));
    }
    if let Some(open) = seen.names.iter().find(|examined| examined.cause.is_some()) {
        return Err(Found(State::Unknown, format!("{}: {}", open.name, open.cause.unwrap_or("unknown"))));
    }
    Ok(seen.names)
}
