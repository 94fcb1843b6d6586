//! What an agent says of its TPM, the challenge that a registrar gives it, and what it answers.

use serde::{Deserialize, Serialize};

use super::{Enrolment, EnrolmentError};
use crate::attestation::Nonce;
use crate::b64u;
use crate::name::Domain;
use crate::octets::lp16;
use aws_lc_rs::digest::{SHA256, digest};

/// Longest certificate of an endorsement key, in octets: the largest known have some 1500.
pub const MAX_CERTIFICATE: usize = 4096;

/// Registers that can be asked for: PC clients have 24.
pub const REGISTERS: u8 = 24;

/// Octets of a ticket.
const TICKET: usize = 72;

/// A TPM as an agent presents it. Nothing of it is known to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// The public area of the endorsement key (TPMT_PUBLIC).
    pub endorsement_key: Vec<u8>,
    /// Its maker's certificate, DER, where it has one.
    pub certificate: Option<Vec<u8>>,
    /// The public area of the attestation key (TPMT_PUBLIC).
    pub attestation_key: Vec<u8>,
}

/// What a registrar knows its own challenge by, when it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// When it was given, in Unix seconds.
    pub time: u64,
    /// What the TPM is to sign along.
    pub nonce: Nonce,
    /// The registrar's seal upon both, and upon what they were given for.
    pub seal: [u8; 32],
}

/// A challenge (TPM2_MakeCredential, and a nonce for TPM2_Certify).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Comes back with the answer.
    pub ticket: Ticket,
    /// The hidden octets under a seed: the contents of TPM2B_ID_OBJECT.
    pub object: Vec<u8>,
    /// The seed, for the endorsement key: the contents of TPM2B_ENCRYPTED_SECRET.
    pub secret: Vec<u8>,
    /// Registers to be quoted, the first as the lowest bit.
    pub registers: u32,
}

/// What an agent's TPM answers.
#[derive(Clone, PartialEq, Eq)]
pub struct Attestation {
    /// As it was presented.
    pub tpm: Presented,
    /// Of the challenge.
    pub ticket: Ticket,
    /// What the challenge hid, which only that TPM can read.
    pub hidden: [u8; 32],
    /// The public area of the agent's key (TPMT_PUBLIC).
    pub key: Vec<u8>,
    /// That the TPM holds it (TPMS_ATTEST).
    pub statement: Vec<u8>,
    /// By the attestation key (TPMT_SIGNATURE).
    pub signature: Vec<u8>,
    /// What the registers hold, where that was asked for.
    pub quote: Option<Quote>,
}

/// What registers hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    /// Their values, in their order.
    pub values: Vec<[u8; 32]>,
    /// That they hold them (TPMS_ATTEST).
    pub statement: Vec<u8>,
    /// By the attestation key (TPMT_SIGNATURE).
    pub signature: Vec<u8>,
}

impl Ticket {
    /// As it is written: time, nonce and seal, one behind the other.
    #[must_use]
    pub fn octets(&self) -> [u8; TICKET] {
        let mut octets = [0; TICKET];
        let parts = self.time.to_be_bytes().into_iter().chain(self.nonce).chain(self.seal);
        octets.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        octets
    }

    fn read(text: &str) -> Option<Self> {
        let octets: [u8; TICKET] = b64u::decode(text).ok()?;
        let (time, rest) = octets.split_first_chunk()?;
        let (nonce, seal) = rest.split_first_chunk()?;
        Some(Self { time: u64::from_be_bytes(*time), nonce: *nonce, seal: seal.try_into().ok()? })
    }

    /// What a registrar seals, or hides something for: domain, agent, the key's fingerprint, the token's digest, SHA-256
    /// of the presented areas and of the certificate, each with two octets of length before it, then time and nonce.
    #[must_use]
    pub fn sealed_string(
        context: &[u8],
        domain: &Domain<'_>,
        asked: &Enrolment,
        tpm: &Presented,
        (time, nonce): (u64, &Nonce),
    ) -> Vec<u8> {
        let mut out = context.to_vec();
        let fingerprint = asked.key.fingerprint().to_string();
        let parts = [domain.as_str().as_bytes(), asked.agent.as_str().as_bytes(), fingerprint.as_bytes()];
        parts.into_iter().chain([&asked.token[..]]).for_each(|part| lp16(&mut out, part));
        let digested = [Some(&tpm.endorsement_key), Some(&tpm.attestation_key), tpm.certificate.as_ref()];
        for part in digested {
            lp16(&mut out, part.map(|part| digest(&SHA256, part)).as_ref().map_or(&[], AsRef::as_ref));
        }
        out.extend_from_slice(&time.to_be_bytes());
        out.extend_from_slice(nonce);
        out
    }
}

/// In JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChallengeDocument {
    challenge: String,
    object: String,
    secret: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    registers: Vec<u8>,
}

impl Challenge {
    /// Reads what a registrar answers; `None` where it is no challenge.
    #[must_use]
    pub fn read(octets: &[u8]) -> Option<Self> {
        let document: ChallengeDocument = serde_json::from_slice(octets).ok()?;
        let mut registers = 0;
        for register in document.registers {
            let bit = 1_u32.checked_shl(u32::from(register)).filter(|_| register < REGISTERS)?;
            registers = if registers & bit == 0 { registers | bit } else { return None };
        }
        Some(Self {
            ticket: Ticket::read(&document.challenge)?,
            object: b64u::decode_vec(&document.object).ok()?,
            secret: b64u::decode_vec(&document.secret).ok()?,
            registers,
        })
    }

    /// As it is sent.
    #[must_use]
    pub fn write(&self) -> String {
        let document = ChallengeDocument {
            challenge: b64u::encode(&self.ticket.octets()),
            object: b64u::encode(&self.object),
            secret: b64u::encode(&self.secret),
            registers: (0..REGISTERS).filter(|number| self.registers >> number & 1 == 1).collect(),
        };
        serde_json::to_string(&document).unwrap_or_default()
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TpmDocument {
    endorsement_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    attestation_key: String,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AttestationDocument {
    challenge: String,
    hidden: String,
    key: String,
    statement: String,
    signature: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quote: Option<QuoteDocument>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteDocument {
    values: Vec<String>,
    statement: String,
    signature: String,
}

impl TpmDocument {
    pub(super) fn read(&self) -> Result<Presented, EnrolmentError> {
        let octets = |member, text: &str| b64u::decode_vec(text).map_err(|_| EnrolmentError::Tpm(member));
        let certificate = self.certificate.as_ref().map(|text| octets("certificate", text)).transpose()?;
        if certificate.as_ref().is_some_and(|octets| octets.len() > MAX_CERTIFICATE) {
            return Err(EnrolmentError::Tpm("certificate"));
        }
        Ok(Presented {
            endorsement_key: octets("endorsement_key", &self.endorsement_key)?,
            certificate,
            attestation_key: octets("attestation_key", &self.attestation_key)?,
        })
    }
}

impl From<&Presented> for TpmDocument {
    fn from(tpm: &Presented) -> Self {
        Self {
            endorsement_key: b64u::encode(&tpm.endorsement_key),
            certificate: tpm.certificate.as_ref().map(|octets| b64u::encode(octets)),
            attestation_key: b64u::encode(&tpm.attestation_key),
        }
    }
}

impl AttestationDocument {
    pub(super) fn read(&self, tpm: Presented) -> Result<Attestation, EnrolmentError> {
        let wrong = EnrolmentError::Attestation;
        let octets = |member, text: &str| b64u::decode_vec(text).map_err(|_| wrong(member));
        Ok(Attestation {
            tpm,
            ticket: Ticket::read(&self.challenge).ok_or(wrong("challenge"))?,
            hidden: b64u::decode(&self.hidden).map_err(|_| wrong("hidden"))?,
            key: octets("key", &self.key)?,
            statement: octets("statement", &self.statement)?,
            signature: octets("signature", &self.signature)?,
            quote: self.quote.as_ref().map(QuoteDocument::read).transpose()?,
        })
    }
}

impl From<&Attestation> for AttestationDocument {
    fn from(attestation: &Attestation) -> Self {
        Self {
            challenge: b64u::encode(&attestation.ticket.octets()),
            hidden: b64u::encode(&attestation.hidden),
            key: b64u::encode(&attestation.key),
            statement: b64u::encode(&attestation.statement),
            signature: b64u::encode(&attestation.signature),
            quote: attestation.quote.as_ref().map(QuoteDocument::from),
        }
    }
}

impl QuoteDocument {
    fn read(&self) -> Result<Quote, EnrolmentError> {
        let wrong = |_| EnrolmentError::Attestation("quote");
        if self.values.len() > usize::from(REGISTERS) {
            return Err(EnrolmentError::Attestation("quote"));
        }
        Ok(Quote {
            values: self
                .values
                .iter()
                .map(|value| b64u::decode(value).map_err(wrong))
                .collect::<Result<_, _>>()?,
            statement: b64u::decode_vec(&self.statement).map_err(wrong)?,
            signature: b64u::decode_vec(&self.signature).map_err(wrong)?,
        })
    }
}

impl From<&Quote> for QuoteDocument {
    fn from(quote: &Quote) -> Self {
        Self {
            values: quote.values.iter().map(|value| b64u::encode(value)).collect(),
            statement: b64u::encode(&quote.statement),
            signature: b64u::encode(&quote.signature),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHALLENGE: Challenge = Challenge {
        ticket: Ticket { time: 1_790_000_000, nonce: [1; 32], seal: [2; 32] },
        object: Vec::new(),
        secret: Vec::new(),
        registers: 0x81,
    };

    #[test]
    fn a_challenge_is_read_as_it_was_written_and_near_misses_are_none() {
        let challenge = Challenge { object: vec![3; 68], secret: vec![4; 256], ..CHALLENGE };
        let text = challenge.write();
        assert_eq!(Challenge::read(text.as_bytes()), Some(challenge.clone()));
        let none = Challenge { registers: 0, ..challenge }.write();
        assert!(!none.contains("registers") && Challenge::read(none.as_bytes()).is_some());
        for (from, to) in [
            ("[0,7]", "[0,24]"),
            ("[0,7]", "[0,0]"),
            ("[0,7]", "[255]"),
            ("\"challenge\":\"", "\"challenge\":\"A"),
            ("\"object\":\"", "\"object\":\"="),
            ("\"secret\"", "\"secrets\""),
            ("{", "[{"),
        ] {
            assert_eq!(Challenge::read(text.replace(from, to).as_bytes()), None, "{to}");
        }
    }
}
