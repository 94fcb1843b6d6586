//! Keys in a token of a PKCS#11 module, by a script.

use testkit::peers;
use testkit::softhsm::{PROGRAMS, SoftHsm};

use super::script::Place;

#[test]
fn pkcs11() {
    let Some(tools) = peers::require(&PROGRAMS) else { return };
    let hsm = SoftHsm::new(&tools, "my fleet", "1234").unwrap();
    let mut place = Place::new();
    place.set("SOFTHSM2_CONF", hsm.configuration().display().to_string());
    place.set("MODULE", hsm.module().display().to_string());
    place.run("pkcs11.txt", include_str!("pkcs11.txt"));
}
