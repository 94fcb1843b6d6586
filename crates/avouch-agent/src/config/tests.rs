use super::*;

const WHOLE: &str = r#"
    key = "file:a\"gent.key"
    passphrase_file = "words"
    domain = "acme.example"
    agent = "crawler-7"
    instance = "nyc-042"
    mode = "direct"
    sign = ["saip", "web-bot-auth"]
    directory = "https://bot.acme.example"
    roots = "roots.pem"
    [[destination]]
    host = ["www.shop.example", "*.shop.example:8443"]
    [[destination]]
    host = "tracker.example"
    sign = []
    [[destination]]
    host = "*"
    sign = "web-bot-auth-c"
    [proxy]
    listen = "10.0.0.1:8118"
    clients = ["10.0.0.0/8"]
    allow_networks = ["10.0.0.0/8"]
    [proxy.tls]
    ca = "a\"uthority"
    intercept = "all"
    [[egress]]
    listen = "127.0.0.1:8119"
    upstream = "https://www.shop.example"
    [[egress]]
    listen = "[::]:8120"
    clients = "10.0.0.0/8"
    upstream = "http://[::1]:8080"
    [signer]
    socket = "/run/avouch-agent/s\"ign.sock"
    users = [1000]
    [admin]
    listen = "127.0.0.1:9190"
    [dns]
    resolvers = ["127.0.0.53", "[::1]:5353"]
    trust_anchor = "root.ds"
    trust_ad_from = ["127.0.0.53"]
    [limits]
    body = "64KiB"
    tunnel_idle = "1h"
"#;

const LEAST: &str =
    "key = 'file:k'\ndomain = 'acme.example'\nagent = 'bot'\nproxy.listen = '127.0.0.1:8118'\n";
const PLACE: &str = "[[destination]]\nhost = 'www.shop.example'\n";

fn problems(text: &str) -> String {
    Config::parse("agent.toml", text).unwrap_err().to_string()
}

/// The problem with the least configuration and these lines.
fn problem(root: &str, more: &str) -> String {
    problems(&format!("{LEAST}{root}\n{PLACE}{more}"))
}

#[test]
fn what_is_printed_reads_back_the_same() {
    let registry =
        "mode = 'registry'\nregistry = { entity = 're.example', secret = 'agent.secret', lines = 3 }\n";
    for text in [WHOLE.to_owned(), format!("{LEAST}{PLACE}"), format!("{registry}{LEAST}{PLACE}")] {
        let config = Config::parse("f", &text).unwrap();
        let printed = config.to_string();
        assert_eq!(Config::parse("printed", &printed).unwrap(), config, "{printed}");
    }
}

#[test]
fn the_least_is_a_rolling_key_and_saip() {
    let config = Config::parse("f", &format!("{LEAST}{PLACE}")).unwrap();
    assert_eq!(config.identity.saip, Saip::Key(identity::ROLLING));
    assert_eq!(config.destinations[0].sign, Protocols::SAIP);
    assert_eq!(config.limits, Limits::default());
    assert!(config.proxy.unwrap().tls.is_none(), "https is not opened unless it is asked for");
}

#[test]
fn every_problem_is_listed_with_its_line() {
    let text = "key = 'k'\ndomain = 'acme'\nagent = 'a b'\nmode = 'roling'\n[[destination]]\nhost = 'a b'\n[proxy]\nlisten = 8118\n[limit]\n";
    let found = Config::parse("agent.toml", text).unwrap_err();
    let lines: Vec<_> = found.list.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 6, 8, 9], "{found}");
}

#[test]
fn each_bad_value_has_its_message() {
    for (root, more, said) in [
        (
            "",
            "[signer]\nsocket = 'sign.sock'\n",
            "`signer.socket` is not the path of a Unix socket: \"sign.sock\"",
        ),
        ("", "[signer]\nsocket = '/s'\nusers = [-1]\n", "`signer.users` is not a number in range"),
        ("", "[signer]\nsocket = '/s'\nusers = []\n", "`signer.users` is an empty list"),
        ("", "[admin]\n", "`admin.listen` is missing"),
        ("mode = 'registry'", "", "`[registry]` is missing"),
        ("", "[registry]\nentity = 're.example'\nsecret = 's'\n", "`[registry]` is not used in this mode"),
        ("mode = 'registry'", "[registry]\nsecret = 's'\n", "`registry.entity` is missing"),
        ("mode = 'registry'", "[registry]\nentity = 're.example'\n", "`registry.secret` is missing"),
        ("mode = 'registry'", "[registry]\nentity = 're'\nsecret = 's'\n", "`registry.entity` is not a host"),
        (
            "mode = 'registry'",
            "[registry]\nentity = 're.example'\nsecret = 's'\nlines = 0\n",
            "`registry.lines` is not a number in range",
        ),
        ("", "[dns]\ntrust_ad_from = '9.9.9.9'\n", "is not a loopback address"),
        ("", "[dns]\nresolvers = 'ns.example'\n", "`dns.resolvers` is not an address with a port"),
        ("", "[limits]\nbody = '1GiB'\n", "`limits.body` is not a size in range"),
        ("", "[limits]\nsignatures = 257\n", "`limits.signatures` is not a number in range"),
        ("", "[limits]\nconnections = 0\n", "`limits.connections` is not a number in range"),
        ("", "[limits]\nwait = '0s'\n", "`limits.wait` is not a time above zero"),
        (
            "",
            "[[egress]]\nlisten = '127.0.0.1:1'\nupstream = 'https://www.shop.example/path'\n",
            "is not a site",
        ),
        (
            "",
            "[[egress]]\nlisten = '127.0.0.1:1'\nupstream = 'https://other.example'\n",
            "is no destination: nothing sent there would be signed",
        ),
        (
            "",
            "[[egress]]\nlisten = '0.0.0.0:1'\nupstream = 'https://www.shop.example'\n",
            "is open to other machines",
        ),
        ("", "[[destination]]\nhost = []\n", "`destination.host` is an empty list"),
        ("", "[[destination]]\nsign = 'saip'\n", "`destination.host` is missing"),
        ("", "[[destination]]\nhost = 'https://a.example'\n", "is not a host to sign for"),
        (
            "",
            "[[destination]]\nhost = 'a'\nsign = 'http-signature'\n",
            "`destination.sign` is not a word known here",
        ),
        (
            "",
            "[[destination]]\nhost = 'a'\nsign = ['web-bot-auth-a', 'web-bot-auth-c']\n",
            "two forms of Web Bot Auth",
        ),
        (
            "",
            "[[destination]]\nhost = 'a'\nsign = 'web-bot-auth-d'\n",
            "`directory` cannot be used: has a path with profile web-bot-auth-d",
        ),
        (
            "directory = 'ftp://bot.example'",
            "[[destination]]\nhost = 'a'\nsign = 'web-bot-auth'\n",
            "`directory` cannot be used",
        ),
        ("sign = []", "", "`sign` is an empty list"),
        ("instance = 'a b'", "", "`instance` is not an instance"),
        ("mode = 'bare'", "", "`mode` is not a word known here"),
        ("proxy.tls = {}", "", "`proxy.tls.ca` is missing"),
        (
            "proxy.tls = { ca = 'ca', intercept = 'some' }",
            "",
            "`proxy.tls.intercept` is not a word known here",
        ),
        ("proxy.allow_networks = '10.0.0.1/8'", "", "it has host bits"),
        ("proxy.clients = []", "", "`proxy.clients` is an empty list"),
        ("roots = 1", "", "`roots` is not a string"),
        ("passphrase_file = ''", "", "`passphrase_file` is empty"),
        ("proxies = 1", "", "unknown key `proxies`"),
    ] {
        let found = problem(root, more);
        assert!(found.contains(said), "{root}{more}: {found}");
        assert!(found.contains("fix: "), "{found}");
    }
}

#[test]
fn a_key_that_is_no_file_says_what_to_write() {
    for (key, said) in [
        ("agent.key", "write file:agent.key"),
        ("pkcs11:k", "names no key"),
        ("tpm:", "wants a path"),
        ("tpm:k?device=tpm0", "names no key"),
        ("file:", "wants a path"),
    ] {
        let found = problems(&format!("{LEAST}{PLACE}").replace("file:k'", &format!("{key}'")));
        assert!(found.contains("`key` names no key") && found.contains(said), "{found}");
    }
}

#[test]
fn what_is_needed_is_asked_for_by_what_needs_it() {
    let without = |line: &str, more: &str| format!("{LEAST}{more}{PLACE}").replace(line, "");
    assert!(problems(&without("agent = 'bot'\n", "")).contains("`agent` is needed to sign by SAIP"));
    assert!(
        problems(&without("domain = 'acme.example'\n", "")).contains("`domain` is needed to sign by SAIP")
    );
    assert!(problems(&without("proxy.listen = '127.0.0.1:8118'\n", "")).contains("`[proxy]` is missing"));
    assert!(problems(LEAST).contains("`[[destination]]` is missing: nothing would ever be signed"));
    let bot = "sign = 'web-bot-auth'\n";
    assert!(problems(&without("domain = 'acme.example'\n", bot)).contains("`directory` is needed"));
    // Web Bot Auth names no agent, and a pseudonym no domain.
    assert!(Config::parse("f", &without("agent = 'bot'\n", bot)).is_ok());
    assert!(Config::parse("f", &without("domain = 'acme.example'\n", "mode = 'stateless'\n")).is_ok());
}

#[test]
fn other_machines_may_sign_only_where_they_are_named() {
    let listen =
        |address: &str, more: &str| format!("{LEAST}{more}{PLACE}").replace("127.0.0.1:8118", address);
    assert!(problems(&listen("0.0.0.0:8118", "")).contains("`proxy.listen` is open to other machines"));
    assert!(problems(&listen("[::]:8118", "")).contains("nothing says which of them may sign"));
    assert!(Config::parse("f", &listen("0.0.0.0:8118", "proxy.clients = '10.0.0.0/8'\n")).is_ok());
    assert!(Config::parse("f", &listen("[::1]:8118", "")).is_ok());
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    std::fs::write(&file, format!("{LEAST}proxy.tls = {{ ca = 'ca' }}\n{PLACE}")).unwrap();
    let config = Config::load(&file).unwrap();
    assert_eq!(config.identity.key.path(), Some(&folder.path().join("k")));
    assert_eq!(config.proxy.unwrap().tls.unwrap().ca, folder.path().join("ca"));
    assert!(matches!(Config::load(&folder.path().join("none.toml")), Err(ConfigError::Read { .. })));
}
