//! Requests through a gateway's socket, by what the upstream received.

mod forwarding;

use std::sync::Arc;

use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Running};
use avouch_gather::clock::SystemClock;
use testkit::upstream::Upstream;

/// A gateway in front of `upstream`, with these lines on top of the least configuration.
async fn gateway(upstream: &Upstream, lines: &str) -> Running {
    let text = format!(
        "listen = '127.0.0.1:0'\nupstream = '{}'\nprivate_peers = 'clients'\nlog = {{ access = 'off' }}\n{lines}",
        upstream.url()
    );
    let config = Config::parse("test", &text).unwrap();
    Gateway::start(config, Arc::new(SystemClock::new())).await.unwrap()
}
