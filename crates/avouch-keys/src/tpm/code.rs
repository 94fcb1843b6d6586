//! Response codes (TPM 2.0 Library, part 2, "Response codes"), and what they mean here.

use tpm2_protocol::data::TpmRc;
use tpm2_protocol::data::TpmRcBase as Base;

use super::problem::TpmError;
use super::transport::HEADER;

/// The part that the TPM itself said; a resource manager writes its own layer above.
const OF_TPM: u32 = 0xffff;

/// The code of an answer; 0 is success.
pub(super) fn of(answer: &[u8]) -> Result<u32, TpmError> {
    let [_, _, _, _, _, _, a, b, c, d] = *answer.first_chunk::<HEADER>().ok_or(TpmError::Garbled)?;
    Ok(u32::from_be_bytes([a, b, c, d]))
}

fn base(code: u32) -> Option<Base> {
    TpmRc::try_from(code & OF_TPM).ok().map(|code| code.base())
}

/// Whether the same command is to be sent again.
pub(super) fn asks_again(code: u32) -> bool {
    matches!(
        base(code),
        Some(Base::Retry | Base::Yielded | Base::Testing | Base::NvRate | Base::NvUnavailable)
    )
}

/// What a refusal of this command means.
pub(super) fn refusal(code: u32, command: u32) -> TpmError {
    match base(code) {
        Some(Base::Lockout) => TpmError::Lockout,
        Some(Base::ObjectMemory | Base::ObjectHandles | Base::Memory) => TpmError::Slots,
        Some(Base::Initialize) => TpmError::NotStarted,
        Some(Base::Failure | Base::NeedsTest) => TpmError::Failed,
        Some(Base::Curve | Base::Scheme | Base::Asymmetric | Base::Symmetric | Base::CommandCode) => {
            TpmError::Unsupported
        }
        Some(Base::BadAuth | Base::AuthFail) => TpmError::OwnerPassword,
        Some(Base::Hierarchy) => TpmError::OwnerDisabled,
        Some(Base::Integrity) => TpmError::Foreign,
        Some(
            Base::Handle
            | Base::ReferenceH0
            | Base::ReferenceH1
            | Base::ReferenceH2
            | Base::ReferenceH3
            | Base::ReferenceH4
            | Base::ReferenceH5
            | Base::ReferenceH6,
        ) => TpmError::Forgotten,
        _ => TpmError::Refused { command, code },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_means_one_thing_and_its_neighbour_another() {
        for code in [0x922, 0x908, 0x90a, 0x920, 0x923] {
            assert!(asks_again(code), "{code:#x}");
        }
        assert!(!asks_again(0x921) && !asks_again(0x902) && !asks_again(0x909) && !asks_again(0x101));
        let refused = |code| refusal(code, 0x15d);
        assert_eq!(refused(0x921), TpmError::Lockout);
        assert_eq!(refused(0x902), TpmError::Slots);
        assert_eq!(refused(0x903), TpmError::Refused { command: 0x15d, code: 0x903 });
        assert_eq!(refused(0x100), TpmError::NotStarted);
        assert_eq!(refused(0x101), TpmError::Failed);
        assert_eq!(refused(0x9a2), TpmError::OwnerPassword, "of the first session");
        assert_eq!(refused(0x185), TpmError::OwnerDisabled);
        assert_eq!(refused(0x1df), TpmError::Foreign, "of the first parameter");
        assert_eq!(refused(0x18b), TpmError::Forgotten);
        assert_eq!(refused(0x910), TpmError::Forgotten);
        assert_eq!(refused(0x000b_0143), TpmError::Unsupported, "by the kernel's resource manager");
        assert_eq!(refused(0xffff_ffff), TpmError::Refused { command: 0x15d, code: 0xffff_ffff });
    }
}
