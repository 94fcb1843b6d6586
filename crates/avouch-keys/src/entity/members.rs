//! A line of the list of registration entities that belong together, signed by its steward.

use avouch_wire::entity::{Act, MAX_MEMBERS, Member, MemberError, Members};
use avouch_wire::name::Domain;

use crate::secret::{KeyError, SecretKey};

/// Why no line was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// What stands there is not a list of this steward.
    #[error(transparent)]
    List(#[from] MemberError),
    /// It has [`MAX_MEMBERS`] lines.
    #[error("the list is full: it has {MAX_MEMBERS} lines")]
    Full,
    /// Who would join.
    #[error("{0} is a member already")]
    Joined(Domain<'static>),
    /// Who would leave.
    #[error("{0} is no member")]
    NoMember(Domain<'static>),
    /// The last line was made at this time, in Unix seconds, which is later.
    #[error("the last line was made later than now, at {0}")]
    Time(u64),
    /// The key refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Signs the line that follows a list, as its steward.
///
/// The whole list is verified by the steward's own key first, so that a key never signs what goes on from another's list.
/// Two lines for one list are a fork, by which its readers find the steward out: who appends keeps others from it
/// meanwhile.
///
/// # Errors
/// [`AppendError`].
pub fn append(
    steward: &SecretKey,
    list: &[u8],
    act: Act,
    host: &Domain<'_>,
    now: u64,
) -> Result<Member, AppendError> {
    let members = Members::read(list, steward.public())?;
    if members.lines() >= MAX_MEMBERS {
        return Err(AppendError::Full);
    }
    let host = host.clone().into_owned();
    match (act, members.holds(&host)) {
        (Act::Join, true) => return Err(AppendError::Joined(host)),
        (Act::Leave, false) => return Err(AppendError::NoMember(host)),
        (Act::Join, false) | (Act::Leave, true) => {}
    }
    if now < members.time() {
        return Err(AppendError::Time(members.time()));
    }
    let number = u64::try_from(members.lines()).unwrap_or(u64::MAX).saturating_add(1);
    let mut line = Member { number, previous: members.head(), act, host, time: now, signature: [0; 64] };
    line.signature = steward.sign(&line.signed_string())?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::key::KeyType;

    const NOW: u64 = 1_790_000_000;

    fn host(text: &str) -> Domain<'static> {
        Domain::parse(text).unwrap().into_owned()
    }

    fn add(key: &SecretKey, list: &mut String, act: Act, name: &str, now: u64) -> Result<(), AppendError> {
        let line = append(key, list.as_bytes(), act, &host(name), now)?;
        list.push_str(&(line.write() + "\n"));
        Ok(())
    }

    #[test]
    fn each_line_that_is_signed_goes_on_from_the_list_before() {
        for key_type in [KeyType::Ed25519, KeyType::P256] {
            let key = SecretKey::generate(key_type, &mut Fixed(1)).unwrap();
            let other = SecretKey::generate(key_type, &mut Fixed(2)).unwrap();
            let (mut list, mut before) = (String::new(), Members::default());
            for (act, name, holds) in [
                (Act::Join, "re.example", true),
                (Act::Join, "re2.example", true),
                (Act::Leave, "re.example", false),
            ] {
                add(&key, &mut list, act, name, NOW).unwrap();
                let after = Members::read(list.as_bytes(), key.public()).unwrap();
                assert!(after.goes_on_from(&before) && after.lines() == before.lines() + 1);
                assert_eq!(after.holds(&host(name)), holds);
                assert_eq!(Members::read(list.as_bytes(), other.public()), Err(MemberError::Signature(1)));
                before = after;
            }
        }
    }

    #[test]
    fn nothing_is_signed_that_the_list_would_not_be_read_with() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap();
        let other = SecretKey::generate(KeyType::Ed25519, &mut Fixed(2)).unwrap();
        let mut list = String::new();
        add(&key, &mut list, Act::Join, "re.example", NOW).unwrap();
        let refused =
            |key, text: &str, act, name, now| add(key, &mut text.to_owned(), act, name, now).unwrap_err();
        let (re, re2) = ("re.example", "re2.example");
        assert_eq!(refused(&key, &list, Act::Join, "RE.example", NOW), AppendError::Joined(host(re)));
        assert_eq!(refused(&key, &list, Act::Leave, re2, NOW), AppendError::NoMember(host(re2)));
        assert_eq!(refused(&key, &list, Act::Leave, re, NOW - 1), AppendError::Time(NOW));
        let signature = AppendError::List(MemberError::Signature(1));
        assert_eq!(refused(&other, &list, Act::Join, re2, NOW), signature, "another's list");
        assert_eq!(refused(&key, &list.replace(re, re2), Act::Join, re, NOW), signature, "a changed line");
        let cut = refused(&key, list.trim_end(), Act::Join, re2, NOW);
        assert!(matches!(cut, AppendError::List(MemberError::Line(1, _))), "a part of a line");
    }

    #[test]
    fn a_full_list_is_not_made_longer() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap();
        let (mut list, mut previous, host) = (String::new(), [0; 32], host("re.example"));
        for number in 1..=1024 {
            let act = if number % 2 == 1 { Act::Join } else { Act::Leave };
            let mut line =
                Member { number, previous, act, host: host.clone(), time: NOW, signature: [0; 64] };
            line.signature = key.sign(&line.signed_string()).unwrap();
            previous = line.head();
            if number == 1024 {
                let last = append(&key, list.as_bytes(), act, &host, NOW);
                assert_eq!(last.as_ref(), Ok(&line), "one more has room");
            }
            list.push_str(&(line.write() + "\n"));
        }
        assert_eq!(append(&key, list.as_bytes(), Act::Join, &host, NOW), Err(AppendError::Full));
    }
}
