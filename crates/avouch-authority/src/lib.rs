//! The registrar of a domain: agents enrol by themselves, owners approve and revoke, the DNS says so; and the registration
//! entity, where agents share a secret and verifiers ask for keys.
//!
//! In scope: questions of agents that hold a token and a key ([`Registrar::for_agents`]), what owners and operators
//! decide ([`Registrar::for_role`]), and that the name server has in its zone what was decided, whatever fails
//! meanwhile ([`registrar`]); what verifiers and agents ask of a registration entity, what its owner decides, and that
//! nothing is taken back that was told, whatever database is restored ([`entity`]). Formats: `docs/formats/registrar.md`,
//! `docs/formats/registration-entity.md`.
//!
//! Out of scope: what a record may hold (`avouch-wire`), what is kept (`avouch-store`), how a name server is told
//! (`avouch-dns`), what an agent does with its key (`avouch-agent`), and who believes the record (`avouch-gateway`).
//!
//! Limits: [`registrar::MAX_PENDING`] agents wait for an approval; 1,024 questions wait for the database, and 128 are
//! answered by one of its commits; 200 names go to the name server in one message, at most half a second after they
//! changed, or into the zone that the registrar serves itself, a tenth of a second after. Of a registration entity:
//! [`entity::MAX_AGENTS`] agents, [`entity::MAX_TOKENS`] tokens, 256 streams, 4,096 sites whose keys are known, 32 of which
//! are asked at once.

mod answers;
pub mod config;
mod crowd;
mod desk;
pub mod entity;
pub mod registrar;
mod run;
mod serving;
mod socket;
mod terms;

pub use registrar::{Registrar, Role};
pub use run::{Running, StartError, check, run};
pub use socket::{AskError, ask};
