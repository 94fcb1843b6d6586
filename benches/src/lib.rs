//! Speed as ratios: each figure against a bare limit measured in the same run.
//!
//! `cargo xtask bench` runs this and writes `docs/performance.md`. Subject and limit are timed in
//! turn, batch by batch, so that a machine that slows down slows both; the ratio of the two
//! fastest batches is the figure.

#![expect(clippy::expect_used, reason = "a benchmark that cannot set up its world has nothing to say")]

mod agent;
mod asked;
mod attack;
mod audit;
mod batch;
mod bot;
mod check;
mod enrolment;
mod figure;
mod gateway;
mod player;
mod refusal;
mod registry;
mod replay;
mod world;

pub use figure::Figure;
pub use player::play;

/// A group's name, and what measures it.
type Group = (&'static str, fn() -> Vec<Figure>);

/// The groups of figures, in the order of the page.
const GROUPS: [Group; 13] = [
    ("check", || vec![check::whole(&world::World::new())]),
    ("batch", || vec![batch::known_root()]),
    ("registry", registry::figures),
    ("bot", || vec![bot::whole()]),
    ("refusal", || refusal::figures(&world::World::new())),
    ("policy", || vec![check::policy(&world::World::new())]),
    ("replay", replay::figures),
    ("audit", audit::figures),
    ("gateway", gateway::figures),
    ("asked", asked::figures),
    ("attack", attack::figures),
    ("agent", agent::figures),
    ("enrolment", enrolment::figures),
];

/// Every figure, or those of the named groups.
#[must_use]
pub fn measure(named: &[String]) -> Vec<Figure> {
    let wanted = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
    GROUPS.iter().filter(|(name, _)| wanted(name)).flat_map(|(_, measure)| measure()).collect()
}
