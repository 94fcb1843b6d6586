//! Changes to a zone, sent to its primary name server (DNS UPDATE, RFC 2136) and signed (TSIG, RFC 8945).
//!
//! One message holds many changes, and all of them take place or none. An answer counts only with the server's own
//! signature over it and over the question's; whatever else comes back is no answer, and nobody knows whether the
//! changes took place. Sending the same again is safe: each sets what stands at a name, whatever stood there.

mod message;
mod standing;

pub(crate) use message::texts;
pub use standing::Standing;

use std::net::SocketAddr;
use std::time::Duration;

use avouch_keys::tsig::TsigKey;
use avouch_wire::time::Time;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::Name;

/// How long the server may take for one message, the connection included.
pub const MAX_UPDATE: Duration = Duration::from_secs(10);

/// Most names that one message changes: half of a message's 64 KiB, for records of 160 octets, and room.
pub const MAX_CHANGES: usize = 200;

/// What is to stand at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Absolute, with or without the dot at the end.
    pub name: String,
    /// The TXT records, each as its text; none removes whatever TXT stands there.
    pub texts: Vec<String>,
    /// Seconds for which caches may keep them.
    pub ttl: u32,
}

/// Why changes did not take place, or nobody knows whether they did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// A name or text of ours that cannot stand in the zone.
    #[error("{name}: {fault}")]
    Change {
        /// Which.
        name: String,
        /// What is wrong with it.
        fault: ChangeFault,
    },
    /// More than [`MAX_CHANGES`], or too long for a message.
    #[error("more changes than fit in one message: send fewer at once")]
    TooMany,
    /// The server cannot be reached, or said nothing in time. Whether the changes took place is not known.
    #[error("the name server {server} cannot be reached: {fault}")]
    Unreachable {
        /// Which.
        server: SocketAddr,
        /// What went wrong.
        fault: String,
    },
    /// What came back is no answer of the server's. Whether the changes took place is not known.
    #[error("the answer of {server} does not count: {fault}")]
    Answer {
        /// Which.
        server: SocketAddr,
        /// What is wrong with it.
        fault: AnswerFault,
    },
    /// The server takes no message with this key, or at this time. It says so without a signature.
    #[error("{server} does not accept the signature: {fault}")]
    Signature {
        /// Which.
        server: SocketAddr,
        /// What it says of it.
        fault: SignatureFault,
    },
    /// The server refuses the changes; none took place.
    #[error("{server} refuses the changes: {refusal}")]
    Refused {
        /// Which.
        server: SocketAddr,
        /// What it says.
        refusal: Refusal,
    },
}

impl PublishError {
    /// Whether another choice of names may go through: it is about one of them, or about their number.
    #[must_use]
    pub const fn is_about_names(&self) -> bool {
        match self {
            Self::Change { .. } | Self::TooMany => true,
            Self::Refused { refusal, .. } => {
                matches!(refusal, Refusal::Policy | Refusal::Changed | Refusal::NotZone | Refusal::Other(_))
            }
            // Knot says so of a key that may not change one of them.
            Self::Signature { fault, .. } => matches!(fault, SignatureFault::Key),
            Self::Unreachable { .. } | Self::Answer { .. } => false,
        }
    }

    /// Whether the same changes may go through later, without anybody doing anything about it.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Answer { .. } => true,
            Self::Refused { refusal, .. } => matches!(refusal, Refusal::Failure | Refusal::Changed),
            Self::Signature { .. } | Self::Change { .. } | Self::TooMany => false,
        }
    }
}

/// What is wrong with a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeFault {
    /// Not a domain name.
    #[error("no domain name")]
    Name,
    /// Not in the zone.
    #[error("is not in the zone")]
    OutsideZone,
    /// One that answers for others.
    #[error("is a wildcard, which is not changed")]
    ForOthers,
    /// Too long for a TXT record.
    #[error("a text is longer than a TXT record holds")]
    Text,
}

/// Why an answer does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerFault {
    /// Not a DNS message, or one to another question.
    #[error("it is none to the question")]
    Form,
    /// Without a signature.
    #[error("it is not signed: the server must know the key")]
    Unsigned,
    /// With another signature.
    #[error("its signature is not the server's")]
    Signature,
    /// Signed too long ago, or ahead of time.
    #[error("it was signed at another time: set the clocks of both sides")]
    Time,
}

/// What a server does not like about a signature (RFC 8945 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// `BADKEY`; Knot also says so of a key that may not make these changes.
    #[error(
        "it knows no key of that name and algorithm, or none that may do this (BADKEY): configure it there"
    )]
    Key,
    /// `BADSIG`.
    #[error("the secret is another there (BADSIG): copy it anew")]
    Secret,
    /// `BADTIME`.
    #[error("the clocks differ by more than five minutes (BADTIME): set them")]
    Time,
    /// Another code.
    #[error("TSIG error {0}")]
    Other(u16),
}

/// What a server says of changes that it does not make (RFC 2136 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `REFUSED`.
    #[error("the key may not change one of the names (REFUSED): see update-policy, or the ACL")]
    Policy,
    /// `NOTAUTH`.
    #[error("it is not the primary of the zone (NOTAUTH), or the key is for another: name the primary")]
    NotPrimary,
    /// `NXRRSET` or `YXRRSET`: [`Publisher::publish_over`].
    #[error("what stands there is no longer what was seen, or comes from a wildcard: run it again")]
    Changed,
    /// `NOTZONE`.
    #[error("a name is not in the zone (NOTZONE)")]
    NotZone,
    /// `NOTIMP`.
    #[error("it takes no changes (NOTIMP): allow updates of the zone")]
    NotImplemented,
    /// `SERVFAIL`.
    #[error("it failed (SERVFAIL): its log says why")]
    Failure,
    /// Another code.
    #[error("response code {0}")]
    Other(u16),
}

impl From<ResponseCode> for Refusal {
    fn from(code: ResponseCode) -> Self {
        match code {
            ResponseCode::Refused => Self::Policy,
            ResponseCode::NotAuth => Self::NotPrimary,
            ResponseCode::NotZone => Self::NotZone,
            ResponseCode::NotImp => Self::NotImplemented,
            ResponseCode::ServFail => Self::Failure,
            ResponseCode::NXRRSet | ResponseCode::YXRRSet => Self::Changed,
            other => Self::Other(other.into()),
        }
    }
}

/// Changes a zone at its primary name server.
#[derive(Clone, Debug)]
pub struct Publisher {
    server: SocketAddr,
    zone: Name,
    key: TsigKey,
}

impl Publisher {
    /// For a zone, at the server that takes changes of it, with a key that it knows.
    ///
    /// # Errors
    /// The name of the zone is none.
    pub fn new(server: SocketAddr, zone: &str, key: TsigKey) -> Result<Self, PublishError> {
        let bad = |fault| PublishError::Change { name: zone.to_owned(), fault };
        let zone = message::name(zone).map_err(bad)?;
        Ok(Self { server, zone, key })
    }

    /// Makes all changes at once, or none; the server has them in its zone when this returns. `now` is the time that
    /// the message is signed at, and the server's may differ by five minutes.
    ///
    /// # Errors
    /// [`PublishError`] says which of both, or that nobody knows.
    pub async fn publish(&self, changes: &[Change], now: Time) -> Result<(), PublishError> {
        self.send(&[], changes, now).await
    }

    /// The same, if at the moment of the change still stands what was seen; otherwise none takes place
    /// ([`Refusal::Changed`]).
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_over(
        &self,
        seen: &[Standing],
        changes: &[Change],
        now: Time,
    ) -> Result<(), PublishError> {
        self.send(seen, changes, now).await
    }

    /// What stands at a name now, as the server has it.
    ///
    /// # Errors
    /// As [`Standing::ask`].
    pub async fn standing(&self, name: &str) -> Result<Standing, crate::direct::AskError> {
        Standing::ask(self.server, name).await
    }

    async fn send(&self, seen: &[Standing], changes: &[Change], now: Time) -> Result<(), PublishError> {
        let signed = message::update(&self.zone, seen, changes, &self.key, now)?;
        let exchange = crate::direct::exchange(self.server, &signed.octets);
        let answer = match tokio::time::timeout(MAX_UPDATE, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unreachable(error.to_string())),
            Err(_) => return Err(self.unreachable(format!("no answer within {} s", MAX_UPDATE.as_secs()))),
        };
        message::read(&answer, &signed, &self.key).map_err(|fault| fault.of(self.server))
    }

    const fn unreachable(&self, fault: String) -> PublishError {
        PublishError::Unreachable { server: self.server, fault }
    }
}
