//! A configuration in force: what a request uses from its first to its last moment.

use std::sync::Arc;

use avouch_engine::reason::Reason;
use avouch_tls::{Acceptor, CertificateError, Protocol};
use avouch_wire::target::NormalPath;
use http::HeaderMap;

use crate::answers::Problem;
use crate::config::{Config, Disclose, Mode, Route, Upstream};
use crate::forward::{Connector, Patience, Pool};
use crate::listen::Origin;
use crate::trust::Peer;

/// Everything that a reload replaces at once.
pub(crate) struct Snapshot {
    pub(crate) config: Config,
    pub(crate) acceptor: Option<Acceptor>,
    routes: Vec<(Route, Destination)>,
    rest: Destination,
}

/// What applies to a part of the site.
pub(crate) struct Destination {
    pub(crate) upstream: Upstream,
    pub(crate) pool: Arc<Pool>,
    pub(crate) mode: Mode,
    pub(crate) assertion: bool,
    pub(crate) disclose: Disclose,
    pub(crate) require: Option<u8>,
}

impl Snapshot {
    /// Puts a configuration in force; idle connections to upstreams it shares with the one
    /// before are kept.
    pub(crate) fn new(config: Config, before: Option<&Self>) -> Result<Self, CertificateError> {
        let acceptor = config.tls.as_ref().map(|tls| Acceptor::load(&tls.cert, &tls.key)).transpose()?;
        let mut pools: Vec<(Upstream, Arc<Pool>)> = before.map(Self::pools).unwrap_or_default();
        let mut destination = |route: Option<&Route>| {
            let upstream = route.and_then(|route| route.upstream.as_ref()).unwrap_or(&config.upstream);
            Ok::<_, CertificateError>(Destination {
                upstream: upstream.clone(),
                pool: pool(&mut pools, upstream, &config)?,
                mode: route.and_then(|route| route.mode).unwrap_or(config.mode),
                assertion: route.is_some_and(|route| route.assertion),
                disclose: route.map(|route| route.disclose).unwrap_or_default(),
                require: route.and_then(|route| route.require),
            })
        };
        let routes = config.routes.iter().map(|route| Ok((route.clone(), destination(Some(route))?)));
        let routes = routes.collect::<Result<_, CertificateError>>()?;
        let rest = destination(None)?;
        Ok(Self { config, acceptor, routes, rest })
    }

    /// The client behind a request.
    pub(crate) fn client(&self, origin: &Origin, headers: &HeaderMap) -> Peer {
        let scheme = self.config.scheme.unwrap_or(origin.scheme);
        self.config.trusted_proxies.client(origin.remote, scheme, self.config.private_peers, headers)
    }

    /// Where a path belongs. One that servers may read differently belongs nowhere as soon as
    /// there are routes: it could mean the strictest or the laxest of them.
    pub(crate) fn destination(&self, path: &str) -> Result<&Destination, Problem> {
        if self.routes.is_empty() {
            return Ok(&self.rest);
        }
        let path = NormalPath::of(path);
        if path.is_ambiguous() {
            return Err(Problem::of(Reason::RequestMalformed));
        }
        let held = self.routes.iter().find(|(route, _)| route.holds(path.as_str()));
        Ok(held.map_or(&self.rest, |(_, destination)| destination))
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience { head: self.config.limits.upstream_head, pause: self.config.limits.body_pause }
    }

    /// The connections to every upstream.
    pub(crate) fn pools(&self) -> Vec<(Upstream, Arc<Pool>)> {
        let destinations = self.routes.iter().map(|(_, destination)| destination).chain([&self.rest]);
        destinations.map(|to| (to.upstream.clone(), Arc::clone(&to.pool))).collect()
    }
}

fn pool(
    pools: &mut Vec<(Upstream, Arc<Pool>)>,
    upstream: &Upstream,
    config: &Config,
) -> Result<Arc<Pool>, CertificateError> {
    if let Some((_, pool)) = pools.iter().find(|(known, _)| known == upstream) {
        return Ok(Arc::clone(pool));
    }
    let connector = upstream.tls.then(|| Connector::system(&[Protocol::Http1])).transpose()?;
    let pool = Pool::new(upstream.clone(), connector, &config.limits);
    pools.push((upstream.clone(), Arc::clone(&pool)));
    Ok(pool)
}
