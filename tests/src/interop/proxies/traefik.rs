//! Traefik, by its ForwardAuth middleware.

use std::process::Command;

use testkit::process::Process;

use super::world::Proxy;
use super::{battery, outages, spellings, targets};

static PROXY: Proxy = Proxy {
    program: "traefik",
    manual: include_str!("../../../../docs/operate/traefik.md"),
    gateway: 0,
    guard: ("authResponseHeadersRegex: (?i)^avouch", "authResponseHeaders: [Avouch-Class]"),
    start: |place| {
        let folder = format!("{}/", place.folder.display());
        let here = [("\":443\"", &*format!("\"{}\"", place.front)), ("/etc/traefik/", &folder)];
        place.write("traefik.yaml", &place.block(PROXY.manual, "yaml", 0, &here));
        place.write("shop.yaml", &place.block(PROXY.manual, "yaml", 1, &[]));
        let mut traefik = Command::new(place.tools.path("traefik"));
        Box::new(Process::start(traefik.arg("--configFile=traefik.yaml").current_dir(place.folder)).unwrap())
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
