//! HAProxy, by the action that is shipped.

use std::any::Any;
use std::process::Command;

use testkit::process::Process;

use super::world::{Place, Proxy};

const ACTION: &str = include_str!("../../../../docs/operate/haproxy.lua");

static PROXY: Proxy = Proxy {
    program: "haproxy",
    manual: include_str!("../../../../docs/operate/haproxy.md"),
    gateway: 0,
    guard: ("http-request del-header avouch -m beg", ""),
    start: |place| start(place, PROXY.manual, ("avouch.lua", ACTION)),
    status: |status| status,
    clears_by_prefix: true,
    joins: ", ",
    passes_answer: |_| true,
};

/// Starts one by the page's configuration, with the file that is shipped beside it.
pub(super) fn start(place: &Place<'_>, manual: &'static str, shipped: (&str, &str)) -> Box<dyn Any + Send> {
    let read = |name: &str| std::fs::read_to_string(place.folder.join(name)).unwrap();
    place.write("shop.pem", &(read("chain.pem") + &read("key.pem")));
    place.write(shipped.0, shipped.1);
    let folder = format!("{}/", place.folder.display());
    let here = [("bind :443", &*format!("bind {}", place.front)), ("/etc/haproxy/", &folder)];
    place.write("haproxy.cfg", &place.block(manual, "haproxy", 0, &here));
    let mut haproxy = Command::new(place.tools.path("haproxy"));
    Box::new(Process::start(haproxy.args(["-db", "-f", "haproxy.cfg"]).current_dir(place.folder)).unwrap())
}

behind_every_proxy!(PROXY);
behind_those_that_ask_by_http!(PROXY);
