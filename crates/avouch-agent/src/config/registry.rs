//! `[registry]`: a secret that is shared with a registration entity, in place of a published key.

use std::path::PathBuf;

use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Table};

/// Lines of requests at each site.
const LINES: usize = 8;

/// Most of them: each is an instance that every site remembers, of 4,096 of one domain.
const MAX_LINES: u64 = 256;

/// With whom the agent is registered, and how it counts its requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    /// The registration entity.
    pub entity: Domain<'static>,
    /// The file of the secret, which `avouch agent entity register` makes.
    pub secret: PathBuf,
    /// How many lines of requests go to a site, each counted by itself.
    pub lines: usize,
}

impl Registry {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let entity = table.required("entity", |value| {
            let fix = "write the host of the registration entity, such as \"re.example\"";
            value.convert("a host", fix, |text| Domain::parse(text).ok().map(Domain::into_owned))
        });
        let secret = table.required("secret", super::path);
        let lines = table.optional("lines", |value| value.number(1..=MAX_LINES));
        let lines = lines.map_or(LINES, |lines| usize::try_from(lines).unwrap_or(LINES));
        Some(Self { entity: entity?, secret: secret?, lines })
    }

    /// The table and the word of `mode` belong together.
    pub(super) fn check(root: &Table<'_>, is_meant: bool) {
        match (is_meant, root.has("registry")) {
            (true, false) => {
                let fix = "add `[registry]` with `entity = \"re.example\"` and `secret = \"agent.secret\"`";
                root.complain("[registry]", Fault::new("is missing: `mode = \"registry\"` needs it", fix));
            }
            (false, true) => {
                let fix = "set `mode = \"registry\"`, or remove the table";
                root.complain("[registry]", Fault::new("is not used in this mode", fix));
            }
            (true, true) | (false, false) => {}
        }
    }
}
