//! How the listener for proxies reads each of them, and answers.

use avouch_gateway::Running;
use avouch_gateway::config::Endpoint;
use testkit::message::Message;
use testkit::raw::{Raw, exchange};
use testkit::upstream::Upstream;

use super::gateway;
use crate::interop::proxies::battery::TOLD;

const PROXIES: [&str; 5] = ["nginx", "caddy", "haproxy", "traefik", "envoy"];

const CLIENT: &str = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n";

async fn listener(proxy: &str) -> (Running, Upstream) {
    let upstream = Upstream::start().await.unwrap();
    let lines = format!(
        "verify.listen = '127.0.0.1:0'\nverify.proxy = '{proxy}'\ntrusted_proxies = '127.0.0.1'\n\
         mode = 'enforce'\nauthorities = 'www.shop.example'\n[[route]]\npath = '/members'\nrequire = 3"
    );
    (gateway(&upstream, &lines).await, upstream)
}

/// A question in this proxy's words, about `GET target`.
fn question(proxy: &str, target: &str) -> String {
    let prefix = match proxy {
        "nginx" | "haproxy" => "X-Original-Method: GET\r\nX-Original-URI: ",
        "caddy" | "traefik" => "X-Forwarded-Method: GET\r\nX-Forwarded-Uri: ",
        _ => return format!("GET /verify{target} HTTP/1.1\r\nHost: www.shop.example\r\n{CLIENT}\r\n"),
    };
    format!(
        "GET /verify HTTP/1.1\r\nHost: auth\r\n{prefix}{target}\r\nX-Forwarded-Host: www.shop.example\r\n{CLIENT}\r\n"
    )
}

async fn ask(running: &Running, question: impl AsRef<[u8]>) -> Message {
    let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
    exchange(verify, question).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_proxy_is_understood_in_its_own_words_alone() {
    for proxy in PROXIES {
        let (running, _upstream) = listener(proxy).await;
        for other in PROXIES {
            let answer = ask(&running, question(other, "/open?a=%20b")).await;
            let expected = match (proxy, other) {
                ("envoy", "envoy") => 200,
                _ if question(proxy, "") == question(other, "") => 204,
                // Nothing is asked below that path but by Envoy.
                (_, "envoy") => 404,
                ("nginx", _) => 403,
                _ => 400,
            };
            assert_eq!(answer.status(), expected, "{proxy} asked as {other}: {}", answer.head);
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn every_answer_has_every_field_whatever_it_says() {
    for proxy in PROXIES {
        let (running, _upstream) = listener(proxy).await;
        let nothing = "GET /verify HTTP/1.1\r\nHost: auth\r\n\r\n".to_owned();
        let malformed = if proxy == "nginx" { 403 } else { 400 };
        let through = if proxy == "envoy" { 200 } else { 204 };
        for (question, status) in [
            (question(proxy, "/open"), through),
            (question(proxy, "/members"), 401),
            (question(proxy, "/members/%2f"), malformed),
            (nothing, malformed),
        ] {
            let answer = ask(&running, &question).await;
            assert_eq!(answer.status(), status, "{proxy}: {question} {}", answer.head);
            for name in TOLD {
                let value = answer.field(name);
                assert!(value.is_some_and(|value| !value.is_empty()), "{proxy}: {name}: {}", answer.head);
            }
            // What goes on to the client tells it nothing of what was found.
            let shown = answer.field("avouch-class") == Some("0");
            let judged = status == through || (status == 401 && proxy == "nginx");
            assert_eq!(shown, judged, "{proxy}: {}", answer.head);
        }
        running.stop().await;
    }
}

/// Where servers ask in JSON is on the same listener. What a client asks of the site never gets there.
#[tokio::test]
async fn no_path_of_a_client_leads_to_where_servers_ask() {
    let (running, _upstream) = listener("envoy").await;
    let content = r#"{"method":"GET","scheme":"http","target":"/","headers":[["Host","www.shop.example"]]}"#;
    let asked = |path: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: www.shop.example\r\n{CLIENT}Content-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{content}",
            content.len()
        )
    };
    let judged = ask(&running, asked("/v1/judge")).await;
    assert_eq!(judged.field("content-type"), Some("application/json"), "{}", judged.head);
    for path in
        ["/verify/v1/judge", "/verify/../v1/judge", "/verify/%2e%2e/v1/judge", "/verify/v1/openapi.json"]
    {
        let answer = ask(&running, asked(path)).await;
        assert_eq!((answer.status(), answer.field("content-type")), (200, None), "{path}: {}", answer.head);
        assert_eq!(answer.field("avouch-class"), Some("0"), "it was judged as a request to the site");
    }
    running.stop().await;
}

#[tokio::test]
async fn what_is_said_twice_or_unclearly_is_not_believed() {
    for proxy in PROXIES {
        let (running, _upstream) = listener(proxy).await;
        let good = question(proxy, "/open");
        assert!(ask(&running, &good).await.status() < 300, "{proxy}");
        let twice = |name: &str| {
            let line = good.lines().find(|line| line.starts_with(name)).unwrap();
            good.replacen(line, &format!("{line}\r\n{line}"), 1)
        };
        let mut wrong = vec![
            question(proxy, "/open#/members"),
            question(proxy, "open"),
            question(proxy, "https://www.shop.example/open"),
            question(proxy, ""),
        ];
        match proxy {
            "envoy" => wrong.extend([twice("Host"), good.replace("Host: www.shop.example\r\n", "")]),
            _ => {
                let names = good.lines().filter_map(|line| line.split_once(": ")).map(|(name, _)| name);
                let names = names.filter(|name| {
                    name.ends_with("Method")
                        || name.to_ascii_lowercase().ends_with("-uri")
                        || name.ends_with("-Host")
                });
                for name in names {
                    wrong.push(twice(name));
                    wrong.push(good.replacen(name, "X-Other", 1));
                }
                wrong.push(good.replace(": GET\r\n", ": GET /\r\n"));
            }
        }
        for question in wrong {
            // A fragment is no part of a request's line: where the line is the question, it is left out.
            if proxy == "envoy" && question.contains('#') {
                continue;
            }
            let answer = ask(&running, &question).await;
            assert!(matches!(answer.status(), 400 | 403 | 404), "{proxy}: {question}{}", answer.head);
        }
        let verify = running.verify.as_ref().and_then(Endpoint::tcp).unwrap();
        let mut stranger = Raw::connect_from("127.0.0.2".parse().unwrap(), verify).await.unwrap();
        stranger.send(&good).await.unwrap();
        assert!(stranger.answer().await.unwrap().unwrap().status() >= 400, "{proxy}: a stranger asks");
        running.stop().await;
    }
}
