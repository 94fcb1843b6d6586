//! One set of requests, sent to the gateway itself and through each proxy.

use std::net::IpAddr;

use super::world::{CLIENT, CRAWLER, OPEN, SITE, World, get};

/// Parts of the site that refuse, for all that the table needs.
pub(super) const ROUTES: &str = "[[route]]\npath = '/closed'\nmode = 'enforce'\nrequire = 3\nassertion = true\n\
     [[route]]\npath = '/policed'\nmode = 'enforce'\npolicy = 'policy.toml'\n";

pub(super) const POLICY: &str = "\
[[rule]]
name = \"none\"
when = { path = \"/policed/none\" }
then = { action = \"reject\" }
[[rule]]
name = \"proof\"
when = { path = \"/policed/proof\" }
then = { action = \"challenge\" }
[[rule]]
name = \"slow\"
when = { path = \"/policed/slow\" }
then = { action = \"throttle\", rate = \"1/h\", burst = 1 }
";

/// A request, and what becomes of it wherever it is asked for.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) from: IpAddr,
    pub(super) request: String,
    /// What the gateway answers.
    pub(super) status: u16,
    pub(super) class: u64,
    pub(super) reason: &'static str,
}

/// All requests, in the order they are sent; signed now.
pub(super) fn all(world: &World) -> Vec<Case> {
    let url = |target: &str| format!("https://{SITE}{target}");
    let agent = |target: &str, more: &[&str]| {
        let key = ["--key", "file:agent.key", "--dom", "acme.example", "--id", "crawler-7"];
        world.sign(&[&key[..], more, &[&url(target)]].concat())
    };
    let bot = |origin: &str| {
        let key = ["--profile", "web-bot-auth-a", "--key", "file:bot.key", "--agent", origin];
        world.sign(&[&key[..], &[&url("/closed")]].concat())
    };
    let case =
        |name, request, status, class, reason| Case { name, from: CLIENT, request, status, class, reason };
    let crawler = "User-Agent: Googlebot\r\n";
    let (once, query) = (agent("/closed", &[]), "/closed?page=2&of=%41%20b");
    vec![
        case("nobody", get(OPEN, ""), 200, 0, "no-claim"),
        case("proved by SAIP", get("/closed", &once), 200, 3, "signature-verified"),
        case("the same again", get("/closed", &once), 403, 1, "replayed"),
        case("with a query", get(query, &agent(query, &[])), 200, 3, "signature-verified"),
        case(
            "another method",
            get("/closed", &agent("/closed", &["--method", "DELETE"])).replacen("GET", "DELETE", 1),
            200,
            3,
            "signature-verified",
        ),
        case(
            "proved by Web Bot Auth",
            get("/closed", &bot("https://bot.example:9")),
            200,
            3,
            "directory-verified",
        ),
        case("signed for another path", get("/closed", &agent("/other", &[])), 403, 1, "certificate-invalid"),
        case(
            "signed for another method",
            get("/closed", &agent("/closed", &["--method", "PUT"])),
            403,
            1,
            "certificate-invalid",
        ),
        case(
            "a name and no proof",
            get("/closed", &agent("/closed", &["--mode", "bare"])),
            403,
            1,
            "not-confirmed",
        ),
        case("a forged crawler", get(OPEN, crawler), 200, 1, "crawler-not-confirmed"),
        Case { from: CRAWLER, ..case("a crawler", get(OPEN, crawler), 200, 2, "forward-confirmed") },
        case("nobody, where proof is needed", get("/closed", ""), 401, 0, "no-claim"),
        case("nobody, where a rule asks for proof", get("/policed/proof", ""), 401, 0, "no-claim"),
        case("nobody, where a rule rejects", get("/policed/none", ""), 403, 0, "no-claim"),
        case("nobody, for the first time", get("/policed/slow", ""), 200, 0, "no-claim"),
        case("nobody, too soon", get("/policed/slow", ""), 429, 0, "no-claim"),
        case(
            "keys nobody can find",
            get("/closed", &bot("https://lost.example:9")),
            503,
            1,
            "directory-unreachable",
        ),
    ]
}
