//! A configuration in force: what a request uses from its first to its last moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use avouch_acme::Answers;
use avouch_engine::claim::{BotRules, Catalogue, Issuer, KeyRegister, PassRules};
use avouch_engine::decision::Mode;
use avouch_engine::decision::Terms;
use avouch_engine::pipeline::Site;
use avouch_engine::reason::Reason;
use avouch_tls::{Acceptor, Protocol};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::http_signature::{Algorithms, TimeRules};
use avouch_wire::privacy_pass::ContextKeys;
use avouch_wire::target::NormalPath;
use avouch_wire::time::Time;
use http::{HeaderMap, StatusCode};

use crate::acme;
use crate::answers::{Asked, Problem};
use crate::audit::Versions;
use crate::config::{Config, Disclose, RegistrationEntity, Route, Upstream};
use crate::entities;
use crate::forward::{Connector, Patience, Pool};
use crate::hits::Hits;
use crate::load::{self, LoadError, LoadErrors, Versioned};
use crate::registered;
use crate::trust::{Peer, Remote, Through};

/// Everything that a reload replaces at once.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub(crate) config: Config,
    pub(crate) acceptor: Option<Acceptor>,
    pub(crate) site: Site,
    /// What Privacy Pass challenges are bound to: from the gateway's start to its end, or as its group shares it.
    pass_keys: ContextKeys,
    /// The registration entities of the start, which are those that are asked.
    entities_at_start: Arc<[RegistrationEntity]>,
    /// How often each rule decided, of every policy in force.
    pub(crate) hits: Hits,
    /// What an authority that asks whose the names are is answered with.
    pub(crate) answers: Answers,
    routes: Vec<(Route, Destination)>,
    rest: Destination,
}

/// What applies to a part of the site.
#[derive(Clone)]
pub(crate) struct Destination {
    /// Where requests go; none where other servers receive them.
    pub(crate) way: Option<Way>,
    pub(crate) policy: Versioned,
    pub(crate) terms: Terms,
    pub(crate) assertion: bool,
    pub(crate) disclose: Disclose,
}

/// An upstream, and the connections to it.
#[derive(Clone)]
pub(crate) struct Way {
    pub(crate) upstream: Upstream,
    pub(crate) pool: Arc<Pool>,
}

/// Gathers problems, so that all of them are told at once.
#[derive(Default)]
struct Loading {
    errors: Vec<LoadError>,
    ways: Vec<Way>,
    hits: Hits,
    /// Those of the configuration before.
    hits_before: Hits,
    /// The registration entities of the start; `None` at the start.
    entities_at_start: Option<Arc<[RegistrationEntity]>>,
}

impl Snapshot {
    /// Puts a configuration in force; idle connections to upstreams it shares with the one
    /// before are kept.
    pub(crate) fn after(mut config: Config, before: &Self) -> Result<Self, LoadErrors> {
        // Who keeps the certificate was asked at the start, and goes on.
        if config.acme != before.config.acme {
            (config.acme, config.tls) = (before.config.acme.clone(), before.config.tls.clone());
        }
        let known = Loading {
            ways: before.ways(),
            hits_before: before.hits.clone(),
            entities_at_start: Some(Arc::clone(&before.entities_at_start)),
            ..Loading::default()
        };
        Self::load(config, (before.pass_keys.clone(), before.answers.clone()), known)
    }

    /// Puts the first configuration in force. `pass_keys` must be new at each start, or a group's.
    pub(crate) fn first(config: Config, pass_keys: ContextKeys) -> Result<Self, LoadErrors> {
        Self::load(config, (pass_keys, Answers::default()), Loading::default())
    }

    /// The same, which challenges by other keys.
    pub(crate) fn with_pass_keys(&self, pass_keys: ContextKeys) -> Self {
        let mut after = self.clone();
        if let Some(passes) = &mut after.site.passes {
            passes.keys = pass_keys.clone();
        }
        Self { pass_keys, ..after }
    }

    /// The same, which accepts connections with another certificate.
    pub(crate) fn with_acceptor(&self, acceptor: Acceptor) -> Self {
        Self { acceptor: Some(acceptor), ..self.clone() }
    }

    /// The keys by which it challenges.
    pub(crate) const fn pass_keys(&self) -> &ContextKeys {
        &self.pass_keys
    }

    fn load(
        config: Config,
        (pass_keys, answers): (ContextKeys, Answers),
        mut loading: Loading,
    ) -> Result<Self, LoadErrors> {
        let acceptor = acme::acceptor(&config, &answers).and_then(|loaded| loading.note(loaded));
        let catalogue = loading.note(Catalogue::built_in());
        let issuers = config.privacy_pass.iter().filter_map(|issuer| loading.note(load::issuer(issuer)));
        let issuers: Vec<Issuer> = issuers.collect();
        let rest = loading.destination(&config, None);
        let routes: Vec<_> = config
            .routes
            .iter()
            .filter_map(|route| Some((route.clone(), loading.destination(&config, Some(route))?)))
            .collect();
        let registered = registered::register(&config.http_signatures, false);
        let registered = registered
            .map_err(|faults| loading.errors.extend(faults.into_iter().map(LoadError::from)))
            .unwrap_or_default();
        match (catalogue, rest) {
            (Some(catalogue), Some(rest)) if loading.errors.is_empty() => {
                let passes = (!issuers.is_empty()).then(|| PassRules { keys: pass_keys.clone(), issuers });
                let own =
                    || config.entities.iter().flat_map(|entities| entities.all.iter().cloned()).collect();
                let entities_at_start = loading.entities_at_start.unwrap_or_else(own);
                let known = (catalogue, registered, passes);
                let site = site(&config, known, routes.iter().map(|(_, to)| to).chain([&rest]));
                let site = Site { entities: entities::rules(&config, &entities_at_start), ..site };
                let hits = loading.hits;
                Ok(Self { config, acceptor, site, pass_keys, entities_at_start, hits, answers, routes, rest })
            }
            _ => Err(LoadErrors(loading.errors)),
        }
    }

    /// The client behind a request that came in by `listener`.
    pub(crate) fn peer(&self, remote: Remote, listener: Scheme, headers: &HeaderMap) -> Peer {
        let scheme = self.config.scheme.unwrap_or(listener);
        self.config.trusted_proxies.client(remote, scheme, self.config.private_peers, headers)
    }

    /// What an answer asks for: with a challenge, all that would be taken as proof.
    pub(crate) fn asks(
        &self,
        problem: &Problem,
        authority: Option<&str>,
        scheme: Scheme,
        now: Time,
    ) -> Option<Asked> {
        if problem.status != StatusCode::UNAUTHORIZED {
            return None;
        }
        let ours = &self.config.authorities;
        let authority = authority.and_then(|text| Authority::parse(text, scheme).ok());
        let authority = authority.filter(|authority| ours.contains(authority));
        let asked = self.site.passes.as_ref().zip(authority);
        let tokens =
            asked.map(|(passes, authority)| passes.ask(&authority, now).collect()).unwrap_or_default();
        Some(Asked { bots: self.config.web_bot_auth.enabled, tokens })
    }

    /// Whether a request came by a proxy's own connection, which shows nothing of the client's.
    pub(crate) fn brought_by_proxy(&self, remote: Remote, peer: &Peer) -> bool {
        peer.through == Through::UntrustedProxy || self.config.trusted_proxies.holds(remote)
    }

    /// Says in the log when rules ask for autonomous systems and there is no table of them.
    pub(crate) fn say_what_is_missing(&self) {
        let asks = |(_, to): (_, &Destination)| to.policy.asks_for_asn;
        if self.config.networks.asn.is_none() && self.destinations().any(asks) {
            tracing::warn!("rules ask for `asn`, and never match: name a table by `[asn] file`");
        }
    }

    /// The scheme of the listeners.
    pub(crate) fn default_scheme(&self) -> Scheme {
        if self.acceptor.is_some() { Scheme::Https } else { Scheme::Http }
    }

    /// Where a path belongs. One that servers may read differently belongs nowhere as soon as
    /// there are routes: it could mean the strictest or the laxest of them.
    pub(crate) fn destination(&self, path: &NormalPath<'_>) -> Result<&Destination, Problem> {
        if self.routes.is_empty() {
            return Ok(&self.rest);
        }
        if path.is_ambiguous() {
            return Err(Problem::of(Reason::RequestMalformed));
        }
        let held = self.routes.iter().find(|(route, _)| route.holds(path.as_str()));
        Ok(held.map_or(&self.rest, |(_, destination)| destination))
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience { head: self.config.limits.upstream_head, pause: self.config.limits.body_pause }
    }

    /// Every part of the site: the prefix of its route, `None` for what no route holds, and what applies to it.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = (Option<&str>, &Destination)> {
        let routes = self.routes.iter().map(|(route, to)| (Some(route.path.as_str()), to));
        routes.chain([(None, &self.rest)])
    }

    /// Which configuration and which policies these are.
    pub(crate) fn versions(&self) -> Versions {
        let policies = self
            .destinations()
            .map(|(_, to)| (to.policy.hits.policy().to_owned(), to.policy.version.to_string()));
        Versions { configuration: load::version(&self.config.to_string()), policies: policies.collect() }
    }

    /// Every upstream.
    pub(crate) fn ways(&self) -> Vec<Way> {
        self.destinations().filter_map(|(_, to)| to.way.clone()).collect()
    }
}

impl Loading {
    fn note<T, E: Into<LoadError>>(&mut self, loaded: Result<T, E>) -> Option<T> {
        loaded.map_err(|error| self.errors.push(error.into())).ok()
    }

    fn destination(&mut self, config: &Config, route: Option<&Route>) -> Option<Destination> {
        let file = route.and_then(|route| route.policy.as_deref()).or(config.policy.as_deref());
        let policy = self.note(load::policy(file)).map(|policy| {
            let hits = self.hits.of(file, &policy.policy, &self.hits_before);
            Versioned { hits, ..policy }
        });
        let upstream = route.and_then(|route| route.upstream.as_ref()).or(config.upstream.as_ref());
        let way = upstream.map(|upstream| self.way(upstream, config));
        let mode = route.and_then(|route| route.mode).unwrap_or(config.mode);
        Some(Destination {
            way: way.map_or(Some(None), |way| way.map(Some))?,
            policy: policy?,
            terms: Terms {
                mode,
                require: route.and_then(|route| route.require),
                require_nonce: route.is_some_and(|route| route.require_nonce),
                on_fault: route.map(|route| route.on_fault).unwrap_or_default(),
            },
            assertion: route.is_some_and(|route| route.assertion),
            disclose: route.map(|route| route.disclose).unwrap_or_default(),
        })
    }

    fn way(&mut self, upstream: &Upstream, config: &Config) -> Option<Way> {
        if let Some(known) = self.ways.iter().find(|way| way.upstream == *upstream) {
            return Some(known.clone());
        }
        let connector = match upstream.tls {
            true => Some(self.note(Connector::system(&[Protocol::Http1]))?),
            false => None,
        };
        let pool = Pool::new(upstream.clone(), connector, &config.limits);
        let way = Way { upstream: upstream.clone(), pool };
        self.ways.push(way.clone());
        Some(way)
    }
}

fn site<'d>(
    config: &Config,
    (catalogue, registered, passes): (Catalogue, KeyRegister, Option<PassRules>),
    destinations: impl Iterator<Item = &'d Destination>,
) -> Site {
    let named = destinations.flat_map(|to| to.policy.policy.named_domains());
    // Tokens of one attester may be those of most of a site's visitors, and whose key the operator registered is no
    // stranger either.
    let attesters = config.privacy_pass.iter().map(|issuer| issuer.attester.borrowed());
    let partners = registered.keys().map(|key| key.identity().domain.borrowed());
    let named: BTreeSet<String> =
        named.chain(attesters).chain(partners).map(|domain| domain.registrable().to_owned()).collect();
    Site {
        authorities: config.authorities.clone(),
        accept_draft: config.accept_draft,
        catalogue: Arc::new(catalogue),
        bots: config.web_bot_auth.enabled.then(|| BotRules {
            times: TimeRules { max_lifetime: config.web_bot_auth.max_lifetime.as_secs() },
            refuse_test_keys: config.mode == Mode::Enforce
                || config.routes.iter().any(|route| route.mode == Some(Mode::Enforce)),
            algorithms: Algorithms::of(&config.web_bot_auth.algorithms),
        }),
        passes,
        registered: Arc::new(registered),
        entities: None,
        named,
    }
}
