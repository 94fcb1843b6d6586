//! The command line, as scripts that a reader could type: see [`script`] for how they are written.

mod live;
mod script;

use std::fs;
use std::path::Path;

/// Gives each script a test of its own.
macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {
        /// The scripts that are run, beside that of [`live`].
        const SCRIPTS: &[&str] = &[$(stringify!($name)),+];

        $(
            #[test]
            fn $name() {
                script::Place::new().run(concat!(stringify!($name), ".txt"), include_str!(concat!(stringify!($name), ".txt")));
            }
        )+
    };
}

scripts![keys, sign, verify, confirm, refuse, fetch, policy, gateway, manual];

#[test]
fn every_script_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> = names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    let mut listed = [SCRIPTS, &["live"]].concat();
    found.sort();
    listed.sort_unstable();
    assert_eq!(found, listed);
}
