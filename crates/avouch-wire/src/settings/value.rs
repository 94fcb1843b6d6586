//! One value of a settings file, and what it can be read as.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;
use std::borrow::Cow;

use ipnet::IpNet;
use toml::de::DeValue;

use super::nearest::nearest;
use super::problem::shown;
use super::{Fault, Rate, quantity};

/// One value: a string, a number, a switch, a list or a table.
#[derive(Clone, Copy, Debug)]
pub struct Value<'r>(pub(super) &'r DeValue<'r>);

impl<'r> Value<'r> {
    /// A string that is not empty.
    ///
    /// # Errors
    /// When the value is of another kind or empty.
    pub fn text(self) -> Result<&'r str, Fault> {
        match self.0.as_str() {
            Some("") => Err(Fault::new("is empty", "write a value or remove the key")),
            Some(text) => Ok(text),
            None => Err(self.fault("a string", "write it in quotes")),
        }
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// When the value is of another kind.
    pub fn switch(self) -> Result<bool, Fault> {
        self.0.as_bool().ok_or_else(|| self.fault("true or false", "write true or false, without quotes"))
    }

    /// A whole number within `range`.
    ///
    /// # Errors
    /// When the value is of another kind or out of range.
    pub fn number(self, range: RangeInclusive<u64>) -> Result<u64, Fault> {
        let digits = self.0.as_integer();
        let number = digits.and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let (low, high) = range.into_inner();
            self.fault(
                "a number in range",
                &format!("write a whole number from {low} to {high}, without quotes"),
            )
        })
    }

    /// A duration with its unit: `"5s"`, `"250ms"`, `"10min"`, `"1h"`, `"7d"`.
    ///
    /// # Errors
    /// When the value is no such string.
    pub fn duration(self) -> Result<Duration, Fault> {
        let fix =
            "write a whole number and a unit in quotes, for example \"5s\", \"250ms\", \"10min\", \"1h\"";
        self.convert("a duration", fix, quantity::duration)
    }

    /// A size in octets with its unit: `"512B"`, `"64KiB"`, `"1MiB"`, `"2GiB"`.
    ///
    /// # Errors
    /// When the value is no such string.
    pub fn size(self) -> Result<u64, Fault> {
        let fix = "write a whole number and a unit in quotes, for example \"512B\", \"64KiB\", \"1MiB\"";
        self.convert("a size", fix, quantity::size)
    }

    /// A rate: `"100/s"`, `"6000/min"`, `"10/h"`, `"50/d"`.
    ///
    /// # Errors
    /// When the value is no such string or the count is 0 or beyond [`Rate::MAX`].
    pub fn rate(self) -> Result<Rate, Fault> {
        let fix = "write a count from 1 to 1000000 and a span in quotes, for example \"100/s\", \"6000/min\", \"10/h\"";
        self.convert("a rate", fix, Rate::read)
    }

    /// A network: an address with a prefix length and no host bits, or an address alone.
    ///
    /// # Errors
    /// When the value is neither, or has host bits (the fix names the network that was meant).
    pub fn network(self) -> Result<IpNet, Fault> {
        let fix = "write a network such as \"192.0.2.0/24\" or \"2001:db8::/32\", or one address";
        let read = |text: &str| text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        let network = self.convert("a network", fix, read)?;
        if network.trunc() == network {
            return Ok(network);
        }
        Err(self.fault("a network, it has host bits", &format!("write \"{}\"", network.trunc())))
    }

    /// An IP address.
    ///
    /// # Errors
    /// When the value is no such string.
    pub fn address(self) -> Result<IpAddr, Fault> {
        self.convert("an IP address", "write an address such as \"192.0.2.1\" or \"2001:db8::1\"", |text| {
            text.parse().ok()
        })
    }

    /// An IP address with a port: `"127.0.0.1:8080"`, `"[::]:8443"`.
    ///
    /// # Errors
    /// When the value is no such string.
    pub fn socket(self) -> Result<SocketAddr, Fault> {
        let fix = "write an address with a port such as \"127.0.0.1:8080\" or \"[::]:8443\"";
        self.convert("an address with a port", fix, |text| text.parse().ok())
    }

    /// One of a few words, each standing for a value.
    ///
    /// # Errors
    /// When the value is none of them; the fix names the nearest or lists all.
    pub fn one_of<T: Copy>(self, words: &[(&'static str, T)]) -> Result<T, Fault> {
        let word = self.0.as_str();
        if let Some((_, value)) = words.iter().find(|(name, _)| word == Some(*name)) {
            return Ok(*value);
        }
        let names = || words.iter().map(|(name, _)| *name);
        let fix = match word.and_then(|word| nearest(word, names())) {
            Some(name) => format!("did you mean \"{name}\"?"),
            None => format!("write one of \"{}\"", names().collect::<Vec<_>>().join("\", \"")),
        };
        Err(self.fault("a word known here", &fix))
    }

    /// A string that `read` turns into something; `expected` ("a domain") and `fix` are for when
    /// it does not.
    ///
    /// # Errors
    /// When the value is not a string or `read` gives `None`.
    pub fn convert<T>(
        self,
        expected: &str,
        fix: &str,
        read: impl FnOnce(&'r str) -> Option<T>,
    ) -> Result<T, Fault> {
        self.0.as_str().and_then(read).ok_or_else(|| self.fault(expected, fix))
    }

    /// A fault of this value: that it is not what was expected.
    #[must_use]
    pub fn fault(self, expected: &str, fix: &str) -> Fault {
        Fault::new(format!("is not {expected}: {self}"), fix)
    }
}

/// The value as a message repeats it: scalars shortened, without what may be a password, lists and tables by kind.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            DeValue::String(text) => write!(f, "\"{}\"", shown(&without_credentials(text))),
            DeValue::Integer(digits) => f.write_str(&shown(digits.as_str())),
            DeValue::Float(digits) => f.write_str(&shown(digits.as_str())),
            DeValue::Boolean(switch) => write!(f, "{switch}"),
            DeValue::Datetime(_) => f.write_str("a date"),
            DeValue::Array(_) => f.write_str("a list"),
            DeValue::Table(_) => f.write_str("a table"),
        }
    }
}

/// A URL without what stands before its host, or in its query, which may be a password: a message may go to a log.
fn without_credentials(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("…@", rest));
    let (before, query) = rest.split_once('?').map_or((rest, ""), |(before, _)| (before, "?…"));
    format!("{scheme}://{user}{before}{query}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &'static str) -> Value<'static> {
        Value(Box::leak(Box::new(DeValue::parse(text).unwrap().into_inner())))
    }

    #[test]
    fn what_may_be_a_password_is_not_repeated() {
        for (text, shown) in [
            ("'redis://user:pass@host/0'", "\"redis://…@host/0\""),
            ("'https://:p@ss@host'", "\"https://…@host\""),
            ("'https://host/a'", "\"https://host/a\""),
            ("'https://user:p@host?a=b@c'", "\"https://…@c\""),
            ("'mysql://host/a?password=b'", "\"mysql://host/a?…\""),
            ("'someone@host'", "\"someone@host\""),
        ] {
            assert_eq!(value(text).to_string(), shown);
        }
    }

    #[test]
    fn each_kind_reads_its_own_and_refuses_its_near_miss() {
        assert_eq!(value("'x'").text(), Ok("x"));
        assert!(value("''").text().is_err());
        assert!(value("1").text().is_err());
        assert_eq!(value("true").switch(), Ok(true));
        assert!(value("'true'").switch().is_err());
        assert_eq!(value("0x10").number(1..=16), Ok(16));
        assert!(value("17").number(1..=16).is_err());
        assert!(value("-1").number(0..=16).is_err());
        assert_eq!(value("'[::]:8443'").socket(), Ok("[::]:8443".parse().unwrap()));
        assert!(value("'::'").socket().is_err());
        assert_eq!(value("'192.0.2.1'").network(), Ok("192.0.2.1/32".parse().unwrap()));
        assert_eq!(value("'192.0.2.1'").address(), Ok("192.0.2.1".parse().unwrap()));
        assert!(value("'192.0.2.0/24'").address().is_err());
    }

    #[test]
    fn host_bits_are_a_fault_whose_fix_is_the_network() {
        let fault = value("'192.0.2.7/24'").network().unwrap_err();
        assert_eq!(fault.fix, "write \"192.0.2.0/24\"");
        assert_eq!(value("'192.0.2.0/24'").network(), Ok("192.0.2.0/24".parse().unwrap()));
    }

    #[test]
    fn a_word_is_taken_or_its_neighbour_suggested() {
        let words = [("observe", 0), ("enforce", 1)];
        assert_eq!(value("'enforce'").one_of(&words), Ok(1));
        assert_eq!(value("'enforced'").one_of(&words).unwrap_err().fix, "did you mean \"enforce\"?");
        assert_eq!(
            value("7").one_of(&words).unwrap_err(),
            Fault::new("is not a word known here: 7", "write one of \"observe\", \"enforce\"")
        );
    }
}
