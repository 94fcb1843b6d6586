//! nginx, by `auth_request`.

use testkit::nginx::Nginx;

use super::world::Proxy;

static PROXY: Proxy = Proxy {
    program: "nginx",
    manual: include_str!("../../../../docs/operate/nginx.md"),
    gateway: 1,
    guard: ("proxy_set_header Avouch-Class $avouch_class;", ""),
    start: |place| {
        let text = place.block(
            PROXY.manual,
            "nginx",
            1,
            &[("listen 443 ssl", &format!("listen {} ssl", place.front))],
        );
        Box::new(Nginx::start(place.tools, &text).unwrap())
    },
    status: |status| if status == 401 { 401 } else { 403 },
    clears_by_prefix: false,
    joins: ", ",
    passes_answer: |_| false,
};

behind_every_proxy!(PROXY);
behind_those_that_ask_by_http!(PROXY);
