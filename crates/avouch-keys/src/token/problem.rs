//! What can be wrong with a token, and how to mend it.

use core::fmt;

use avouch_wire::key::KeyType;

/// As much of what a module says as is passed on, in octets.
const MOST: usize = 56;

/// What a module or the system said, cut where it is long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Said {
    octets: [u8; MOST],
    length: u8,
}

impl From<&str> for Said {
    fn from(text: &str) -> Self {
        let mut said = Self { octets: [0; MOST], length: 0 };
        for c in text.chars().filter(|c| !c.is_control()) {
            let from = usize::from(said.length);
            let Some(room) = said.octets.get_mut(from..from.saturating_add(c.len_utf8())) else { break };
            c.encode_utf8(room);
            said.length = said.length.saturating_add(u8::try_from(c.len_utf8()).unwrap_or_default());
        }
        said
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = self.octets.get(..usize::from(self.length)).unwrap_or_default();
        f.write_str(std::str::from_utf8(said).unwrap_or_default())
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a token does not do what it is asked for. Each sentence has the token for its subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// This program was built without it.
    #[error("cannot be used: this avouch was built without the feature pkcs11")]
    NotBuilt,
    /// The module cannot be loaded.
    #[error("cannot be reached, for its module cannot be loaded ({0}): correct module-path")]
    Module(Said),
    /// No token of that name.
    #[error(
        "is not there: plug it in, or correct token (`pkcs11-tool --module FILE --list-slots` lists them)"
    )]
    NoToken,
    /// Several of that name.
    #[error("is there more than once: add serial=…")]
    SeveralTokens,
    /// The file of the PIN.
    #[error("is not opened: the PIN's file {0}")]
    PinFile(Said),
    /// The PIN is wrong.
    #[error("refuses the PIN: correct the file that pin-source names, before the token locks itself")]
    Pin,
    /// It was wrong too often.
    #[error("has locked its PIN: have the security officer set it anew")]
    PinLocked,
    /// No key of that label.
    #[error("holds no key of this label: make one with `avouch key new`, or correct object")]
    NoKey,
    /// Several.
    #[error("holds several keys of this label: give each a label of its own")]
    SeveralKeys,
    /// There is one already.
    #[error("holds something of this label already, and a key is never overwritten: choose another object")]
    Exists,
    /// A key that may leave it.
    #[error(
        "holds this key so that it may leave it (not sensitive, or extractable): make another with `avouch key new`"
    )]
    MayLeave,
    /// It is of another type.
    #[error("holds a key of this label that is neither P-256 nor Ed25519, or shows no public key to it")]
    OtherKey,
    /// It makes no such keys.
    #[error("makes no keys of type {}: choose another --type", .0.name())]
    Type(KeyType),
    /// A signature that does not hold.
    #[error("made a signature that does not hold: its public key is another's, or somebody interferes")]
    BadSignature,
    /// Whatever else the module says.
    #[error("fails: {0}")]
    Failed(Said),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_module_says_is_passed_on_up_to_a_length_and_writes_to_no_terminal() {
        assert_eq!(Said::from("a\u{1b}[2Jé").to_string(), "a[2Jé");
        assert_eq!(Said::from("é".repeat(60).as_str()).to_string(), "é".repeat(28));
        assert_eq!(Said::from("").to_string(), "");
    }
}
