//! Attestations of TPM 2.0: that a key is held by a TPM, and what the registers of its machine say.
//!
//! In scope: reading public areas, statements and signatures, and holding them to each other and to what was asked.
//! Out of scope: that the attestation key belongs to a TPM of some maker (the endorsement key, its certificate, and
//! `TPM2_ActivateCredential`, which `avouch_keys::tpm` speaks); what values of registers are good.
//!
//! The attestation key is P-256, restricted, and a primary key of the endorsement hierarchy. Nothing here is secret, and
//! nothing is asked: the octets come from an agent, and are a stranger's.
//!
//! Limits: an area and a statement have 1024 octets at most, a quote 16 banks. Specification: Trusted Platform Module
//! Library, parts 1 and 2, revision 1.59; `docs/formats/attestation.md`.

mod area;
mod read;
mod statement;
#[cfg(test)]
mod tests;

pub use area::{Area, EndorsementKey, MAX_AREA, Name, Unfit};
pub use statement::{Attested, Clock, MAX_STATEMENT, Statement, StatementError, signature};

use crate::context;
use crate::key::PublicKey;
use aws_lc_rs::digest::{SHA256, digest};

/// TPM_RH_ENDORSEMENT, whose octets are its name.
const ENDORSEMENT: [u8; 4] = [0x40, 0x00, 0x00, 0x0b];

/// What is drawn for one attestation, by whoever asks for it: 256 bits.
pub type Nonce = [u8; 32];

/// What the TPM is given to sign along: so an attestation made for another purpose is none of these.
#[must_use]
pub fn purpose(nonce: &Nonce) -> [u8; 32] {
    let mut purpose = [0; 32];
    purpose.copy_from_slice(digest(&SHA256, &[context::ATTESTATION, nonce].concat()).as_ref());
    purpose
}

/// What an agent hands in.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The public area of the attestation key (TPMT_PUBLIC).
    pub attestation_key: &'a [u8],
    /// What the TPM said (TPMS_ATTEST).
    pub statement: &'a [u8],
    /// By the attestation key (TPMT_SIGNATURE).
    pub signature: &'a [u8],
}

/// Why an attestation is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The attestation key is not what it has to be.
    #[error("the attestation key {0}")]
    AttestationKey(Unfit),
    /// The attested key is not what it has to be.
    #[error("the attested key {0}")]
    Key(Unfit),
    /// The statement cannot be read.
    #[error("the statement {0}")]
    Statement(#[from] StatementError),
    /// Not ECDSA with SHA-256, or not readable.
    #[error("the signature is not one by ECDSA with SHA-256")]
    Algorithm,
    /// It does not hold.
    #[error("the signature does not hold: the statement was changed, or is of another attestation key")]
    Signature,
    /// It was made for another purpose or another nonce.
    #[error("the statement was made for another question: ask anew, and use each nonce once")]
    Nonce,
    /// The signer is no primary key of the endorsement hierarchy.
    #[error("the attestation key is not of the endorsement hierarchy")]
    Hierarchy,
    /// A quote where a certification is needed, or the other way round.
    #[error("the statement says something else than was asked")]
    Kind,
    /// It certifies another key.
    #[error("the statement is about another key")]
    OtherKey,
    /// It quotes other registers.
    #[error("the statement is about other registers than were asked for")]
    Selection,
    /// The registers hold other values.
    #[error("the registers hold other values than those handed in")]
    Values,
}

/// A key that a TPM has said to hold. Only [`certified`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    key: PublicKey,
    attestation_key: Name,
    clock: Clock,
}

/// Registers that a TPM has told. Only [`quoted`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted {
    attestation_key: Name,
    clock: Clock,
}

impl Certified {
    /// The key that the TPM holds.
    #[must_use]
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The name of the key that says so. Whether it belongs to a TPM is to be found out.
    #[must_use]
    pub const fn attestation_key(&self) -> &Name {
        &self.attestation_key
    }

    /// The TPM's clock.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }
}

impl Quoted {
    /// The name of the key that says so. Whether it belongs to a TPM is to be found out.
    #[must_use]
    pub const fn attestation_key(&self) -> &Name {
        &self.attestation_key
    }

    /// The TPM's clock.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }
}

/// That the TPM of an attestation key holds the key of this public area (TPM2_Certify), said for this nonce.
///
/// # Errors
/// [`Refused`].
pub fn certified(evidence: &Evidence<'_>, key: &[u8], nonce: &Nonce) -> Result<Certified, Refused> {
    let area = Area::parse(key).map_err(Refused::Key)?;
    let key = area.signing_key().map_err(Refused::Key)?;
    let (statement, attestation_key) = opened(evidence, nonce)?;
    match statement.attested {
        Attested::Key { name } if *name == area.name() => {
            Ok(Certified { key, attestation_key, clock: statement.clock })
        }
        Attested::Key { .. } => Err(Refused::OtherKey),
        Attested::Registers { .. } => Err(Refused::Kind),
    }
}

/// That the registers of this selection (SHA-256, the first as the lowest bit) hold these values (TPM2_Quote), said for
/// this nonce.
///
/// # Errors
/// [`Refused`].
pub fn quoted(
    evidence: &Evidence<'_>,
    selected: u32,
    values: &[[u8; 32]],
    nonce: &Nonce,
) -> Result<Quoted, Refused> {
    let (statement, attestation_key) = opened(evidence, nonce)?;
    match statement.attested {
        Attested::Key { .. } => Err(Refused::Kind),
        Attested::Registers { selection, .. } if selection != Some(selected) => Err(Refused::Selection),
        Attested::Registers { digest: told, .. }
            if told != digest(&SHA256, values.as_flattened()).as_ref() =>
        {
            Err(Refused::Values)
        }
        Attested::Registers { .. } => Ok(Quoted { attestation_key, clock: statement.clock }),
    }
}

/// A statement whose signature holds, for this nonce, and the name of the key that signed it.
fn opened<'a>(evidence: &Evidence<'a>, nonce: &Nonce) -> Result<(Statement<'a>, Name), Refused> {
    let area = Area::parse(evidence.attestation_key).map_err(Refused::AttestationKey)?;
    let key = area.attestation_key().map_err(Refused::AttestationKey)?;
    let statement = Statement::parse(evidence.statement)?;
    let signature = signature(evidence.signature).ok_or(Refused::Algorithm)?;
    key.verify(evidence.statement, &signature).map_err(|_| Refused::Signature)?;
    if statement.purpose != purpose(nonce) {
        return Err(Refused::Nonce);
    }
    if *statement.signer != qualified(&area.name()) {
        return Err(Refused::Hierarchy);
    }
    Ok((statement, area.name()))
}

/// The qualified name of a primary key of the endorsement hierarchy (Library part 1 §26.5).
fn qualified(name: &Name) -> Name {
    let mut qualified = *name;
    if let Some(value) = qualified.last_chunk_mut::<32>() {
        value.copy_from_slice(digest(&SHA256, &[ENDORSEMENT.as_slice(), name].concat()).as_ref());
    }
    qualified
}
