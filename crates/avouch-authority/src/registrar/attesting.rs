//! Whether a TPM holds an agent's key, and whose TPM it is: a challenge, and what is answered to it.
//!
//! A challenge is not remembered: its ticket comes back under a seal of this process, together with what it was given
//! for. Only those that were answered well are, so that none counts twice; a registrar that starts anew knows neither, and
//! agents ask again. Nobody without a TPM fills that memory.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use avouch_keys::entropy::{NoRandomness, SystemEntropy};
use avouch_keys::tpm::{Challenger, Credential};
use avouch_store::ledger::Held;
use avouch_tls::{CertificateError, MakerFault, Makers};
use avouch_wire::attestation::{
    Area, EndorsementKey, Evidence, Nonce, Refused, StatementError, Unfit, certified, quoted,
};
use avouch_wire::enrolment::{Attestation, Challenge, Enrolment, Presented, Quote};
use avouch_wire::name::Domain;
use avouch_wire::time::Time;

use crate::config;

/// Seconds for which a challenge counts. A chip takes up to a minute to make its keys anew.
const LASTS: u64 = 180;

/// Most challenges that are remembered as answered, each 40 octets: 700 a second for as long as one counts.
const MAX_ANSWERED: usize = 1 << 17;

/// What is known of TPMs, and of challenges.
#[derive(Debug)]
pub struct Attesting {
    challenger: Challenger,
    /// Nothing where no TPM counts.
    whose: Option<Whose>,
    answered: Mutex<BTreeSet<(u64, Nonce)>>,
}

#[derive(Debug)]
struct Whose {
    makers: Makers,
    allow_unknown: bool,
    /// What registers have to hold, in their order.
    registers: Vec<(u8, [u8; 32])>,
}

/// Why nothing can be attested.
#[derive(Debug, thiserror::Error)]
pub enum AttestingError {
    /// The certificates of makers cannot be used.
    #[error("{0}")]
    Makers(#[from] CertificateError),
    /// There is nothing to seal challenges with.
    #[error("{0}")]
    NoRandomness(#[from] NoRandomness),
}

/// Why a key does not count as attested.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotAttested {
    /// No TPM counts here.
    #[error(
        "this registrar judges no attestations: its operator has to name makers of TPMs in [attestation]"
    )]
    Unwanted,
    /// What is presented is no endorsement key.
    #[error("the endorsement key {0}")]
    EndorsementKey(Unfit),
    /// No maker vouches for the TPM.
    #[error("{0}: its operator may add the maker's root to [attestation]")]
    Maker(#[from] MakerFault),
    /// The TPM has no certificate.
    #[error("the TPM has no certificate of its endorsement key, and this registrar asks for one")]
    NoCertificate,
    /// The ticket was not given here, or for something else.
    #[error("the challenge was not given here, or for another agent, key, token or TPM: ask for one")]
    Challenge,
    /// It was given too long ago.
    #[error("the challenge was given more than three minutes ago: ask for another")]
    Expired,
    /// It was answered before.
    #[error("the challenge was answered before: ask for another")]
    Replayed,
    /// What it hid is not what came back.
    #[error("the challenge was not read: the endorsement key and the attestation key are not in one TPM")]
    NotRead,
    /// The attestation is no good.
    #[error("{0}")]
    Refused(#[from] Refused),
    /// It is about another key than the one that is to be enrolled.
    #[error("the TPM attests another key than the one to be enrolled")]
    OtherKey,
    /// Registers were asked for and not told, or told and not asked for.
    #[error("the registers that the challenge names are to be quoted, and no others")]
    Registers,
    /// One holds something else than it has to.
    #[error("register {0} holds another value than the owner of the domain expects")]
    Register(u8),
    /// Too many were answered just now.
    #[error("too many attest their keys at once: ask again")]
    Busy,
}

impl Attesting {
    /// Opens what a configuration names.
    ///
    /// # Errors
    /// [`AttestingError`].
    pub fn open(
        domain: Domain<'static>,
        config: Option<&config::Attestation>,
    ) -> Result<Self, AttestingError> {
        let whose = config.map(Whose::open).transpose()?;
        let challenger = Challenger::new(domain, &mut SystemEntropy)?;
        Ok(Self { challenger, whose, answered: Mutex::default() })
    }

    /// A challenge for this question, that only this TPM can answer.
    pub(super) fn challenge(
        &self,
        asked: &Enrolment,
        tpm: &Presented,
        now: Time,
    ) -> Result<Challenge, NotAttested> {
        let whose = self.whose.as_ref().ok_or(NotAttested::Unwanted)?;
        let (endorsement, _) = whose.endorsed(tpm, now)?;
        let unfit = |unfit| NotAttested::Refused(Refused::AttestationKey(unfit));
        let attestation = Area::parse(&tpm.attestation_key).map_err(unfit)?;
        attestation.attestation_key().map_err(unfit)?;
        let given = self.challenger.ticket(asked, tpm, now.seconds(), &mut SystemEntropy);
        let ticket = given.map_err(|NoRandomness| NotAttested::Busy)?;
        let hidden = self.challenger.hidden(asked, tpm, &ticket);
        let made = Credential::new(&endorsement, &attestation.name(), &hidden);
        let Credential { object, secret } = made.map_err(|_| NotAttested::EndorsementKey(Unfit::Type))?;
        Ok(Challenge { ticket, object, secret, registers: whose.selection() })
    }

    /// Where the key of a question is held, by what its TPM answered. The challenge is used up by that.
    pub(super) fn judge(
        &self,
        asked: &Enrolment,
        said: &Attestation,
        now: Time,
    ) -> Result<Held, NotAttested> {
        let whose = self.whose.as_ref().ok_or(NotAttested::Unwanted)?;
        let Attestation { tpm, ticket, .. } = said;
        if !self.challenger.gave(asked, tpm, ticket) {
            return Err(NotAttested::Challenge);
        }
        if ticket.time.abs_diff(now.seconds()) > LASTS {
            return Err(NotAttested::Expired);
        }
        if !self.challenger.hid(asked, tpm, ticket, &said.hidden) {
            return Err(NotAttested::NotRead);
        }
        let (endorsement, maker) = whose.endorsed(tpm, now)?;
        let (statement, signature) = (&said.statement, &said.signature);
        let evidence = Evidence { attestation_key: &tpm.attestation_key, statement, signature };
        if *certified(&evidence, &said.key, &ticket.nonce)?.key() != asked.key {
            return Err(NotAttested::OtherKey);
        }
        whose.measured(said)?;
        self.once(ticket.time, ticket.nonce, now.seconds())?;
        // Of an unknown maker it may be a program.
        let tier = if maker.is_empty() { "unknown" } else { "tpm" };
        Ok(Held { tier: tier.to_owned(), endorsement: endorsement.fingerprint().to_string(), maker })
    }

    /// Notes that a challenge was answered.
    fn once(&self, time: u64, nonce: Nonce, now: u64) -> Result<(), NotAttested> {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        *answered = answered.split_off(&(now.saturating_sub(LASTS), [0; 32]));
        if answered.contains(&(time, nonce)) {
            return Err(NotAttested::Replayed);
        }
        if answered.len() >= MAX_ANSWERED {
            return Err(NotAttested::Busy);
        }
        answered.insert((time, nonce));
        Ok(())
    }
}

impl Whose {
    fn open(config: &config::Attestation) -> Result<Self, CertificateError> {
        let mut registers = config.registers.clone();
        registers.sort_unstable();
        Ok(Self {
            makers: Makers::load(&config.roots, &config.intermediates)?,
            allow_unknown: config.allow_unknown_ek,
            registers,
        })
    }

    /// The endorsement key of a TPM, and who certified it; nobody where that need not be known.
    fn endorsed(&self, tpm: &Presented, now: Time) -> Result<(EndorsementKey, String), NotAttested> {
        let area = Area::parse(&tpm.endorsement_key).and_then(|area| area.endorsement_key());
        let key = area.map_err(NotAttested::EndorsementKey)?;
        let vouched = match &tpm.certificate {
            None => Err(NotAttested::NoCertificate),
            Some(certificate) => {
                let at = Duration::from_secs(now.seconds());
                self.makers.vouch(certificate, &key.octets(), at).map_err(NotAttested::Maker)
            }
        };
        match vouched {
            Ok(maker) => Ok((key, maker)),
            // Of another key is worse than of nobody.
            Err(fault) if self.allow_unknown && fault != NotAttested::Maker(MakerFault::OtherKey) => {
                Ok((key, String::new()))
            }
            Err(fault) => Err(fault),
        }
    }

    fn selection(&self) -> u32 {
        self.registers.iter().fold(0, |selected, (number, _)| selected | 1 << number)
    }

    /// Whether the registers hold what they have to.
    fn measured(&self, said: &Attestation) -> Result<(), NotAttested> {
        let Some(Quote { values, statement, signature }) = &said.quote else {
            return if self.registers.is_empty() { Ok(()) } else { Err(NotAttested::Registers) };
        };
        if self.registers.is_empty() {
            return Err(NotAttested::Registers);
        }
        let evidence = Evidence { attestation_key: &said.tpm.attestation_key, statement, signature };
        quoted(&evidence, self.selection(), values, &said.ticket.nonce)?;
        if values.len() != self.registers.len() {
            return Err(NotAttested::Registers);
        }
        let mut expected = self.registers.iter().zip(values);
        match expected.find(|((_, expected), value)| expected != *value) {
            Some(((number, _), _)) => Err(NotAttested::Register(*number)),
            None => Ok(()),
        }
    }
}

impl NotAttested {
    /// As it is written in answers.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Unwanted => "attestation-unwanted",
            Self::EndorsementKey(_) => "endorsement-key",
            Self::NoCertificate => "endorsement-uncertified",
            Self::Maker(fault) => match fault {
                MakerFault::Unreadable | MakerFault::Other(_) => "endorsement-certificate",
                MakerFault::Usage => "endorsement-usage",
                MakerFault::OtherKey => "endorsement-other-key",
                MakerFault::Time => "endorsement-time",
                MakerFault::Unknown => "endorsement-unknown",
            },
            Self::Challenge => "challenge-unknown",
            Self::Expired => "challenge-expired",
            Self::Replayed => "challenge-replayed",
            Self::NotRead => "challenge-unread",
            Self::Refused(refused) => match refused {
                Refused::AttestationKey(_) => "attestation-key",
                Refused::Key(_) => "attested-key",
                Refused::Statement(StatementError::Magic) => "statement-magic",
                Refused::Statement(StatementError::Kind(_)) | Refused::Kind => "statement-kind",
                Refused::Statement(StatementError::Unreadable) => "statement-unreadable",
                Refused::Algorithm => "attestation-algorithm",
                Refused::Signature => "attestation-signature",
                Refused::Nonce => "attestation-nonce",
                Refused::Hierarchy => "attestation-hierarchy",
                Refused::OtherKey => "attested-other-name",
                Refused::Selection => "registers-selection",
                Refused::Values => "registers-values",
            },
            Self::OtherKey => "attested-other-key",
            Self::Registers => "registers-missing",
            Self::Register(_) => "registers-expected",
            Self::Busy => "unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attesting() -> Attesting {
        Attesting::open(Domain::parse("acme.example").unwrap(), None).unwrap()
    }

    #[test]
    fn a_challenge_is_answered_once_for_as_long_as_it_counts() {
        let attesting = attesting();
        assert_eq!(attesting.once(1_000, [1; 32], 1_000), Ok(()));
        assert_eq!(attesting.once(1_000, [1; 32], 1_000 + LASTS), Err(NotAttested::Replayed));
        assert_eq!(attesting.once(1_000, [2; 32], 1_000 + LASTS), Ok(()));
        assert_eq!(attesting.once(1_001 + LASTS, [1; 32], 1_001 + LASTS), Ok(()));
        assert_eq!(attesting.answered.lock().unwrap().len(), 1, "what counts no more is forgotten");
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing() {
        let attesting = attesting();
        for number in 0..MAX_ANSWERED as u64 {
            let mut nonce = [0; 32];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            attesting.answered.lock().unwrap().insert((1_000, nonce));
        }
        assert_eq!(attesting.once(1_000, [9; 32], 1_000), Err(NotAttested::Busy));
        assert_eq!(attesting.once(1_000, [0; 32], 1_000), Err(NotAttested::Replayed));
        assert_eq!(attesting.once(1_001 + LASTS, [9; 32], 1_001 + LASTS), Ok(()));
    }
}
