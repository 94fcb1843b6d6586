//! The command line, as scripts that a reader could type: see [`script`] for how they are written.

mod live;
mod millions;
mod owner;
mod pkcs11;
mod registrar;
mod script;
mod tpm;

use std::fs;
use std::path::Path;

/// Gives each script a test of its own.
macro_rules! scripts {
    ($($name:ident),+ $(,)?) => {
        /// The scripts that are run, beside those of [`live`], [`owner`], [`mod@pkcs11`], [`mod@registrar`] and [`mod@tpm`].
        const SCRIPTS: &[&str] = &[$(stringify!($name)),+];

        $(
            #[test]
            fn $name() {
                script::Place::new().run(concat!(stringify!($name), ".txt"), include_str!(concat!(stringify!($name), ".txt")));
            }
        )+
    };
}

scripts![
    keys, dns, sign, directory, verify, confirm, explain, audit, report, refuse, fetch, delegate, policy,
    gateway, doctor, backup, console, manual, agent, entity, members
];

#[test]
fn every_script_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli");
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<_> = names.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    let mut listed = [SCRIPTS, &["live", "owner", "pkcs11", "registrar", "tpm", "watch"]].concat();
    found.sort();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

/// The examples of a guide are a script, too: its blocks of kind `console`.
fn shows_what_comes_of_its_examples(name: &str, guide: &str) {
    let mut runs = false;
    let mut indent = 0;
    // Lines of text between the blocks become comments, so that lines keep their numbers.
    let script = guide.lines().map(|line| {
        let fence = line.trim_start().starts_with("```");
        if fence {
            // Within a list a block is indented.
            indent = line.len() - line.trim_start().len();
            runs = line.trim_start() == "```console";
        }
        let shown = line.get(indent..).unwrap_or_default();
        if runs && !fence { format!("{shown}\n") } else { "#\n".to_owned() }
    });
    script::Place::new().run(name, &script.collect::<String>());
}

#[test]
fn the_manual_shows_what_comes_of_its_examples() {
    shows_what_comes_of_its_examples("commands.md", include_str!("../../../docs/operate/commands.md"));
}

#[test]
fn the_guide_for_reports_shows_what_comes_of_its_examples() {
    shows_what_comes_of_its_examples("reports.md", include_str!("../../../docs/operate/reports.md"));
}

#[test]
fn the_guide_for_partners_shows_what_comes_of_its_examples() {
    shows_what_comes_of_its_examples("partners.md", include_str!("../../../docs/operate/partners.md"));
}

#[test]
fn the_guide_for_bots_shows_what_comes_of_its_examples() {
    shows_what_comes_of_its_examples("bots.md", include_str!("../../../docs/operate/bots.md"));
}

#[test]
fn the_guide_for_agents_shows_what_comes_of_its_examples() {
    shows_what_comes_of_its_examples("agent.md", include_str!("../../../docs/operate/agent.md"));
}

#[test]
fn the_guide_for_the_console_shows_what_comes_of_its_examples() {
    shows_what_comes_of_its_examples("console.md", include_str!("../../../docs/operate/console.md"));
}
