//! Starting, reloading and stopping a gateway.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use avouch_dns::Dns;
use avouch_gather::clock::{Clock, SystemClock};
use avouch_gather::manager;
use avouch_gather::networks::Networks;
use avouch_gather::networks::feeds::Feeds;
use avouch_gather::replay::{Shared, StoreError};
use avouch_gather::room::Room;
use avouch_gather::{Directories, Entities, Judge};
use avouch_gather::{cache, replay};
use avouch_keys::KeyError;
use avouch_keys::assertion::AssertionKey;
use avouch_keys::entropy::{NoRandomness, SystemEntropy};
use avouch_reports::Reports;
use avouch_store::Store;
use avouch_wire::content::ContentDigest;
use avouch_wire::privacy_pass::ContextKeys;
use avouch_wire::time::Time;
use axum::Router;
use metrics_exporter_prometheus::BuildError;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::access_log::AccessLog;
use crate::audit::{Asked, Audit, Change};
use crate::config::{Config, ConfigError, Endpoint, Proxy, StorePlace};
use crate::desk::Desk;
use crate::dialect::Dialect;
use crate::gate::{Gate, Parts};
use crate::insight::Insight;
use crate::listen::{self, Aside, Door, Offload, Passed, PassedError, Questions, Site};
use crate::load::{self, LoadError, LoadErrors};
use crate::numbers::Numbers;
use crate::recent::Recent;
use crate::snapshot::Snapshot;
use crate::{acme, admin, entities, feeds, judge_api, passes, reload, verify};

/// How often the replay table and idle upstream connections are looked through.
const TEND: Duration = Duration::from_secs(1);

/// How long a start waits for the store that a group shares.
const STORE_PATIENCE: Duration = Duration::from_secs(1);

/// How often the files of a configuration are looked at.
const WATCH: Duration = Duration::from_secs(1);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which address.
        address: Endpoint,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A socket of the service manager's cannot be used.
    #[error("{0}")]
    Passed(#[from] PassedError),
    /// Something the configuration names cannot be used.
    #[error("{0}")]
    Load(#[from] LoadErrors),
    /// The folder of the replay table, of range files or of reports cannot be used.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The configuration file cannot be read or has problems.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// Signals cannot be received.
    #[error("cannot receive signals: {0}")]
    Signals(std::io::Error),
    /// No key for assertions could be made.
    #[error("cannot make a key for assertions: {0}")]
    Key(#[from] KeyError),
    /// Nothing that challenges could be bound to was drawn.
    #[error("cannot draw what challenges are bound to: {0}")]
    Randomness(#[from] NoRandomness),
    /// The access log cannot be opened.
    #[error("cannot open the access log: {0}")]
    Log(std::io::Error),
    /// The folder of the audit log cannot be used.
    #[error("cannot open the audit log: {0}")]
    Audit(std::io::Error),
    /// The table of numbers cannot be set up; a defect of avouch.
    #[error("cannot set up metrics: {0}")]
    Numbers(#[from] BuildError),
}

/// What a gateway takes from outside its configuration.
pub struct Surroundings {
    /// Where `now` comes from.
    pub clock: Arc<dyn Clock>,
    /// Where DNS answers come from; `None`: the resolvers of the configuration.
    pub dns: Option<Dns>,
    /// Where key directories come from; `None`: they are fetched, as the configuration says.
    pub directories: Option<Directories>,
    /// What Privacy Pass challenges of a gateway that stands alone are bound to; `None`: 32 octets from the system. Whoever gives them draws
    /// them anew for each start, for a token of an earlier one is told by nothing else.
    pub pass_secret: Option<[u8; 32]>,
    /// What the operator's listener serves beside health, figures and keys; with it, the gateway remembers requests.
    pub console: Option<Console>,
    /// Sockets that were opened before the start.
    pub sockets: Passed,
}

/// Makes pages for an operator, of what a gateway lets them see.
pub type Console = Box<dyn FnOnce(Insight) -> Router + Send>;

impl Default for Surroundings {
    /// The machine's clock, the configuration's resolvers, no sockets.
    fn default() -> Self {
        let (clock, sockets) = (Arc::new(SystemClock::new()), Passed::default());
        Self { clock, dns: None, directories: None, pass_secret: None, console: None, sockets }
    }
}

/// A gateway, to be started.
#[derive(Debug)]
pub struct Gateway;

/// A gateway at work. Dropped without [`Running::stop`], it stops at once.
pub struct Running {
    /// Where it listens, in the order of the configuration, with the ports it got.
    pub listening: Vec<Endpoint>,
    /// Those of them that are addresses.
    pub addresses: Vec<SocketAddr>,
    /// Where the operator's listener is, if it is an address.
    pub admin: Option<SocketAddr>,
    /// The same, whatever it is.
    pub operator: Option<Endpoint>,
    /// Where proxies ask.
    pub verify: Option<Endpoint>,
    gate: Arc<Gate>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Gateway {
    /// Starts a gateway: when this returns, it accepts connections.
    ///
    /// # Errors
    ///
    /// Something it needs cannot be opened.
    pub async fn start(config: Config, mut surroundings: Surroundings) -> Result<Running, StartError> {
        let console = surroundings.console.take().filter(|_| config.admin.is_some());
        let room = Arc::new(Room::new(config.limits.connections));
        let doors = Doors::open(&config, &mut surroundings.sockets).await?;
        let proxy = config.verify.as_ref().map(|verify| verify.proxy).unwrap_or_default();
        let recent = console.is_some().then(|| Arc::new(Recent::new(config.limits.remembered)));
        let gate = Arc::new(open(config, surroundings, recent)?);
        gate.audit(&Change::Start);
        let (stop, stopping) = watch::channel(false);
        let mut running = Running {
            addresses: doors.site.iter().filter_map(|(endpoint, _)| endpoint.tcp()).collect(),
            listening: doors.site.iter().map(|(endpoint, _)| endpoint.clone()).collect(),
            admin: doors.admin.first().and_then(|(endpoint, _)| endpoint.tcp()),
            operator: doors.admin.first().map(|(endpoint, _)| endpoint.clone()),
            verify: doors.verify.first().map(|(endpoint, _)| endpoint.clone()),
            gate,
            stop,
            tasks: JoinSet::new(),
        };
        running.share().await;
        for (_, door) in doors.site {
            let gate = Arc::clone(&running.gate);
            running.tasks.spawn(listen::accept(Site, gate, door, Arc::clone(&room), stopping.clone()));
        }
        running.prove_names(doors.http, &stopping);
        running.show(doors.admin, console);
        running.answer(doors.verify, proxy, &stopping);
        running.keep_up();
        Ok(running)
    }

    /// Loads everything a configuration names, as [`Gateway::start`] would, and starts nothing.
    ///
    /// # Errors
    ///
    /// Everything that cannot be loaded.
    pub fn check(config: Config) -> Result<(), LoadErrors> {
        let dns = load::dns(&config.dns);
        let roots = config.reports.as_ref().and_then(|reports| load::reports(reports).err());
        let store = load::store(&config.store).err();
        let acme = config.acme.as_ref().and_then(|acme| load::authority(acme).err());
        let (_, broken) = config.networks.load(&Networks::default(), SystemClock::new().now());
        let broken = broken.into_iter().map(LoadError::from).chain(roots).chain(store);
        let broken: Vec<_> = broken.chain(acme).collect();
        let fetch = config.fetch.clone();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let asked = dns.as_ref().ok().and_then(|dns| entities::asked(&config, dns, &clock).err());
        let broken: Vec<_> = broken.into_iter().chain(asked).collect();
        let client = dns.and_then(|dns| fetch.map(|fetch| load::range_client(&fetch, &dns)).transpose());
        // Nobody is challenged by it.
        let pass_keys = ContextKeys::by_epoch(Vec::new(), None);
        match load::both(Snapshot::first(config, pass_keys), client) {
            Ok(_) if broken.is_empty() => Ok(()),
            Ok(_) => Err(LoadErrors(broken)),
            Err(LoadErrors(errors)) => Err(LoadErrors(errors.into_iter().chain(broken).collect())),
        }
    }
}

/// Runs the gateway of a configuration file until the process is asked to end: SIGHUP and a
/// change of its files reload it, SIGTERM and SIGINT let what is under way end. `surroundings` says what it takes from
/// outside, given its configuration; `ready` is called once it accepts connections. A service manager that started it
/// is kept informed.
///
/// # Errors
///
/// It cannot start.
pub async fn run(
    path: &Path,
    surroundings: impl FnOnce(&Config) -> Surroundings,
    ready: impl FnOnce(&Running),
) -> Result<(), StartError> {
    // Looked at before it is read to be used: what changes meanwhile is noticed.
    let mut seen = Some(reload::contents(path, &Config::load(path)?));
    let config = Config::load(path)?;
    let surroundings = surroundings(&config);
    let mut signals = Signals::new().map_err(StartError::Signals)?;
    let mut running = Gateway::start(config, surroundings).await?;
    running.tasks.spawn(manager::keep_alive());
    ready(&running);
    manager::ready(reload::IN_FORCE);
    loop {
        let told = match tokio::time::timeout(WATCH, signals.next()).await {
            Ok(Told::End) => break,
            Ok(Told::Reload) => true,
            Err(_) => false,
        };
        if told {
            running.gate.log.reopen();
        }
        let now = running.contents(path).await;
        if told || now != seen {
            seen = now;
            manager::reloading();
            let (gate, path) = (Arc::clone(&running.gate), path.to_owned());
            let asked = if told { Asked::Signal } else { Asked::Files };
            let reloading = tokio::task::spawn_blocking(move || reload::from_file(&gate, &path, asked));
            manager::ready(reloading.await.unwrap_or(reload::NOT_READ));
        }
    }
    manager::stopping();
    running.stop().await;
    Ok(())
}

/// What a signal asks for.
enum Told {
    End,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::End,
            _ = self.interrupt.recv() => Told::End,
            _ = self.reload.recv() => Told::Reload,
        }
    }
}

/// Has a router answer for as long as the gateway is there: operators look on while it stops.
async fn to_the_end(gate: Arc<Gate>, door: Door, router: Router) {
    let (_never, stop) = watch::channel(false);
    let room = room_aside(&gate);
    listen::accept(Aside(router), gate, door, room, stop).await;
}

/// Room at a listener beside the site's: as much as there.
fn room_aside(gate: &Gate) -> Arc<Room> {
    Arc::new(Room::new(gate.snapshot().config.limits.connections))
}

fn open(config: Config, surroundings: Surroundings, recent: Option<Arc<Recent>>) -> Result<Gate, StartError> {
    let Surroundings { clock, dns, directories, pass_secret, console: _, sockets: _ } = surroundings;
    let is_shared = matches!(config.store.place, StorePlace::Shared(_));
    let pass_keys = passes::first_keys(is_shared, pass_secret)?;
    let store = load::store(&config.store).map_err(|error| LoadErrors(vec![error]))?;
    let store = store.map(|settings| Arc::new(Store::new(settings)));
    let log = AccessLog::open(&config.log, config.log_addresses, config.limits.log_buffer.0);
    let log = log.map_err(StartError::Log)?;
    let dns = dns.map_or_else(|| load::dns(&config.dns), Ok);
    let judge = judge_settings(&config);
    let bots = config.web_bot_auth.clone();
    let (snapshot, dns) = load::both(Snapshot::first(config, pass_keys), dns)?;
    let directories = match directories {
        Some(directories) => directories,
        None => load::directories(&bots, &dns).map_err(|error| LoadErrors(vec![error]))?,
    };
    let feeds = match &snapshot.config.fetch {
        Some(fetch) => {
            let client = load::range_client(fetch, &dns).map_err(|error| LoadErrors(vec![error]))?;
            Some(Feeds::open(&fetch.folder, client)?)
        }
        None => None,
    };
    snapshot.say_what_is_missing();
    let reports = reports(&snapshot.config, &dns, clock.now())?;
    let audit = snapshot.config.audit.as_ref().map(|settings| Audit::open(settings, &clock));
    let audit = audit.transpose().map_err(StartError::Audit)?.map(Arc::new);
    let mut judge = Judge::new(&judge, dns.clone(), directories, Arc::clone(&clock))?;
    if let Some(store) = &store {
        judge = judge.sharing(Arc::clone(store) as Arc<dyn Shared>);
    }
    let asked = entities::asked(&snapshot.config, &dns, &clock).map_err(|error| LoadErrors(vec![error]))?;
    let (asked, verifier) = asked.unzip();
    if let Some(entities) = asked {
        judge = judge.asking(entities);
    }
    let traces = snapshot.config.traces.as_ref().map(load::traces);
    let traces = traces.transpose().map_err(|error| LoadErrors(vec![error]))?;
    let acme = acme::keeper(&snapshot.config, &dns, &snapshot.answers, &clock)?;
    let assertion_key = AssertionKey::generate(&mut SystemEntropy)?;
    let numbers = Numbers::new()?;
    let gate = Gate::new(Parts {
        snapshot,
        judge,
        clock,
        log,
        numbers,
        assertion_key,
        feeds,
        reports,
        audit,
        traces,
        store,
        recent,
        acme,
        verifier,
    });
    gate.load_networks(&gate.snapshot().config);
    Ok(gate)
}

/// The counts of claims and their delivery, where the operator wants them.
fn reports(config: &Config, dns: &Dns, now: Time) -> Result<Option<Arc<Reports>>, StartError> {
    let Some(config) = &config.reports else { return Ok(None) };
    let connectors = load::reports(config).map_err(|error| LoadErrors(vec![error]))?;
    let settings = avouch_reports::Settings {
        organization: config.organization.clone(),
        contact: config.contact.clone(),
        every: config.every,
        folder: config.folder.clone(),
        relay: config.smtp.clone(),
        allowed_networks: config.allow_networks.clone(),
    };
    Ok(Some(Arc::new(Reports::open(settings, dns.clone(), connectors, now)?)))
}

fn judge_settings(config: &Config) -> avouch_gather::Settings {
    // What a group shares is known to nobody better: the table in front of it needs no start rule of its own.
    let (folder, fresh) = match &config.store.place {
        StorePlace::Memory => (None, config.store.fresh),
        StorePlace::File(path) => (Some(path.clone()), config.store.fresh),
        StorePlace::Shared(_) => (None, true),
    };
    avouch_gather::Settings {
        cache: cache::Settings { ttl_cap: config.dns.ttl_cap, ..cache::Settings::default() },
        replay: replay::Settings { capacity: config.limits.nonces, folder, fresh },
        ..avouch_gather::Settings::default()
    }
}

/// Opens every place to listen; each comes with where it is.
/// Every listener, opened before anything else is.
struct Doors {
    /// Where clients connect.
    site: Vec<(Endpoint, Door)>,
    /// Where the operator does.
    admin: Vec<(Endpoint, Door)>,
    /// Where proxies ask.
    verify: Vec<(Endpoint, Door)>,
    /// Where an authority looks whose the names are.
    http: Vec<(Endpoint, Door)>,
}

impl Doors {
    async fn open(config: &Config, sockets: &mut Passed) -> Result<Self, StartError> {
        let verify = config.verify.as_ref().map(|verify| verify.listen.clone());
        let http = config.acme.as_ref().and_then(|acme| acme.http).map(Endpoint::from);
        let doors = Self {
            site: open_doors(&config.listen, sockets).await?,
            admin: open_doors(config.admin.as_slice(), sockets).await?,
            verify: open_doors(verify.as_slice(), sockets).await?,
            http: open_doors(http.as_slice(), sockets).await?,
        };
        for name in sockets.left() {
            tracing::warn!(
                "nothing listens at \"systemd:{name}\": name it in the configuration, or drop its socket unit"
            );
        }
        Ok(doors)
    }
}

async fn open_doors(
    endpoints: &[Endpoint],
    sockets: &mut Passed,
) -> Result<Vec<(Endpoint, Door)>, StartError> {
    let mut doors = Vec::new();
    for endpoint in endpoints {
        let failed = |source| StartError::Listen { address: endpoint.clone(), source };
        let opened = match endpoint {
            Endpoint::Tcp(address) => vec![Door::tcp(*address).await.map_err(failed)?],
            Endpoint::Unix(path) => vec![Door::unix(path).await.map_err(failed)?],
            Endpoint::Passed(name) => sockets.take(name)?,
        };
        for door in opened {
            doors.push((door.endpoint().map_err(failed)?, door));
        }
    }
    Ok(doors)
}

/// Keeps the replay table swept, watches the age of data, sums up numbers, and closes upstream
/// connections that nobody needs any more.
async fn tend(gate: Arc<Gate>) {
    loop {
        tokio::time::sleep(TEND).await;
        gate.snapshot().ways().iter().for_each(|way| way.pool.sweep());
        let gate = Arc::clone(&gate);
        let tending = move || {
            gate.judge.nonces().tend();
            gate.ages.look(&gate.judge.networks(), gate.clock.now(), &gate.numbers);
            if let Some(acceptor) = &gate.snapshot().acceptor {
                gate.expiry.look(acceptor, gate.clock.now(), &gate.numbers);
            }
            gate.reports.iter().for_each(|reports| gate.numbers.reports(reports.figures()));
            gate.acme.iter().for_each(|keeper| gate.numbers.orders(keeper.figures()));
            gate.store.iter().for_each(|store| gate.numbers.store(store.figures()));
            let entities = gate.judge.entities().into_iter().flat_map(Entities::figures);
            entities.for_each(|(name, figures)| gate.numbers.entity(name, figures));
            gate.numbers.tend();
        };
        let _ = tokio::task::spawn_blocking(tending).await;
    }
}

impl Running {
    /// Shares with its group what is shared, where it is of one.
    async fn share(&mut self) {
        let Some(store) = &self.gate.store else { return };
        let clock = Arc::clone(&self.gate.clock);
        self.tasks.spawn(Arc::clone(store).keep(move || clock.now()));
        self.tasks.spawn(passes::keep(Arc::clone(&self.gate), Arc::clone(store)));
        let (clock, meter) = (Arc::clone(&self.gate.clock), Arc::clone(&self.gate.meter));
        self.tasks.spawn(Arc::clone(store).keep_rates(meter, move || clock.now()));
        // Whoever is not answered by then is answered as while the store is down.
        let _ = tokio::time::timeout(STORE_PATIENCE, store.tried()).await;
    }

    /// Has an authority find that the names are the site's, where one is asked for its certificate.
    fn prove_names(&mut self, doors: Vec<(Endpoint, Door)>, stopping: &watch::Receiver<bool>) {
        for (_, door) in doors {
            let asked = Aside(acme::router(self.gate.snapshot().answers.clone()));
            let (gate, room) = (Arc::clone(&self.gate), room_aside(&self.gate));
            self.tasks.spawn(listen::accept(asked, gate, door, room, stopping.clone()));
        }
        if let Some(keeper) = &self.gate.acme {
            self.tasks.spawn(acme::keep(Arc::clone(&self.gate), Arc::clone(keeper)));
        }
    }

    /// Shows the operator how it is.
    fn show(&mut self, doors: Vec<(Endpoint, Door)>, console: Option<Console>) {
        let router = admin::router(Arc::clone(&self.gate));
        let router = match console {
            Some(pages) => router.merge(pages(self.insight())),
            None => router,
        };
        for (_, door) in doors {
            self.tasks.spawn(to_the_end(Arc::clone(&self.gate), door, router.clone()));
        }
    }

    /// Answers proxies that ask.
    fn answer(&mut self, doors: Vec<(Endpoint, Door)>, proxy: Proxy, stopping: &watch::Receiver<bool>) {
        let room = room_aside(&self.gate);
        for (_, door) in doors {
            let (gate, room, stopping) = (Arc::clone(&self.gate), Arc::clone(&room), stopping.clone());
            match Dialect::of(proxy) {
                Some(dialect) => {
                    let asked = verify::router(Arc::clone(&gate), dialect);
                    let asked = Aside(asked.merge(judge_api::router(Arc::clone(&gate))));
                    self.tasks.spawn(listen::accept(asked, gate, door, room, stopping));
                }
                None if proxy == Proxy::HaproxySpoe => {
                    self.tasks.spawn(listen::accept(Offload, gate, door, room, stopping));
                }
                None => _ = self.tasks.spawn(listen::accept(Questions, gate, door, room, stopping)),
            }
        }
    }

    /// What goes on beside requests.
    fn keep_up(&mut self) {
        let gate = &self.gate;
        self.tasks.spawn(feeds::keep(Arc::clone(gate)));
        if let Some(reports) = &gate.reports {
            self.tasks.spawn(Arc::clone(reports).run(Arc::clone(&gate.clock)));
        }
        if let Some(traces) = gate.traces.clone() {
            self.tasks.spawn(async move { traces.exporter.keep().await });
        }
        if let Some(entities) = gate.judge.entities().cloned() {
            self.tasks.spawn(async move { entities.keep().await });
        }
        self.tasks.spawn(tend(Arc::clone(gate)));
    }

    /// Where the program that it runs in asks about requests it received.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Desk(Arc::clone(&self.gate))
    }

    /// A look into it. Requests are remembered only where there is a console.
    #[must_use]
    pub fn insight(&self) -> Insight {
        Insight(Arc::clone(&self.gate))
    }

    /// Puts another configuration in force; requests under way keep the one they began with.
    /// Gives the keys whose change waits for the next start.
    ///
    /// # Errors
    ///
    /// Something it names cannot be used; nothing changes then.
    pub fn reload(&self, config: Config) -> Result<Vec<&'static str>, LoadErrors> {
        reload::apply(&self.gate, config, Asked::Program)
    }

    async fn contents(&self, path: &Path) -> Option<ContentDigest> {
        let (snapshot, path) = (self.gate.snapshot(), path.to_owned());
        tokio::task::spawn_blocking(move || reload::contents(&path, &snapshot.config)).await.ok()
    }

    /// Stops accepting, lets what is under way end within the configured time, and writes what
    /// is to be kept.
    pub async fn stop(mut self) {
        self.gate.stop();
        let _ = self.stop.send(true);
        let drain = self.gate.snapshot().config.limits.drain;
        if tokio::time::timeout(drain, self.stop.closed()).await.is_err() {
            tracing::warn!("requests under way were cut off after the drain time");
        }
        if let Some(traces) = &self.gate.traces {
            traces.exporter.flush().await;
        }
        self.tasks.shutdown().await;
        let gate = Arc::clone(&self.gate);
        let closing = tokio::task::spawn_blocking(move || {
            if let Err(error) = gate.judge.nonces().save() {
                tracing::error!(%error, "cannot save the replay table");
            }
            if let Some(Err(error)) = gate.reports.as_ref().map(|reports| reports.save(gate.clock.now())) {
                tracing::error!(%error, "cannot save what was counted for reports");
            }
            gate.log.close();
            gate.audit(&Change::Stop);
            gate.audit.iter().for_each(|audit| audit.close());
        });
        let _ = closing.await;
    }
}
