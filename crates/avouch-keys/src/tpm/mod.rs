//! Keys held by a TPM 2.0: made there, never seen outside, used for signing.
//!
//! A key is P-256, bound to its TPM (`fixedTPM`, `fixedParent`), made by it (`sensitiveDataOrigin`), signs and does
//! nothing else, and cannot be guessed at (`noDA`). What the TPM hands out of it is wrapped, and lies in a file
//! ([`crate::store::create_in`]); that TPM alone can use it, below a parent that it makes again each time. When
//! the TPM cannot be used nothing else signs in its place.
//!
//! Signing is slow and blocks: a chip takes 20–300 ms, one signature at a time. A [`Tpm`] can be used from several
//! threads, which wait for one another. In async code, use a thread for it.
//!
//! What is said to the TPM is in the clear: who can listen at its bus, or at swtpm's socket, learns which digests are
//! signed; who can change it there can have others signed. Each signature is verified before it is used, so that
//! nothing else can be slipped in. Code: the octets of the protocol are `tpm2-protocol`'s, the rest is here.

mod attest;
mod blob;
mod certificate;
mod challenger;
mod chip;
mod code;
mod credential;
mod device;
mod probe;
mod problem;
mod template;
mod transport;

#[cfg(test)]
mod attesting;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

use core::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use avouch_wire::attestation::Nonce;
pub use avouch_wire::attestation::Unfit;
use avouch_wire::key::PublicKey;
use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

pub use attest::{Certification, Quote};
pub(crate) use blob::LABEL;
pub use blob::{Blob, BlobError};
pub use challenger::Challenger;
use chip::Chip;
pub use credential::{Credential, Hidden};
pub use device::{Device, DeviceError};
pub use probe::Facts;
pub use problem::TpmError;
pub use template::Endorsement;
use transport::Deadline;

/// How long an answer of a TPM is waited for. Chips take up to some seconds for a key.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The connections of this process, so that keys of one TPM share one: where no resource manager stands in front, a
/// TPM listens to one at a time. What nobody uses any more goes when the next is made.
static SHARED: Mutex<Vec<(Device, Weak<Mutex<Chip>>)>> = Mutex::new(Vec::new());

/// A TPM. Nothing is sent to it until it is used.
#[derive(Clone)]
pub struct Tpm {
    device: Device,
    chip: Arc<Mutex<Chip>>,
    patience: Duration,
}

impl Tpm {
    /// The TPM there. All that is made for one device in one process share one connection.
    #[must_use]
    pub fn at(device: &Device) -> Self {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|(_, chip)| chip.strong_count() > 0);
        let known = shared.iter().find(|(known, _)| known == device).and_then(|(_, chip)| chip.upgrade());
        let chip = known.unwrap_or_else(|| {
            let tpm = Self::patient(device, PATIENCE);
            shared.push((device.clone(), Arc::downgrade(&tpm.chip)));
            tpm.chip
        });
        Self { device: device.clone(), chip, patience: PATIENCE }
    }

    /// The TPM there, by a connection of its own, whose answers are waited for so long.
    #[must_use]
    pub fn patient(device: &Device, patience: Duration) -> Self {
        let opened = device.clone();
        let opener = Box::new(move |deadline| transport::open(&opened, deadline));
        let chip = Chip::new(opener, device.is_managed(), patience);
        Self { device: device.clone(), chip: Arc::new(Mutex::new(chip)), patience }
    }

    /// Where it is.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Makes a key.
    pub(crate) fn create(&self) -> Result<Blob, TpmError> {
        self.turn()?.create()
    }

    /// Opens a key, which this TPM has to have made.
    pub(crate) fn open(&self, blob: Blob) -> Result<TpmKey, TpmError> {
        self.turn()?.check(&blob)?;
        Ok(TpmKey { tpm: self.clone(), blob: Box::new(blob) })
    }

    /// What can be seen of it without changing anything.
    ///
    /// # Errors
    /// [`TpmError`], when it cannot be asked.
    pub fn examine(&self) -> Result<Facts, TpmError> {
        self.turn()?.at_work(probe::examine)
    }

    /// The public area of its attestation key (TPMT_PUBLIC), the same each time until it is cleared.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn attestation_key(&self) -> Result<Vec<u8>, TpmError> {
        self.turn()?.attestation_key()
    }

    /// The public area of its endorsement key (TPMT_PUBLIC), the same for the life of the chip.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn endorsement_key(&self, kind: Endorsement) -> Result<Vec<u8>, TpmError> {
        self.turn()?.endorsement_key(kind)
    }

    /// The certificate of its endorsement key, DER, as its maker wrote it: who made it is to be found out. `None` where
    /// there is none, as in most software TPMs.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn certificate(&self, kind: Endorsement) -> Result<Option<Vec<u8>>, TpmError> {
        self.turn()?.certificate(kind)
    }

    /// What its registers hold, those of SHA-256 whose bits are set: 0–23, the first the lowest.
    ///
    /// # Errors
    /// [`TpmError`].
    pub fn quote(&self, selected: u32, nonce: &Nonce) -> Result<Quote, TpmError> {
        self.turn()?.quote(selected, nonce)
    }

    /// What a challenge hides that was made for this TPM and its attestation key.
    ///
    /// # Errors
    /// [`TpmError::NotAddressed`] when it was made for another.
    pub fn activate(
        &self,
        kind: Endorsement,
        challenge: &Credential,
    ) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        self.turn()?.activate(kind, challenge)
    }

    /// Waits until it is ours, and not when that takes longer than an answer may.
    fn turn(&self) -> Result<MutexGuard<'_, Chip>, TpmError> {
        let deadline = Deadline::within(self.patience);
        let chip = self.chip.lock().unwrap_or_else(|poisoned| {
            let mut chip = poisoned.into_inner();
            chip.leave();
            chip
        });
        if deadline.left().is_some() { Ok(chip) } else { Err(TpmError::Queue) }
    }
}

impl fmt::Debug for Tpm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tpm({})", self.device)
    }
}

/// A key that a TPM holds.
pub(crate) struct TpmKey {
    tpm: Tpm,
    blob: Box<Blob>,
}

impl TpmKey {
    pub(crate) const fn public(&self) -> &PublicKey {
        self.blob.public()
    }

    pub(crate) const fn tpm(&self) -> &Tpm {
        &self.tpm
    }

    pub(crate) fn certify(&self, nonce: &Nonce) -> Result<Certification, TpmError> {
        self.tpm.turn()?.certify(&self.blob, nonce)
    }

    /// r ‖ s. As [`crate::SecretKey::sign`], for this crate alone.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], TpmError> {
        let signature = self.tpm.turn()?.sign(&self.blob, digest(&SHA256, message).as_ref())?;
        // Somebody between us and the chip may have had it sign something else.
        self.public().verify(message, &signature).map_err(|_| TpmError::BadSignature)?;
        Ok(signature)
    }
}
