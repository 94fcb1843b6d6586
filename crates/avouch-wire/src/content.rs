//! Digests of content, as `cd` and `Content-Digest` carry them.

use aws_lc_rs::digest::{Context, Digest, SHA256, SHA512};
use std::fmt;

/// SHA-256 of a request's content: after transfer decoding, before content decoding, without
/// trailers; of the empty string where there is no body.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ContentDigest(pub [u8; 32]);

impl ContentDigest {
    /// The digest of content held in memory.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = ContentHasher::new();
        hasher.update(content);
        hasher.finish()
    }
}

/// Digests of one content, as far as anyone asks for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentDigests {
    /// SHA-256, which `cd` asks for.
    pub sha256: ContentDigest,
    /// SHA-512, which `Content-Digest` may ask for.
    pub sha512: Option<[u8; 64]>,
}

impl ContentDigests {
    /// All digests of content held in memory.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = ContentHasher::of_all();
        hasher.update(content);
        hasher.finish_all()
    }
}

impl From<ContentDigest> for ContentDigests {
    fn from(sha256: ContentDigest) -> Self {
        Self { sha256, sha512: None }
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ContentDigest({})", crate::b64u::encode(&self.0))
    }
}

/// Digests content as it streams by.
#[derive(Clone)]
pub struct ContentHasher {
    sha256: Context,
    sha512: Option<Context>,
}

impl ContentHasher {
    /// Nothing seen yet; for SHA-256 alone.
    #[must_use]
    pub fn new() -> Self {
        Self { sha256: Context::new(&SHA256), sha512: None }
    }

    /// Nothing seen yet; for every digest.
    #[must_use]
    pub fn of_all() -> Self {
        Self { sha512: Some(Context::new(&SHA512)), ..Self::new() }
    }

    /// Takes the next octets.
    pub fn update(&mut self, octets: &[u8]) {
        self.sha256.update(octets);
        self.sha512.iter_mut().for_each(|context| context.update(octets));
    }

    /// The SHA-256 digest of all that was seen.
    #[must_use]
    pub fn finish(self) -> ContentDigest {
        self.finish_all().sha256
    }

    /// The digests of all that was seen.
    #[must_use]
    pub fn finish_all(self) -> ContentDigests {
        ContentDigests {
            sha256: ContentDigest(octets(&self.sha256.finish())),
            sha512: self.sha512.map(|context| octets(&context.finish())),
        }
    }
}

fn octets<const N: usize>(digest: &Digest) -> [u8; N] {
    let mut octets = [0; N];
    octets.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
    octets
}

impl Default for ContentHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ContentHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentHasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_make_the_same_digest_as_the_whole() {
        let mut hasher = ContentHasher::new();
        hasher.update(b"a");
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), ContentDigest::of(b"abc"));
        assert_ne!(ContentDigest::of(b"abc"), ContentDigest::of(b"abd"));
    }
}
