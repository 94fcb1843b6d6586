//! Envoy, by its ext_authz filter over HTTP.

use std::process::Command;

use testkit::process::Process;

use super::world::Proxy;

static PROXY: Proxy = Proxy {
    program: "envoy",
    manual: include_str!("../../../../docs/operate/envoy.md"),
    gateway: 0,
    guard: ("- remove_on_match: { key_matcher: { prefix: avouch } }", "- remove: x-nothing"),
    start: |place| {
        let port = |port: u16| format!("port_value: {port}");
        let here = [
            (
                "address: \"::\", port_value: 443, ipv4_compat: true",
                &*format!("address: {}, {}", place.front.ip(), port(place.front.port())),
            ),
            ("port_value: 8080", &port(place.site.port())),
            ("port_value: 9181", &port(place.verify.port())),
        ];
        place.write("envoy.yaml", &place.block(PROXY.manual, "yaml", 0, &here));
        let mut envoy = Command::new(place.tools.path("envoy"));
        let own = ["-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1"];
        Box::new(Process::start(envoy.args(own).current_dir(place.folder)).unwrap())
    },
    status: |status| status,
    clears_by_prefix: true,
    joins: ",",
    passes_answer: |status| status < 500,
};

behind_every_proxy!(PROXY);
behind_those_that_ask_by_http!(PROXY);
