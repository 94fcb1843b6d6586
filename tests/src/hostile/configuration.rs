//! Bad configuration: every problem at once, each with its line and what to do.

use avouch_gateway::Gateway;
use avouch_gateway::config::Config;

/// A line for every key, each wrong in its own way.
const WRONG: &str = "\
mode = 'enforced'
listen = '127.0.0.1:99999'
authorities = ['https://www.shop.example/']
accept_draft = 'yes'
scheme = 'ftp'
trusted_proxies = ['10.0.0.1/8']
private_peers = 'friends'
upstream = '127.0.0.1:8080'
upsteam = 'http://127.0.0.1:8080'
[tls]
cert = 1
key = ''
[admin]
listen = 'localhost'
[verify]
listen = 9181
[dns]
resolvers = ['dns.example']
trust_ad_from = ['9.9.9.9']
ttl_cap = '1 fortnight'
[policy]
fil = 'policy.toml'
[store]
url = 'redis'
fresh = 1
[log]
access = 7
[limits]
head_time = '0s'
head_size = '1KiB'
connections = 0
conections = 5
[[route]]
path = 'admin'
require = 4
[[route]]
path = '/a'
upstream = 'b'
mode = 'strict'
disclose = 'all'
";

#[test]
fn every_problem_is_listed_with_line_and_fix() {
    let problems = Config::parse("gateway.toml", WRONG).unwrap_err();
    let said = problems.to_string();
    for (line, text) in (1..).zip(WRONG.lines()) {
        let known = problems.list.iter().any(|problem| problem.line == line);
        let sound = text.starts_with('[') || text == "path = '/a'";
        assert!(known || sound, "nothing is said of line {line}, `{text}`:\n{said}");
    }
    for problem in &problems.list {
        assert!(!problem.fix.is_empty() && !problem.what.is_empty(), "{problem:?}");
        assert!(said.contains(&format!(
            "gateway.toml:{}:{}: {}\n  fix: {}",
            problem.line, problem.column, problem.what, problem.fix
        )));
    }
}

#[test]
fn what_is_no_toml_is_named_by_its_line() {
    for (text, line) in
        [("mode = \n", 1), ("mode = 'observe'\nlisten = [\n", 2), ("a = 1\na = 2\n", 2), ("[tls\n", 1)]
    {
        let problems = Config::parse("f", text).unwrap_err();
        assert!(
            problems.list.iter().any(|problem| problem.line == line && !problem.fix.is_empty()),
            "{problems}"
        );
    }
    assert!(Config::parse("f", "listen = '[::]:80'\nupstream = 'http://127.0.0.1:8080'").is_ok());
}

#[test]
fn every_file_that_does_not_load_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "[[rule]]\nname = 'a'\nwhen = { clas = 3 }\nthen = { action = 'shrug' }\n")
        .unwrap();
    let text = format!(
        "listen = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:8080'\ntls.cert = '/no/such.pem'\ntls.key = '/no/such.key'\n\
         dns.trust_anchor = '/no/such.anchor'\npolicy.file = '{}'\n\
         store.url = 'redis://127.0.0.1:1'\nstore.group = 'a'\nstore.password_file = '/no/such.password'\n",
        policy.display()
    );
    let errors = Gateway::check(Config::parse("f", &text).unwrap()).unwrap_err().to_string();
    for said in [
        "/no/such.",
        "/no/such.anchor",
        "/no/such.password",
        "policy.toml:3:",
        "policy.toml:4:",
        "clas",
        "shrug",
    ] {
        assert!(errors.contains(said), "{said} in:\n{errors}");
    }
}
