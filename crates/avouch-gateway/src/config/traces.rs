//! `[traces]`: which requests are traced, and where spans go.

use avouch_wire::settings::{Table, Value};

use super::Upstream;

/// One request in so many, where nobody said before.
const ONE_IN: u64 = 100;
const MOST: u64 = 1_000_000;

/// `[traces]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// The collector, which takes OTLP by HTTP.
    pub collector: Upstream,
    /// Of how many traces that begin here one is recorded.
    pub one_in: u64,
    /// Whose word is taken on which trace a request belongs to.
    pub follow: Follow,
}

/// Whose word is taken on which trace a request belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// That of trusted proxies.
    #[default]
    Proxies,
    /// Everybody's.
    Anyone,
}

impl Traces {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let collector = table.required("collector", Upstream::read);
        let one_in = table.optional("one_in", |value: Value<'_>| value.number(1..=MOST)).unwrap_or(ONE_IN);
        let words = [("proxies", Follow::Proxies), ("anyone", Follow::Anyone)];
        let follow = table.optional("follow", |value| value.one_of(&words)).unwrap_or_default();
        Some(Self { collector: collector?, one_in, follow })
    }

    pub(super) fn write(&self, f: &mut impl std::fmt::Write) -> std::fmt::Result {
        let follow = match self.follow {
            Follow::Proxies => "proxies",
            Follow::Anyone => "anyone",
        };
        let collector = super::print::Quoted(&self.collector);
        writeln!(f, "\n[traces]\ncollector = {collector}\none_in = {}\nfollow = \"{follow}\"", self.one_in)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn config(lines: &str) -> Result<Config, String> {
        let text = format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n[traces]\n{lines}");
        Config::parse("f", &text).map_err(|problems| problems.to_string())
    }

    #[test]
    fn traces_are_printed_as_they_were_read_and_every_key_is_documented() {
        let page = include_str!("../../../../docs/formats/configuration.md");
        for lines in [
            "collector = 'http://[::1]:4318'",
            "collector = 'https://a.example'\none_in = 1\nfollow = 'anyone'",
        ] {
            let config = config(lines).unwrap();
            assert_eq!(Config::parse("printed", &config.to_string()).unwrap(), config);
        }
        for key in ["collector", "one_in", "follow"] {
            assert!(page.contains(&format!("| `{key}` |")), "{key}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let collector = "collector = 'http://a.example'\n";
        for (lines, told) in [
            ("one_in = 1".to_owned(), "`traces.collector` is missing"),
            ("collector = 'http://a.example/v1/traces'".to_owned(), "scheme, host and port only"),
            (format!("{collector}one_in = 0"), "one_in"),
            (format!("{collector}one_in = 1000001"), "one_in"),
            (format!("{collector}follow = 'all'"), "follow"),
        ] {
            let problems = config(&lines).unwrap_err();
            assert!(problems.contains(told), "{lines}: {problems}");
        }
    }
}
