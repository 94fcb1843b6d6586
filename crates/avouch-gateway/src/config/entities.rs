//! `[[registration_entity]]` and `[entities]`: whose word about agents counts, and the key that asks for it.

use super::path;
use super::print::{List, Quoted, file};
use avouch_engine::claim::EntityRules;
use avouch_keys::store::Locator;
use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Table, Value};
use ipnet::IpNet;
use std::path::{Path, PathBuf};

/// Most of them: each has a connection of its own, and is looked through for each claim.
const MOST: usize = 16;

/// Where HTTPS is answered.
const PORT: u16 = 443;

/// The registration entities of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entities {
    /// The key that signs questions to them.
    pub key: Locator,
    /// The file of its passphrase, if it has one.
    pub passphrase_file: Option<PathBuf>,
    /// At least one.
    pub all: Vec<RegistrationEntity>,
}

/// One table `[[registration_entity]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationEntity {
    /// Its name, in lower case.
    pub host: Domain<'static>,
    /// Where it answers by HTTPS.
    pub port: u16,
    /// How far ahead of the last a sequence number may lie.
    pub window: u64,
    /// Roots that its certificate leads to, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Networks that are not public, and where it may stand all the same.
    pub allow_networks: Vec<IpNet>,
}

impl RegistrationEntity {
    fn read(mut table: Table<'_>) -> Option<Self> {
        let host = table.required("host", host);
        let port =
            table.optional("port", |value| Ok(u16::try_from(value.number(1..=65_535)?).unwrap_or(PORT)));
        let window = table.optional("window", |value| value.number(1..=EntityRules::MAX_WINDOW));
        let ca = table.optional("ca", path);
        let allow_networks = table.list("allow_networks", Value::network).unwrap_or_default();
        let (port, window) = (port.unwrap_or(PORT), window.unwrap_or(EntityRules::WINDOW));
        Some(Self { host: host?, port, window, ca, allow_networks })
    }

    /// What a start takes of it, and a reload does not change.
    pub(crate) fn set_at_start(&self) -> (&Domain<'static>, u16, Option<&PathBuf>, &[IpNet]) {
        (&self.host, self.port, self.ca.as_ref(), &self.allow_networks)
    }
}

impl Entities {
    /// Makes relative paths relative to `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        self.key = self.key.clone().within(folder);
        let files =
            self.passphrase_file.iter_mut().chain(self.all.iter_mut().filter_map(|one| one.ca.as_mut()));
        files.for_each(|file| *file = folder.join(&file));
    }

    /// The files of the roots.
    pub(super) fn roots(&self) -> impl Iterator<Item = &PathBuf> {
        self.all.iter().filter_map(|one| one.ca.as_ref())
    }

    /// The files of the key and of its passphrase.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Path> {
        self.key.path().into_iter().chain(&self.passphrase_file).map(PathBuf::as_path)
    }
}

/// Reads the tables of a configuration, of a site that has no names or some.
pub(super) fn read(root: &mut Table<'_>, is_nameless: bool) -> Option<Entities> {
    let mut all: Vec<RegistrationEntity> = Vec::new();
    let tables = root.tables("registration_entity");
    let listed = !tables.is_empty();
    for table in tables {
        // A problem is told at the line of the table; it has been read by then.
        let Some(one) = RegistrationEntity::read(table) else { continue };
        all.push(one);
    }
    let twice =
        all.iter().enumerate().find(|(at, one)| all.iter().take(*at).any(|other| other.host == one.host));
    if let Some((_, one)) = twice {
        let what = format!("names {} twice", one.host);
        root.complain("registration_entity", Fault::new(what, "keep one of both tables"));
    }
    if all.len() > MOST {
        let what = format!("stands here more than {MOST} times");
        root.complain("registration_entity", Fault::new(what, "keep those that agents of your visitors use"));
    }
    if listed && is_nameless {
        let fix = "add the names clients use, for example `authorities = [\"www.shop.example\"]`: a registration entity makes keys for one site";
        root.complain("authorities", Fault::new("is needed to ask registration entities", fix));
    }
    let key = root.sub("entities").map(|mut table| {
        let key = table.required("key", locator);
        (key, table.optional("passphrase_file", path))
    });
    match key {
        None if listed => {
            let fix = "add `[entities]` with `key = \"file:verifier.key\"`, made by `avouch key new`: a registration entity gives keys to who proves to be the site";
            root.complain("[entities]", Fault::new("is needed to ask registration entities", fix));
            None
        }
        Some(_) if !listed => {
            let fix = "add `[[registration_entity]]` with its `host`, or remove it";
            root.complain("entities", Fault::new("is of no use by itself", fix));
            None
        }
        Some((key, passphrase_file)) => Some(Entities { key: key?, passphrase_file, all }),
        None => None,
    }
}

fn host(value: Value<'_>) -> Result<Domain<'static>, Fault> {
    let fix = "write it as records name it by `re=`, for example \"re.example\"";
    value.convert("the host of a registration entity", fix, |text| {
        Domain::parse(text).ok().map(Domain::into_owned)
    })
}

fn locator(value: Value<'_>) -> Result<Locator, Fault> {
    Locator::parse(value.text()?).map_err(|error| {
        Fault::new(error.to_string(), "write for example \"file:verifier.key\", made by `avouch key new`")
    })
}

/// As the tables of the file.
pub(super) fn write(entities: &Entities, f: &mut impl std::fmt::Write) -> std::fmt::Result {
    writeln!(f, "\n[entities]\nkey = {}", Quoted(&entities.key))?;
    entities.passphrase_file.iter().try_for_each(|path| writeln!(f, "passphrase_file = {}", file(path)))?;
    for one in &entities.all {
        writeln!(f, "\n[[registration_entity]]\nhost = {}", Quoted(&one.host))?;
        writeln!(f, "port = {}\nwindow = {}", one.port, one.window)?;
        one.ca.iter().try_for_each(|ca| writeln!(f, "ca = {}", file(ca)))?;
        writeln!(f, "allow_networks = {}", List(&one.allow_networks))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    const ENTITY: &str = "[[registration_entity]]\nhost = 're.example'\n";
    const KEY: &str = "[entities]\nkey = 'file:verifier.key'\n";

    fn read(tables: &str) -> Result<Config, String> {
        let text = format!(
            "listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\nauthorities = 'www.shop.example'\n{tables}\n"
        );
        Config::parse("f", &text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_host_and_a_key_are_enough_and_each_rule_refuses_its_near_miss() {
        let entities = read(&format!("{KEY}{ENTITY}")).unwrap().entities.unwrap();
        assert_eq!((entities.all[0].port, entities.all[0].window), (443, 5));
        for (line, is_good) in [
            ("window = 1", true),
            ("window = 10", true),
            ("window = 0", false),
            ("window = 11", false),
            ("port = 8443", true),
            ("port = 0", false),
            ("port = 65536", false),
            ("allow_networks = ['127.0.0.0/8']", true),
            ("allow_networks = ['127.0.0.1/8']", false),
            ("ca = 'roots.pem'", true),
            ("url = 'https://re.example'", false),
        ] {
            assert_eq!(read(&format!("{KEY}{ENTITY}{line}")).is_ok(), is_good, "{line}");
        }
        for host in ["example", "https://re.example", "re.example:443", "192.0.2.1", ""] {
            assert!(read(&format!("{KEY}[[registration_entity]]\nhost = '{host}'")).is_err(), "{host}");
        }
        for key in ["verifier.key", "file:", "hsm:a", ""] {
            assert!(read(&format!("[entities]\nkey = '{key}'\n{ENTITY}")).is_err(), "{key}");
        }
    }

    #[test]
    fn an_entity_needs_a_key_the_key_an_entity_and_both_the_names_of_the_site() {
        assert!(read(ENTITY).unwrap_err().contains("[entities]"));
        assert!(read(KEY).unwrap_err().contains("of no use by itself"));
        assert!(read(&format!("{KEY}{ENTITY}{ENTITY}")).unwrap_err().contains("twice"));
        let other = ENTITY.replace("re.", "re2.");
        assert_eq!(read(&format!("{KEY}{ENTITY}{other}")).unwrap().entities.unwrap().all.len(), 2);
        let many: String = (0..17).map(|at| ENTITY.replace("re.", &format!("re{at}."))).collect();
        assert!(read(&format!("{KEY}{many}")).unwrap_err().contains("more than 16"));
        let nameless = format!("listen = '[::]:1'\nupstream = 'http://a:1'\n{KEY}{ENTITY}");
        let told = Config::parse("f", &nameless).unwrap_err().to_string();
        assert!(told.contains("`authorities` is needed"), "{told}");
    }
}
