//! How a TPM shows that it holds a key, what its registers hold, and that it is the TPM it says.

use avouch_wire::attestation::{Nonce, purpose};
use tpm2_protocol::basic::{TpmHandle, TpmInt32};
use tpm2_protocol::data::{
    Tpm2bData, Tpm2bDigest, Tpm2bEncryptedSecret, Tpm2bIdObject, Tpm2bNonce, TpmAlgId, TpmCc, TpmRh, TpmSe,
    TpmSt, TpmlPcrSelection, TpmsAuthCommand, TpmsPcrSelect, TpmsPcrSelection, TpmtSigScheme,
    TpmtSymDefObject, TpmuSymKeyBits, TpmuSymMode,
};
use tpm2_protocol::frame::{
    TpmActivateCredentialCommand, TpmActivateCredentialResponse, TpmCertifyCommand, TpmCertifyResponse,
    TpmPcrReadCommand, TpmPcrReadResponse, TpmPolicySecretCommand, TpmPolicySecretResponse, TpmQuoteCommand,
    TpmQuoteResponse, TpmStartAuthSessionCommand, TpmStartAuthSessionResponse,
};
use zeroize::Zeroizing;

use super::blob::Blob;
use super::chip::{Chip, empty_password};
use super::credential::Credential;
use super::problem::TpmError;
use super::template::{self, Endorsement};

/// The registers of a TPM that are asked for by their bits: PC clients have 24.
const REGISTERS: u32 = 24;

/// TPM_CC_ActivateCredential.
const ACTIVATE: u32 = TpmCc::ActivateCredential as u32;

/// What is handed to whoever wants to know that a key is in a TPM (`avouch_wire::attestation::certified`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certification {
    /// The public area of the attestation key.
    pub attestation_key: Vec<u8>,
    /// The public area of the key.
    pub key: Vec<u8>,
    /// What the TPM says.
    pub statement: Vec<u8>,
    /// By the attestation key.
    pub signature: Vec<u8>,
}

/// What is handed to whoever wants to know what a machine has started (`avouch_wire::attestation::quoted`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// The public area of the attestation key.
    pub attestation_key: Vec<u8>,
    /// The values of the registers, in their order.
    pub values: Vec<[u8; 32]>,
    /// What the TPM says.
    pub statement: Vec<u8>,
    /// By the attestation key.
    pub signature: Vec<u8>,
}

fn qualifying(nonce: &Nonce) -> Result<Tpm2bData, TpmError> {
    Tpm2bData::try_from(purpose(nonce).as_slice()).map_err(|_| TpmError::Unwritten)
}

impl Chip {
    /// The public area of the attestation key.
    pub(super) fn attestation_key(&mut self) -> Result<Vec<u8>, TpmError> {
        self.at_work(|chip| {
            chip.with_primary(template::attestation_key(), |_, _, public| template::octets(public))
        })
    }

    /// The public area of an endorsement key.
    pub(super) fn endorsement_key(&mut self, kind: Endorsement) -> Result<Vec<u8>, TpmError> {
        self.at_work(|chip| {
            chip.with_primary(template::endorsement_key(kind), |_, _, public| template::octets(public))
        })
    }

    /// Has the TPM say that it holds a key.
    pub(super) fn certify(&mut self, blob: &Blob, nonce: &Nonce) -> Result<Certification, TpmError> {
        self.at_work(|chip| {
            // The parent, the key and the attestation key take the three slots.
            let key = chip.loaded(blob)?;
            chip.with_primary(template::attestation_key(), |chip, signer, public| {
                let command = TpmCertifyCommand {
                    handles: [key, signer],
                    qualifying_data: qualifying(nonce)?,
                    in_scheme: TpmtSigScheme::default(),
                };
                let passwords = [empty_password(), empty_password()];
                let said: TpmCertifyResponse = chip.command(&command, TpmSt::Sessions, &passwords)?;
                Ok(Certification {
                    attestation_key: template::octets(public)?,
                    key: template::octets(blob.area())?,
                    statement: template::octets(&said.certify_info.inner)?,
                    signature: template::octets(&said.signature)?,
                })
            })
        })
    }

    /// Has the TPM say what registers hold: those of SHA-256 whose bits are set.
    pub(super) fn quote(&mut self, selected: u32, nonce: &Nonce) -> Result<Quote, TpmError> {
        self.at_work(|chip| {
            let numbers = (0..REGISTERS).filter(|number| selected >> number & 1 == 1);
            let values = numbers.map(|number| chip.register(number)).collect::<Result<_, _>>()?;
            chip.with_primary(template::attestation_key(), |chip, signer, public| {
                let command = TpmQuoteCommand {
                    handles: [signer],
                    qualifying_data: qualifying(nonce)?,
                    in_scheme: TpmtSigScheme::default(),
                    pcr_select: selection(selected)?,
                };
                let said: TpmQuoteResponse = chip.ask_authorised(&command)?;
                Ok(Quote {
                    attestation_key: template::octets(public)?,
                    values,
                    statement: template::octets(&said.quoted.inner)?,
                    signature: template::octets(&said.signature)?,
                })
            })
        })
    }

    fn register(&mut self, number: u32) -> Result<[u8; 32], TpmError> {
        let command = TpmPcrReadCommand {
            handles: [],
            pcr_selection_in: selection(1_u32.checked_shl(number).unwrap_or_default())?,
        };
        let read: TpmPcrReadResponse = self.ask(&command)?;
        match read.pcr_values.first().map(|value| <[u8; 32]>::try_from(&**value)) {
            Some(Ok(value)) => Ok(value),
            _ => Err(TpmError::NoRegisters),
        }
    }

    /// Reads a challenge that only the TPM with this endorsement key and our attestation key can read.
    pub(super) fn activate(
        &mut self,
        kind: Endorsement,
        challenge: &Credential,
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        let unreadable = |_| TpmError::NotAddressed;
        let credential_blob = Tpm2bIdObject::try_from(challenge.object.as_slice()).map_err(unreadable)?;
        let secret = Tpm2bEncryptedSecret::try_from(challenge.secret.as_slice()).map_err(unreadable)?;
        self.at_work(|chip| {
            chip.with_primary(template::attestation_key(), |chip, attestation, _| {
                chip.with_primary(template::endorsement_key(kind), |chip, endorsement, _| {
                    let handles = [attestation, endorsement];
                    let command = TpmActivateCredentialCommand { handles, credential_blob, secret };
                    let told = chip.with_policy(|chip, session| {
                        let read = chip.command(&command, TpmSt::Sessions, &[empty_password(), session]);
                        let told: TpmActivateCredentialResponse = read?;
                        Ok(Zeroizing::new(told.cert_info.to_vec()))
                    });
                    told.map_err(|error| match error {
                        TpmError::Foreign | TpmError::Refused { command: ACTIVATE, .. } => {
                            TpmError::NotAddressed
                        }
                        other => other,
                    })
                })
            })
        })
    }

    /// Does one thing under the policy of endorsement keys, which ends with it.
    fn with_policy<T>(
        &mut self,
        work: impl FnOnce(&mut Self, TpmsAuthCommand) -> Result<T, TpmError>,
    ) -> Result<T, TpmError> {
        let command = TpmStartAuthSessionCommand {
            handles: [TpmHandle::new(TpmRh::Null as u32); 2],
            // No HMAC is computed of it: the policy is all that counts, and it is no secret.
            nonce_caller: Tpm2bNonce::try_from([0; 16].as_slice()).map_err(|_| TpmError::Unwritten)?,
            encrypted_salt: Tpm2bEncryptedSecret::default(),
            session_type: TpmSe::Policy,
            symmetric: TpmtSymDefObject {
                algorithm: TpmAlgId::Null,
                key_bits: TpmuSymKeyBits::Null,
                mode: TpmuSymMode::Null,
            },
            auth_hash: TpmAlgId::Sha256,
        };
        let started: TpmStartAuthSessionResponse = self.ask(&command)?;
        let [session] = started.handles;
        let authorise = TpmPolicySecretCommand {
            handles: [TpmHandle::new(TpmRh::Endorsement as u32), session],
            nonce_tpm: Tpm2bNonce::default(),
            cp_hash_a: Tpm2bDigest::default(),
            policy_ref: Tpm2bNonce::default(),
            expiration: TpmInt32::new(0),
        };
        let authorised = self.ask_authorised::<TpmPolicySecretResponse>(&authorise);
        let done = authorised.and_then(|_| {
            // Without an attribute it ends with the command.
            work(self, TpmsAuthCommand { session_handle: session, ..TpmsAuthCommand::default() })
        });
        if done.is_err() && self.is_connected() {
            // What cannot be flushed now is gone when the TPM is reset, and takes no slot of a key.
            let _ = self.flush(session);
        }
        done
    }
}

/// A selection of registers of SHA-256.
fn selection(selected: u32) -> Result<TpmlPcrSelection, TpmError> {
    let [a, b, c, _] = selected.to_le_bytes();
    let pcr_select = TpmsPcrSelect::try_from([a, b, c].as_slice()).map_err(|_| TpmError::Unwritten)?;
    let mut list = TpmlPcrSelection::default();
    let bank = TpmsPcrSelection { hash: TpmAlgId::Sha256, pcr_select };
    list.try_push(bank).map_err(|_| TpmError::Unwritten)?;
    Ok(list)
}
