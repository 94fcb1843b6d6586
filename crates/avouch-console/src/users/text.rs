//! Users as the text of their file.

use core::fmt;

use avouch_wire::b64u;
use avouch_wire::content::ContentDigest;
use avouch_wire::key::PublicKey;
use avouch_wire::passkey::MAX_CREDENTIAL_ID;
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};
use avouch_wire::time::Time;

use super::{Invitation, MAX_INVITATIONS, MAX_PASSKEYS, Passkey, Role, UserName, Users};

/// The year 9999: what is later is a slip.
const LAST: u64 = 253_402_300_799;

const HEAD: &str = "# Who may sign in to avouch's console. Written by the gateway and by `avouch console`.\n";

impl Users {
    /// Reads the text of a file; `file` is the name problems carry.
    ///
    /// # Errors
    /// All problems at once, each with line and fix.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let reader = Reader::new(file, text);
        let mut root = reader.root();
        let passkeys: Vec<_> = root.tables("passkey").into_iter().filter_map(passkey).collect();
        let invitations: Vec<_> = root.tables("invitation").into_iter().filter_map(invitation).collect();
        if passkeys.len() > MAX_PASSKEYS || invitations.len() > MAX_INVITATIONS {
            root.complain(
                "passkey",
                Fault::new("or `invitation` stands too often", "remove those of no use"),
            );
        }
        let mut ids: Vec<_> = passkeys.iter().map(|passkey| &passkey.id).collect();
        ids.sort();
        if ids.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            root.complain("passkey", Fault::new("has an `id` that another has", "remove one of the two"));
        }
        root.finish();
        reader.into_result(Some(Self { passkeys, invitations }))
    }
}

impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        for Passkey { name, role, id, key, added } in &self.passkeys {
            let (id, key) = (b64u::encode(id), b64u::encode(key.octets()));
            writeln!(f, "\n[[passkey]]\nname = \"{name}\"\nrole = \"{}\"", role.as_str())?;
            writeln!(f, "id = \"{id}\"\nkey = \"{key}\"\nadded = {} # {added}", added.seconds())?;
        }
        for Invitation { name, role, digest, until } in &self.invitations {
            writeln!(f, "\n[[invitation]]\nname = \"{name}\"\nrole = \"{}\"", role.as_str())?;
            writeln!(f, "digest = \"{}\"\nuntil = {} # {until}", b64u::encode(&digest.0), until.seconds())?;
        }
        Ok(())
    }
}

fn passkey(mut table: Table<'_>) -> Option<Passkey> {
    let name = table.required("name", name);
    let role = table.required("role", role);
    let id = table.required("id", id);
    let key = table.required("key", |value| {
        value.convert("a public key", "enrol the passkey again", |text| PublicKey::from_b64u(text).ok())
    });
    let added = table.required("added", time);
    Some(Passkey { name: name?, role: role?, id: id?, key: key?, added: added? })
}

fn invitation(mut table: Table<'_>) -> Option<Invitation> {
    let name = table.required("name", name);
    let role = table.required("role", role);
    let digest = table.required("digest", |value| {
        let fix = "invite them again, with `avouch console invite`";
        value.convert("a SHA-256 digest", fix, |text| b64u::decode(text).ok().map(ContentDigest))
    });
    let until = table.required("until", time);
    Some(Invitation { name: name?, role: role?, digest: digest?, until: until? })
}

fn name(value: Value<'_>) -> Result<UserName, Fault> {
    let fix = "write 1 to 64 letters, digits, dots, hyphens, underscores or `@`";
    value.convert("the name of a user", fix, UserName::parse)
}

fn role(value: Value<'_>) -> Result<Role, Fault> {
    value.one_of(&Role::ALL)
}

fn id(value: Value<'_>) -> Result<Vec<u8>, Fault> {
    let fits = |id: &Vec<u8>| (1..=MAX_CREDENTIAL_ID).contains(&id.len());
    value.convert("the name of a passkey", "enrol the passkey again", |text| {
        b64u::decode_vec(text).ok().filter(fits)
    })
}

fn time(value: Value<'_>) -> Result<Time, Fault> {
    value.number(0..=LAST).map(Time::from_seconds)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{NOW, key, name};
    use super::*;

    fn users() -> Users {
        let digest = ContentDigest::of(b"a");
        Users {
            passkeys: vec![Passkey {
                name: name("ada"),
                role: Role::Operator,
                id: vec![1, 2],
                key: key(),
                added: NOW,
            }],
            invitations: vec![Invitation { name: name("eve"), role: Role::Viewer, digest, until: NOW }],
        }
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        for users in [users(), Users::default()] {
            assert_eq!(Users::parse("f", &users.to_string()).unwrap(), users);
        }
        assert_eq!(Users::parse("f", "").unwrap(), Users::default());
    }

    #[test]
    fn every_problem_is_told_with_its_line() {
        let good = users().to_string();
        for (from, to) in [
            ("\"operator\"", "\"root\""),
            ("\"ada\"", "\"a b\""),
            ("id = \"AQI\"", "id = \"AQI=\""),
            ("key = \"BGsX", "key = \"AGsX"),
            ("added =", "since ="),
            ("until = ", "until = -"),
            ("digest = \"", "digest = \"A"),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(
                Users::parse("f", &good.replace(from, to)).unwrap_err().to_string().contains("f:"),
                "{from}"
            );
        }
        let (_, passkey) = good.split_once("[[passkey]]").unwrap();
        let (passkey, _) = passkey.split_once("[[invitation]]").unwrap();
        let twice = format!("[[passkey]]{passkey}[[passkey]]{passkey}");
        assert!(Users::parse("f", &twice).unwrap_err().to_string().contains("that another has"));
    }
}
