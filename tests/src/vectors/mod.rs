//! The vectors of `tests/vectors`, judged offline and through a gateway.

mod gateway;
mod offline;

use testkit::vector::{Expect, Vector};

#[test]
fn what_is_accepted_has_a_near_miss_and_each_near_miss_costs_trust() {
    for vector in Vector::all() {
        assert!(!vector.near_misses.is_empty(), "{} has no near miss", vector.name);
        let trust = vector.base.expect.trust();
        for variant in &vector.variants {
            assert_eq!(variant.expect.trust(), trust, "{}", variant.name);
        }
        for near_miss in &vector.near_misses {
            assert!(near_miss.expect.trust() < trust, "{}", near_miss.name);
        }
    }
}

/// What differs is told of all cases at once.
fn compare(differences: &[String]) {
    assert!(differences.is_empty(), "{} cases differ:\n{}", differences.len(), differences.join("\n"));
}

fn difference(name: &str, expected: &Expect, came: &Expect) -> Option<String> {
    (expected != came).then(|| format!("{name}\n  expected {expected:?}\n  came     {came:?}"))
}
