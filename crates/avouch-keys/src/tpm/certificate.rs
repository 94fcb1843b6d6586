//! The certificate that a TPM's maker puts into it.

use tpm2_protocol::basic::{TpmHandle, TpmUint16};
use tpm2_protocol::frame::{
    TpmNvReadCommand, TpmNvReadPublicCommand, TpmNvReadPublicResponse, TpmNvReadResponse,
};

use super::chip::Chip;
use super::problem::TpmError;
use super::template::Endorsement;

/// The longest certificate read: the largest known have some 1500 octets.
const MAX_OCTETS: u16 = 4096;

/// As much as is read at a time, which every TPM can (TPM_PT_NV_BUFFER_MAX of the PC client profile).
const PIECE: u16 = 512;

/// Where certificates are kept (EK Credential Profile §2.2.1.4).
const fn index(kind: Endorsement) -> TpmHandle {
    match kind {
        Endorsement::Rsa => TpmHandle::new(0x01c0_0002),
        Endorsement::Ecc => TpmHandle::new(0x01c0_000a),
    }
}

impl Chip {
    /// The certificate of an endorsement key as its maker wrote it, DER; `None` where there is none.
    pub(super) fn certificate(&mut self, kind: Endorsement) -> Result<Option<Vec<u8>>, TpmError> {
        self.at_work(|chip| {
            let index = index(kind);
            let told = chip.ask::<TpmNvReadPublicResponse>(&TpmNvReadPublicCommand { handles: [index] });
            let size = match told {
                // It knows no such place.
                Err(TpmError::Forgotten) => return Ok(None),
                told => told?.nv_public.inner.data_size.value(),
            };
            if size > MAX_OCTETS {
                return Err(TpmError::Garbled);
            }
            let mut read = Vec::new();
            while let Some(offset) = u16::try_from(read.len()).ok().filter(|offset| *offset < size) {
                let piece = PIECE.min(size.saturating_sub(offset));
                let command = TpmNvReadCommand {
                    handles: [index, index],
                    size: TpmUint16::new(piece),
                    offset: TpmUint16::new(offset),
                };
                let told: TpmNvReadResponse = chip.ask_authorised(&command)?;
                if told.data.len() != usize::from(piece) {
                    return Err(TpmError::Garbled);
                }
                read.extend_from_slice(&told.data);
            }
            Ok(Some(without_padding(read)))
        })
    }
}

/// Some makers define more room than the certificate takes.
fn without_padding(mut octets: Vec<u8>) -> Vec<u8> {
    if let Some([0x30, 0x82, high, low]) = octets.first_chunk() {
        octets.truncate(usize::from(u16::from_be_bytes([*high, *low])).saturating_add(4));
    }
    octets
}
