//! Web Bot Auth (draft-ietf-webbotauth-httpsig-protocol): where a signature says that its key is
//! to be found, and what is found there.
//!
//! The field that names the place has had four forms, all of which are sent; each is a named
//! [`Dialect`], told by what the field looks like and never by trying.

mod agent;
mod directory;
#[cfg(test)]
mod examples;

pub use agent::{Agent, AgentError, Agents, Dialect, Discovery, WELL_KNOWN};
pub use directory::{
    DIRECTORY_TAG, Directory, DirectoryError, Document, MAX_DIRECTORY, MAX_KEYS, MEDIA_TYPE,
};

/// The tag that makes a signature of this profile.
pub const TAG: &str = "web-bot-auth";

/// The field that says where the keys are.
pub const FIELD: &str = "signature-agent";
