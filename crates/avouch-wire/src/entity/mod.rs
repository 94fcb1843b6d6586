//! Registration entities: keys that are derived for each site, and what is said to get them
//! (`docs/formats/registration-entity.md`; SAIP and VICDM draft section 6.4.6, which leave the messages open).

mod answer;
mod asker;
mod event;
mod keys;
mod member;
mod parts;
mod question;
mod registration;

pub use answer::{AgentAnswer, KeyAnswer, MAX_ANSWER, MAX_SECRETS, Registration};
pub use asker::{
    Asker, Credentials, EVENT_PATH, KEY_PATH, MAX_VERIFIER_KEYS, Question, REGISTER_PATH, SECRET_PATH,
    SEQUENCE_PATH, VERIFIER_PATH, VerifierDocument,
};
pub use event::{Event, Happening, MAX_LINE};
pub use keys::{EPOCH, EnrolmentSecret, KeyName, VerifierKey, agent_name, epoch_of};
pub use member::{Act, MAX_MEMBERS, Member, MemberError, Members};
pub use parts::MessageError;
pub use question::{AgentQuestion, EventQuestion, KeyQuestion, MAX_AGENTS, MAX_QUESTION, Renegotiation};
pub use registration::{FloorAnswer, MAX_TOLD, RegistrationQuestion, Rotation, SecretAnswer, token_digest};

#[cfg(test)]
mod registering;
#[cfg(test)]
mod tests;
