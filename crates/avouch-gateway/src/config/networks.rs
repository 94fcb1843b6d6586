//! Data on networks: `[asn]` and `[[crawler]]`.

use std::path::PathBuf;

use avouch_engine::claim::{Catalogue, Crawler};
use avouch_gather::networks::Sources;
use avouch_wire::settings::{Fault, Table, Value};

/// Reads both.
pub(super) fn read(root: &mut Table<'_>) -> Sources {
    let asn = root.sub("asn").and_then(|mut asn| asn.required("file", super::path));
    let crawlers = root.tables("crawler");
    // Only who names crawlers needs to know which there are.
    let known = if crawlers.is_empty() { None } else { Catalogue::built_in().ok() };
    let ranges = crawlers.into_iter().flat_map(|table| crawler(table, known.as_ref()));
    Sources { asn, ranges: ranges.collect() }
}

fn crawler(mut table: Table<'_>, known: Option<&Catalogue>) -> Vec<(String, PathBuf)> {
    let name = table.required("name", |value| name(value, known));
    let files = table.some("ranges", super::path).unwrap_or_default();
    if !table.has("ranges") {
        table.complain(
            "ranges",
            Fault::new("is missing", "add `ranges = \"gptbot.json\"`, the operator's file"),
        );
    }
    table.finish();
    let name = name.unwrap_or_default();
    files.into_iter().map(|file| (name.clone(), file)).collect()
}

fn name(value: Value<'_>, known: Option<&Catalogue>) -> Result<String, Fault> {
    let names: Vec<_> = known.iter().flat_map(|known| known.crawlers()).map(Crawler::name).collect();
    let fix = format!("write one of \"{}\"", names.join("\", \""));
    let find = |text: &str| known?.named(text).map(|crawler| crawler.name().to_owned());
    value.convert("a crawler known here", &fix, find)
}

/// As the tables of the file.
pub(super) fn write(networks: &Sources, f: &mut impl std::fmt::Write) -> std::fmt::Result {
    if let Some(file) = &networks.asn {
        writeln!(f, "\n[asn]\nfile = {}", super::print::file(file))?;
    }
    networks.ranges.iter().try_for_each(|(name, file)| {
        writeln!(f, "\n[[crawler]]\nname = \"{name}\"\nranges = {}", super::print::file(file))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn config(lines: &str) -> Result<Config, avouch_wire::settings::Problems> {
        Config::parse("f", &format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n{lines}"))
    }

    #[test]
    fn each_file_of_a_crawler_is_a_source_of_its_own() {
        let read = config("[asn]\nfile = 'a'\n[[crawler]]\nname = 'gptbot'\nranges = ['b', 'c']\n").unwrap();
        let names: Vec<_> =
            read.networks.ranges.iter().map(|(name, file)| (&**name, file.to_str())).collect();
        assert_eq!(names, [("GPTBot", Some("b")), ("GPTBot", Some("c"))]);
        assert_eq!(read.networks.files().count(), 3);
    }

    #[test]
    fn a_crawler_nobody_knows_is_refused_with_those_that_are_known() {
        let problems = config("[[crawler]]\nname = 'gptbo'\nranges = 'b'\n").unwrap_err().to_string();
        assert!(problems.contains("f:4:8") && problems.contains("\"GPTBot\""), "{problems}");
        for bad in [
            "name = 'GPTBot'",
            "ranges = 'b'",
            "name = 'GPTBot'\nranges = []",
            "name = 'GPTBot'\nrange = 'b'",
        ] {
            assert!(config(&format!("[[crawler]]\n{bad}\n")).is_err(), "{bad}");
        }
        assert!(config("[asn]\n").is_err());
    }
}
