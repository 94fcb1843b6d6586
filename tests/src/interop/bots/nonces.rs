//! Where a route takes each signed request once.

use testkit::peers::require;

use super::super::partners::shape::{OWN, PLAIN, Shape, key, public};
use super::world::{PROGRAMS, World};
use avouch_wire::web_bot_auth::WELL_KNOWN;

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_without_a_nonce_is_refused_where_one_is_required() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let world = World::new(tools).await;
    let host = world.location_by_nginx("bot.example", |_| {
        format!("location = {WELL_KNOWN} {{ return 200 '{{\"keys\":[{}]}}'; }}\n", public(&key(OWN)))
    });
    let gateway = world.program("[[route]]\npath = '/prices'\nmode = 'enforce'\nrequire_nonce = true");
    let agent = format!("\"{}\"", host.origin);
    let signed = |nonce: &str| -> String {
        let covered = [PLAIN.covered[0], (r#""signature-agent""#, &*agent)];
        let sent = Shape { agent: &agent, covered: &covered, nonce, ..PLAIN }.sent();
        sent.fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
    };
    let ask = |fields: &str| world.send(gateway.address, fields);
    let once = signed("once");
    let verified = "3 verified bot.example web-bot-auth";
    assert_eq!(ask(&once), verified);
    assert!(ask(&signed("")).contains("nonce-required"));
    assert_eq!(ask(&once), "1 invalid - -", "a nonce counts once");
    assert_eq!(ask(&signed("twice")), verified);
    gateway.stop();
}
