//! Resolvers that are down, hang, fail or lie: a real BIND.

use testkit::bind::{Bind, Forwarder, PROGRAMS, Signing, Zone, free_port};
use testkit::peers::require;

use super::super::world::Agent;
use super::{Site, silent, uncheckable, unknown, verified};

/// BIND with the agent's record in it, and the file that says whom to trust.
fn bind(bot: &Agent, signing: Signing) -> Option<(Bind, tempfile::TempDir)> {
    let tools = require(&PROGRAMS)?;
    let zone = |name, signing, records: &str| Zone { name, signing, records: records.to_owned() };
    let zones = vec![
        zone(".", Signing::Signed, "ns.invalid. A 127.0.0.1\n"),
        zone("example.", Signing::Signed, ""),
        zone("acme.example.", signing, &bot.record()),
    ];
    let (bind, folder) = (Bind::start(&tools, zones).unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("root.anchor"), bind.trust_anchor()).unwrap();
    Some((bind, folder))
}

/// A site that asks these resolvers.
async fn site(resolvers: &[std::net::SocketAddr], folder: &tempfile::TempDir) -> Site {
    let resolvers: Vec<_> = resolvers.iter().map(|address| format!("'{address}'")).collect();
    let anchor = folder.path().join("root.anchor");
    let lines =
        format!("dns.resolvers = [{}]\ndns.trust_anchor = '{}'", resolvers.join(", "), anchor.display());
    Site::resolving(&lines).await
}

fn bot() -> Agent {
    Agent::new("bot", "acme.example")
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_resolver_is_down_claims_are_undetermined_and_silence_is_served() {
    let bot = bot();
    let Some((mut bind, folder)) = bind(&bot, Signing::Signed) else { return };
    let site = site(&[bind.address()], &folder).await;
    bind.kill();
    let came = site.treats(&bot).await;
    // Whether the system says at once that nobody listens is the system's.
    let reason = ["dns-unreachable", "dns-timeout"].into_iter().find(|reason| came == unknown(reason));
    let reason = reason.unwrap_or_else(|| panic!("{came:#?}"));
    assert_eq!(site.undetermined(reason, "undetermined").await, 5.0);
    assert_eq!(site.treats_silent().await, silent());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_hangs_costs_claims_a_timeout_and_is_believed_again_when_it_answers() {
    let bot = bot();
    let Some((bind, folder)) = bind(&bot, Signing::Signed) else { return };
    let site = site(&[bind.address()], &folder).await;
    bind.signal("STOP").unwrap();
    assert_eq!(site.treats_silent().await, silent());
    assert_eq!(site.treats(&bot).await, unknown("dns-timeout"));
    assert_eq!(site.undetermined("dns-timeout", "undetermined").await, 5.0);
    bind.signal("CONT").unwrap();
    site.comes_to(&bot, &verified()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_that_fails_leaves_claims_undetermined() {
    let bot = bot();
    let Some((bind, folder)) = bind(&bot, Signing::Signed) else { return };
    let tools = require(&PROGRAMS).unwrap();
    let forwarder = Forwarder::start(&tools, &bind).unwrap();
    let site = site(&[forwarder.address()], &folder).await;
    // What it would ask is gone, so it answers SERVFAIL.
    drop(bind);
    assert_eq!(site.treats(&bot).await, unknown("dns-failure"));
    assert_eq!(site.undetermined("dns-failure", "undetermined").await, 5.0);
    assert_eq!(site.treats_silent().await, silent());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_whose_signatures_are_of_last_year_is_bogus_and_throttled() {
    let bot = bot();
    let Some((bind, folder)) = bind(&bot, Signing::Expired) else { return };
    let site = site(&[bind.address()], &folder).await;
    assert_eq!(site.treats(&bot).await, uncheckable("dnssec-bogus"));
    assert_eq!(site.undetermined("dnssec-bogus", "undetermined").await, 5.0);
    assert_eq!(site.treats_silent().await, silent());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_resolver_of_two_suffices() {
    let bot = bot();
    let Some((bind, folder)) = bind(&bot, Signing::Signed) else { return };
    let nobody = ([127, 0, 0, 1], free_port().unwrap()).into();
    let site = site(&[nobody, bind.address()], &folder).await;
    assert_eq!(site.treats(&bot).await, verified());
    assert_eq!(site.undetermined("dns-unreachable", "undetermined").await, 0.0);
}
