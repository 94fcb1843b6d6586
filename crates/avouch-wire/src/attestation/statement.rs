//! What a TPM says of itself (TPMS_ATTEST, Library part 2 §10.12.12), and its signature (TPMT_SIGNATURE, §11.3.4).

use super::read::{Octets, Unread, padded};

/// The longest statement read: of quotes with every bank of registers some 300 octets.
pub const MAX_STATEMENT: usize = 1024;

/// TPM_GENERATED_VALUE. A restricted key signs nothing that begins so but what its TPM made.
const GENERATED: u32 = 0xff54_4347;

const CERTIFY: u16 = 0x8017;
const QUOTE: u16 = 0x8018;
const ECDSA: u16 = 0x0018;
const OF_SHA256: u16 = 0x000b;

/// Banks of registers in one quote; TPMs have two or three.
const MAX_BANKS: u32 = 16;

/// Why octets are no statement of a TPM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// It does not begin as all statements of TPMs do.
    #[error("was not made by a TPM: it does not begin with TPM_GENERATED_VALUE")]
    Magic,
    /// Of another kind than certify and quote.
    #[error("is of kind {0:#06x}, which is neither a certification nor a quote")]
    Kind(u16),
    /// Cut, lengthened or out of bounds.
    #[error("cannot be read")]
    Unreadable,
}

impl From<Unread> for StatementError {
    fn from(_: Unread) -> Self {
        Self::Unreadable
    }
}

/// The clock of a TPM when it spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// Milliseconds that the TPM was on, since it was cleared.
    pub milliseconds: u64,
    /// How often the machine was switched on, since it was cleared.
    pub resets: u32,
    /// How often it woke since.
    pub restarts: u32,
    /// Whether no later time was told before.
    pub is_safe: bool,
}

/// What is attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attested<'a> {
    /// That an object of this name is in the TPM.
    Key {
        /// The name of the object.
        name: &'a [u8],
    },
    /// What the registers of a selection hold.
    Registers {
        /// The registers of the bank of SHA-256, the first as the lowest bit; `None`: of another bank, or of several.
        selection: Option<u32>,
        /// SHA-256 of their values, one after the other.
        digest: &'a [u8],
    },
}

/// A statement of a TPM, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The qualified name of the key that signs it.
    pub signer: &'a [u8],
    /// What it was made for.
    pub purpose: &'a [u8],
    /// When.
    pub clock: Clock,
    /// The version of the TPM's firmware.
    pub firmware: u64,
    /// What it says.
    pub attested: Attested<'a>,
}

impl<'a> Statement<'a> {
    /// Reads a statement.
    ///
    /// # Errors
    /// [`StatementError`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, StatementError> {
        if octets.len() > MAX_STATEMENT {
            return Err(StatementError::Unreadable);
        }
        let mut rest = Octets(octets);
        if rest.u32()? != GENERATED {
            return Err(StatementError::Magic);
        }
        let kind = rest.u16()?;
        let (signer, purpose) = (rest.sized()?, rest.sized()?);
        let clock = Clock {
            milliseconds: rest.u64()?,
            resets: rest.u32()?,
            restarts: rest.u32()?,
            is_safe: match rest.u8()? {
                0 => false,
                1 => true,
                _ => return Err(StatementError::Unreadable),
            },
        };
        let firmware = rest.u64()?;
        let attested = match kind {
            CERTIFY => {
                let name = rest.sized()?;
                // The qualified name, which says the same for who knows the parent.
                rest.sized()?;
                Attested::Key { name }
            }
            QUOTE => Attested::Registers { selection: selection(&mut rest)?, digest: rest.sized()? },
            _ => return Err(StatementError::Kind(kind)),
        };
        rest.end()?;
        Ok(Self { signer, purpose, clock, firmware, attested })
    }
}

/// TPML_PCR_SELECTION.
fn selection(rest: &mut Octets<'_>) -> Result<Option<u32>, StatementError> {
    let banks = rest.u32()?;
    if banks > MAX_BANKS {
        return Err(StatementError::Unreadable);
    }
    let mut selected = None;
    for _ in 0..banks {
        let hash = rest.u16()?;
        let octets = usize::from(rest.u8()?);
        let mut bits = [0; 4];
        bits.get_mut(..octets).ok_or(StatementError::Unreadable)?.copy_from_slice(rest.take(octets)?);
        selected = (banks == 1 && hash == OF_SHA256).then_some(u32::from_le_bytes(bits));
    }
    Ok(selected)
}

/// r ‖ s, each of 32 octets, of an ECDSA signature with SHA-256 as a TPM writes it; `None` for all else.
#[must_use]
pub fn signature(octets: &[u8]) -> Option<[u8; 64]> {
    let mut rest = Octets(octets);
    if (rest.u16().ok()?, rest.u16().ok()?) != (ECDSA, OF_SHA256) {
        return None;
    }
    let (r, s) = (padded(rest.sized().ok()?)?, padded(rest.sized().ok()?)?);
    rest.end().ok()?;
    [r, s].as_flattened().try_into().ok()
}
