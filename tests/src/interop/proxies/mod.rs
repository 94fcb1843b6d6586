//! The proxies that operators already have, in front of a site, asking avouch about each request.

/// What holds behind every proxy.
macro_rules! behind_every_proxy {
    ($proxy:path) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn the_same_requests_come_to_the_same_verdicts() {
            super::battery::same_verdicts(&$proxy).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn what_a_client_says_in_a_proxys_words_counts_for_nothing() {
            super::battery::clients_words_count_for_nothing(&$proxy).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn what_reaches_the_site_is_what_was_judged() {
            super::targets::what_is_forwarded_was_judged(&$proxy).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn no_spelling_of_a_verdict_arrives() {
            super::spellings::none_arrives(&$proxy).await;
        }
    };
}

/// What holds behind those that ask by HTTP; by gRPC it is tried in other words.
macro_rules! behind_those_that_ask_by_http {
    ($proxy:path) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn every_field_is_judged_as_it_was_sent() {
            super::targets::fields_are_judged_as_they_were_sent(&$proxy).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn without_the_line_that_removes_them_they_arrive() {
            super::spellings::one_arrives_without_the_guard(&$proxy).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn without_an_answer_nothing_gets_through() {
            super::outages::nothing_gets_through(&$proxy).await;
        }
    };
}

pub(crate) mod battery;
mod caddy;
mod cases;
mod envoy;
mod envoy_grpc;
mod grpc_verifier;
mod haproxy;
mod haproxy_spoe;
mod nginx;
mod outages;
mod spellings;
mod spoe_verifier;
mod targets;
mod traefik;
mod verifier;
mod world;
