//! Digests of content, as `cd` and `Content-Digest` carry them.

use aws_lc_rs::digest::{Context, SHA256, SHA512, digest};
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
        let mut sha512 = [0; 64];
        sha512.iter_mut().zip(digest(&SHA512, content).as_ref()).for_each(|(to, from)| *to = *from);
        Self { sha256: ContentDigest::of(content), sha512: Some(sha512) }
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
pub struct ContentHasher(Context);

impl ContentHasher {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    /// Takes the next octets.
    pub fn update(&mut self, octets: &[u8]) {
        self.0.update(octets);
    }

    /// The digest of all that was seen.
    #[must_use]
    pub fn finish(self) -> ContentDigest {
        let digest = self.0.finish();
        let mut octets = [0; 32];
        octets.iter_mut().zip(digest.as_ref()).for_each(|(to, from)| *to = *from);
        ContentDigest(octets)
    }
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
