//! An axum site that knows who asks: `cargo run -p avouch-tower --example axum -- 127.0.0.1:8080`.

use std::error::Error;
use std::net::SocketAddr;

use avouch_tower::{Avouch, Config, Judged};
use axum::Router;
use axum::extract::{ConnectInfo, Extension};
use axum::routing::get;
use tokio::net::TcpListener;

/// For a site in earnest, a file: `Config::load_embedded`.
const CONFIGURATION: &str = "
authorities = ['www.shop.example']
scheme = 'https'
mode = 'enforce'
[[route]]
path = '/members'
require = 3
";

async fn who(Extension(judged): Extension<Judged>) -> String {
    let verdict = &judged.verdict;
    let identity = verdict.identity().map_or_else(|| "-".to_owned(), ToString::to_string);
    format!("{} {identity}\n", verdict.class().number())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let avouch = Avouch::start(Config::parse_embedded("axum", CONFIGURATION)?).await?;
    let connection =
        |of: &http::Extensions| of.get::<ConnectInfo<SocketAddr>>().map(|connection| connection.0);
    let site = Router::new().route("/", get(who)).route("/members", get(who)).layer(avouch.layer(connection));
    let site = site.into_make_service_with_connect_info::<SocketAddr>();
    let stop = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(TcpListener::bind(address).await?, site).with_graceful_shutdown(stop).await?;
    avouch.stop().await;
    Ok(())
}
