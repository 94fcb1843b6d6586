//! `[acme]`: an authority that is asked for the site's certificate.

use std::net::SocketAddr;
use std::path::PathBuf;

use avouch_acme::{LETS_ENCRYPT, MAX_NAMES, Method, Settings};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Table, Value};
use avouch_wire::target::Target;

use super::{path, reports};

const METHODS: [(&str, Method); 2] = [("tls-alpn-01", Method::TlsAlpn01), ("http-01", Method::Http01)];

/// `[acme]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Whom to ask for what.
    pub settings: Settings,
    /// Where challenges over HTTP are answered.
    pub http: Option<SocketAddr>,
    /// Roots that the authority's own certificate leads to, in place of the system's.
    pub ca: Option<PathBuf>,
}

impl Acme {
    /// The names are those of the site, unless others are given.
    pub(super) fn read(mut table: Table<'_>, authorities: &[Authority<'_>]) -> Option<Self> {
        let directory = table.optional("directory", directory).unwrap_or_else(|| LETS_ENCRYPT.to_owned());
        let contact = table.list("contact", reports::contact).unwrap_or_default();
        let contact = contact.iter().map(ToString::to_string).collect();
        table.required("terms_agreed", agreed);
        let names = names(&mut table, authorities);
        let folder = table.required("folder", path);
        let method = table.optional("challenge", |value| value.one_of(&METHODS)).unwrap_or_default();
        let http = table.optional("http", Value::socket);
        match (method, table.has("http")) {
            (Method::Http01, false) => {
                let fix = "add `http = \"[::]:80\"`: the authority asks at port 80 of each name";
                table.complain("http", Fault::new("is needed for http-01", fix));
            }
            (Method::TlsAlpn01, true) => {
                let fix = "leave it out, or add `challenge = \"http-01\"`";
                table.complain("http", Fault::new("is of no use for tls-alpn-01", fix));
            }
            _ => {}
        }
        let ca = table.optional("ca", path);
        let settings = Settings { directory, contact, names: names?, method, folder: folder? };
        Some(Self { settings, http, ca })
    }

    pub(super) fn write(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        use super::print::{List, Quoted, file};
        let Settings { directory, contact, names, method, folder } = &self.settings;
        writeln!(f, "\n[acme]\ndirectory = {}\ncontact = {}", Quoted(directory), List(contact))?;
        writeln!(f, "terms_agreed = true\ndomains = {}\nfolder = {}", List(names), file(folder))?;
        let word = METHODS.iter().find(|(_, known)| known == method).map_or("", |(word, _)| word);
        writeln!(f, "challenge = \"{word}\"")?;
        self.http.iter().try_for_each(|http| writeln!(f, "http = \"{http}\""))?;
        self.ca.iter().try_for_each(|ca| writeln!(f, "ca = {}", file(ca)))
    }
}

fn directory(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write the https URL of the authority's directory";
    let is_https = |text: &&str| {
        let origin = Target::parse("GET", text).ok().and_then(|target| Some(target.origin()?.0));
        origin == Some(Scheme::Https)
    };
    value.convert("a URL", fix, |text| Some(text).filter(is_https).map(str::to_owned))
}

fn agreed(value: Value<'_>) -> Result<(), Fault> {
    let fix = "read the authority's terms of service, and write `terms_agreed = true` if you agree; it issues nothing to others";
    if value.switch()? { Ok(()) } else { Err(value.fault("true", fix)) }
}

/// What a certificate can be asked for: names of hosts, without a star.
fn name(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write a host name, for example \"www.shop.example\"; one with a star cannot be had by these challenges";
    value.convert("a host name", fix, |text| is_name(text).then(|| text.to_ascii_lowercase()))
}

fn is_name(text: &str) -> bool {
    text.contains('.') && Domain::host(text).is_ok() && text.parse::<std::net::IpAddr>().is_err()
}

fn names(table: &mut Table<'_>, authorities: &[Authority<'_>]) -> Option<Vec<String>> {
    let given = table.list("domains", name);
    let is_given = table.has("domains");
    let mut names = given.unwrap_or_else(|| {
        authorities.iter().map(|authority| authority.host().to_owned()).filter(|host| is_name(host)).collect()
    });
    names.sort_unstable();
    names.dedup();
    if names.is_empty() || names.len() > MAX_NAMES {
        let what = if is_given {
            "names none, or more than 100"
        } else {
            "is needed: `authorities` holds no name of a host, or more than 100"
        };
        table.complain("domains", Fault::new(what, "write for example `domains = [\"www.shop.example\"]`"));
        return None;
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const LEAST: &str = "listen = '[::]:443'\nupstream = 'http://127.0.0.1:8080'\n\
        authorities = ['www.shop.example', 'shop.example:8443', '192.0.2.1']\n";

    fn parse(lines: &str) -> Result<Config, String> {
        Config::parse("f", &format!("{LEAST}{lines}")).map_err(|problems| problems.to_string())
    }

    #[test]
    fn two_keys_are_enough_and_the_names_are_the_sites() {
        let config = parse("[acme]\nterms_agreed = true\nfolder = '/var/lib/avouch/acme'").unwrap();
        let acme = config.acme.as_ref().unwrap();
        assert_eq!(acme.settings.names, ["shop.example", "www.shop.example"]);
        assert!(acme.settings.directory.contains("letsencrypt"));
        let tls = config.tls.as_ref().unwrap();
        assert!(tls.cert == tls.key && tls.cert.starts_with("/var/lib/avouch/acme"));
        assert!(config.files().next().is_none(), "a renewal is no change of the configuration");
    }

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let lines = "[acme]\nterms_agreed = true\nfolder = 'acme'\ncontact = ['a@shop.example', 'b@shop.example']\n\
            directory = 'https://127.0.0.1:14000/dir'\ndomains = ['A.shop.example']\nchallenge = 'http-01'\n\
            http = '[::]:80'\nca = 'ca.pem'\n[tls]\nclient_ca = 'clients.pem'\n";
        let page = include_str!("../../../../docs/formats/configuration.md");
        for lines in [lines, "[acme]\nterms_agreed = true\nfolder = 'acme'"] {
            let config = parse(lines).unwrap();
            let printed = config.to_string();
            assert_eq!(Config::parse("printed", &printed).unwrap(), config, "{printed}");
            let (_, table) = printed.split_once("[acme]\n").unwrap();
            for (key, _) in table.lines().map_while(|line| line.split_once(" = ")) {
                assert!(page.contains(&format!("| `{key}` |")), "{key}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_so_is_what_is_missing() {
        let table = "[acme]\nfolder = 'a'\n";
        for (lines, said) in [
            (table.to_owned(), "`acme.terms_agreed` is missing"),
            (format!("{table}terms_agreed = false"), "terms of service"),
            ("[acme]\nterms_agreed = true".to_owned(), "`acme.folder` is missing"),
            (format!("{table}terms_agreed = true\nchallenge = 'dns-01'"), "tls-alpn-01"),
            (format!("{table}terms_agreed = true\nchallenge = 'http-01'"), "is needed for http-01"),
            (format!("{table}terms_agreed = true\nhttp = '[::]:80'"), "is of no use for tls-alpn-01"),
            (format!("{table}terms_agreed = true\ndomains = ['*.shop.example']"), "a host name"),
            (format!("{table}terms_agreed = true\ndomains = []"), "names none"),
            (format!("{table}terms_agreed = true\ndirectory = 'http://a.example/'"), "https"),
            (format!("{table}terms_agreed = true\n[tls]\ncert = 'a'\nkey = 'b'"), "`[acme]`"),
        ] {
            let problems = parse(&lines).unwrap_err();
            assert!(problems.contains(said), "{lines}: {problems}");
        }
        let nobody =
            "listen = '[::]:443'\nupstream = 'http://a.example'\n[acme]\nterms_agreed = true\nfolder = 'a'";
        let problems = Config::parse("f", nobody).unwrap_err().to_string();
        assert!(problems.contains("`acme.domains` is needed"), "{problems}");
    }
}
