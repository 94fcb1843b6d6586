//! Caddy, by `forward_auth`.

use std::process::Command;

use testkit::process::Process;

use super::world::Proxy;

static PROXY: Proxy = Proxy {
    program: "caddy",
    manual: include_str!("../../../../docs/operate/caddy.md"),
    gateway: 0,
    guard: ("request_header -Avouch*", ""),
    start: |place| {
        let site = place.block(PROXY.manual, "caddy", 0, &[]);
        let place_of_ours = format!(
            "{{\nadmin off\nauto_https disable_redirects\ndefault_bind {}\nhttps_port {}\n}}\n",
            place.front.ip(),
            place.front.port()
        );
        place.write("Caddyfile", &(place_of_ours + &site));
        let mut caddy = Command::new(place.tools.path("caddy"));
        caddy.args(["run", "--config", "Caddyfile"]).current_dir(place.folder);
        let folders = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, place.folder));
        Box::new(Process::start(caddy.envs(folders)).unwrap())
    },
    status: |status| status,
    clears_by_prefix: true,
    joins: ", ",
    passes_answer: |_| true,
};

behind_every_proxy!(PROXY);
behind_those_that_ask_by_http!(PROXY);
