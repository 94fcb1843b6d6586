//! What can be wrong with a record.

use super::{MAX_ASNS, MAX_NETWORKS, MAX_REPORT_TO, NetworkError, ReportToError};
use crate::key::{KeyError, KeyType};
use crate::name::NameError;
use thiserror::Error;

/// Why a record breaks a rule and is ignored whole: where, and what.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("octet {at}: {flaw}")]
pub struct RecordError {
    /// Offset in octets into the text of the record, its strings joined.
    pub at: usize,
    /// What is wrong there.
    pub flaw: Flaw,
}

/// The rules a record can break.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// An octet that is neither printable ASCII nor a blank.
    #[error("an octet is neither printable ASCII nor a blank")]
    Octet,
    /// Something follows `v=saip1` without a semicolon.
    #[error("v=saip1 is not followed by a semicolon")]
    Version,
    /// Nothing between two semicolons.
    #[error("a pair is empty")]
    EmptyPair,
    /// A pair without `=`.
    #[error("a pair has no equals sign")]
    NoValue,
    /// A tag that is not a word of letters, digits, `-` and `_`.
    #[error("a tag is not a word of letters, digits, - and _")]
    TagName,
    /// A tag that stands more than once and may not.
    #[error("the tag stands more than once; only re and ip may")]
    Repeated,
    /// A key that can be made out but is spelt otherwise than it must be.
    #[error("pk holds a key, but not spelt as the base64url of its bare octets without padding")]
    KeySpelling {
        /// How it is spelt rightly.
        right: String,
    },
    /// A key that cannot be made out.
    #[error("pk {0}")]
    Key(KeyError),
    /// A `k` that names no type of key.
    #[error("k names no type of key")]
    KeyType,
    /// A `k` that contradicts the key.
    #[error("k does not name the type of the key, which is {}", .0.name())]
    KeyTypeMismatch(KeyType),
    /// Something in `asn` that is no number of an autonomous system.
    #[error("asn holds something that is not a number from 1 to 4294967295")]
    Asn,
    /// Too many numbers in `asn`.
    #[error("asn holds more than {MAX_ASNS} numbers")]
    TooManyAsns,
    /// An `ip` that is no network.
    #[error("ip {0}")]
    Network(NetworkError),
    /// Too many `ip`.
    #[error("ip stands more than {MAX_NETWORKS} times")]
    TooManyNetworks,
    /// An `exp` that is no time.
    #[error("exp is not a time in Unix seconds, of 1 to 12 digits without a leading zero")]
    Expiry,
    /// A `t` other than `y`.
    #[error("t is not y")]
    Testing,
    /// A `re` that is no host.
    #[error("re {0}")]
    Entity(NameError),
    /// Something in `rua` that is no address for reports.
    #[error("rua {0}")]
    ReportTo(ReportToError),
    /// Too many addresses in `rua`.
    #[error("rua holds more than {MAX_REPORT_TO} addresses")]
    TooManyReportTo,
}

impl Flaw {
    /// What to do about it, as an instruction.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::Octet => {
                "retype the record in plain ASCII; quotes or dashes may have been pasted from a text"
            }
            Self::Version => "write a semicolon after v=saip1",
            Self::EmptyPair => "remove the surplus semicolon",
            Self::NoValue => "write tag=value, and a semicolon between two pairs",
            Self::TagName => "write one of v re pk asn ip exp k t rua, then an equals sign",
            Self::Repeated => "keep one; a second key goes into a record of its own at the same name",
            Self::KeySpelling { right } => return format!("write pk={right}"),
            Self::Key(_) => "have `avouch dns record --key file:PATH` write the record",
            Self::KeyType => "write k=ed25519 or k=p256, or leave k out",
            Self::KeyTypeMismatch(kind) => return format!("write k={}, or leave k out", kind.name()),
            Self::Asn => "write the numbers alone, divided by commas: asn=64500,64501",
            Self::TooManyAsns | Self::TooManyNetworks => {
                "divide the list among several records at the same name"
            }
            Self::Network(error) => return network_fix(error),
            Self::Expiry => "write whole seconds since 1970, such as exp=1790000000",
            Self::Testing => "write t=y, or leave t out",
            Self::Entity(_) => "write the host name of the registration entity, without scheme, port or path",
            Self::ReportTo(_) => "write https://host/path or mailto:name@host",
            Self::TooManyReportTo => "keep those that are read",
        }
        .to_owned()
    }

    /// The code of the finding, as `avouch dns lint` prints it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Octet => "octet-invalid",
            Self::Version => "version-unseparated",
            Self::EmptyPair => "pair-empty",
            Self::NoValue => "pair-without-value",
            Self::TagName => "tag-invalid",
            Self::Repeated => "tag-repeated",
            Self::KeySpelling { .. } => "key-spelling",
            Self::Key(_) => "key-invalid",
            Self::KeyType => "key-type-unknown",
            Self::KeyTypeMismatch(_) => "key-type-mismatch",
            Self::Asn => "asn-invalid",
            Self::TooManyAsns => "asns-too-many",
            Self::Network(NetworkError::HostBits(_)) => "network-host-bits",
            Self::Network(NetworkError::TooBroad) => "network-too-broad",
            Self::Network(_) => "network-invalid",
            Self::TooManyNetworks => "networks-too-many",
            Self::Expiry => "exp-invalid",
            Self::Testing => "testing-invalid",
            Self::Entity(_) => "entity-invalid",
            Self::ReportTo(_) => "report-address-invalid",
            Self::TooManyReportTo => "report-addresses-too-many",
        }
    }
}

fn network_fix(error: &NetworkError) -> String {
    match error {
        NetworkError::Syntax => "write an address and a prefix length: ip=192.0.2.0/24".to_owned(),
        NetworkError::NoLength => {
            "add the prefix length: /32 (IPv4) or /128 (IPv6) for one address".to_owned()
        }
        NetworkError::HostBits(meant) => format!("write ip={meant}"),
        NetworkError::TooBroad => "name the narrower networks the agents really use".to_owned(),
    }
}
