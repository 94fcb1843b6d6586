//! What can be seen of a TPM.

use tpm2_protocol::data::{TpmAlgId, TpmCap, TpmPt, TpmtPublic, TpmtPublicParms, TpmuCapabilities};
use tpm2_protocol::frame::{TpmTestParmsCommand, TpmTestParmsResponse};

use super::chip::Chip;
use super::problem::TpmError;
use super::template;

/// TPMA_PERMANENT, inLockout.
const IN_LOCKOUT: u32 = 1 << 9;

/// What a TPM says of itself. Nothing of it is proved: that takes an attestation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who made it, in the letters that the TCG registers, such as `IFX` or `IBM`.
    pub manufacturer: String,
    /// How its maker calls it, such as `SLB9670`.
    pub model: String,
    /// The version of its firmware, as its maker counts.
    pub firmware: String,
    /// Whether it offers ECDSA with SHA-256 on P-256.
    pub signs: bool,
    /// Whether it makes the parent of our keys; otherwise why not.
    pub parent: Result<(), TpmError>,
    /// How many guesses at passwords have failed of late.
    pub guesses: u32,
    /// At how many it locks itself.
    pub most_guesses: u32,
    /// Whether it is locked now.
    pub is_locked: bool,
}

pub(super) fn examine(chip: &mut Chip) -> Result<Facts, TpmError> {
    let mut number = |property| number(chip, property);
    let model = [TpmPt::VendorString1, TpmPt::VendorString2, TpmPt::VendorString3, TpmPt::VendorString4];
    let model = model.map(&mut number).into_iter().collect::<Result<Vec<_>, _>>()?;
    let firmware = [number(TpmPt::FirmwareVersion1)?, number(TpmPt::FirmwareVersion2)?];
    let [a, b] = firmware.map(|half| [half >> 16, half & 0xffff]);
    Ok(Facts {
        manufacturer: letters(&[number(TpmPt::Manufacturer)?]),
        model: letters(&model),
        firmware: format!("{}.{}.{}.{}", a[0], a[1], b[0], b[1]),
        guesses: number(TpmPt::LockoutCounter)?,
        most_guesses: number(TpmPt::MaxAuthFail)?,
        is_locked: number(TpmPt::Permanent)? & IN_LOCKOUT != 0,
        signs: offers(chip, &template::key())?,
        parent: match chip.parent() {
            Err(error) if error.may_pass() => return Err(error),
            made => made.map(drop),
        },
    })
}

fn number(chip: &mut Chip, property: TpmPt) -> Result<u32, TpmError> {
    let TpmuCapabilities::TpmProperties(told) = chip.capability(TpmCap::TpmProperties, property as u32, 1)?
    else {
        return Err(TpmError::Garbled);
    };
    // A TPM that does not know the property tells the next one.
    let found = told.iter().find(|told| told.property == property);
    Ok(found.map_or(0, |told| told.value.value()))
}

fn offers(chip: &mut Chip, public: &TpmtPublic) -> Result<bool, TpmError> {
    let parameters = TpmtPublicParms { object_type: TpmAlgId::Ecc, parameters: public.parameters };
    match chip.ask::<TpmTestParmsResponse>(&TpmTestParmsCommand { handles: [], parameters }) {
        Ok(_) => Ok(true),
        Err(TpmError::Unsupported | TpmError::Refused { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Numbers that hold letters, without the blanks and zeros at their end.
fn letters(numbers: &[u32]) -> String {
    let octets = numbers.iter().flat_map(|number| number.to_be_bytes());
    let shown = octets.map(|octet| if octet.is_ascii_graphic() { char::from(octet) } else { ' ' });
    shown.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
