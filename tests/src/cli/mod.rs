//! The command line, as scripts that a reader could type: see [`script`] for how they are written.

mod live;
mod millions;
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

scripts![keys, dns, sign, verify, confirm, audit, refuse, fetch, policy, gateway, manual];

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

/// The examples of the manual are a script, too: its blocks of kind `console`.
#[test]
fn the_manual_shows_what_comes_of_its_examples() {
    let manual = include_str!("../../../docs/operate/commands.md");
    let mut runs = false;
    // Lines of text between the blocks become comments, so that lines keep their numbers.
    let script = manual.lines().map(|line| {
        let fence = line.starts_with("```");
        runs = if fence { line == "```console" } else { runs };
        if runs && !fence { format!("{line}\n") } else { "#\n".to_owned() }
    });
    script::Place::new().run("commands.md", &script.collect::<String>());
}
