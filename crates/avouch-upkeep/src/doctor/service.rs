//! How the gateway is started, and what it may use then.

use avouch_gateway::config::Config;
use rustix::process::{Resource, geteuid, getrlimit};

use super::units::{self, Units};
use super::{About, Finding};

const UNIT: &str = "avouch.service";

/// Files beside those of connections: listeners, log, replay table, resolvers, the store, with room.
const ASIDE: u64 = 256;

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let unit = Units::of_system().text(UNIT);
    let mut found = vec![installed(unit.as_deref(), units::is_booted())];
    if geteuid().is_root() {
        let said =
            "whether the gateway may read and write what it needs: root, who asks, may read everything";
        let fix = "run this as the user of the service: `runuser -u avouch -- avouch doctor`";
        found.push(Finding::unknown(About::Service, said, fix));
    }
    let own = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    found.push(open_files(config.limits.connections, unit.as_deref(), own));
    found
}

fn installed(unit: Option<&str>, booted: bool) -> Finding {
    match unit {
        Some(_) => Finding::fine(About::Service, format!("{UNIT} is installed")),
        None if booted => {
            let fix = "install the package, or the units in packaging/systemd";
            Finding::wrong(About::Service, format!("{UNIT} is not installed: who starts the gateway?"), fix)
        }
        None => Finding::fine(About::Service, "systemd does not run this machine"),
    }
}

/// Each connection of a client can have one to an upstream.
fn open_files(connections: usize, unit: Option<&str>, own: u64) -> Finding {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(ASIDE);
    let set = unit.and_then(|unit| units::setting(unit, "LimitNOFILE"));
    // The first of two is the one that counts.
    let soft = set.map(|set| set.split(':').next().unwrap_or(set));
    let (allowed, by) = match soft {
        Some("infinity") => (u64::MAX, UNIT),
        Some(number) => match number.parse() {
            Ok(number) => (number, UNIT),
            Err(_) => {
                let said = format!("how many files may be open: {UNIT} says LimitNOFILE={number}");
                return Finding::unknown(About::Limits, said, "write a number there");
            }
        },
        None => (own, "the shell that asks"),
    };
    if allowed < needed {
        let said = format!("{by} allows {allowed} open files, and {connections} connections need {needed}");
        let fix = format!("set LimitNOFILE={needed} in {UNIT}, or lower `[limits] connections`");
        return Finding::wrong(About::Limits, said, fix);
    }
    Finding::fine(About::Limits, format!("{by} allows as many open files as {connections} connections need"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    #[test]
    fn open_files_suffice_for_two_of_each_connection_and_some() {
        let standing = |set: &str| open_files(10_000, Some(&format!("LimitNOFILE={set}")), 0).standing;
        assert_eq!(standing("20256"), Standing::Fine);
        assert_eq!(standing("20255"), Standing::Wrong);
        assert_eq!(standing("20256:99999"), Standing::Fine);
        assert_eq!(standing("1024:99999"), Standing::Wrong);
        assert_eq!(standing("infinity"), Standing::Fine);
        assert_eq!(standing("many"), Standing::Unknown);
        assert_eq!(open_files(10_000, None, 1024).standing, Standing::Wrong);
        assert_eq!(open_files(10_000, None, 65_536).standing, Standing::Fine);
    }

    #[test]
    fn where_systemd_runs_the_machine_a_unit_is_missed() {
        assert_eq!(installed(None, true).standing, Standing::Wrong);
        assert_eq!(installed(None, false).standing, Standing::Fine);
        assert_eq!(installed(Some(""), true).standing, Standing::Fine);
    }
}
