//! Keys in a TPM, by a script.

use testkit::peers;
use testkit::swtpm::{PROGRAMS, Swtpm};

use super::script::Place;

#[test]
fn tpm() {
    let Some(tools) = peers::require(&PROGRAMS) else { return };
    let (own, other) = (Swtpm::start(&tools).unwrap(), Swtpm::start_tcp(&tools).unwrap());
    let mut place = Place::new();
    place.set("TPM", own.device());
    place.set("OTHER", other.device());
    place.run("tpm.txt", include_str!("tpm.txt"));
}
