//! A request as every partner judges it, and what avouch says of it.

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::claim::{BotRules, Catalogue};
use avouch_engine::evidence::Dnssec;
use avouch_engine::pipeline::Site;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_gather::clock::{Clock, SystemClock};
use avouch_gather::{Directories, Documents, Judge, Settings, replay};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::web_bot_auth::WELL_KNOWN;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// The site that judges.
pub(in crate::interop) const SITE: &str = "www.shop.example";

/// The bot's origin.
pub(in crate::interop) const BOT: &str = "https://bot.example";

/// Where its keys stand by dialect D.
pub(in crate::interop) const KEYS: &str = "https://bot.example/keys";

/// A request without content, by https.
#[derive(Clone, Debug)]
pub(in crate::interop) struct Sent {
    pub(in crate::interop) method: String,
    pub(in crate::interop) site: String,
    /// With the query.
    pub(in crate::interop) path: String,
    /// Beside `Host`.
    pub(in crate::interop) fields: Vec<(String, String)>,
}

impl Sent {
    pub(in crate::interop) fn get(path: &str, agent: &str) -> Self {
        Self {
            method: "GET".into(),
            site: SITE.into(),
            path: path.into(),
            fields: vec![("Signature-Agent".into(), agent.into())],
        }
    }

    pub(in crate::interop) fn url(&self) -> String {
        format!("https://{}{}", self.site, self.path)
    }

    /// The value of a field, its lines joined.
    pub(in crate::interop) fn field(&self, name: &str) -> Option<String> {
        let lines = self.fields.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
        let lines: Vec<_> = lines.map(|(_, value)| value.as_str()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    /// The same with a field changed.
    pub(in crate::interop) fn changed(mut self, name: &str, change: impl Fn(&str) -> String) -> Self {
        for (own, value) in &mut self.fields {
            if own.eq_ignore_ascii_case(name) {
                *value = change(value);
            }
        }
        self
    }
}

/// avouch, to which a bot's keys are known, now.
pub(in crate::interop) struct Ours(Judge);

impl Ours {
    /// With these public keys, as JWKs, in the bot's directory.
    pub(in crate::interop) fn knowing(keys: &[String]) -> Self {
        let directory = format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into_bytes();
        let mut documents = Documents::default();
        documents.add(format!("{BOT}{WELL_KNOWN}"), directory.clone());
        documents.add(KEYS.into(), directory);
        let zone = "$ORIGIN example.\n@ 300 IN SOA ns hostmaster 1 3600 600 86400 60\n";
        let zones = ZoneFiles::parse(&[("example", zone)], Dnssec::Insecure).unwrap();
        let replay = replay::Settings { capacity: 1 << 14, fresh: true, ..replay::Settings::default() };
        let settings = Settings { replay, ..Settings::default() };
        let clock = Arc::new(SystemClock::new());
        Self(Judge::new(&settings, Dns::Zones(zones), Directories::Given(documents), clock).unwrap())
    }

    /// The first reason of the verdict.
    pub(in crate::interop) async fn judge(&self, sent: &Sent) -> String {
        let fields = || {
            let host = ("Host", sent.site.as_bytes());
            [host]
                .into_iter()
                .chain(sent.fields.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
        };
        let request = Request::read(Head {
            method: &sent.method,
            target: &sent.path,
            authority: None,
            scheme: Scheme::Https,
            fields,
            peer: Peer::client(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
            content: Content::Empty,
        });
        let site = Site {
            authorities: vec![Authority::parse(SITE, Scheme::Https).unwrap()],
            accept_draft: false,
            catalogue: Arc::new(Catalogue::built_in().unwrap()),
            bots: Some(BotRules::default()),
            passes: None,
            registered: Arc::default(),
            entities: None,
            named: BTreeSet::new(),
        };
        self.0.judge(&request.unwrap(), &site).await.reasons()[0].to_string()
    }
}

/// The present, in Unix seconds.
pub(in crate::interop) fn now() -> u64 {
    SystemClock::new().now().seconds()
}
