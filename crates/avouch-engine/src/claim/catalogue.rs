//! Crawlers whose user agents are known well enough to be borrowed.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use avouch_wire::name::Domain;
use avouch_wire::settings::{Fault, Problems, Reader, Table, Value};

/// The catalogue that comes with avouch.
const BUILT_IN: &str = include_str!("../../data/crawlers.toml");

/// A crawler: who answers for it and how its addresses are recognised.
#[derive(Clone, Debug)]
pub struct Crawler {
    name: String,
    domain: Domain<'static>,
    agents: Vec<String>,
    hosts: Vec<Domain<'static>>,
    ranges: Vec<String>,
    signature_agents: Vec<String>,
    aliases: Vec<Domain<'static>>,
}

impl Crawler {
    /// As operators call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The domain that answers for it.
    #[must_use]
    pub const fn domain(&self) -> &Domain<'static> {
        &self.domain
    }

    /// The product tokens by which user agents name it.
    #[must_use]
    pub fn agents(&self) -> &[String] {
        &self.agents
    }

    /// The domains under which its addresses resolve; none where reverse DNS says nothing.
    #[must_use]
    pub fn hosts(&self) -> &[Domain<'static>] {
        &self.hosts
    }

    /// The URLs at which its operator publishes its address ranges.
    #[must_use]
    pub fn ranges(&self) -> &[String] {
        &self.ranges
    }

    /// The origins it names as `Signature-Agent`, where it signs.
    #[must_use]
    pub fn signature_agents(&self) -> &[String] {
        &self.signature_agents
    }

    /// Whether a claim of `domain` and a user agent of this crawler mean the same operator.
    #[must_use]
    pub fn speaks_for(&self, domain: &Domain<'_>) -> bool {
        std::iter::once(&self.domain).chain(&self.aliases).any(|own| own.is_aligned_with(domain))
    }
}

/// All known crawlers, searchable by user agent.
#[derive(Clone, Debug)]
pub struct Catalogue {
    crawlers: Vec<Crawler>,
    /// `None` only if the tokens were too many to compile, which the size of a file rules out.
    tokens: Option<AhoCorasick>,
    /// For each token, the crawler it belongs to.
    owners: Vec<usize>,
}

impl Catalogue {
    /// The catalogue that comes with avouch.
    ///
    /// # Errors
    /// [`Problems`], if the file it was built with were wrong; a test holds that it is not.
    pub fn built_in() -> Result<Self, Problems> {
        Self::parse("crawlers.toml", BUILT_IN)
    }

    /// Reads a catalogue; the built-in file documents its keys.
    ///
    /// # Errors
    /// [`Problems`], all at once.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let reader = Reader::new(file, text);
        let mut root = reader.root();
        let entries: Vec<_> = root.tables("crawler").into_iter().filter_map(read_entry).collect();
        root.finish();
        let entries = reader.into_result(Some(entries))?;
        Ok(Self::of(entries))
    }

    fn of(crawlers: Vec<Crawler>) -> Self {
        let (mut tokens, mut owners) = (Vec::new(), Vec::new());
        for (at, crawler) in crawlers.iter().enumerate() {
            owners.extend(crawler.agents.iter().map(|_| at));
            tokens.extend(&crawler.agents);
        }
        let mut automaton = AhoCorasick::builder();
        // Built once and searched for every request: the kind that is largest and fastest.
        automaton.kind(Some(AhoCorasickKind::DFA));
        automaton.ascii_case_insensitive(true).match_kind(MatchKind::LeftmostLongest);
        let tokens = automaton.build(tokens).ok();
        Self { crawlers, tokens, owners }
    }

    /// The crawlers, in the order of the file.
    pub fn crawlers(&self) -> impl Iterator<Item = &Crawler> {
        self.crawlers.iter()
    }

    /// The crawler of this name, as an operator may write it: case does not matter.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Crawler> {
        self.crawlers.iter().find(|crawler| crawler.name().eq_ignore_ascii_case(name))
    }

    /// Whether two domains are of one operator, as far as is known: by relaxed alignment, or as a crawler's aliases.
    #[must_use]
    pub fn are_one(&self, one: &Domain<'_>, other: &Domain<'_>) -> bool {
        let is_of_both = |crawler: &Crawler| crawler.speaks_for(one) && crawler.speaks_for(other);
        one.is_aligned_with(other) || self.crawlers.iter().any(is_of_both)
    }

    /// The crawler a user agent names, where it names one. The agent need not be text: octets that
    /// are not would hide a name from us that the site still reads.
    #[must_use]
    pub fn find(&self, user_agent: &[u8]) -> Option<&Crawler> {
        let found = self.tokens.as_ref()?.find_iter(user_agent).find(|found| {
            let before = found.start().checked_sub(1).and_then(|at| user_agent.get(at));
            !before.is_some_and(is_word) && !user_agent.get(found.end()).is_some_and(is_word)
        })?;
        self.owners.get(found.pattern().as_usize()).and_then(|at| self.crawlers.get(*at))
    }
}

/// Octets that continue a product token, so that `NotGooglebot` is not `Googlebot`.
const fn is_word(octet: &u8) -> bool {
    octet.is_ascii_alphanumeric() || *octet == b'-' || *octet == b'_'
}

fn read_entry(mut table: Table<'_>) -> Option<Crawler> {
    let name = table.required("name", Value::text);
    let domain = table.required("domain", read_domain);
    let agents = table.list("agents", |value| value.text().map(str::to_owned)).unwrap_or_default();
    let hosts = table.list("hosts", read_domain).unwrap_or_default();
    let ranges = table.list("ranges", read_url).unwrap_or_default();
    let signature_agents = table.list("signature_agents", read_url).unwrap_or_default();
    let aliases = table.list("aliases", read_domain).unwrap_or_default();
    table.required("source", Value::text);
    table.required("entered", |_| Ok(()));
    table.finish();
    let (name, domain) = (name?.to_owned(), domain?);
    Some(Crawler { name, domain, agents, hosts, ranges, signature_agents, aliases })
}

fn read_domain(value: Value<'_>) -> Result<Domain<'static>, Fault> {
    value.convert("a domain", "write a domain in lower case, for example \"acme.example\"", |text| {
        Domain::parse(text).ok().map(Domain::into_owned)
    })
}

/// What is fetched must not be changed on its way.
fn read_url(value: Value<'_>) -> Result<String, Fault> {
    let fix = "write a URL with https, for example \"https://acme.example/ranges.json\"";
    let plain = |text: &str| text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
    value.convert("a URL", fix, |text| plain(text).then(|| text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn found(user_agent: &str) -> Option<String> {
        let catalogue = Catalogue::built_in().unwrap();
        catalogue.find(user_agent.as_bytes()).map(|crawler| crawler.name().to_owned())
    }

    #[test]
    fn the_built_in_catalogue_is_sound() {
        let catalogue = Catalogue::built_in().unwrap();
        assert!(catalogue.crawlers().count() >= 10);
        let names: BTreeSet<_> = catalogue.crawlers().map(Crawler::name).collect();
        assert_eq!(names.len(), catalogue.crawlers().count(), "a name stands for one crawler");
        let lowered: BTreeSet<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(lowered.len(), names.len(), "in any case");
        let gptbot = catalogue.find(b"GPTBot/1.4").unwrap();
        assert_eq!(catalogue.named("gptbot").map(Crawler::name), Some("GPTBot"));
        assert!(catalogue.named("GPTBot/1.4").is_none());
        assert_eq!(gptbot.ranges(), ["https://openai.com/gptbot.json"]);
        let agent = catalogue.find(b"Google-Agent").unwrap();
        assert_eq!(agent.signature_agents(), ["https://agent.bot.goog"]);
    }

    #[test]
    fn what_could_be_changed_on_its_way_is_no_source_of_ranges() {
        let entry = |url: &str| {
            let text = format!(
                "[[crawler]]\nname = 'A'\ndomain = 'acme.example'\nagents = 'a'\nranges = '{url}'\n\
                 source = 'https://acme.example'\nentered = 2026-11-26\n"
            );
            Catalogue::parse("crawlers.toml", &text)
        };
        assert!(entry("https://acme.example/ranges.json").is_ok());
        for bad in ["http://acme.example/ranges.json", "ranges.json", "https://", ""] {
            assert!(entry(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_of_a_cloud_is_not_the_clouds_own_crawler() {
        let catalogue = Catalogue::built_in().unwrap();
        let confirms = |host: &str| {
            catalogue.find(b"Googlebot/2.1").unwrap().hosts().iter().any(|own| own.contains(host))
        };
        assert!(confirms("crawl-66-249-66-1.googlebot.com"));
        assert!(!confirms("7.113.0.203.bc.googleusercontent.com"));
    }

    #[test]
    fn a_crawler_is_found_by_its_token_at_word_boundaries() {
        let google = Some("Googlebot".to_owned());
        assert_eq!(found("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"), google);
        assert_eq!(found("googlebot"), google);
        assert_eq!(found("Googlebot-Image/1.0"), google);
        assert!(Catalogue::built_in().unwrap().find(b"\xff Googlebot/2.1").is_some());
        assert_eq!(found("NotGooglebot/1.0"), None);
        assert_eq!(found("Googlebots/1.0"), None);
        assert_eq!(found("Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"), None);
    }

    #[test]
    fn every_token_names_its_own_crawler() {
        let catalogue = Catalogue::built_in().unwrap();
        for crawler in catalogue.crawlers() {
            assert!(!crawler.agents().is_empty(), "{}", crawler.name());
            for token in crawler.agents() {
                assert_eq!(catalogue.find(token.as_bytes()).unwrap().name(), crawler.name(), "{token}");
            }
        }
    }

    #[test]
    fn aliases_and_relaxed_alignment_are_the_same_operator() {
        let catalogue = Catalogue::built_in().unwrap();
        let google = catalogue.find(b"Googlebot").unwrap();
        for (domain, same) in [("google.com", true), ("crawl.googlebot.com", true), ("acme.example", false)] {
            assert_eq!(google.speaks_for(&Domain::parse(domain).unwrap()), same, "{domain}");
        }
    }
}
