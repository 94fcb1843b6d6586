//! What a registration entity derives the secrets of its agents of.
//!
//! A secret is not stored: it is the HMAC of an agent's name, the secret's number and 32 random octets, by a root that is
//! kept in a file apart from the database. So a copy of the database gives nobody a secret, and a secret whose random
//! octets were deleted is gone for the holder of the root, too.

use std::fmt;
use std::path::Path;

use avouch_wire::b64u;
use avouch_wire::context::{RE_ROOT, RE_SECRET};
use avouch_wire::entity::EnrolmentSecret;
use avouch_wire::name::{AgentId, Domain};
use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use zeroize::Zeroizing;

use crate::entropy::{Entropy, NoRandomness};
use crate::store::{Problem, StoreError, place_secret, read_secret};

/// What the line of the file begins with, so that whoever finds one knows what it is.
const PREFIX: &str = "avouch-entity-root-";

/// Why there is no root.
#[derive(Debug, thiserror::Error)]
pub enum RootError {
    /// No such file.
    #[error("{}: does not exist: restore it from a backup; it is made at the first start alone", .0.display())]
    Missing(std::path::PathBuf),
    /// Another file.
    #[error("{}: holds no root of a registration entity: restore it from a backup, or correct the path", .0.display())]
    Form(std::path::PathBuf),
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] StoreError),
    /// The generator failed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// Whose secret, and which of its secrets.
#[derive(Clone, Copy, Debug)]
pub struct Registered<'a> {
    /// The registration entity.
    pub entity: &'a Domain<'a>,
    /// The agent's domain.
    pub domain: &'a Domain<'a>,
    /// The agent.
    pub agent: &'a AgentId<'a>,
    /// The number of the secret, from 1.
    pub version: u64,
    /// The random octets that were drawn for it.
    pub salt: &'a [u8; 32],
}

/// 32 random octets. Wiped when dropped, and not shown by `Debug`.
pub struct Root(Zeroizing<[u8; 32]>);

impl Root {
    /// Draws one, and writes it into a new file with mode 0600.
    ///
    /// # Errors
    /// [`RootError`]; a file that is there already is not touched.
    pub fn create(path: &Path, entropy: &mut impl Entropy) -> Result<Self, RootError> {
        let mut octets = Zeroizing::new([0; 32]);
        entropy.fill(&mut octets[..])?;
        let encoded = Zeroizing::new(b64u::encode(&octets[..]));
        let line = Zeroizing::new(format!("{PREFIX}{}\n", *encoded));
        place_secret(path, line.as_bytes())?;
        Ok(Self(octets))
    }

    /// Reads the file, which is closed to everyone but its owner.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn open(path: &Path) -> Result<Self, RootError> {
        let text = read_secret(path).map_err(|error| match error.problem {
            Problem::Missing => RootError::Missing(path.to_owned()),
            Problem::NoKey => RootError::Form(path.to_owned()),
            _ => error.into(),
        })?;
        let octets = text.trim_end().strip_prefix(PREFIX).and_then(|octets| b64u::decode(octets).ok());
        octets.map(|octets| Self(Zeroizing::new(octets))).ok_or_else(|| RootError::Form(path.to_owned()))
    }

    /// By what the entity's database knows its root again. It says nothing about it.
    #[must_use]
    pub fn mark(&self) -> [u8; 32] {
        *octets_of(self.begin(RE_ROOT))
    }

    /// The secret of an agent.
    #[must_use]
    pub fn secret(&self, of: &Registered<'_>) -> EnrolmentSecret {
        let mut mac = self.begin(RE_SECRET);
        for text in [of.entity.as_str(), of.domain.as_str(), of.agent.as_str()] {
            mac.update(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac.update(&of.version.to_be_bytes());
        mac.update(of.salt);
        EnrolmentSecret::from_octets(*octets_of(mac))
    }

    fn begin(&self, context: &[u8]) -> Context {
        let mut mac = Context::with_key(&Key::new(HMAC_SHA256, &self.0[..]));
        mac.update(context);
        mac
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(..)")
    }
}

fn octets_of(mac: Context) -> Zeroizing<[u8; 32]> {
    let tag = mac.sign();
    let mut octets = Zeroizing::new([0; 32]);
    octets.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
    octets
}
