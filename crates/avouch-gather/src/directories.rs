//! Key directories: what stands at the URL of a Web Bot Auth signature.

use avouch_engine::evidence::{Answer, Cause, DirectoryQuestion, Dnssec};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Directory, DirectoryError, Discovery, Document};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a document at hand is relied on, which has nothing to say about that.
const GIVEN: Duration = Duration::from_secs(300);

/// Where keys are found.
#[derive(Debug, Default)]
pub enum Directories {
    /// Nowhere: every directory is out of reach.
    #[default]
    Unreachable,
    /// In documents at hand, which stand for what the URLs would give. All others are out of reach.
    Given(Documents),
}

/// Documents by URL.
#[derive(Debug, Default)]
pub struct Documents(BTreeMap<String, Vec<u8>>);

impl Documents {
    /// Adds a document; a later one for the same URL takes its place.
    pub fn add(&mut self, url: String, document: Vec<u8>) {
        self.0.insert(url, document);
    }
}

impl Directories {
    /// The keys that a question asks for.
    pub(crate) fn look_up(&self, question: &DirectoryQuestion, now: Time) -> Answer<Arc<Directory>> {
        let Self::Given(Documents(documents)) = self else {
            return Answer::Unknown(Cause::DirectoryUnreachable);
        };
        let Some(document) = documents.get(&question.url) else {
            return Answer::Unknown(Cause::DirectoryUnreachable);
        };
        match read(document, question.discovery, documents) {
            Ok(Some(directory)) => {
                let until = now.after(GIVEN);
                Answer::Found { value: Arc::new(directory), dnssec: Dnssec::Insecure, until }
            }
            Ok(None) => Answer::Unknown(Cause::DirectoryUnreachable),
            Err(_) => Answer::Unknown(Cause::DirectoryUnusable),
        }
    }
}

/// The keys a document gives; `None` where it names another URL that is not at hand.
fn read(
    document: &[u8],
    discovery: Discovery,
    documents: &BTreeMap<String, Vec<u8>>,
) -> Result<Option<Directory>, DirectoryError> {
    match discovery {
        Discovery::Directory | Discovery::JwksUri => Directory::parse(document).map(Some),
        Discovery::Cimd => match Document::parse(document)? {
            Document::Keys(directory) => Ok(Some(directory)),
            Document::JwksUri(url) => documents.get(&url).map(|keys| Directory::parse(keys)).transpose(),
        },
    }
}
