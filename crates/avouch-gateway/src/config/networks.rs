//! Data on networks: `[asn]` and `[[crawler]]`.

use std::collections::BTreeSet;

use avouch_engine::claim::{Catalogue, Crawler};
use avouch_gather::networks::Sources;
use avouch_gather::networks::feeds::Feed;
use avouch_wire::settings::{Fault, Table, Value};

/// What a configuration says of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Networks {
    pub(super) sources: Sources,
    pub(super) feeds: BTreeSet<Feed>,
}

/// Reads both.
pub(super) fn read(root: &mut Table<'_>) -> Networks {
    let mut read = Networks::default();
    read.sources.asn = root.sub("asn").and_then(|mut asn| asn.required("file", super::path));
    let crawlers = root.tables("crawler");
    // Only who names crawlers needs to know which there are.
    let known = if crawlers.is_empty() { None } else { Catalogue::built_in().ok() };
    crawlers.into_iter().for_each(|table| read.crawler(table, known.as_ref()));
    read
}

impl Networks {
    fn crawler(&mut self, mut table: Table<'_>, known: Option<&Catalogue>) {
        let crawler = table.required("name", |value| crawler(value, known));
        let name = crawler.map(Crawler::name);
        let files = table.some("ranges", super::path).unwrap_or_default();
        let feeds = super::fetch::feeds(&mut table, name, crawler.map(Crawler::ranges).unwrap_or_default());
        if !table.has("ranges") && feeds.is_none() {
            let fix = "add `ranges = \"gptbot.json\"`, the operator's file, or `fetch = true`";
            table.complain("ranges", Fault::new("is missing", fix));
        }
        table.finish();
        let name = name.unwrap_or_default();
        self.sources.ranges.extend(files.into_iter().map(|file| (name.to_owned(), file)));
        self.feeds.extend(feeds.into_iter().flatten());
    }
}

fn crawler<'c>(value: Value<'_>, known: Option<&'c Catalogue>) -> Result<&'c Crawler, Fault> {
    let names: Vec<_> = known.iter().flat_map(|known| known.crawlers()).map(Crawler::name).collect();
    let fix = format!("write one of \"{}\"", names.join("\", \""));
    let find = |text: &str| known?.named(text);
    value.convert("a crawler known here", &fix, find)
}

/// As the tables of the file.
pub(super) fn write(
    networks: &Sources,
    feeds: &BTreeSet<Feed>,
    f: &mut impl std::fmt::Write,
) -> std::fmt::Result {
    if let Some(file) = &networks.asn {
        writeln!(f, "\n[asn]\nfile = {}", super::print::file(file))?;
    }
    feeds.iter().try_for_each(|Feed { crawler, url }| {
        writeln!(f, "\n[[crawler]]\nname = \"{crawler}\"\nfetch = true\nurl = \"{url}\"")
    })?;
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
    fn what_is_fetched_is_asked_for_and_kept_in_a_folder() {
        let read = config("[[crawler]]\nname = 'GPTBot'\nranges = 'b'\n").unwrap();
        assert_eq!((read.feeds.len(), read.fetch), (0, None));
        let crawlers = "[[crawler]]\nname = 'GPTBot'\nfetch = true\n[[crawler]]\nname = 'Bingbot'\nfetch = true\nurl = ['https://a.example/b', 'https://a.example/c']\n";
        let problems = config(crawlers).unwrap_err().to_string();
        assert!(problems.contains("[fetch]") && problems.contains("folder = "), "{problems}");
        let read = config(&format!("[fetch]\nfolder = 'd'\n{crawlers}")).unwrap();
        let urls: Vec<_> = read.feeds.iter().map(|feed| feed.url.as_str()).collect();
        assert_eq!(urls, ["https://a.example/b", "https://a.example/c", "https://openai.com/gptbot.json"]);
        let printed = Config::parse("f", &read.to_string()).unwrap();
        assert_eq!(printed, read);
        for (every, is_fine) in
            [("1h", true), ("168h", true), ("3599s", false), ("169h", false), ("0s", false)]
        {
            let lines = format!("[fetch]\nfolder = 'd'\nevery = '{every}'\n");
            assert_eq!(config(&lines).is_ok(), is_fine, "{every}");
        }
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
            "name = 'GPTBot'\nfetch = false",
            "name = 'GPTBot'\nfetch = true\nurl = 'http://a.example/b'",
            "name = 'GPTBot'\nfetch = true\nurl = 'a.example/b'",
            "name = 'GPTBot'\nranges = 'b'\nurl = 'https://a.example/b'",
        ] {
            assert!(config(&format!("[fetch]\nfolder = 'c'\n[[crawler]]\n{bad}\n")).is_err(), "{bad}");
        }
        assert!(config("[asn]\n").is_err());
    }
}
