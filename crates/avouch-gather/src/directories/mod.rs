//! Key directories: what stands at the URL of a Web Bot Auth signature.
//!
//! In files: `fetcher` gets them, by the client of [`crate::https`], and remembers what became of each directory,
//! `newcomers` how many were new of late, `storage` for how long it may be kept, `vouched` whether its keys signed it;
//! `documents` stand for all of them offline.

mod documents;
mod fetcher;
mod newcomers;
mod storage;
#[cfg(test)]
mod tests;
mod vouched;

pub use documents::Documents;
pub(crate) use fetcher::REMEMBERED;
pub use fetcher::{FetchSettings, Fetcher};

use avouch_engine::evidence::{Answer, Cause, DirectoryQuestion};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::Directory;
use std::sync::Arc;

/// Where keys are found.
#[derive(Default)]
pub enum Directories {
    /// Nowhere: every directory is out of reach.
    #[default]
    Unreachable,
    /// In documents at hand. All others are out of reach.
    Given(Documents),
    /// At their URLs.
    Fetched(Box<Fetcher>),
}

impl Directories {
    /// The keys that a question asks for.
    pub(crate) async fn look_up(&self, question: &DirectoryQuestion, now: Time) -> Answer<Arc<Directory>> {
        match self {
            Self::Unreachable => Answer::Unknown(Cause::DirectoryUnreachable),
            Self::Given(documents) => documents.look_up(question, now),
            Self::Fetched(fetcher) => fetcher.look_up(question, now).await,
        }
    }
}
