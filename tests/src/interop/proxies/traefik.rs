//! Traefik, by its ForwardAuth middleware.

use std::process::Command;

use testkit::process::Process;

use super::world::Proxy;

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

behind_every_proxy!(PROXY);
behind_those_that_ask_by_http!(PROXY);
