//! The list of registration entities that belong together: it only grows, and its steward signs each line.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::event::MAX_LINE;
use super::parts::{self, MessageError, read, write};
use crate::b64u;
use crate::context::RE_MEMBER;
use crate::key::PublicKey;
use crate::name::Domain;

/// Most lines of a list.
pub const MAX_MEMBERS: usize = 1024;

/// A line: a host joins or leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its number, from 1.
    pub number: u64,
    /// The head of the line before; zeros at first.
    pub previous: [u8; 32],
    /// What the host does.
    pub act: Act,
    /// The host.
    pub host: Domain<'static>,
    /// When, in Unix seconds.
    pub time: u64,
    /// The steward's signature over [`Member::signed_string`].
    pub signature: [u8; 64],
}

/// What a host does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Act {
    /// It belongs to the list from now on.
    Join,
    /// It does no longer.
    Leave,
}

impl Act {
    const fn word(self) -> &'static [u8] {
        match self {
            Self::Join => b"join",
            Self::Leave => b"leave",
        }
    }
}

/// Why a list is none, by the number of the line from 1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemberError {
    /// More than [`MAX_MEMBERS`] lines.
    #[error("more than {MAX_MEMBERS} lines")]
    TooMany,
    /// Not a line of the list.
    #[error("line {0}: {1}")]
    Line(usize, MessageError),
    /// Not the next number, or not after the line before.
    #[error("line {0} does not follow the one before")]
    Chain(usize),
    /// The steward did not sign it.
    #[error("line {0} is not signed by the list's steward")]
    Signature(usize),
    /// A member joins, or what is none leaves.
    #[error("line {0}: who joins is no member yet, and who leaves is one")]
    Act(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    number: u64,
    previous: String,
    act: Act,
    host: String,
    time: u64,
    sig: String,
}

impl Member {
    /// What the steward signs, and what the head of the line is the SHA-256 of.
    #[must_use]
    pub fn signed_string(&self) -> Vec<u8> {
        let mut out = RE_MEMBER.to_vec();
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.previous);
        for part in [self.act.word(), self.host.as_str().as_bytes()] {
            out.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_be_bytes());
            out.extend_from_slice(part);
        }
        out.extend_from_slice(&self.time.to_be_bytes());
        out
    }

    /// What the next line names as the one before.
    #[must_use]
    pub fn head(&self) -> [u8; 32] {
        digest(&SHA256, &self.signed_string()).as_ref().try_into().unwrap_or_default()
    }

    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// [`MessageError`] says which member is wrong.
    pub fn read(line: &[u8]) -> Result<Self, MessageError> {
        let document: Document = read(line, MAX_LINE)?;
        Ok(Self {
            number: document.number,
            previous: b64u::decode(&document.previous).map_err(|_| MessageError::Form("previous"))?,
            act: document.act,
            host: parts::domain("host", &document.host)?,
            time: document.time,
            signature: b64u::decode(&document.sig).map_err(|_| MessageError::Form("sig"))?,
        })
    }

    /// The line, without its line feed.
    #[must_use]
    pub fn write(&self) -> String {
        write(&Document {
            number: self.number,
            previous: b64u::encode(&self.previous),
            act: self.act,
            host: self.host.as_str().to_owned(),
            time: self.time,
            sig: b64u::encode(&self.signature),
        })
    }
}

/// A list whose every line follows the one before and is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    heads: Vec<[u8; 32]>,
    hosts: BTreeSet<String>,
    time: u64,
}

impl Members {
    /// Reads a list: a line feed ends each line.
    ///
    /// # Errors
    /// [`MemberError`] names the first line that is wrong.
    pub fn read(octets: &[u8], steward: &PublicKey) -> Result<Self, MemberError> {
        let mut members = Self::default();
        for line in octets.split_inclusive(|octet| *octet == b'\n') {
            let at = members.heads.len() + 1;
            if at > MAX_MEMBERS {
                return Err(MemberError::TooMany);
            }
            let line = line.strip_suffix(b"\n");
            let line = line.ok_or(MemberError::Line(at, MessageError::Form("the end of the line")))?;
            members.add(&Member::read(line).map_err(|error| MemberError::Line(at, error))?, at, steward)?;
        }
        Ok(members)
    }

    fn add(&mut self, member: &Member, at: usize, steward: &PublicKey) -> Result<(), MemberError> {
        let is_next = u64::try_from(at) == Ok(member.number) && member.time >= self.time;
        if !is_next || member.previous != self.head() {
            return Err(MemberError::Chain(at));
        }
        let signed = steward.verify(&member.signed_string(), &member.signature);
        signed.map_err(|_| MemberError::Signature(at))?;
        let is_new = match member.act {
            Act::Join => self.hosts.insert(member.host.as_str().to_owned()),
            Act::Leave => self.hosts.remove(member.host.as_str()),
        };
        if !is_new {
            return Err(MemberError::Act(at));
        }
        self.heads.push(member.head());
        self.time = member.time;
        Ok(())
    }

    /// Whether a host belongs to it.
    #[must_use]
    pub fn holds(&self, host: &Domain<'_>) -> bool {
        self.hosts.contains(host.as_str())
    }

    /// Who belongs to it, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str)
    }

    /// How many lines it has.
    #[must_use]
    pub const fn lines(&self) -> usize {
        self.heads.len()
    }

    /// The head of its last line, which the next one names; zeros where there is none.
    #[must_use]
    pub fn head(&self) -> [u8; 32] {
        self.heads.last().copied().unwrap_or_default()
    }

    /// When its last line was made, in Unix seconds; 0 where there is none.
    #[must_use]
    pub const fn time(&self) -> u64 {
        self.time
    }

    /// Whether it goes on from an earlier one, so that nothing of that was taken back.
    #[must_use]
    pub fn goes_on_from(&self, earlier: &Self) -> bool {
        self.parts_from(earlier).is_none()
    }

    /// The first line of an earlier list, from 1, that it has not or has otherwise; `None` if it goes on from it.
    #[must_use]
    pub fn parts_from(&self, earlier: &Self) -> Option<usize> {
        (1..).zip(&earlier.heads).find(|(at, head)| self.heads.get(at - 1) != Some(head)).map(|(at, _)| at)
    }
}
