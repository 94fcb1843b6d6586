//! Privacy Pass in vectors: one issuer with a key that everybody knows, on behalf of acme.example.

use super::{Case, folder, text};
use avouch_test_issuer::{Issuer, issue};
use avouch_wire::privacy_pass::{ContextKey, Epoch, TokenChallenge};
use avouch_wire::time::Time;
use std::error::Error;
use std::path::Path;

/// What the challenges of vectors are bound to.
pub const SECRET: [u8; 32] = [0; 32];

const ISSUER: &str = "issuer.example";
const ATTESTER: &str = "acme.example";

/// What a verifier is told of the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passes {
    /// The class that its tokens give.
    pub trust: u64,
    /// The delegation token by which the attester names its key.
    pub delegation: String,
}

impl Case {
    /// The `[[privacy_pass]]` of a configuration, where the case has one; its file is put into a folder.
    ///
    /// # Errors
    /// What the operating system says, or that the issuer has no key.
    pub fn write_passes(&self, folder: &Path) -> Result<String, Box<dyn Error>> {
        let Some(Passes { trust, delegation }) = &self.passes else { return Ok(String::new()) };
        let file = folder.join("issuer.jwt");
        std::fs::write(&file, delegation)?;
        Ok(format!(
            "[[privacy_pass]]\nissuer = '{ISSUER}'\nkey = '{}'\nattester = '{ATTESTER}'\ndelegation = '{}'\n\
             trust = {trust}\n",
            issuer()?.key().text(),
            file.display()
        ))
    }
}

/// A token for a challenge as a site gave it out at a moment: `www.shop.example 1790000000`.
pub(super) fn pass(blank: &str) -> Result<String, Box<dyn Error>> {
    let (site, at) = blank.split_once(' ').ok_or("a pass has a site and a time")?;
    let context = ContextKey::new(&SECRET).context(site, Epoch::at(Time::from_seconds(at.parse()?)));
    let challenge = TokenChallenge::new(ISSUER, context, site).ok_or("a site has a name")?;
    Ok(issue(&issuer()?, &challenge)?.text())
}

fn issuer() -> Result<Issuer, Box<dyn Error>> {
    Ok(Issuer::from_pem(&text(&folder().join("passes/issuer.pem")))?)
}
