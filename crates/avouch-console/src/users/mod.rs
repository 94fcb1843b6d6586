//! Who may sign in: passkeys with a name and a role, and invitations to bring one.

mod file;
mod text;

use core::fmt;
use std::time::Duration;

use avouch_keys::entropy::{Entropy, NoRandomness};
use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use avouch_wire::key::PublicKey;
use avouch_wire::time::Time;

pub use file::{UsersError, UsersFile};

/// Most passkeys of a file; a team has a handful each.
pub const MAX_PASSKEYS: usize = 256;

/// Most invitations that wait; each is for one passkey.
pub const MAX_INVITATIONS: usize = 64;

/// How long an invitation waits: long enough to hand it over, too short to be found in an old chat.
pub const INVITED_FOR: Duration = Duration::from_hours(24);

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look at what the gateway remembers.
    Viewer,
    /// Have it look things up and try drafts, too.
    Operator,
}

impl Role {
    /// Both, with their names.
    pub const ALL: [(&'static str, Self); 2] = [("viewer", Self::Viewer), ("operator", Self::Operator)];

    /// As written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// The name of a user: 1 to 64 letters, digits, dots, hyphens, underscores and `@`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UserName(String);

impl UserName {
    /// Reads a name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let fits = |octet: u8| octet.is_ascii_alphanumeric() || b".-_@".contains(&octet);
        ((1..=64).contains(&text.len()) && text.bytes().all(fits)).then(|| Self(text.to_owned()))
    }

    /// As written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A passkey that opens the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passkey {
    /// Whose it is.
    pub name: UserName,
    /// What they may do.
    pub role: Role,
    /// What the authenticator calls it.
    pub id: Vec<u8>,
    /// Its public half.
    pub key: PublicKey,
    /// Since when.
    pub added: Time,
}

/// Leave to bring one passkey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// For whom.
    pub name: UserName,
    /// As what.
    pub role: Role,
    /// Of the ticket that its bearer shows.
    pub digest: ContentDigest,
    /// Until when it can be used.
    pub until: Time,
}

/// What the bearer of an invitation shows: 256 bits, of which the file has the digest alone.
#[derive(Clone, Copy)]
pub struct Ticket([u8; 32]);

impl Ticket {
    /// Draws one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn draw(entropy: &mut impl Entropy) -> Result<Self, NoRandomness> {
        let mut octets = [0; 32];
        entropy.fill(&mut octets)?;
        Ok(Self(octets))
    }

    /// Reads one as it is written in links: 43 characters of base64url.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        b64u::decode(text).ok().map(Self)
    }

    /// What is kept of it. A digest of 256 random bits is found by lookup without giving anything away.
    #[must_use]
    pub fn digest(&self) -> ContentDigest {
        ContentDigest::of(&self.0)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&b64u::encode(&self.0))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket")
    }
}

/// Everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// Passkeys, in the order in which they came.
    pub passkeys: Vec<Passkey>,
    /// Invitations that wait.
    pub invitations: Vec<Invitation>,
}

/// Why somebody is not invited, or not enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// [`MAX_INVITATIONS`].
    #[error(
        "{MAX_INVITATIONS} invitations wait already: withdraw some with `avouch console remove`, or wait until they end"
    )]
    Invitations,
    /// [`MAX_PASSKEYS`].
    #[error("there are {MAX_PASSKEYS} passkeys already: remove some with `avouch console remove`")]
    Passkeys,
    /// No such invitation, or no longer.
    #[error(
        "the invitation was used, withdrawn, or has ended: ask for another, which `avouch console invite` makes"
    )]
    Invitation,
    /// A passkey of this name is there.
    #[error("this passkey is enrolled already: sign in with it")]
    Known,
}

/// Why the file of users was not changed.
#[derive(Debug, thiserror::Error)]
pub enum NotChanged {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] UsersError),
    /// What was asked for is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl Users {
    /// Invites somebody; invitations that ended make room.
    ///
    /// # Errors
    /// There are too many.
    pub fn invite(&mut self, name: UserName, role: Role, ticket: Ticket, now: Time) -> Result<Time, Refused> {
        self.invitations.retain(|invitation| now < invitation.until);
        if self.invitations.len() >= MAX_INVITATIONS {
            return Err(Refused::Invitations);
        }
        let until = now.after(INVITED_FOR);
        self.invitations.push(Invitation { name, role, digest: ticket.digest(), until });
        Ok(until)
    }

    /// The invitation of a ticket.
    #[must_use]
    pub fn invitation(&self, ticket: Ticket, now: Time) -> Option<&Invitation> {
        let digest = ticket.digest();
        self.invitations.iter().find(|invitation| invitation.digest == digest && now < invitation.until)
    }

    /// Puts a passkey in the place of the invitation to bring it.
    ///
    /// # Errors
    /// There is no such invitation, or no room.
    pub fn enrol(
        &mut self,
        ticket: Ticket,
        id: &[u8],
        key: PublicKey,
        now: Time,
    ) -> Result<(UserName, Role), Refused> {
        let invitation = self.invitation(ticket, now).ok_or(Refused::Invitation)?;
        if self.passkey(id).is_some() {
            return Err(Refused::Known);
        }
        if self.passkeys.len() >= MAX_PASSKEYS {
            return Err(Refused::Passkeys);
        }
        let (name, role) = (invitation.name.clone(), invitation.role);
        self.passkeys.push(Passkey { name: name.clone(), role, id: id.to_vec(), key, added: now });
        let digest = ticket.digest();
        self.invitations.retain(|invitation| invitation.digest != digest);
        Ok((name, role))
    }

    /// The passkey that an authenticator calls so.
    #[must_use]
    pub fn passkey(&self, id: &[u8]) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.id == id)
    }

    /// Removes somebody's passkeys and invitations; how many there were.
    pub fn remove(&mut self, name: &UserName) -> usize {
        let before = self.passkeys.len() + self.invitations.len();
        self.passkeys.retain(|passkey| passkey.name != *name);
        self.invitations.retain(|invitation| invitation.name != *name);
        before - self.passkeys.len() - self.invitations.len()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use avouch_keys::entropy::SystemEntropy;

    pub(crate) fn key() -> PublicKey {
        let base = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
        PublicKey::from_b64u(base).unwrap()
    }

    pub(crate) const NOW: Time = Time::from_seconds(1_790_000_000);

    pub(crate) fn name(text: &str) -> UserName {
        UserName::parse(text).unwrap()
    }

    fn ticket() -> Ticket {
        Ticket::draw(&mut SystemEntropy).unwrap()
    }

    #[test]
    fn an_invitation_is_for_one_passkey_until_it_ends() {
        let mut users = Users::default();
        let (one, other) = (ticket(), ticket());
        let until = users.invite(name("ada"), Role::Operator, one, NOW).unwrap();
        assert_eq!(users.enrol(other, b"id", key(), NOW), Err(Refused::Invitation));
        assert_eq!(users.enrol(one, b"id", key(), until), Err(Refused::Invitation));
        assert_eq!(
            users.enrol(one, b"id", key(), NOW).map(|(name, _)| name.to_string()),
            Ok("ada".to_owned())
        );
        assert_eq!(users.enrol(one, b"id2", key(), NOW), Err(Refused::Invitation));
        let ada = users.passkey(b"id").unwrap();
        assert_eq!((ada.name.as_str(), ada.role), ("ada", Role::Operator));
        users.invite(name("eve"), Role::Viewer, other, NOW).unwrap();
        assert_eq!(users.enrol(other, b"id", key(), NOW), Err(Refused::Known));
        assert_eq!((users.remove(&name("ada")), users.remove(&name("eve"))), (1, 1));
        assert_eq!(users, Users::default());
    }

    #[test]
    fn invitations_and_passkeys_are_bounded() {
        let mut users = Users::default();
        for _ in 0..MAX_INVITATIONS {
            users.invite(name("ada"), Role::Viewer, ticket(), NOW).unwrap();
        }
        assert_eq!(users.invite(name("ada"), Role::Viewer, ticket(), NOW), Err(Refused::Invitations));
        let later = NOW.after(INVITED_FOR);
        for number in 0..=MAX_PASSKEYS {
            let ticket = ticket();
            users.invite(name("ada"), Role::Viewer, ticket, later).unwrap();
            let enrolled = users.enrol(ticket, &number.to_be_bytes(), key(), later);
            assert_eq!(enrolled.is_ok(), number < MAX_PASSKEYS);
        }
    }

    #[test]
    fn names_are_plain() {
        assert!(["a", "ada.l@shop.example", "A_1-2"].iter().all(|text| UserName::parse(text).is_some()));
        let long = "a".repeat(65);
        assert!(["", "a b", "<b>", "é", "a\n", &long].iter().all(|text| UserName::parse(text).is_none()));
    }

    #[test]
    fn a_ticket_has_one_spelling_and_is_not_printed() {
        let ticket = ticket();
        let text = ticket.to_string();
        assert_eq!(Ticket::parse(&text).map(|read| read.digest()), Some(ticket.digest()));
        assert!(!format!("{ticket:?}").contains(&text));
        assert!(
            Ticket::parse(text.get(1..).unwrap()).is_none() && Ticket::parse(&format!("{text}=")).is_none()
        );
    }
}
