//! What the owner of a domain does at its primary name server, BIND or Knot, by a script.

use std::fs;

use testkit::bind::{Bind, PROGRAMS, Signing, Zone};
use testkit::peers::require;
use testkit::primary::{Kind, Primary};

use super::script::Place;

const KEY: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn publishes_rotates_and_revokes(kind: Kind) {
    let Some(tools) = require(kind.programs()) else { return };
    let primary = Primary::start(kind, &tools, "_saip.acme.example.").unwrap();
    let mut place = Place::new();
    for key in ["registrar", "owner", "nobody"] {
        fs::copy(primary.key(key), place.folder().join(format!("{key}.tsig"))).unwrap();
    }
    place.set("SERVER", primary.address().to_string());
    place.run("owner.txt", include_str!("owner.txt"));
}

#[test]
fn a_domain_owner_publishes_rotates_and_revokes_at_bind() {
    publishes_rotates_and_revokes(Kind::Bind);
}

#[test]
fn a_domain_owner_publishes_rotates_and_revokes_at_knot() {
    publishes_rotates_and_revokes(Kind::Knot);
}

#[test]
fn a_domain_owner_watches_and_reads_what_to_do_by_hand() {
    let Some(tools) = require(&PROGRAMS) else { return };
    let zone = |name, records: &str| Zone { name, signing: Signing::Signed, records: records.to_owned() };
    let bind = Bind::start(
        &tools,
        vec![
            zone(".", "ns.invalid. A 127.0.0.1"),
            zone(
                "acme.example.",
                &format!("bot._saip TXT \"v=saip1; pk={KEY}\"\n_saip TXT \"v=saip1; asn=1\""),
            ),
            zone("lame.example.", "_saip NS ns.invalid."),
        ],
    );
    let bind = bind.unwrap();
    let mut place = Place::new();
    fs::write(place.folder().join("root.anchor"), bind.trust_anchor()).unwrap();
    place.set("DNS", bind.address().to_string());
    place.set("PORT", bind.address().port().to_string());
    place.run("watch.txt", include_str!("watch.txt"));
}
