//! Changing the key at a name while requests are signed: the new one beside the old, then without it.

use super::{Level, Limit, Live, Published, Reading, Record, RecordError};
use crate::b64u;
use crate::key::PublicKey;
use crate::time::Time;
use thiserror::Error;

/// Where a change of keys stands, from what stands at the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The old key alone: the new one comes beside it.
    Old,
    /// Both: once everybody knows the new one and the agent signs with it, the old one goes.
    Both,
    /// The new key alone: done.
    New,
}

/// Why the next step would leave the name without what it needs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RotationError {
    /// Old and new are one.
    #[error("the new key is the old one")]
    Same,
    /// An empty `pk=` stands there.
    #[error("an empty pk= stands there, and a change of keys ends no revocation")]
    Revoked,
    /// A limit of the name is exceeded, now or after the step.
    #[error("{0}")]
    Limit(&'static str),
    /// Neither key is live.
    #[error("neither the old key nor the new one is live there")]
    Neither,
    /// Which of several live keys is the old one is not said.
    #[error("{0} keys are live there beside the new one, so which is the old one must be said")]
    Ambiguous(usize),
    /// The new key counts for nothing where the old one counts.
    #[error("the new key stands there with t=y only, so nobody would be proved once the old one is gone")]
    Testing,
    /// Something stands in a record of the old key and nowhere else.
    #[error("with the old key's record its networks, autonomous systems or entities would go")]
    Loses,
    /// The new record would be none.
    #[error("the record of the new key would be ignored: {0}")]
    Broken(RecordError),
}

/// A change of keys at one name, from what stands there.
#[derive(Clone, Debug)]
pub struct Rotation<'a> {
    texts: Vec<&'a [u8]>,
    level: Level,
    old: Option<PublicKey>,
    new: &'a PublicKey,
}

impl<'a> Rotation<'a> {
    /// From the texts at the name. Without `old` it is the only live key other than `new`.
    ///
    /// # Errors
    /// [`RotationError`]: which is the old one cannot be said.
    pub fn new(
        texts: impl IntoIterator<Item = &'a [u8]>,
        level: Level,
        old: Option<&PublicKey>,
        new: &'a PublicKey,
        now: Time,
    ) -> Result<Self, RotationError> {
        let texts: Vec<_> = texts.into_iter().collect();
        let published = Published::unite(texts.iter().copied(), level);
        if published.is_revoked() {
            return Err(RotationError::Revoked);
        }
        within_limits(&published, now)?;
        let others: Vec<_> = published.keys(now).map(|live| live.value).filter(|key| *key != new).collect();
        let old = match (old, others.as_slice()) {
            (Some(old), _) if old == new => return Err(RotationError::Same),
            (Some(old), _) => Some(old.clone()),
            (None, [only]) => Some((*only).clone()),
            (None, []) => None,
            (None, several) => return Err(RotationError::Ambiguous(several.len())),
        };
        Ok(Self { texts, level, old, new })
    }

    /// Where it stands.
    ///
    /// # Errors
    /// [`RotationError::Neither`] key is live.
    pub fn stage(&self, now: Time) -> Result<Stage, RotationError> {
        let published = self.published(&self.texts);
        let is_live = |key: &PublicKey| published.keys(now).any(|live| live.value == key);
        match (self.old.as_ref().is_some_and(is_live), is_live(self.new)) {
            (true, false) => Ok(Stage::Old),
            (true, true) => Ok(Stage::Both),
            (false, true) => Ok(Stage::New),
            (false, false) => Err(RotationError::Neither),
        }
    }

    /// The key that goes.
    #[must_use]
    pub const fn old(&self) -> Option<&PublicKey> {
        self.old.as_ref()
    }

    /// The text of the new key's record: that of the old key's with another key and end, so that whatever else it
    /// says goes on being said.
    ///
    /// # Errors
    /// The record would be ignored, or with it a limit of the name would be exceeded.
    pub fn beside(&self, ends: Option<Time>, now: Time) -> Result<String, RotationError> {
        let old = self.texts.iter().find_map(|text| self.of_old(text).filter(|record| is_live(record, now)));
        let mut pairs: Vec<String> = Vec::new();
        let old = old.map(|record| record.to_string()).ok_or(RotationError::Neither)?;
        for pair in old.split("; ") {
            match pair.split_once('=') {
                Some(("pk", _)) => pairs.push(format!("pk={}", b64u::encode(self.new.octets()))),
                Some(("exp", _)) => {}
                _ => pairs.push(pair.to_owned()),
            }
        }
        pairs.extend(ends.map(|ends| format!("exp={}", ends.seconds())));
        let text = pairs.join("; ");
        Record::parse(&text).map_err(RotationError::Broken)?;
        let both = [self.texts.as_slice(), &[text.as_bytes()]].concat();
        let published = self.published(&both);
        within_limits(&published, now)?;
        published.keys(now).find(|live| live.value == self.new).ok_or(RotationError::Neither)?;
        Ok(text)
    }

    /// The texts that are left when those of the old key go: what is not a record of the old key stays.
    ///
    /// # Errors
    /// The name would lose its only key that counts, or more than the old key.
    pub fn without_old(&self, now: Time) -> Result<Vec<&'a [u8]>, RotationError> {
        let left: Vec<_> = self.texts.iter().copied().filter(|text| self.of_old(text).is_none()).collect();
        let (before, after) = (self.published(&self.texts), self.published(&left));
        let new = after.keys(now).find(|live| live.value == self.new).ok_or(RotationError::Neither)?;
        let is_firm = |key: &PublicKey| before.keys(now).any(|live| live.value == key && !live.testing);
        if new.testing && self.old.as_ref().is_some_and(is_firm) {
            return Err(RotationError::Testing);
        }
        let keeps = before
            .networks(now)
            .all(|one| after.networks(now).any(|other| stands_in_for(&other, &one)))
            && before.asns(now).all(|one| after.asns(now).any(|other| stands_in_for(&other, &one)))
            && before.entities(now).all(|one| after.entities(now).any(|other| stands_in_for(&other, &one)))
            && before.report_to(now).all(|one| after.report_to(now).any(|other| other == one));
        if keeps { Ok(left) } else { Err(RotationError::Loses) }
    }

    fn published(&self, texts: &[&[u8]]) -> Published {
        Published::unite(texts.iter().copied(), self.level)
    }

    /// The record in a text, if it is one of the old key.
    fn of_old(&self, text: &[u8]) -> Option<Record> {
        match Record::read(text) {
            Reading::Sound { record, .. } if record.key().is_some() && record.key() == self.old.as_ref() => {
                Some(record)
            }
            _ => None,
        }
    }
}

fn stands_in_for<T: PartialEq>(one: &Live<'_, T>, other: &Live<'_, T>) -> bool {
    one.value == other.value && (other.testing || !one.testing)
}

fn is_live(record: &Record, now: Time) -> bool {
    record.expires().is_none_or(|ends| now < ends)
}

fn within_limits(published: &Published, now: Time) -> Result<(), RotationError> {
    match published.limit(now) {
        None => Ok(()),
        Some(Limit::Keys) => {
            Err(RotationError::Limit("more than four keys would be live there, and none would count"))
        }
        Some(Limit::Records) => {
            Err(RotationError::Limit("more than 16 records would stand there, and none would count"))
        }
        Some(Limit::Octets) => {
            Err(RotationError::Limit("more than 4096 octets would stand there, and none would count"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_790_000_000);

    fn keys() -> Vec<PublicKey> {
        let point = |y: u8| {
            let mut octets = [0; 32];
            octets[0] = y;
            PublicKey::from_octets(&octets).ok()
        };
        (3..=255).filter_map(point).collect()
    }

    fn text(key: &PublicKey, rest: &str) -> String {
        format!("v=saip1; pk={}{rest}", b64u::encode(key.octets()))
    }

    fn rotation<'a>(texts: &'a [String], new: &'a PublicKey) -> Result<Rotation<'a>, RotationError> {
        Rotation::new(texts.iter().map(String::as_bytes), Level::Domain, None, new, NOW)
    }

    #[test]
    fn a_key_is_changed_in_two_steps_and_one_is_always_live() {
        let keys = keys();
        let (old, new) = (&keys[0], &keys[1]);
        let foreign = "google-site-verification=x".to_owned();
        let mut texts =
            vec![foreign.clone(), text(old, "; ip=192.0.2.0/24; exp=1790000100; rua=mailto:a@b.example")];
        let beside = {
            let begun = rotation(&texts, new).unwrap();
            assert_eq!(begun.stage(NOW), Ok(Stage::Old));
            assert_eq!(begun.old(), Some(old));
            assert_eq!(begun.without_old(NOW), Err(RotationError::Neither), "the new one is not there yet");
            begun.beside(None, NOW).unwrap()
        };
        assert_eq!(beside, text(new, "; ip=192.0.2.0/24; rua=mailto:a@b.example"), "all but the end is kept");
        texts.push(beside.clone());
        let both = rotation(&texts, new).unwrap();
        assert_eq!(both.stage(NOW), Ok(Stage::Both));
        assert_eq!(both.without_old(NOW).unwrap(), [foreign.as_bytes(), beside.as_bytes()]);
        let left = [foreign, beside];
        assert_eq!(rotation(&left, new).unwrap().stage(NOW), Ok(Stage::New));
        assert_eq!(rotation(&left, &keys[2]).unwrap().stage(NOW), Ok(Stage::Old));
        assert_eq!(rotation(&left[..1], new).unwrap().stage(NOW), Err(RotationError::Neither));
    }

    #[test]
    fn no_step_leaves_the_name_without_what_it_has() {
        let keys = keys();
        let (old, new) = (&keys[0], &keys[1]);
        let without =
            |texts: &[String]| rotation(texts, new).unwrap().without_old(NOW).map(|left| left.len());
        assert_eq!(without(&[text(old, ""), text(new, "")]), Ok(1));
        assert_eq!(without(&[text(old, ""), text(new, "; t=y")]), Err(RotationError::Testing));
        assert_eq!(without(&[text(old, "; t=y"), text(new, "; t=y")]), Ok(1));
        assert_eq!(without(&[text(old, ""), text(new, "; exp=1790000000")]), Err(RotationError::Neither));
        for more in ["; ip=192.0.2.0/24", "; asn=64500", "; re=re.example", "; rua=mailto:a@b.example"] {
            assert_eq!(without(&[text(old, more), text(new, "")]), Err(RotationError::Loses), "{more}");
        }
        let revoked = [text(old, ""), "v=saip1; pk=".to_owned()];
        assert_eq!(rotation(&revoked, new).unwrap_err(), RotationError::Revoked);
    }

    #[test]
    fn a_name_that_is_full_takes_no_new_key() {
        let keys = keys();
        let four: Vec<_> = keys[..4].iter().map(|key| text(key, "")).collect();
        assert_eq!(rotation(&four, &keys[4]).unwrap_err(), RotationError::Ambiguous(4));
        let old = Some(&keys[0]);
        let made = |texts: &[String]| {
            let texts = texts.iter().map(String::as_bytes);
            Rotation::new(texts, Level::Agent, old, &keys[4], NOW).unwrap().beside(None, NOW)
        };
        assert!(matches!(made(&four), Err(RotationError::Limit(_))));
        assert!(made(&four[..3]).is_ok());
        let same = Rotation::new(four.iter().map(String::as_bytes), Level::Agent, old, &keys[0], NOW);
        assert_eq!(same.unwrap_err(), RotationError::Same);
    }
}
