//! Where a TPM is, as locators name it.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The device of the kernel's resource manager, which keeps programs apart.
const USUAL: &str = "/dev/tpmrm0";

/// What the names of such devices begin with.
const MANAGED: &str = "tpmrm";

/// Why a text names no TPM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Neither `device=` nor `swtpm=`.
    #[error("`{given}` names no TPM: write device=PATH, swtpm=ADDRESS:PORT or swtpm=PATH")]
    Kind {
        /// What was given.
        given: String,
    },
    /// A path that is not absolute.
    #[error("`{given}` is no absolute path")]
    Relative {
        /// What was given.
        given: String,
    },
    /// An swtpm on another machine: whoever is between could have anything signed.
    #[error(
        "`{given}` is not on this machine, and what is said to swtpm could be read and changed on the way"
    )]
    Remote {
        /// What was given.
        given: String,
    },
}

/// A TPM, by the way that leads to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Device {
    /// A character device of the kernel's.
    Kernel(PathBuf),
    /// A software TPM, swtpm, on this machine, by TCP.
    Tcp(SocketAddr),
    /// The same by a Unix socket.
    Unix(PathBuf),
}

impl Default for Device {
    fn default() -> Self {
        Self::Kernel(PathBuf::from(USUAL))
    }
}

impl Device {
    /// Reads `device=PATH`, `swtpm=ADDRESS:PORT` or `swtpm=PATH`, as [`fmt::Display`] writes it.
    ///
    /// # Errors
    /// [`DeviceError`].
    pub fn parse(text: &str) -> Result<Self, DeviceError> {
        let given = || text.to_owned();
        match text.split_once('=') {
            Some(("device", path)) if Path::new(path).is_absolute() => Ok(Self::Kernel(path.into())),
            Some(("swtpm", path)) if Path::new(path).is_absolute() => Ok(Self::Unix(path.into())),
            Some(("swtpm", address)) if address.parse::<SocketAddr>().is_ok() => {
                let address = address.parse().map_err(|_| DeviceError::Kind { given: given() })?;
                if SocketAddr::ip(&address).is_loopback() {
                    Ok(Self::Tcp(address))
                } else {
                    Err(DeviceError::Remote { given: given() })
                }
            }
            Some(("device" | "swtpm", _)) => Err(DeviceError::Relative { given: given() }),
            _ => Err(DeviceError::Kind { given: given() }),
        }
    }

    /// Whether a resource manager stands in front, so that programs do not see each other's objects.
    pub(super) fn is_managed(&self) -> bool {
        match self {
            Self::Kernel(path) => {
                path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(MANAGED.as_bytes()))
            }
            Self::Tcp(_) | Self::Unix(_) => false,
        }
    }

    /// Whether it is a program, whose keys are as safe as its memory and its files.
    #[must_use]
    pub const fn is_software(&self) -> bool {
        matches!(self, Self::Tcp(_) | Self::Unix(_))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kernel(path) => write!(f, "device={}", path.display()),
            Self::Tcp(address) => write!(f, "swtpm={address}"),
            Self::Unix(path) => write!(f, "swtpm={}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_a_tpm_reads_as_it_is_written() {
        for text in [
            "device=/dev/tpmrm0",
            "device=/dev/tpm0",
            "swtpm=127.0.0.1:2321",
            "swtpm=[::1]:2321",
            "swtpm=/run/swtpm.sock",
        ] {
            assert_eq!(Device::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Device::default().to_string(), "device=/dev/tpmrm0");
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        let refused = |text| Device::parse(text).unwrap_err();
        assert!(matches!(refused("swtpm=192.0.2.1:2321"), DeviceError::Remote { .. }));
        assert!(matches!(refused("swtpm=[2001:db8::1]:2321"), DeviceError::Remote { .. }));
        assert!(matches!(refused("swtpm=0.0.0.0:2321"), DeviceError::Remote { .. }));
        assert!(matches!(refused("swtpm=localhost:2321"), DeviceError::Relative { .. }));
        assert!(matches!(refused("device=tpm0"), DeviceError::Relative { .. }));
        assert!(matches!(refused("device="), DeviceError::Relative { .. }));
        for text in ["", "/dev/tpm0", "tcti=x", "Device=/dev/tpm0"] {
            assert!(matches!(refused(text), DeviceError::Kind { .. }), "{text}");
        }
    }

    #[test]
    fn only_the_kernels_resource_manager_keeps_programs_apart() {
        let managed = |text| Device::parse(text).unwrap().is_managed();
        assert!(managed("device=/dev/tpmrm0") && managed("device=/dev/tpmrm1"));
        assert!(
            !managed("device=/dev/tpm0") && !managed("swtpm=/run/tpmrm0") && !managed("swtpm=127.0.0.1:1")
        );
    }
}
