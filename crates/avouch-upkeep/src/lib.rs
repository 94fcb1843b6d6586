//! Keeps an installation well: finds what would break in production, saves and restores its files.
//!
//! In scope: everything around a gateway that its configuration cannot show by itself, each with what mends it
//! ([`doctor`]); its files in one, and back ([`backup`]).
//!
//! Out of scope: loading a configuration and running by it (`avouch-gateway`); changing anything that is
//! found. What
//! could not be found out is told as that, and never as fine.
//!
//! Limits: each question over the network has five seconds; those of a backup are in `avouch_wire::backup`. Formats:
//! `docs/operate/doctor.md`, `docs/formats/backup.md`.
//!
//! ```
//! use avouch_upkeep::doctor::{About, Finding, Standing};
//!
//! let finding = Finding::wrong(About::Clock, "it is 90 s ahead", "set up NTP");
//! assert_eq!((finding.about.as_str(), finding.standing), ("clock", Standing::Wrong));
//! ```

pub mod backup;
pub mod doctor;
