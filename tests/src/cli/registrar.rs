//! A registrar beside a real name server, by a script.

use testkit::peers;
use testkit::primary::{Kind, Primary};

use super::script::Place;

#[test]
fn registrar() {
    let Some(tools) = peers::require(Kind::Bind.programs()) else { return };
    let primary = Primary::start(Kind::Bind, &tools, "_saip.acme.example.").unwrap();
    let mut place = Place::new();
    place.set("PRIMARY", primary.address().to_string());
    place.set("PORT", primary.address().port().to_string());
    place.set("TSIG", primary.key("registrar").display().to_string());
    place.run("registrar.txt", include_str!("registrar.txt"));
}
