//! `[reports]`: whether claims are counted for those whose domain is claimed, and how they are told.

use std::path::PathBuf;
use std::time::Duration;

use avouch_reports::Relay;
use avouch_wire::report::{Mailbox, Organization};
use avouch_wire::settings::{Fault, Table, Value};
use ipnet::IpNet;

/// The shortest period: owners of domains want a picture, not a stream.
const SHORTEST: Duration = Duration::from_secs(60 * 60);

/// The longest period: what happened before that mends nothing.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// `[reports]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports {
    /// Who reports.
    pub organization: Organization,
    /// Where they can be asked; mail is sent from here.
    pub contact: Mailbox,
    /// Where counts and reports wait.
    pub folder: PathBuf,
    /// The relay that mail goes to; without one, none is sent.
    pub smtp: Option<Relay>,
    /// How long a period is.
    pub every: Duration,
    /// Roots that receivers' certificates lead to, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Networks that are not public, and where receivers may stand all the same.
    pub allow_networks: Vec<IpNet>,
}

fn organization(value: Value<'_>) -> Result<Organization, Fault> {
    let fix = "write your name as owners of domains know it, for example \"Shop AG\"";
    value.convert("a name", fix, |text| Organization::parse(text).ok())
}

pub(super) fn contact(value: Value<'_>) -> Result<Mailbox, Fault> {
    value.convert("a mailbox", "write for example \"reports@shop.example\"", |text| Mailbox::parse(text).ok())
}

fn relay(value: Value<'_>) -> Result<Relay, Fault> {
    let fix = "write \"smtp://127.0.0.1:25\", or smtps:// for TLS";
    value.convert("a mail relay", fix, |text| text.parse().ok())
}

fn every(value: Value<'_>) -> Result<Duration, Fault> {
    let given = value.duration()?;
    let fits = (SHORTEST..=LONGEST).contains(&given) && given.subsec_nanos() == 0;
    if fits {
        Ok(given)
    } else {
        Err(value.fault("between 1 h and 7 days, in whole seconds", "write for example \"1d\""))
    }
}

impl Reports {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let organization = table.required("organization", organization);
        let contact = table.required("contact", contact);
        let folder = table.required("folder", super::path);
        let smtp = table.optional("smtp", relay);
        let every = table.optional("every", every).unwrap_or(DAY);
        let ca = table.optional("ca", super::path);
        let allow_networks = table.list("allow_networks", Value::network).unwrap_or_default();
        Some(Self {
            organization: organization?,
            contact: contact?,
            folder: folder?,
            smtp,
            every,
            ca,
            allow_networks,
        })
    }

    pub(super) fn write(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        use super::print::{List, Quoted, file};
        writeln!(f, "\n[reports]\norganization = {}", Quoted(&self.organization))?;
        writeln!(f, "contact = {}\nfolder = {}", Quoted(&self.contact), file(&self.folder))?;
        self.smtp.iter().try_for_each(|relay| writeln!(f, "smtp = \"{relay}\""))?;
        writeln!(f, "every = \"{}s\"", self.every.as_secs())?;
        self.ca.iter().try_for_each(|ca| writeln!(f, "ca = {}", file(ca)))?;
        writeln!(f, "allow_networks = {}", List(&self.allow_networks))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn problems(reports: &str) -> usize {
        let text = format!("listen = '[::]:1'\nupstream = 'http://a:1'\n[reports]\n{reports}");
        Config::parse("f", &text).err().map_or(0, |problems| problems.list.len())
    }

    #[test]
    fn who_reports_says_who_they_are_and_where_reports_wait() {
        let least = "organization = 'Shop AG'\ncontact = 'a@shop.example'\nfolder = 'reports'\n";
        assert_eq!(problems(least), 0);
        assert_eq!(problems(""), 3);
        for (line, count) in [
            ("every = '1h'", 0),
            ("every = '7d'", 0),
            ("every = '59m'", 1),
            ("every = '8d'", 1),
            ("every = '3600001ms'", 1),
            ("smtp = 'smtp://127.0.0.1'", 0),
            ("smtp = '127.0.0.1:25'", 1),
            ("allow_networks = '10.0.0.0/8'", 0),
            ("to = 'x'", 1),
        ] {
            assert_eq!(problems(&format!("{least}{line}")), count, "{line}");
        }
    }
}
