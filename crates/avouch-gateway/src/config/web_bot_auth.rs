//! `[web_bot_auth]`: whether and how signatures of bots are read, and their keys found.

use super::path;
use avouch_wire::http_signature::{Algorithm, Algorithms, TimeRules};
use avouch_wire::settings::{Fault, Table, Value};
use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

/// `[web_bot_auth]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebBotAuth {
    /// Whether the signatures are read at all.
    pub enabled: bool,
    /// Roots that directories' certificates lead to, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Networks that are not public, and where directories may stand all the same.
    pub allow_networks: Vec<IpNet>,
    /// Whether only keys count that signed the directory they stand in.
    pub require_signed_directories: bool,
    /// The longest a signature may last.
    pub max_lifetime: Duration,
    /// The algorithms that count.
    pub algorithms: Vec<Algorithm>,
}

impl Default for WebBotAuth {
    fn default() -> Self {
        Self {
            enabled: true,
            ca: None,
            allow_networks: Vec::new(),
            require_signed_directories: false,
            max_lifetime: Duration::from_secs(TimeRules::DEFAULT.max_lifetime),
            algorithms: of_directories().filter(|own| Algorithms::DEFAULT.contain(*own)).collect(),
        }
    }
}

/// Those that keys of a directory can have: a secret that two share stands in none.
fn of_directories() -> impl Iterator<Item = Algorithm> {
    Algorithm::ALL.into_iter().filter(|own| *own != Algorithm::HmacSha256)
}

fn algorithm(value: Value<'_>) -> Result<Algorithm, Fault> {
    value.one_of(&of_directories().map(|own| (own.name(), own)).collect::<Vec<_>>())
}

/// At most a day: nonces are not kept for longer.
fn lifetime(value: Value<'_>) -> Result<Duration, Fault> {
    let most = WebBotAuth::default().max_lifetime;
    let given = value.duration()?;
    let fits = (Duration::from_secs(1)..=most).contains(&given);
    if fits { Ok(given) } else { Err(value.fault("between 1 s and 24 h", "write for example \"1h\"")) }
}

impl WebBotAuth {
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let plain = Self::default();
        Self {
            enabled: table.optional("enabled", Value::switch).unwrap_or(plain.enabled),
            ca: table.optional("ca", path),
            allow_networks: table.list("allow_networks", Value::network).unwrap_or_default(),
            require_signed_directories: table
                .optional("require_signed_directories", Value::switch)
                .unwrap_or(plain.require_signed_directories),
            max_lifetime: table.optional("max_lifetime", lifetime).unwrap_or(plain.max_lifetime),
            algorithms: table.some("algorithms", algorithm).unwrap_or(plain.algorithms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(lines: &str) -> Result<WebBotAuth, String> {
        let text =
            format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n[web_bot_auth]\n{lines}\n");
        Config::parse("f", &text).map(|config| config.web_bot_auth).map_err(|problems| problems.to_string())
    }

    #[test]
    fn rsa_with_the_old_padding_counts_where_it_is_asked_for_and_shared_secrets_nowhere() {
        let plain = read("").unwrap();
        assert_eq!(Algorithms::of(&plain.algorithms), Algorithms::DEFAULT);
        let asked = read("algorithms = ['ed25519', 'rsa-v1_5-sha256']").unwrap();
        assert_eq!(asked.algorithms, [Algorithm::Ed25519, Algorithm::RsaV15Sha256]);
        assert_eq!(read("algorithms = 'ed25519'").unwrap().algorithms, [Algorithm::Ed25519]);
        for refused in ["[]", "'hmac-sha256'", "'EdDSA'", "['ed25519', 1]"] {
            assert!(read(&format!("algorithms = {refused}")).is_err(), "{refused}");
        }
    }
}
