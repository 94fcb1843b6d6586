//! Challenges of a registrar that it need not remember: it knows them again by its seal.

use avouch_wire::context::{ATTESTATION_HIDDEN, ATTESTATION_SEAL};
use avouch_wire::enrolment::{Enrolment, Presented, Ticket};
use avouch_wire::name::Domain;
use aws_lc_rs::hmac::{self, HMAC_SHA256};
use zeroize::Zeroizing;

use super::credential::Hidden;
use crate::entropy::{Entropy, NoRandomness};

/// What seals challenges, for one domain and as long as a process runs: 256 bits, drawn when it starts.
pub struct Challenger {
    key: hmac::Key,
    domain: Domain<'static>,
}

impl Challenger {
    /// One that knows no challenge of before.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn new(domain: Domain<'static>, entropy: &mut impl Entropy) -> Result<Self, NoRandomness> {
        let mut secret = Zeroizing::new([0; 32]);
        entropy.fill(secret.as_mut())?;
        Ok(Self { key: hmac::Key::new(HMAC_SHA256, secret.as_slice()), domain })
    }

    /// The ticket of a new challenge for this question and TPM, given at this time in Unix seconds.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn ticket(
        &self,
        asked: &Enrolment,
        tpm: &Presented,
        time: u64,
        entropy: &mut impl Entropy,
    ) -> Result<Ticket, NoRandomness> {
        let mut ticket = Ticket { time, nonce: [0; 32], seal: [0; 32] };
        entropy.fill(&mut ticket.nonce)?;
        let seal = hmac::sign(&self.key, &self.string(ATTESTATION_SEAL, asked, tpm, &ticket));
        ticket.seal.copy_from_slice(seal.as_ref());
        Ok(ticket)
    }

    /// Whether a ticket was given here, for this question and TPM.
    #[must_use]
    pub fn gave(&self, asked: &Enrolment, tpm: &Presented, ticket: &Ticket) -> bool {
        let sealed = self.string(ATTESTATION_SEAL, asked, tpm, ticket);
        hmac::verify(&self.key, &sealed, &ticket.seal).is_ok()
    }

    /// What its challenge hides, which nobody else can compute.
    #[must_use]
    pub fn hidden(&self, asked: &Enrolment, tpm: &Presented, ticket: &Ticket) -> Zeroizing<Hidden> {
        let mut hidden = Zeroizing::new([0; 32]);
        hidden.copy_from_slice(
            hmac::sign(&self.key, &self.string(ATTESTATION_HIDDEN, asked, tpm, ticket)).as_ref(),
        );
        hidden
    }

    /// Whether this is what its challenge hid; in constant time.
    #[must_use]
    pub fn hid(&self, asked: &Enrolment, tpm: &Presented, ticket: &Ticket, hidden: &Hidden) -> bool {
        hmac::verify(&self.key, &self.string(ATTESTATION_HIDDEN, asked, tpm, ticket), hidden).is_ok()
    }

    fn string(&self, context: &[u8], asked: &Enrolment, tpm: &Presented, ticket: &Ticket) -> Vec<u8> {
        Ticket::sealed_string(context, &self.domain, asked, tpm, (ticket.time, &ticket.nonce))
    }
}

/// Nothing of it is shown.
impl core::fmt::Debug for Challenger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Challenger({})", self.domain)
    }
}
