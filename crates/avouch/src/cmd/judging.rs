//! What `verify` and `policy explain` share: a captured request, judged offline.

use super::networks;
use super::zones::Zones;
use crate::failure::Failure;
use crate::{files, instant};
use avouch_dns::Dns;
use avouch_engine::claim::{BotRules, Catalogue, KeyRegister};
use avouch_engine::decision::Policy;
use avouch_engine::decision::policy::Facts;
use avouch_engine::pipeline::Site;
use avouch_engine::request::{
    Content, Head, Indicators, Peer, Request, RequestError, Transport, certified_domain,
};
use avouch_engine::verdict::Verdict;
use avouch_gather::clock::{Clock as _, ManualClock, SystemClock};
use avouch_gather::replay;
use avouch_gather::{Directories, Documents, Judge, Settings};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::capture::Capture;
use avouch_wire::content::ContentDigests;
use avouch_wire::name::Domain;
use avouch_wire::target::{NormalPath, Target};
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::WELL_KNOWN;
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
    /// The key directory of an origin, or the keys or metadata at another URL, that Signature-Agent
    /// names: a file that stands for what would be fetched; may be repeated
    #[arg(long, value_name = "URL=FILE", value_parser = directory)]
    directory: Vec<(String, PathBuf)>,
    /// Keys registered with the site: a file with tables `[[http_signature]]` as in a gateway's configuration, and
    /// nothing else
    #[arg(long, value_name = "FILE")]
    registered: Option<PathBuf>,
    /// A table of autonomous systems (MMDB, or text with tabs or commas), as old as its last change
    #[arg(long, value_name = "FILE")]
    asn: Option<PathBuf>,
    /// The address ranges of a crawler, as its operator publishes them (JSON), as old as the last
    /// change of the file; may be repeated
    #[arg(long, value_name = "CRAWLER=FILE")]
    ranges: Vec<String>,
    /// The client's address; without it the address is no evidence, as behind an unknown proxy
    #[arg(long, value_name = "IP")]
    peer: Option<IpAddr>,
    /// The host the client asked for by TLS (SNI)
    #[arg(long, value_name = "HOST")]
    sni: Option<String>,
    /// A DNS name in the client's certificate, which was verified; may be repeated
    #[arg(long, value_name = "NAME")]
    certificate_name: Vec<String>,
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
        let request = match self.read(&capture) {
            Ok(request) => request,
            Err(error) => return Ok(Judged::Refused(error.to_string())),
        };
        let (sni, names) = (self.sni.as_deref().map(str::to_ascii_lowercase), self.certified());
        let request = request.over(self.transport(sni.as_deref(), &names));
        let site = self.site(&request, policy)?;
        let verdict = judge.judge(&request, &site).await;
        let path = NormalPath::of(request.path());
        let address = request.peer().address;
        let asns = judge.networks().current_origins(address, now);
        let facts = Facts {
            method: request.method(),
            path: &path,
            authority: request.authority().as_str(),
            address,
            asns: &asns,
        };
        Ok(Judged::Verdict(then(&verdict, &facts, now)))
    }

    /// A judge with a clock that stands, and a replay table nobody else uses.
    fn private_judge(&self, now: Time) -> Result<Judge, Failure> {
        let replay = replay::Settings { capacity: NONCES, folder: None, fresh: true };
        let settings = Settings { replay, private: true, ..Settings::default() };
        let clock = Arc::new(ManualClock::at(now));
        let judge = Judge::new(&settings, Dns::Zones(self.zones.read()?), self.directories()?, clock);
        let judge = judge.map_err(Failure::unknown)?;
        let catalogue = Catalogue::built_in().map_err(Failure::bug)?;
        judge.use_networks(networks::load(&catalogue, self.asn.as_ref(), &self.ranges, now)?);
        Ok(judge)
    }

    /// Documents that stand for what would be fetched.
    fn directories(&self) -> Result<Directories, Failure> {
        let mut documents = Documents::default();
        for (url, path) in &self.directory {
            documents.add(url.clone(), files::read(path)?);
        }
        Ok(Directories::Given(documents))
    }

    /// The keys that the site's operator registered.
    fn registered_keys(&self) -> Result<KeyRegister, Failure> {
        let read = self.registered.as_deref().map(avouch_gateway::registered_keys).transpose();
        read.map(Option::unwrap_or_default).map_err(Failure::configuration)
    }

    /// The captured request, as the gateway would read it.
    fn read<'a>(&self, capture: &'a Capture<'a>) -> Result<Request<'a>, RequestError> {
        Request::read(Head {
            method: capture.method(),
            target: capture.target(),
            authority: None,
            scheme: self.scheme,
            fields: || capture.fields(),
            peer: match self.peer {
                Some(address) => Peer::client(address),
                None => Peer::untrusted_proxy(Ipv4Addr::UNSPECIFIED.into()),
            },
            content: match capture.body() {
                [] => Content::Empty,
                body => Content::Read(ContentDigests::of(body)),
            },
        })
    }

    /// The domains that the client's certificate names.
    fn certified(&self) -> Vec<Domain<'static>> {
        self.certificate_name.iter().filter_map(|name| certified_domain(name)).collect()
    }

    /// What is said to have been seen of TLS.
    const fn transport<'t>(&self, sni: Option<&'t str>, names: &'t [Domain<'static>]) -> Transport<'t> {
        if self.sni.is_none() && self.certificate_name.is_empty() {
            return Transport::Unseen;
        }
        Transport::Seen(Indicators { server_name: sni, covers_authority: false, client_names: names })
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
            // What is captured may well be an example; the verdict says so.
            bots: Some(BotRules { refuse_test_keys: false, ..BotRules::default() }),
            passes: None,
            registered: Arc::new(self.registered_keys()?),
            entities: None,
            named: named.map(|domain| domain.registrable().to_owned()).collect(),
        })
    }
}

/// A URL and a file; an origin stands for the directory at its well-known path.
fn directory(text: &str) -> Result<(String, PathBuf), String> {
    let (url, file) = text.rsplit_once('=').ok_or("has the form URL=FILE")?;
    let target = Target::parse("GET", url).map_err(|error| error.to_string())?;
    let (scheme, authority) = target.origin().ok_or("needs an absolute URL before the =")?;
    let authority = Authority::parse(authority, scheme).map_err(|error| error.to_string())?;
    let path = if target.path() == "/" { WELL_KNOWN } else { target.path() };
    Ok((format!("{}://{authority}{path}", scheme.as_str()), file.into()))
}

fn scheme(text: &str) -> Result<Scheme, String> {
    Scheme::parse(text).ok_or_else(|| "is neither http nor https".to_owned())
}
