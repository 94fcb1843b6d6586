//! What `verify` and `policy explain` share: a captured request, judged offline.

use super::zones::Zones;
use crate::failure::Failure;
use crate::{files, instant};
use avouch_dns::Dns;
use avouch_engine::claim::Catalogue;
use avouch_engine::decision::Policy;
use avouch_engine::decision::policy::Facts;
use avouch_engine::pipeline::Site;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::Verdict;
use avouch_gather::clock::{Clock as _, ManualClock, SystemClock};
use avouch_gather::replay;
use avouch_gather::{Judge, Settings};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::capture::Capture;
use avouch_wire::content::ContentDigest;
use avouch_wire::target::NormalPath;
use avouch_wire::time::Time;
use clap::Args;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

/// Room in the private replay table for the one nonce there is, within every share of it.
const NONCES: usize = 1 << 14;

#[derive(Debug, Args)]
pub(super) struct Judging {
    /// A raw HTTP/1.1 request, lines ending in CR LF: a file, or `-` for standard input
    request: PathBuf,
    #[command(flatten)]
    zones: Zones,
    /// The client's address; without it the address is no evidence, as behind an unknown proxy
    #[arg(long, value_name = "IP")]
    peer: Option<IpAddr>,
    /// The scheme the site is served under
    #[arg(long, value_name = "http|https", default_value = "https", value_parser = scheme)]
    scheme: Scheme,
    /// A site this verifier serves, as in the gateway's `authorities`; may be repeated. Without it
    /// the request's own counts
    #[arg(long, value_name = "HOST[:PORT]")]
    authority: Vec<String>,
    /// The time to judge at, instead of now: Unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    at: Option<Time>,
}

/// What came of a captured request.
pub(super) enum Judged<T> {
    /// It was judged; this was made of the verdict.
    Verdict(T),
    /// It cannot be read without doubt, for this reason. The gateway answers 400.
    Refused(String),
}

impl Judging {
    /// Judges the request for a site with this policy, and hands the verdict to `then`.
    pub(super) async fn judge<T>(
        &self,
        policy: Option<&Policy>,
        then: impl FnOnce(&Verdict, &Facts<'_>, Time) -> T,
    ) -> Result<Judged<T>, Failure> {
        let now = self.at.unwrap_or_else(|| SystemClock::new().now());
        let message = files::read(&self.request)?;
        let judge = self.private_judge(now)?;
        let capture = match Capture::parse(&message) {
            Ok(capture) => capture,
            Err(error) => return Ok(Judged::Refused(error.to_string())),
        };
        let request = match Request::read(self.head(&capture)) {
            Ok(request) => request,
            Err(error) => return Ok(Judged::Refused(error.to_string())),
        };
        let site = self.site(&request, policy)?;
        let verdict = judge.judge(&request, &site).await;
        let path = NormalPath::of(request.path());
        let facts = Facts {
            method: request.method(),
            path: &path,
            authority: request.authority().as_str(),
            address: request.peer().address,
            asn: None,
        };
        Ok(Judged::Verdict(then(&verdict, &facts, now)))
    }

    /// A judge with a clock that stands, and a replay table nobody else uses.
    fn private_judge(&self, now: Time) -> Result<Judge, Failure> {
        let replay = replay::Settings { capacity: NONCES, folder: None, fresh: true };
        let settings = Settings { replay, private: true, ..Settings::default() };
        let judge = Judge::new(&settings, Dns::Zones(self.zones.read()?), Arc::new(ManualClock::at(now)));
        judge.map_err(Failure::unknown)
    }

    fn head<'a>(&self, capture: &'a Capture<'a>) -> Head<'a, impl Iterator<Item = (&'a str, &'a [u8])>> {
        Head {
            method: capture.method(),
            target: capture.target(),
            authority: None,
            scheme: self.scheme,
            fields: capture.fields(),
            peer: match self.peer {
                Some(address) => Peer::client(address),
                None => Peer::untrusted_proxy(Ipv4Addr::UNSPECIFIED.into()),
            },
            content: match capture.body() {
                [] => Content::Empty,
                body => Content::Read(ContentDigest::of(body)),
            },
        }
    }

    fn site(&self, request: &Request<'_>, policy: Option<&Policy>) -> Result<Site, Failure> {
        let mut authorities = Vec::new();
        for text in &self.authority {
            let authority = Authority::parse(text, self.scheme);
            let bad = |error| Failure::usage(format_args!("--authority {text}: {error}"));
            authorities.push(authority.map_err(bad)?.into_owned());
        }
        if authorities.is_empty() {
            authorities.push(request.authority().clone().into_owned());
        }
        let named = policy.into_iter().flat_map(Policy::named_domains);
        Ok(Site {
            authorities,
            accept_draft: false,
            catalogue: Arc::new(Catalogue::built_in().map_err(Failure::unknown)?),
            named: named.map(|domain| domain.registrable().to_owned()).collect(),
        })
    }
}

fn scheme(text: &str) -> Result<Scheme, String> {
    Scheme::parse(text).ok_or_else(|| "is neither http nor https".to_owned())
}
