//! Caddy, by `forward_auth`.

use std::process::Command;

use testkit::process::Process;

use super::world::Proxy;
use super::{battery, outages, spellings, targets};

static PROXY: Proxy = Proxy {
    program: "caddy",
    manual: include_str!("../../../../docs/operate/caddy.md"),
    gateway: 0,
    guard: ("request_header -Avouch*", ""),
    start: |place| {
        let site = place.block(PROXY.manual, "caddy", 0, &[]);
        let place_of_ours = format!(
            "{{\nadmin off\nauto_https disable_redirects\ndefault_bind {}\nhttps_port {}\n}}\n",
            place.front.ip(),
            place.front.port()
        );
        place.write("Caddyfile", &(place_of_ours + &site));
        let mut caddy = Command::new(place.tools.path("caddy"));
        caddy.args(["run", "--config", "Caddyfile"]).current_dir(place.folder);
        let folders = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, place.folder));
        Box::new(Process::start(caddy.envs(folders)).unwrap())
    },
    status: |status| status,
    clears_by_prefix: true,
    joins: ", ",
    passes_answer: |_| true,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_come_to_the_same_verdicts() {
    battery::same_verdicts(&PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_says_in_a_proxys_words_counts_for_nothing() {
    battery::clients_words_count_for_nothing(&PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_reaches_the_site_is_what_was_judged() {
    targets::what_is_forwarded_was_judged(&PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_judged_as_it_was_sent() {
    targets::fields_are_judged_as_they_were_sent(&PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_a_verdict_arrives() {
    spellings::none_arrives(&PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_line_that_removes_them_they_arrive() {
    spellings::one_arrives_without_the_guard(&PROXY).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_gets_through() {
    outages::nothing_gets_through(&PROXY).await;
}
