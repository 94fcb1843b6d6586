//! `[[privacy_pass]]`: whose Privacy Pass tokens count, and what for.

use super::path;
use avouch_engine::claim::Trust;
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::name::Domain;
use avouch_wire::privacy_pass::IssuerKey;
use avouch_wire::settings::{Fault, Table, Value};
use std::fmt::Write;
use std::path::PathBuf;

/// Issuers asked for at once: each makes a challenge of some 700 octets longer, and clients look at the first
/// few only.
const MAX_ISSUERS: usize = 4;

/// One `[[privacy_pass]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivacyPass {
    /// The issuer's name in challenges: host, and port where it is not 443.
    pub issuer: String,
    /// The key that signs its tokens, as the issuer publishes it.
    pub key: IssuerKey,
    /// The domain that vouches for clients.
    pub attester: Domain<'static>,
    /// The file with the delegation token by which the attester names the key.
    pub delegation: PathBuf,
    /// What the attester's word is worth.
    pub trust: Trust,
}

pub(super) fn read(root: &mut Table<'_>) -> Vec<PrivacyPass> {
    let tables = root.tables("privacy_pass");
    let count = tables.len();
    let mut issuers: Vec<PrivacyPass> = Vec::new();
    for table in tables {
        let line = table.line();
        let Some(issuer) = issuer(table) else { continue };
        if let Some(before) = issuers.iter().find(|before| before.key == issuer.key) {
            let what = format!("names the key of \"{}\" once more, in line {line}", before.issuer);
            root.complain(
                "privacy_pass",
                Fault::new(what, "keep one of the two: a key speaks for one attester"),
            );
        }
        issuers.push(issuer);
    }
    if count > MAX_ISSUERS {
        let what = format!("stands {count} times");
        root.complain("privacy_pass", Fault::new(what, format!("keep {MAX_ISSUERS} issuers at most")));
    }
    issuers
}

fn issuer(mut table: Table<'_>) -> Option<PrivacyPass> {
    let issuer = table.required("issuer", name);
    let key = table.required("key", key);
    let attester = table.required("attester", domain);
    let delegation = table.required("delegation", path);
    let trust = table.optional("trust", trust).unwrap_or_default();
    Some(PrivacyPass { issuer: issuer?, key: key?, attester: attester?, delegation: delegation?, trust })
}

fn name(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write the host that clients get tokens from, for example \"issuer.example\"";
    value.convert("the name of an issuer", fix, |text| {
        Authority::parse(text, Scheme::Https).ok().map(|name| name.as_str().to_owned())
    })
}

fn key(value: Value<'_>) -> Result<IssuerKey, Fault> {
    IssuerKey::from_text(value.text()?).map_err(|error| {
        let fix = "write the `token-key` of token type 2 that the issuer publishes at /.well-known/private-token-issuer-directory";
        Fault::new(error.to_string(), fix)
    })
}

fn domain(value: Value<'_>) -> Result<Domain<'static>, Fault> {
    let fix = "write the domain at whose _saip name the attester publishes its key, for example \"attester.example\"";
    value.convert("a domain", fix, |text| Domain::parse(text).ok().map(Domain::into_owned))
}

fn trust(value: Value<'_>) -> Result<Trust, Fault> {
    match value.number(0..=2)? {
        0 => Ok(Trust::Anonymous),
        2 => Ok(Trust::Partial),
        _ => Err(value.fault("a class that a token can give", "write 0 or 2")),
    }
}

/// As the tables of the file.
pub(super) fn write(issuers: &[PrivacyPass], f: &mut impl Write) -> std::fmt::Result {
    issuers.iter().try_for_each(|PrivacyPass { issuer, key, attester, delegation, trust }| {
        writeln!(f, "\n[[privacy_pass]]\nissuer = \"{issuer}\"\nkey = \"{}\"", key.text())?;
        writeln!(f, "attester = \"{}\"", attester.as_str())?;
        writeln!(f, "delegation = {}", super::print::file(delegation))?;
        let trust = match trust {
            Trust::Anonymous => 0,
            Trust::Partial => 2,
        };
        writeln!(f, "trust = {trust}")
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    /// The example key of RFC 9578.
    pub(crate) const KEY: &str = "MIIBUjA9BgkqhkiG9w0BAQowMKANMAsGCWCGSAFlAwQCAqEaMBgGCSqGSIb3DQEBCDALBglghkgBZQMEAgKiAwIBMAOCAQ8AMIIBCgKCAQEAyxrta2qV9bHOATpM_KsluUsuZKIwNOQlCn6rQ8DfOowSmTrxKxEZCNS0cb7DHUtsmtnN2pBhKi7pA1I-beWiJNawLwnlw3TQz-Adj1KcUAp4ovZ5CPpoK1orQwyB6vGvcte155T8mKMTknaHl1fORTtSbvm_bOuZl5uEI7kPRGGiKvN6qwz1cz91l6vkTTHHMttooYHGy75gfYwOUuBlX9mZbcWE7KC-h6-814ozfRex26noKLvYHikTFxROf_ifVWGXCbCWy7nqR0zq0mTCBz_kl0DAHwDhCRBgZpg9IeX4PwhuLoI8h5zUPO9wDSo1Kpur1hLQPK0C2xNLfiJaXwIDAQAB";

    fn config(lines: &str) -> Result<Config, avouch_wire::settings::Problems> {
        Config::parse(
            "f",
            &format!(
                "listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\nauthorities = 'a.example'\n{lines}"
            ),
        )
    }

    fn whole() -> String {
        format!(
            "[[privacy_pass]]\nissuer = 'issuer.example:8443'\nkey = '{KEY}'\nattester = 'attester.example'\n\
             delegation = 'a\"b.jwt'\ntrust = 2\n"
        )
    }

    #[test]
    fn an_issuer_is_printed_as_it_was_read() {
        let config = config(&whole()).unwrap();
        assert_eq!(config.privacy_pass[0].trust, Trust::Partial);
        assert_eq!(Config::parse("printed", &config.to_string()).unwrap(), config, "{config}");
    }

    #[test]
    fn without_trust_clients_stay_anonymous() {
        let config = config(&whole().replace("trust = 2\n", "")).unwrap();
        assert_eq!(config.privacy_pass[0].trust, Trust::Anonymous);
    }

    #[test]
    fn what_is_wrong_is_said_and_so_is_what_is_missing() {
        for (from, to, told) in [
            ("trust = 2", "trust = 1", "f:9:9"),
            ("trust = 2", "trust = 3", "f:9:9"),
            ("issuer.example:8443", "https://issuer.example", "f:5:10"),
            ("attester.example", "example", "f:7:12"),
            ("key = 'MIIB", "key = 'MIIC", "SubjectPublicKeyInfo"),
            ("delegation", "delegations", "delegation"),
        ] {
            let problems = config(&whole().replace(from, to)).unwrap_err().to_string();
            assert!(problems.contains(told), "{problems}");
        }
    }

    #[test]
    fn without_authorities_tokens_are_not_taken() {
        let lines = format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n{}", whole());
        let problems = Config::parse("f", &lines).unwrap_err().to_string();
        assert!(problems.contains("`authorities` is needed to take Privacy Pass tokens"), "{problems}");
    }

    #[test]
    fn a_key_stands_once_and_issuers_are_few() {
        let twice = config(&(whole() + &whole())).unwrap_err().to_string();
        assert!(twice.contains("once more"), "{twice}");
        let many = config(&whole().repeat(5)).unwrap_err().to_string();
        assert!(many.contains("stands 5 times"), "{many}");
    }
}
