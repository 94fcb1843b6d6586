//! A thousand agents, their records, and requests they signed.

use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::claim::{BotRules, Catalogue};
use avouch_engine::evidence::Dnssec;
use avouch_engine::pipeline::Site;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_engine::verdict::Verdict;
use avouch_gather::clock::ManualClock;
use avouch_gather::{Directories, Judge, Settings, budget, replay};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::saip::{Mode, RequestToSign, Signer, Speaker};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::b64u;
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// As many agents as keep the keys from staying in the nearest cache.
pub(crate) const AGENTS: usize = 1_000;

/// The site and path of every request.
pub(crate) const SITE: &str = "www.shop.example";
pub(crate) const PATH: &str = "/products/42?colour=blue";

pub(crate) const NOW: Time = Time::from_seconds(1_790_000_000);

pub(crate) struct World {
    pub(crate) signers: Vec<Signer>,
    pub(crate) judge: Judge,
    pub(crate) site: Site,
    runtime: Runtime,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::of((0..AGENTS).map(signer).collect())
    }

    /// A world of these agents.
    pub(crate) fn of(signers: Vec<Signer>) -> Self {
        let judge = judge(&zone(&signers), Directories::default());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { signers, judge, site: site(), runtime }
    }

    /// One signed header of each agent.
    pub(crate) fn sign_all(&self) -> Vec<String> {
        self.signers.iter().map(sign).collect()
    }

    /// Hands the verdict on a request with each of these headers to `use_it`.
    pub(crate) fn judge(&self, headers: &[String], use_it: impl Fn(Box<Verdict>)) {
        self.runtime.block_on(async {
            for saip in headers {
                use_it(self.judge.judge(&request(saip), &self.site).await);
            }
        });
    }
}

/// The zone of agents, each by its number.
pub(crate) fn zone(signers: &[Signer]) -> String {
    format!("$ORIGIN acme.example.\n$TTL 86400\n@ SOA ns host 1 2 3 4 86400\n{}", records(signers))
}

/// Their records, with absolute names.
pub(crate) fn records(signers: &[Signer]) -> String {
    let mut records = String::new();
    for (at, signer) in signers.iter().enumerate() {
        let key = b64u::encode(signer.public().octets());
        writeln!(records, "agent-{at}._saip.acme.example. TXT \"v=saip1; pk={key}\"")
            .expect("a string takes all");
    }
    records
}

/// A verifier for whom this zone is the DNS, and whom no budget of look-ups holds up.
pub(crate) fn judge(zone: &str, directories: Directories) -> Judge {
    let zones = ZoneFiles::parse(&[("acme", zone)], Dnssec::Insecure).expect("the zone is sound");
    let replay = replay::Settings { capacity: 1 << 21, fresh: true, ..replay::Settings::default() };
    let budget = budget::Settings { burst: u32::MAX, ..budget::Settings::default() };
    let settings = Settings { replay, budget, ..Settings::default() };
    let clock = Arc::new(ManualClock::at(NOW));
    Judge::new(&settings, Dns::Zones(zones), directories, clock).expect("nothing on disk")
}

/// What it knows of itself.
pub(crate) fn site() -> Site {
    Site {
        authorities: vec![Authority::parse(SITE, Scheme::Https).expect("sound")],
        accept_draft: false,
        catalogue: Arc::new(Catalogue::built_in().expect("sound")),
        bots: Some(BotRules::default()),
        passes: None,
        registered: Arc::default(),
        entities: None,
        named: BTreeSet::new(),
    }
}

/// A request with this header, read from its head as the gateway reads it.
pub(crate) fn request(saip: &str) -> Request<'_> {
    let fields = [
        ("host", SITE.as_bytes()),
        ("user-agent", b"acme-crawler/1.0 (+https://acme.example/bot)"),
        ("accept", b"text/html"),
        ("accept-encoding", b"gzip, br"),
        ("saip", saip.as_bytes()),
    ];
    let head = Head {
        method: "GET",
        target: PATH,
        authority: None,
        scheme: Scheme::Https,
        fields: || fields.into_iter(),
        peer: Peer::client([203, 0, 113, 9].into()),
        content: Content::Empty,
    };
    Request::read(head).expect("the request is sound")
}

/// An agent, by its number.
pub(crate) fn signer(at: usize) -> Signer {
    signer_of(at, KeyType::Ed25519)
}

/// An agent with a key of this type.
pub(crate) fn signer_of(at: usize, key_type: KeyType) -> Signer {
    let domain = Domain::parse("acme.example").expect("sound").into_owned();
    let name = format!("agent-{at}");
    let agent = AgentId::parse(&name).expect("sound").into_owned();
    let key = SecretKey::generate(key_type, &mut SystemEntropy).expect("randomness");
    Signer::new(key, Speaker { domain: Some(domain), agent, instance: None })
}

fn sign(signer: &Signer) -> String {
    sign_at(signer, NOW)
}

/// The header of a request to the site, signed at this moment.
pub(crate) fn sign_at(signer: &Signer, now: Time) -> String {
    let target = Target::parse("GET", PATH).expect("sound");
    let authority = Authority::parse(SITE, Scheme::Https).expect("sound");
    let request = RequestToSign { method: "GET", target: &target, authority: &authority, content: None };
    signer.sign(request, Mode::Rolling(KeyType::Ed25519), now).expect("signs")
}
