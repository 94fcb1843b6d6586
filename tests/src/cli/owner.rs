//! What the owner of a domain does at its primary name server, BIND or Knot, by a script.

use std::fs;

use testkit::peers::require;
use testkit::primary::{Kind, Primary};

use super::script::Place;

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
