//! Which key of which token, as an RFC 7512 URI names it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A key in a token of a PKCS#11 module: `pkcs11:token=NAME;object=LABEL?module-path=FILE&pin-source=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPlace {
    pub(super) token: String,
    pub(super) serial: Option<String>,
    pub(super) object: String,
    pub(super) module: PathBuf,
    pub(super) pin: PathBuf,
}

/// Why a text names no key in a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// An attribute that is not read.
    #[error(
        "`{0}` is not read: write pkcs11:token=NAME;object=LABEL?module-path=/FILE.so&pin-source=/FILE, with serial=… where \
         tokens have one name"
    )]
    Unknown(String),
    /// One that is needed.
    #[error("wants {0}: write pkcs11:token=NAME;object=LABEL?module-path=/FILE.so&pin-source=/FILE")]
    Missing(&'static str),
    /// One that stands twice.
    #[error("names {0} twice")]
    Twice(String),
    /// `%` and something else than two hexadecimal digits, or no UTF-8.
    #[error("{0} is wrongly encoded: write %25 for a percent sign")]
    Encoding(String),
    /// The PIN itself.
    #[error(
        "shows the PIN to whoever lists processes: write it into a file of mode 0600, and name that by pin-source"
    )]
    PinValue,
    /// A module that would be looked for.
    #[error(
        "names the module without its folder: write the whole path, such as /usr/lib/softhsm/libsofthsm2.so"
    )]
    Relative,
}

impl TokenPlace {
    /// Reads what stands behind `pkcs11:`.
    ///
    /// # Errors
    /// [`PlaceError`].
    pub fn parse(text: &str) -> Result<Self, PlaceError> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let [mut token, mut serial, mut object, mut module, mut pin] = [const { None }; 5];
        let attributes =
            path.split(';').map(|one| (one, true)).chain(query.split('&').map(|one| (one, false)));
        for (attribute, is_path) in attributes.filter(|(attribute, _)| !attribute.is_empty()) {
            let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let slot = match (name, is_path) {
                ("token", true) => &mut token,
                ("serial", true) => &mut serial,
                ("object", true) => &mut object,
                ("module-path", false) => &mut module,
                ("pin-source", false) => &mut pin,
                ("pin-value", false) => return Err(PlaceError::PinValue),
                _ => return Err(PlaceError::Unknown(name.to_owned())),
            };
            let value = decoded(value).ok_or_else(|| PlaceError::Encoding(name.to_owned()))?;
            if slot.replace(value).is_some() {
                return Err(PlaceError::Twice(name.to_owned()));
            }
        }
        let given = |value: Option<String>, name| {
            value.filter(|value| !value.is_empty()).ok_or(PlaceError::Missing(name))
        };
        let module = PathBuf::from(given(module, "module-path")?);
        let pin = given(pin, "pin-source")?;
        if !module.is_absolute() {
            return Err(PlaceError::Relative);
        }
        Ok(Self {
            token: given(token, "token")?,
            serial: serial.filter(|serial| !serial.is_empty()),
            object: given(object, "object")?,
            module,
            pin: pin.strip_prefix("file:").unwrap_or(&pin).into(),
        })
    }

    /// Token and key, without where module and PIN are.
    #[must_use]
    pub fn name(&self) -> String {
        let shown = self.to_string();
        shown.split('?').next().unwrap_or_default().to_owned()
    }

    /// The same, with a relative path of the PIN's file read from this folder.
    #[must_use]
    pub fn within(self, folder: &Path) -> Self {
        Self { pin: folder.join(self.pin), ..self }
    }
}

/// As it is read.
impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkcs11:token={}", encoded(&self.token))?;
        self.serial.iter().try_for_each(|serial| write!(f, ";serial={}", encoded(serial)))?;
        write!(f, ";object={}", encoded(&self.object))?;
        let [module, pin] = [&self.module, &self.pin].map(|path| encoded(&path.to_string_lossy()));
        write!(f, "?module-path={module}&pin-source={pin}")
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (rest, octets) = match (first, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digits = [*high, *low];
                octets.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
                (after, octets)
            }
            (b'%', _) => return None,
            _ => {
                octets.push(*first);
                (after, octets)
            }
        };
    }
    String::from_utf8(octets).ok()
}

fn encoded(text: &str) -> String {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~/:,@+!$'()*".contains(octet);
    text.bytes()
        .map(|octet| if plain(&octet) { char::from(octet).to_string() } else { format!("%{octet:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "token=My%20token;object=crawler-7?module-path=/usr/lib/m.so&pin-source=file:pin";

    #[test]
    fn a_key_is_named_by_its_token_and_label_and_shown_alike() {
        let place = TokenPlace::parse(GOOD).unwrap();
        assert_eq!((place.token.as_str(), place.object.as_str()), ("My token", "crawler-7"));
        assert_eq!(
            (place.module.as_path(), place.pin.as_path()),
            (Path::new("/usr/lib/m.so"), Path::new("pin"))
        );
        assert_eq!(place.clone().within(Path::new("/etc")).pin, Path::new("/etc/pin"));
        let odd = TokenPlace { token: "a;b?c&d=é%".into(), serial: Some("1".into()), ..place };
        let shown = odd.to_string();
        assert_eq!(TokenPlace::parse(shown.strip_prefix("pkcs11:").unwrap()), Ok(odd));
    }

    #[test]
    fn everything_near_is_refused_with_what_to_write() {
        for (from, to, error) in [
            ("token=My%20token;", "", PlaceError::Missing("token")),
            ("My%20token", "", PlaceError::Missing("token")),
            ("object=crawler-7", "", PlaceError::Missing("object")),
            ("module-path=/usr/lib/m.so&", "", PlaceError::Missing("module-path")),
            ("&pin-source=file:pin", "", PlaceError::Missing("pin-source")),
            ("pin-source=file:pin", "pin-value=1234", PlaceError::PinValue),
            ("/usr/lib/m.so", "m.so", PlaceError::Relative),
            ("object=", "id=%01;object=", PlaceError::Unknown("id".into())),
            ("object=", "object=a;object=", PlaceError::Twice("object".into())),
            ("My%20token", "My%2", PlaceError::Encoding("token".into())),
            ("My%20token", "My%ff", PlaceError::Encoding("token".into())),
            ("token=My%20token;", "token=t;pin-source=p;", PlaceError::Unknown("pin-source".into())),
        ] {
            assert_eq!(TokenPlace::parse(&GOOD.replace(from, to)), Err(error), "{to}");
        }
    }
}
