//! Each vector through the socket of a gateway, by its log and by what the upstream received.

use super::{compare, difference, directories, written};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::evidence::Dnssec;
use avouch_gateway::config::Config;
use avouch_gateway::{Gateway, Surroundings};
use avouch_gather::clock::ManualClock;
use avouch_wire::proxy_protocol::Told;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use testkit::vector::{Case, Expect, NetworkFiles, Outcome, PASS_SECRET, Vector};

#[tokio::test]
async fn every_vector_is_judged_by_the_gateway_as_it_says() {
    let mut differences = Vec::new();
    for vector in Vector::all() {
        for case in vector.cases() {
            let came = come(case).await;
            differences.extend(difference(&case.name, &case.expect, &came.logged));
            differences.extend(came.disagreement(&case.name));
        }
    }
    compare(&differences);
}

/// What a case comes to, as three witnesses tell it.
struct Came {
    logged: Expect,
    answer: Message,
    received: Option<Message>,
}

/// Starts a gateway as the case describes it and sends it the message.
async fn come(case: &Case) -> Came {
    let upstream = Upstream::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("access.log");
    let trusted = if case.unlisted_proxy { "[]" } else { "['127.0.0.1']" };
    let config = config(case, (&upstream, "", trusted), folder.path());
    let running = Gateway::start(config, surroundings(case)).await.unwrap();
    let answer = exchange(running.addresses[0], message(case)).await.unwrap().unwrap();
    running.stop().await;
    let line = std::fs::read_to_string(&log).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let logged = written(&line["verdict"], &line["decision"]);
    Came { logged, answer, received: upstream.received().pop() }
}

/// The configuration of a case's verifier in front of `upstream`, with these lines more, which believes these proxies.
pub(super) fn config(
    case: &Case,
    (upstream, more, trusted): (&Upstream, &str, &str),
    folder: &Path,
) -> Config {
    // Without authorities a gateway does not enforce; the decision is the same, and carried out less.
    let mode = if case.authorities.is_empty() { "advise" } else { "enforce" };
    let text = format!(
        "listen = '127.0.0.1:0'\nupstream = '{}'\nmode = '{mode}'\nscheme = 'https'\nauthorities = {:?}\n\
         trusted_proxies = {trusted}\naccept_draft = {}\nlimits.nonces = 16384\nstore.fresh = true\nlog.access = '{}'\n{more}",
        upstream.url(),
        case.authorities,
        case.draft,
        folder.join("access.log").display(),
    );
    let text = text + &networks(case, folder) + &case.write_passes(folder).unwrap();
    let file = case.write_registered(folder).unwrap();
    let tables = file.map(|file| std::fs::read_to_string(file).unwrap()).unwrap_or_default();
    // The keys it names are in the folder.
    let tables = tables.replace("key = \"", &format!("key = \"{}/", folder.display()));
    Config::parse("vector", &(text + &tables)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The tables `[asn]` and `[[crawler]]` of the files the case names.
fn networks(case: &Case, folder: &Path) -> String {
    let NetworkFiles { asn, ranges } = case.write_networks(folder).unwrap();
    let asn = asn.map(|table| format!("[asn]\nfile = '{}'\n", table.display())).unwrap_or_default();
    let crawlers = ranges
        .iter()
        .map(|(crawler, file)| format!("[[crawler]]\nname = '{crawler}'\nranges = '{}'\n", file.display()));
    asn + &crawlers.collect::<String>()
}

/// Clock, DNS and directories as the case says.
pub(super) fn surroundings(case: &Case) -> Surroundings {
    let texts = case.zone_texts();
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let zones = ZoneFiles::parse(&texts, Dnssec::Insecure).unwrap();
    Surroundings {
        clock: Arc::new(ManualClock::at(case.now)),
        dns: Some(Dns::Zones(zones)),
        directories: Some(directories(case)),
        pass_secret: Some(PASS_SECRET),
        console: None,
    }
}

/// The message, its sender named as a proxy names it: one that is trusted, or not. Of TLS a proxy tells by PROXY v2.
fn message(case: &Case) -> Vec<u8> {
    if case.sni.is_some() || !case.certificate_names.is_empty() {
        return [told_by_proxy(case), case.message.clone()].concat();
    }
    let end = case.message.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
    let (line, rest) = case.message.split_at(end);
    [line, format!("X-Forwarded-For: {}\r\n", case.peer).as_bytes(), rest].concat()
}

/// A PROXY v2 header, with what the proxy saw of TLS: of a certificate it tells one name.
fn told_by_proxy(case: &Case) -> Vec<u8> {
    // Of several names the last one, which is the one that counts.
    let common_name = case.certificate_names.last().map(String::as_str);
    testkit::proxy::header(case.peer, Told { server_name: case.sni.as_deref(), common_name })
}

impl Came {
    /// What client and upstream saw must be what the log says.
    fn disagreement(&self, name: &str) -> Option<String> {
        let told = self.received.as_ref().map(|received| {
            ["class", "standing", "identity", "mechanism"]
                .map(|field| received.field(&format!("avouch-{field}")).unwrap_or_default().to_owned())
        });
        let (status, expected) = match &self.logged {
            Expect::Refused => (400, None),
            Expect::Judged(outcome) if outcome.decision == "reject" => (403, None),
            Expect::Judged(outcome) => (200, Some(outcome.headers())),
        };
        let agree = self.answer.status() == status && told == expected;
        (!agree)
            .then(|| format!("{name}\n  the upstream was told {told:?}, the client {}", self.answer.status()))
    }
}

/// Fields that tell the upstream of a verdict.
trait Headers {
    fn headers(&self) -> [String; 4];
}

impl Headers for Outcome {
    fn headers(&self) -> [String; 4] {
        let or_dash =
            |text: &str| if text.is_empty() || text == "none" { "-".to_owned() } else { text.to_owned() };
        let identity = self.identity.as_deref().unwrap_or_default();
        [&self.class.to_string(), self.standing.as_str(), identity, self.mechanism.as_str()].map(or_dash)
    }
}
