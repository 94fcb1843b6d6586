//! Typed data (section 3.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::FrameError;
use super::octets::{Octets, put_number, put_string};

/// A value, with its type. Strings are octets: HAProxy knows no encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// There is none.
    Null,
    /// True or false.
    Bool(bool),
    /// A number of 32 bits with a sign.
    Int32(i32),
    /// A number of 32 bits.
    Uint32(u32),
    /// A number of 64 bits with a sign.
    Int64(i64),
    /// A number of 64 bits.
    Uint64(u64),
    /// An address.
    Address(IpAddr),
    /// Text.
    Text(&'a [u8]),
    /// Octets.
    Binary(&'a [u8]),
}

/// Where the type stands in the first octet, and where its flags do.
const TYPE: u8 = 0x0f;

/// The flag of a boolean that is true.
const TRUE: u8 = 0x10;

impl<'a> Value<'a> {
    pub(super) fn read(from: &mut Octets<'a>) -> Result<Self, FrameError> {
        let first = from.octet()?;
        if first > TYPE && first != TRUE | 1 {
            return Err(FrameError::Flags);
        }
        Ok(match first & TYPE {
            0 => Self::Null,
            1 => Self::Bool(first & TRUE != 0),
            2 => Self::Int32(from.number()?.cast_signed().try_into().map_err(|_| FrameError::Range)?),
            3 => Self::Uint32(from.number()?.try_into().map_err(|_| FrameError::Range)?),
            4 => Self::Int64(from.number()?.cast_signed()),
            5 => Self::Uint64(from.number()?),
            6 => Self::Address(Ipv4Addr::from(from.array::<4>()?).into()),
            7 => Self::Address(Ipv6Addr::from(from.array::<16>()?).into()),
            8 => Self::Text(from.string()?),
            9 => Self::Binary(from.string()?),
            unknown => return Err(FrameError::Type(unknown)),
        })
    }

    pub(super) fn write(self, into: &mut Vec<u8>) {
        into.push(match self {
            Self::Null => 0,
            Self::Bool(is_true) => {
                if is_true {
                    TRUE | 1
                } else {
                    1
                }
            }
            Self::Int32(_) => 2,
            Self::Uint32(_) => 3,
            Self::Int64(_) => 4,
            Self::Uint64(_) => 5,
            Self::Address(IpAddr::V4(_)) => 6,
            Self::Address(IpAddr::V6(_)) => 7,
            Self::Text(_) => 8,
            Self::Binary(_) => 9,
        });
        match self {
            Self::Null | Self::Bool(_) => {}
            Self::Int32(number) => put_number(i64::from(number).cast_unsigned(), into),
            Self::Uint32(number) => put_number(number.into(), into),
            Self::Int64(number) => put_number(number.cast_unsigned(), into),
            Self::Uint64(number) => put_number(number, into),
            Self::Address(IpAddr::V4(address)) => into.extend(address.octets()),
            Self::Address(IpAddr::V6(address)) => into.extend(address.octets()),
            Self::Text(octets) | Self::Binary(octets) => put_string(octets, into),
        }
    }
}
