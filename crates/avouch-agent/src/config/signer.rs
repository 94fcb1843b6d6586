//! `[signer]`: the signing service, at a Unix socket.

use std::path::{Path, PathBuf};

use avouch_wire::settings::Table;

/// Longest path of a Unix socket in octets: what Linux takes (unix(7)), without the final zero.
const MAX_PATH: usize = 107;

/// The signing service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The socket, an absolute path; its owner and group may connect.
    pub socket: PathBuf,
    /// User ids that may ask; without it everyone who may connect.
    pub users: Vec<u32>,
}

impl Signer {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let fix = "write an absolute path of at most 107 octets, such as \"/run/avouch-agent/sign.sock\"";
        let socket = table.required("socket", |value| {
            value.convert("the path of a Unix socket", fix, |text| {
                let fits = Path::new(text).is_absolute() && text.len() <= MAX_PATH && !text.contains('\0');
                fits.then(|| PathBuf::from(text))
            })
        });
        let users = table.some("users", |value| {
            value.number(0..=u64::from(u32::MAX)).map(|id| u32::try_from(id).unwrap_or(u32::MAX))
        });
        Some(Self { socket: socket?, users: users.unwrap_or_default() })
    }
}
