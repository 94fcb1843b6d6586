//! The world: everything that runs, and the script played in it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use avouch_dns::{ServeError, SignedZones};
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running, StartError, Surroundings};
use avouch_gather::clock::{Clock, SystemClock};
use avouch_keys::KeyError;
use avouch_keys::delegation::IssueError;
use avouch_keys::saip::SignError;
use avouch_tls::CertificateError;
use avouch_wire::authority::AuthorityError;
use avouch_wire::delegation::{ScopeError, SubjectError};
use avouch_wire::name::NameError;
use avouch_wire::settings::Problems;
use avouch_wire::target::TargetError;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::Row;
use crate::access_log::AccessLog;
use crate::cast::{self, Cast, SHORT_TTL};
use crate::directory::DirectoryHost;
use crate::passes;
use crate::script::{Event, Sending, Step, script, vouched};
use crate::upstream::Upstream;

/// What is added to a TTL before it has surely passed, for clocks that count in milliseconds.
const AFTER_TTL: Duration = Duration::from_millis(300);

/// Why the demonstration cannot go on. Everything but the first three and what is missing is a defect of avouch.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No socket or no folder for temporary files could be had.
    #[error("the demonstration needs loopback sockets and a temporary folder: {0}")]
    System(#[from] std::io::Error),
    /// The name server does not start.
    #[error("{0}")]
    Zones(#[from] ServeError),
    /// The gateway does not start.
    #[error("{0}")]
    Gateway(#[from] StartError),
    /// The gateway's configuration has problems.
    #[error("{0}")]
    Config(#[from] Problems),
    /// A key could not be made.
    #[error("{0}")]
    Key(#[from] KeyError),
    /// A name in the script is none.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A host in the script is none.
    #[error("{0}")]
    Authority(#[from] AuthorityError),
    /// A target in the script is none.
    #[error("{0}")]
    Target(#[from] TargetError),
    /// A request could not be signed.
    #[error("{0}")]
    Sign(#[from] SignError),
    /// A request could not be signed by Web Bot Auth.
    #[error("{0}")]
    Bot(#[from] avouch_keys::web_bot_auth::SignError),
    /// A token could not be issued.
    #[error("{0}")]
    Issue(#[from] IssueError),
    /// The scope of a token is none.
    #[error("{0}")]
    Scope(#[from] ScopeError),
    /// The subject of a token is none.
    #[error("{0}")]
    Subject(#[from] SubjectError),
    /// The site asked for no Privacy Pass token.
    #[error("the gateway asked for no Privacy Pass token")]
    NotChallenged,
    /// A certificate could not be made.
    #[error("{0}")]
    Certificate(#[from] rcgen::Error),
    /// A certificate that was made cannot be used.
    #[error("{0}")]
    Tls(#[from] CertificateError),
    /// The gateway logged nothing of a request.
    #[error("the access log has no line for the request \"{0}\"")]
    NotLogged(Cow<'static, str>),
    /// A program that the fleet needs is not there.
    #[error("{0} is not there")]
    Missing(&'static str),
    /// The registrar does not start.
    #[error("{0}")]
    Office(#[from] avouch_authority::StartError),
    /// The registrar refuses what its owner asks.
    #[error("the registrar: {0}")]
    Owner(#[from] avouch_authority::AskError),
    /// The registrar's answer is none.
    #[error("the registrar: {0}")]
    Registrar(&'static str),
    /// An agent does not enrol.
    #[error("an agent does not enrol: {0}")]
    Enrol(#[from] avouch_agent::enrol::EnrolError),
    /// An agent does not start.
    #[error("{0}")]
    Agent(#[from] avouch_agent::StartError),
    /// A task ended without a result.
    #[error("a part of the demonstration broke off")]
    Broken,
}

/// What is told while the script is played.
#[derive(Debug)]
pub enum Happening<'a> {
    /// A new part begins.
    Scene(&'static str),
    /// Something happened between requests.
    Event(&'a str),
    /// A request was answered.
    Request(&'a Row),
    /// Every agent of a fleet was answered.
    Fleet(&'static str, &'a [Row]),
}

/// A root zone, a web server, the gateway before it, and the agents.
pub struct World {
    zones: SignedZones,
    upstream: Upstream,
    directory: DirectoryHost,
    gateway: Running,
    address: SocketAddr,
    config: String,
    cast: Cast,
    log: AccessLog,
    /// Holds the trust anchor and the access log; removed with this.
    _folder: TempDir,
}

impl World {
    /// Starts everything. Must run within a tokio runtime.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn start() -> Result<Self, DemoError> {
        let folder = tempfile::Builder::new().prefix("avouch-demo-").tempdir()?;
        let cast = Cast::gather()?;
        let zones = SignedZones::start(&cast.zone()?).await?;
        zones.mute("dark.example");
        zones.forge("broken.example");
        let upstream = Upstream::start().await?;
        let directory = DirectoryHost::start(cast.bot.public()).await?;
        let file = |name| folder.path().join(name);
        let (anchor, log, ca, ranges) =
            (file("root.key"), file("access.log"), file("directory.pem"), file("gptbot.json"));
        let delegation = file("issuer.jwt");
        tokio::fs::write(&delegation, cast.attester.word(SystemClock::new().now())?).await?;
        tokio::fs::write(&anchor, format!("{}\n", zones.trust_anchor())).await?;
        tokio::fs::write(&ca, &directory.root).await?;
        tokio::fs::write(&ranges, RANGES).await?;
        let outside = Outside {
            upstream: upstream.address,
            resolver: zones.address(),
            anchor: &anchor,
            ca: &ca,
            ranges: &ranges,
            delegation: &delegation,
            token_key: &cast.attester.issuer.public().text(),
            log: &log,
        };
        let config = outside.config();
        let gateway = Gateway::start(Config::parse("demo.toml", &config)?, Surroundings::default()).await?;
        let address = *gateway
            .addresses
            .first()
            .ok_or(std::io::ErrorKind::AddrNotAvailable)
            .map_err(std::io::Error::from)?;
        Ok(Self {
            zones,
            upstream,
            directory,
            gateway,
            address,
            config,
            cast,
            log: AccessLog::new(log),
            _folder: folder,
        })
    }

    /// The gateway's configuration, as `avouch gateway run --config` takes it.
    #[must_use]
    pub fn config(&self) -> &str {
        &self.config
    }

    /// Where the gateway listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Plays the script and tells of everything when it happens. It takes some six seconds, most
    /// of it waiting for a TTL to pass and for name servers that do not answer.
    ///
    /// # Errors
    /// [`DemoError`].
    pub async fn play(&mut self, mut tell: impl FnMut(&Happening<'_>)) -> Result<Vec<Row>, DemoError> {
        let tokens = self.cast.attester.tokens(self.address).await?;
        let mut scenes = script(&self.cast, &self.directory.origin(), SystemClock::new().now())?;
        scenes.push(vouched(&tokens));
        let mut waiting = self.send_early(scenes.iter().flat_map(|scene| &scene.steps));
        let mut rows = Vec::new();
        for scene in scenes {
            tell(&Happening::Scene(scene.heading));
            for step in scene.steps {
                let sending = match step {
                    Step::Send(sending) => *sending,
                    Step::Happens(event) => {
                        tell(&Happening::Event(event.words()));
                        self.happen(event).await?;
                        continue;
                    }
                };
                let sent = if sending.early { waiting.pop_front() } else { None };
                let row = self.send((rows.len() + 1, scene.heading), sending, sent).await?;
                tell(&Happening::Request(&row));
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.gateway.stop().await;
    }

    /// Sends what will be waited for later, in the order of the script.
    fn send_early<'a>(&self, steps: impl Iterator<Item = &'a Step>) -> VecDeque<JoinHandle<Option<u16>>> {
        let sendings = steps.filter_map(|step| match step {
            Step::Send(sending) if sending.early => Some(sending.sent.clone()),
            Step::Send(_) | Step::Happens(_) => None,
        });
        let address = self.address;
        sendings.map(|sent| tokio::spawn(async move { sent.send(address).await })).collect()
    }

    async fn send(
        &mut self,
        (number, scene): (usize, &'static str),
        sending: Sending,
        sent: Option<JoinHandle<Option<u16>>>,
    ) -> Result<Row, DemoError> {
        let Sending { name, sent: request, expected, .. } = sending;
        let status = match sent {
            Some(waiting) => waiting.await.ok().flatten(),
            None => request.send(self.address).await,
        };
        let line =
            self.log.line(request.from, request.target).await.ok_or(DemoError::NotLogged(name.into()))?;
        let visit = self.upstream.visit(&line.request_id);
        let sent = (request.method, request.target.into());
        Ok(Row::of((number, scene, name.into()), sent, expected, (&line, status), &visit))
    }

    async fn happen(&self, event: Event) -> Result<(), DemoError> {
        match event {
            Event::Revocation => {
                self.zones.remove(&cast::record_name(&self.cast.doomed)?, "TXT");
                self.zones.set("gptbot._saip.openai.example", "TXT", 300, "\"v=saip1; pk=\"")?;
            }
            Event::TtlPasses => {
                tokio::time::sleep(Duration::from_secs(u64::from(SHORT_TTL)) + AFTER_TTL).await;
            }
        }
        Ok(())
    }
}

/// What OpenAI would publish of GPTBot in this world.
const RANGES: &str =
    r#"{"creationTime":"2026-11-21T00:00:00","prefixes":[{"ipv4Prefix":"198.51.100.192/26"}]}"#;

/// What the gateway is set up with.
struct Outside<'a> {
    upstream: SocketAddr,
    resolver: SocketAddr,
    anchor: &'a Path,
    ca: &'a Path,
    ranges: &'a Path,
    delegation: &'a Path,
    token_key: &'a str,
    log: &'a Path,
}

impl Outside<'_> {
    /// The gateway's configuration, as an operator would write it.
    fn config(&self) -> String {
        let Self { upstream, resolver, token_key, .. } = self;
        let files = [self.anchor, self.ca, self.ranges, self.delegation, self.log];
        let [anchor, ca, ranges, delegation, log] = files.map(Path::display);
        let (issuer, attester) = (passes::ISSUER, passes::ATTESTER);
        format!(
            "mode = \"enforce\"                       # observe is the default: nothing is refused then
listen = [\"127.0.0.1:0\"]                # any free port
authorities = [\"www.shop.example\"]      # signatures made for another site are worth nothing here
trusted_proxies = [\"127.0.0.1/32\"]      # the load balancer that says where visitors come from
upstream = \"http://{upstream}\"

[dns]
resolvers = [\"{resolver}\"]
trust_anchor = [\"{anchor}\"]

[web_bot_auth]
ca = \"{ca}\"
allow_networks = [\"127.0.0.1/32\"]      # where this world's key directory stands; else public addresses only

[[crawler]]
name = \"GPTBot\"
ranges = [\"{ranges}\"]

[[privacy_pass]]
issuer = \"{issuer}\"
key = \"{token_key}\"
attester = \"{attester}\"          # who vouches for visitors, and names none
delegation = \"{delegation}\"     # the attester's word that the key issues for it
trust = 2                              # class 2; 0 leaves them anonymous

[store]
url = \"memory:\"
fresh = true                           # no earlier gateway served this site

[log]
access = \"{log}\"

[[route]]
path = \"/members\"
require = 2                            # DNS or a signature says who it is

[[route]]
path = \"/orders\"
require = 0                            # whoever makes a claim must prove it
"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;

    /// What a reader must see, whatever else is shown.
    const SHOWN: [&str; 27] = [
        "anonymous",
        "forged crawler",
        "confirmed crawler",
        "bare claim, confirmed by DNS",
        "bare claim, record delegates",
        "bare claim, nothing confirms",
        "rolling key, Ed25519 master",
        "rolling key, P-256 master",
        "direct",
        "pseudonym",
        "replay",
        "tampered path",
        "swapped body",
        "relayed to another site",
        "expired",
        "unpublished agent",
        "DNS down",
        "agent revoked, before TTL",
        "agent revoked, after TTL",
        "fleet revoked by empty key",
        "Web Bot Auth, one string",
        "directory down, key in DNS",
        "directory down",
        "crawler in its ranges",
        "a token names the key",
        "a token names the network",
        "a token of an attester",
    ];

    fn readme_shows_what_is_printed(rows: &[Row]) {
        let table = Table { coloured: false };
        let lines: Vec<_> = rows.iter().map(|row| table.lines(&Happening::Request(row))).collect();
        let numbered = |line: &&str| {
            line.get(..2).is_some_and(|number| number.trim().parse::<u8>().is_ok())
                && line.get(2..4) == Some("  ")
        };
        let mut shown = include_str!("../../../README.md").lines().filter(numbered).peekable();
        assert!(shown.peek().is_some());
        for line in shown {
            assert!(lines.iter().any(|real| real == line), "README shows what the demo does not: {line}");
        }
        let count = format!("\n{} requests, and all came out as they must.\n", rows.len());
        assert!(
            include_str!("../../../README.md").contains(&count),
            "README tells another number of requests"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_request_comes_out_as_it_must() {
        let mut world = World::start().await.unwrap();
        let mut told = 0;
        let rows =
            world.play(|happening| told += usize::from(matches!(happening, Happening::Request(_)))).await;
        let rows = rows.unwrap();
        world.stop().await;
        readme_shows_what_is_printed(&rows);
        let wrong: Vec<_> = rows.iter().filter(|row| !row.as_expected).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(rows.len() >= 16 && told == rows.len());
        for name in SHOWN {
            assert!(rows.iter().any(|row| row.name == name), "{name}");
        }
        let object = serde_json::to_value(&rows[0]).unwrap();
        for member in
            ["name", "class", "standing", "identity", "mechanism", "decision", "reasons", "expected"]
        {
            assert!(object.get(member).is_some(), "{member}");
        }
    }
}
