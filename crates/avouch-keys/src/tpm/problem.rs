//! What can go wrong with a TPM, and how to mend it.

use std::io;

/// Why a TPM did not do what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TpmError {
    /// No such device or socket.
    #[error(
        "is not there: see that the machine has a TPM 2.0 and its firmware switches it on, or that swtpm runs"
    )]
    Missing,
    /// Neither a character device nor, for swtpm, a socket.
    #[error("is no device of a TPM: name a character device such as /dev/tpmrm0, or the socket by swtpm=")]
    NotADevice,
    /// This user may not use it.
    #[error("may not be used by this user: on Debian, add the user to the group tss")]
    NotPermitted,
    /// Another program holds the device, and it has room for one.
    #[error("is held by another program: use /dev/tpmrm0, which programs share")]
    Held,
    /// It cannot be reached for another reason.
    #[error("cannot be reached: {0}")]
    Unreachable(io::ErrorKind),
    /// Nothing came within the time granted.
    #[error(
        "does not answer in time: see whether another program holds it, then restart swtpm or the machine"
    )]
    NoAnswer,
    /// Too many wait for it, so that this one's turn did not come within the time granted.
    #[error("has too much to sign: a TPM makes few signatures a second; use fewer threads, or batches")]
    Queue,
    /// It hung up within an answer, or before it.
    #[error("ended the connection without an answer: see that it still runs")]
    Closed,
    /// The answer is larger than any answer of a TPM.
    #[error("gave an answer of {octets} octets, and a TPM's has {max} at most: what is there is no TPM 2.0", max = super::transport::MAX_OCTETS)]
    Oversize {
        /// What the answer says of its length.
        octets: u32,
    },
    /// The answer cannot be read.
    #[error("gave an answer that cannot be read: what is there is no TPM 2.0, or somebody interferes")]
    Garbled,
    /// It asked to be asked again, for as long as was granted.
    #[error("stays busy: try again in a minute, and see which other program keeps it at work")]
    Busy,
    /// It was not started.
    #[error("was not started: run swtpm with `--flags startup-clear`; in a machine, see its firmware")]
    NotStarted,
    /// It found a fault in itself.
    #[error("found a fault in itself, and serves no more until it is reset: switch the machine off and on")]
    Failed,
    /// It suspects somebody of guessing passwords.
    #[error(
        "is locked because somebody guessed at passwords: it opens by itself after its recovery time, or at once by \
         `tpm2_dictionarylockout --clear-lockout`; avouch's keys have none to guess"
    )]
    Lockout,
    /// Its slots for objects are taken by other programs.
    #[error(
        "has no free slot for a key: other programs left theirs in it. Use /dev/tpmrm0, which keeps programs apart, \
         or run `tpm2_flushcontext --transient-object`"
    )]
    Slots,
    /// A hierarchy has a password: the owner's, for keys; the endorsement's, for attestations.
    #[error(
        "wants the owner's password, and avouch has none: have the owner take it away by `tpm2_changeauth -c owner`, or \
         for an attestation by `tpm2_changeauth -c endorsement`"
    )]
    OwnerPassword,
    /// The owner's hierarchy is switched off.
    #[error("has its owner's hierarchy switched off: switch it on in the firmware's settings")]
    OwnerDisabled,
    /// No P-256 with ECDSA and SHA-256, or no such storage key.
    #[error("does not know P-256 with ECDSA and SHA-256: keep the key in a file, by file:PATH")]
    Unsupported,
    /// The wrapped key is not one of this TPM's, or is damaged. The TPM does not tell the two apart.
    #[error(
        "did not make this key, or the key is damaged: use the TPM that made it, or restore the file from a copy. A TPM \
         that was cleared since has lost the key for good"
    )]
    Foreign,
    /// It keeps no registers by SHA-256.
    #[error("keeps no such registers by SHA-256: switch that bank on in the firmware's settings")]
    NoRegisters,
    /// A challenge was made for another TPM, or for another attestation key.
    #[error(
        "cannot read the challenge: it was made for another TPM or another attestation key, or is damaged"
    )]
    NotAddressed,
    /// What it loaded is another key than the file says.
    #[error("loaded another key than the file holds: what is there is no TPM 2.0, or somebody interferes")]
    OtherKey,
    /// The signature does not hold by the key's public half.
    #[error(
        "made a signature that does not hold, which was not used: what is there is no TPM 2.0, or somebody interferes"
    )]
    BadSignature,
    /// A handle means nothing to it any more.
    #[error("forgot a key that was loaded: it was reset; try again")]
    Forgotten,
    /// It refused for another reason.
    #[error(
        "refused command {command:#06x} with code {code:#05x}: see the TPM 2.0 Library, part 2, \"Response codes\""
    )]
    Refused {
        /// TPM_CC.
        command: u32,
        /// TPM_RC.
        code: u32,
    },
    /// A command could not be written; a defect of avouch.
    #[error("was not asked: a command could not be written, which is a defect of avouch")]
    Unwritten,
}

impl TpmError {
    /// Whether the same may succeed later, with nothing mended.
    #[must_use]
    pub const fn may_pass(self) -> bool {
        matches!(
            self,
            Self::NoAnswer
                | Self::Queue
                | Self::Closed
                | Self::Busy
                | Self::Held
                | Self::Lockout
                | Self::Slots
                | Self::Forgotten
                | Self::Unreachable(_)
        )
    }

    pub(super) fn reaching(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::NotPermitted,
            io::ErrorKind::ResourceBusy => Self::Held,
            // What a socket says whose time is up, and one at which too many wait.
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::NoAnswer,
            other => Self::Unreachable(other),
        }
    }

    pub(super) fn speaking(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::NoAnswer,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted => Self::Closed,
            other => Self::Unreachable(other),
        }
    }
}
