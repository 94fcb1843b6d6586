//! Users and groups by name: numbers differ between machines (passwd(5), group(5)).

use std::fs;
use std::path::Path;

/// Where they are listed.
const USERS: &str = "/etc/passwd";
const GROUPS: &str = "/etc/group";

/// The name of a user; its number, where it has none.
pub(super) fn user_name(number: u32) -> String {
    name(Path::new(USERS), number)
}

/// The name of a group; its number, where it has none.
pub(super) fn group_name(number: u32) -> String {
    name(Path::new(GROUPS), number)
}

/// The number of a user, by a name or a number.
pub(super) fn user_number(name: &str) -> Option<u32> {
    number(Path::new(USERS), name)
}

/// The number of a group, by a name or a number.
pub(super) fn group_number(name: &str) -> Option<u32> {
    number(Path::new(GROUPS), name)
}

fn name(list: &Path, number: u32) -> String {
    let found = entries(list).into_iter().find(|(_, found)| *found == number);
    found.map_or_else(|| number.to_string(), |(name, _)| name)
}

fn number(list: &Path, name: &str) -> Option<u32> {
    let found = entries(list).into_iter().find(|(found, _)| found == name);
    found.map(|(_, number)| number).or_else(|| name.parse().ok())
}

/// Name and number are the first and third field of both.
fn entries(list: &Path) -> Vec<(String, u32)> {
    let text = fs::read_to_string(list).unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    text.lines().filter_map(entry).collect()
}
