//! `[[http_signature]]`: keys of partners, registered with the site.

use super::path;
use super::print::{List, Quoted, file};
use avouch_engine::claim::Needed;
use avouch_wire::http_signature::Algorithm;
use avouch_wire::name::Identity;
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};
use avouch_wire::web_bot_auth::TAG;
use std::path::{Path, PathBuf};

/// Most characters of a keyid or a tag; every signature carries them.
const MAX_NAME: usize = 256;

/// One table `[[http_signature]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSignature {
    /// The name that signatures have for the key.
    pub keyid: String,
    /// The file of the key.
    pub key: PathBuf,
    /// Whose it is.
    pub identity: Identity,
    /// The algorithms that count; `None`: the key's own strong ones.
    pub algorithms: Option<Vec<Algorithm>>,
    /// The tag of its signatures; `None`: they have none.
    pub tag: Option<String>,
    /// What they have to cover; `None`: all that a request asks.
    pub require: Option<Vec<Needed>>,
}

impl HttpSignature {
    /// Whether the file holds a secret that both sides share.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.algorithms.as_deref() == Some(&[Algorithm::HmacSha256])
    }

    /// Reads a file with such tables and nothing else; relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// All problems at once, each with line and fix.
    pub fn parse_all(path: &Path, text: &str) -> Result<Vec<Self>, Problems> {
        let reader = Reader::new(&path.display().to_string(), text);
        let mut root = reader.root();
        let mut all = read(&mut root);
        if !root.has("http_signature") {
            root.complain("[[http_signature]]", Fault::new("is missing", "write a table for each key"));
        }
        root.finish();
        let folder = path.parent().unwrap_or(Path::new(""));
        all.iter_mut().for_each(|one| one.key = folder.join(&one.key));
        reader.into_result(Some(all))
    }

    fn read(table: &mut Table<'_>) -> Option<Self> {
        let keyid = table.required("keyid", name);
        let key = table.required("key", path);
        let identity = table.required("identity", identity);
        let algorithms = table.some("algorithms", algorithm);
        let tag = table.optional("tag", tag);
        let require = table.some("require", needed);
        let secret = algorithms.iter().flatten().any(|one| *one == Algorithm::HmacSha256);
        if secret && algorithms.iter().flatten().count() > 1 {
            let fix =
                "register the shared secret and the public key as two keys, each under a keyid of its own";
            table.complain("algorithms", Fault::new("names hmac-sha256 beside others", fix));
        }
        Some(Self { keyid: keyid?, key: key?, identity: identity?, algorithms, tag, require })
    }
}

/// Reads the tables of a configuration.
pub(super) fn read(root: &mut Table<'_>) -> Vec<HttpSignature> {
    let mut all: Vec<HttpSignature> = Vec::new();
    for mut table in root.tables("http_signature") {
        let Some(one) = HttpSignature::read(&mut table) else { continue };
        if all.iter().any(|other| other.keyid == one.keyid) {
            let fix = "give each key a keyid of its own; a new key gets a new one";
            table.complain("keyid", Fault::new("names a second key", fix));
        }
        all.push(one);
    }
    all
}

/// A string as signatures carry it.
fn name(value: Value<'_>) -> Result<String, Fault> {
    let fix =
        "write what the signatures say, 1 to 256 visible ASCII characters and spaces, without \" and \\";
    let is_plain =
        |text: &str| text.bytes().all(|octet| matches!(octet, b' '..=b'~') && !b"\"\\".contains(&octet));
    value.convert("a name that a signature can carry", fix, |text| {
        (1..=MAX_NAME).contains(&text.len()).then_some(text).filter(|text| is_plain(text)).map(str::to_owned)
    })
}

fn tag(value: Value<'_>) -> Result<String, Fault> {
    let tag = name(value)?;
    if tag == TAG {
        let fix = "leave it out, or have the partner sign with another tag";
        return Err(value.fault("a tag of your own: that one belongs to Web Bot Auth", fix));
    }
    Ok(tag)
}

fn identity(value: Value<'_>) -> Result<Identity, Fault> {
    let fix =
        "write the partner's registered domain, or one of its agents, as in \"billing@partner.example\"";
    value.convert("a domain or agent@domain", fix, |text| Identity::parse(text).ok())
}

fn algorithm(value: Value<'_>) -> Result<Algorithm, Fault> {
    value.one_of(&Algorithm::ALL.map(|own| (own.name(), own)))
}

fn needed(value: Value<'_>) -> Result<Needed, Fault> {
    let fix = "write for example \"@method\", \"@authority\", \"@path\", \"@query\", \"content-digest\", or a field in lower case";
    value.convert("a component that a request has", fix, Needed::parse)
}

/// As the tables of the file.
pub(super) fn write(all: &[HttpSignature], f: &mut impl std::fmt::Write) -> std::fmt::Result {
    for one in all {
        writeln!(f, "\n[[http_signature]]\nkeyid = {}\nkey = {}", Quoted(&one.keyid), file(&one.key))?;
        writeln!(f, "identity = \"{}\"", one.identity)?;
        one.algorithms.iter().try_for_each(|some| writeln!(f, "algorithms = {}", List(some)))?;
        one.tag.iter().try_for_each(|tag| writeln!(f, "tag = {}", Quoted(tag)))?;
        one.require.iter().try_for_each(|some| writeln!(f, "require = {}", List(some)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    const GOOD: &str = "keyid = 'one'\nkey = 'one.pem'\nidentity = 'bot@acme.example'\n";

    fn read(tables: &str) -> Result<Vec<HttpSignature>, String> {
        let text = format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n{tables}\n");
        Config::parse("f", &text)
            .map(|config| config.http_signatures)
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn three_keys_are_enough_and_each_rule_refuses_its_near_miss() {
        let one = |lines: &str| read(&format!("[[http_signature]]\n{GOOD}{lines}"));
        let plain = one("").unwrap();
        assert_eq!((plain.len(), plain[0].is_secret()), (1, false));
        assert!(one("algorithms = 'hmac-sha256'").unwrap()[0].is_secret());
        let full = one(
            "algorithms = ['rsa-pss-sha512', 'rsa-v1_5-sha256']\ntag = 'api'\nrequire = ['@method', 'x-date']",
        );
        assert_eq!(full.unwrap()[0].require.as_ref().unwrap().len(), 2);
        for (bad, place) in [
            ("algorithms = []", "f:7:"),
            ("algorithms = 'EdDSA'", "f:7:"),
            ("algorithms = ['ed25519', 'hmac-sha256']", "f:7:"),
            ("tag = 'web-bot-auth'", "f:7:"),
            ("tag = ''", "f:7:"),
            ("require = ['@status']", "f:7:"),
            ("require = ['Date']", "f:7:"),
            ("alg = 'ed25519'", "f:7:"),
        ] {
            let told = one(bad).unwrap_err();
            assert!(told.contains(place), "{bad}: {told}");
        }
        for left_out in ["keyid = 'one'\n", "key = 'one.pem'\n", "identity = 'bot@acme.example'\n"] {
            let lines = GOOD.replace(left_out, "");
            assert!(read(&format!("[[http_signature]]\n{lines}")).is_err(), "{left_out}");
        }
        for (good, bad) in
            [("'one'", "'o\"e'"), ("'one'", "'o\\e'"), ("'one'", "'\u{e9}'"), ("bot@acme.example", "com")]
        {
            let lines = GOOD.replacen(good, bad, 1);
            assert!(read(&format!("[[http_signature]]\n{lines}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_stands_for_one_key() {
        let two = |other: &str| {
            read(&format!("[[http_signature]]\n{GOOD}[[http_signature]]\n{}", GOOD.replace("one", other)))
        };
        assert_eq!(two("two").unwrap().len(), 2);
        let told = two("one").unwrap_err();
        assert!(told.contains("f:8:") && told.contains("a second key"), "{told}");
    }
}
