//! Whether what the gateway connects to can be reached.

use std::collections::BTreeMap;

use avouch_gateway::config::{Config, Upstream};
use avouch_gateway::store_settings;
use avouch_tls::{Connector, Protocol};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{About, Finding, PATIENCE};

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let routes = config.routes.iter().filter_map(|route| route.upstream.as_ref());
    let upstreams: BTreeMap<String, &Upstream> =
        config.upstream.iter().chain(routes).map(|upstream| (upstream.to_string(), upstream)).collect();
    let mut found = Vec::new();
    for (name, upstream) in upstreams {
        let reached = timeout(PATIENCE, reach(upstream)).await;
        found.push(match reached {
            Ok(Ok(())) => Finding::fine(About::Upstreams, format!("{name} can be reached")),
            Ok(Err(error)) => out_of_reach(&name, &error.to_string()),
            Err(_) => out_of_reach(&name, "no answer"),
        });
    }
    found.extend(store(config).await);
    found
}

fn out_of_reach(name: &str, why: &str) -> Finding {
    let said = format!("{name} cannot be reached ({why}): its requests are answered 502");
    Finding::wrong(About::Upstreams, said, "start it, or correct `upstream`")
}

async fn reach(upstream: &Upstream) -> std::io::Result<()> {
    let stream = TcpStream::connect((upstream.host.as_str(), upstream.port)).await?;
    if upstream.tls {
        let connector = Connector::system(&[Protocol::Http1]).map_err(std::io::Error::other)?;
        connector.connect(&upstream.host, stream).await?;
    }
    Ok(())
}

async fn store(config: &Config) -> Option<Finding> {
    let settings = match store_settings(&config.store) {
        Ok(settings) => settings?,
        Err(error) => return Some(Finding::unknown(About::Store, error.to_string(), "correct [store]")),
    };
    let address = settings.address.to_string();
    Some(match avouch_store::examine(&settings).await {
        Ok(version) => {
            Finding::fine(About::Store, format!("{address} is Redis {version}, and evicts nothing"))
        }
        Err(unfit) => {
            let said = format!("the store {address} {unfit}; what is signed cannot be accepted");
            Finding::wrong(About::Store, said, "mend it: signed requests are answered 503 until then")
        }
    })
}
