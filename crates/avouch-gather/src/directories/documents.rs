//! Documents at hand, which stand for what URLs would give.

use avouch_engine::evidence::{Answer, Cause, DirectoryQuestion, Dnssec};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Directory, DirectoryError, Discovery, Document};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a document at hand is relied on, which has nothing to say about that.
const GIVEN: Duration = Duration::from_secs(300);

/// Documents by URL.
#[derive(Debug, Default)]
pub struct Documents(BTreeMap<String, Vec<u8>>);

impl Documents {
    /// Adds a document; a later one for the same URL takes its place.
    pub fn add(&mut self, url: String, document: Vec<u8>) {
        self.0.insert(url, document);
    }

    pub(super) fn look_up(&self, question: &DirectoryQuestion, now: Time) -> Answer<Arc<Directory>> {
        match self.read(question) {
            Ok(Some(directory)) => {
                let until = now.after(GIVEN);
                Answer::Found { value: Arc::new(directory), dnssec: Dnssec::Insecure, until }
            }
            Ok(None) => Answer::Unknown(Cause::DirectoryUnreachable),
            Err(_) => Answer::Unknown(Cause::DirectoryUnusable),
        }
    }

    /// `None` where a document is not at hand.
    fn read(&self, question: &DirectoryQuestion) -> Result<Option<Directory>, DirectoryError> {
        let Some(document) = self.0.get(&question.url) else { return Ok(None) };
        match question.discovery {
            Discovery::Directory | Discovery::JwksUri => Directory::parse(document).map(Some),
            Discovery::Cimd => match Document::parse(document, &question.url)? {
                Document::Keys(directory) => Ok(Some(directory)),
                Document::JwksUri(url) => self.0.get(&url).map(|keys| Directory::parse(keys)).transpose(),
            },
        }
    }
}
