//! nginx, by `auth_request`.

use testkit::nginx::Nginx;

use super::world::Proxy;
use super::{battery, outages, spellings, targets};

static PROXY: Proxy = Proxy {
    program: "nginx",
    manual: include_str!("../../../../docs/operate/nginx.md"),
    gateway: 1,
    guard: ("proxy_set_header Avouch-Class $avouch_class;", ""),
    start: |place| {
        let text = place.block(
            PROXY.manual,
            "nginx",
            1,
            &[("listen 443 ssl", &format!("listen {} ssl", place.front))],
        );
        Box::new(Nginx::start(place.tools, &text).unwrap())
    },
    status: |status| if status == 401 { 401 } else { 403 },
    clears_by_prefix: false,
    joins: ", ",
    passes_answer: |_| false,
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
