//! Registration entities: keys that are derived for each site, and what is said to get them
//! (`docs/formats/registration-entity.md`; SAIP and VICDM draft section 6.4.6, which leave the messages open).

mod keys;

pub use keys::{EPOCH, EnrolmentSecret, KeyName, VerifierKey, agent_name, epoch_of};
