//! `[fetch]`: where range files of crawlers are kept that are fetched, and how.

use super::path;
use avouch_gather::networks::feeds::Feed;
use avouch_wire::authority::Scheme;
use avouch_wire::settings::{Fault, Table, Value};
use avouch_wire::target::Target;
use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

/// Operators change their ranges every few weeks; a day is what they ask for themselves.
const EVERY: Duration = Duration::from_hours(24);

/// More often is of no use, and a burden on who publishes.
const SHORTEST: Duration = Duration::from_hours(1);

/// Half of the age at which ranges say nothing any more, so that one failure does not bring it about.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// `[fetch]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The folder that keeps the last good file of each crawler.
    pub folder: PathBuf,
    /// How long after one fetch the next one is due.
    pub every: Duration,
    /// Roots that the operators' certificates lead to, in place of the system's.
    pub ca: Option<PathBuf>,
    /// Networks that are not public, and where files may stand all the same.
    pub allow_networks: Vec<IpNet>,
}

impl Fetch {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let folder = table.required("folder", path);
        let every = table.optional("every", every).unwrap_or(EVERY);
        let ca = table.optional("ca", path);
        let allow_networks = table.list("allow_networks", Value::network).unwrap_or_default();
        Some(Self { folder: folder?, every, ca, allow_networks })
    }

    pub(super) fn write(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        use super::print::{List, file};
        writeln!(f, "\n[fetch]\nfolder = {}", file(&self.folder))?;
        writeln!(f, "every = \"{}ms\"", self.every.as_millis())?;
        self.ca.iter().try_for_each(|ca| writeln!(f, "ca = {}", file(ca)))?;
        writeln!(f, "allow_networks = {}", List(&self.allow_networks))
    }
}

fn every(value: Value<'_>) -> Result<Duration, Fault> {
    let given = value.duration()?;
    let fits = (SHORTEST..=LONGEST).contains(&given);
    if fits { Ok(given) } else { Err(value.fault("between 1 h and 7 d", "write for example \"24h\"")) }
}

/// The feeds of a crawler: where the catalogue says that its operator publishes, or where `url` does. `None` if nothing
/// is to be fetched.
pub(super) fn feeds(table: &mut Table<'_>, crawler: Option<&str>, known: &[String]) -> Option<Vec<Feed>> {
    let fetch = table.optional("fetch", Value::switch).unwrap_or_default();
    let given = table.some("url", url);
    if !fetch {
        if given.is_some() {
            table.complain("url", Fault::new("is of no use by itself", "add `fetch = true`"));
        }
        return None;
    }
    if given.is_none() && !table.has("url") && known.is_empty() && crawler.is_some() {
        let fix = "add `url = \"https://…\"`: the catalogue does not know where its operator publishes";
        table.complain("fetch", Fault::new("names no file to fetch", fix));
    }
    let urls = given.unwrap_or_else(|| known.to_vec());
    let feed = |url| Some(Feed { crawler: crawler?.to_owned(), url });
    Some(urls.into_iter().filter_map(feed).collect())
}

fn url(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write a URL with https, for example \"https://acme.example/ranges.json\"";
    let is_https = |text: &&str| {
        let origin = Target::parse("GET", text).ok().and_then(|target| Some(target.origin()?.0));
        origin == Some(Scheme::Https)
    };
    value.convert("a URL", fix, |text| Some(text).filter(is_https).map(str::to_owned))
}
