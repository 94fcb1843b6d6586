//! The fields of a head, as HAProxy's `req.hdrs_bin` puts them: name and value of each, each after its length, and two
//! lengths of 0 at the end.

use super::FrameError;
use super::octets::Octets;

/// The fields in their order, line by line. After an error there are no more.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a>(Option<Octets<'a>>);

impl<'a> Fields<'a> {
    /// Those of these octets.
    #[must_use]
    pub const fn of(octets: &'a [u8]) -> Self {
        Self(Some(Octets(octets)))
    }
}

/// A name, which is not empty, and a value. Neither is looked at further.
impl<'a> Iterator for Fields<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut from = self.0.take()?;
        let field = from.string().and_then(|name| Ok((name, from.string()?)));
        match field {
            Ok(([], [])) if from.is_empty() => return None,
            Ok(([], [])) => return Some(Err(FrameError::Trailing)),
            Ok(([], _)) => return Some(Err(FrameError::Name)),
            Ok(_) => self.0 = Some(from),
            Err(_) => {}
        }
        Some(field)
    }
}
