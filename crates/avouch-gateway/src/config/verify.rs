//! `[verify]`: where a proxy asks about each request, and which one it is.

use core::fmt;

use avouch_wire::settings::Table;

use super::Endpoint;
use super::print::Quoted;

/// The listener that a proxy asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verify {
    /// Where it asks.
    pub listen: Endpoint,
    /// Who asks.
    pub proxy: Proxy,
}

/// The proxies whose way of asking is known. Each tells of the original request in fields of its own: those of
/// another are the client's, so which one it is has to be said and is never guessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Proxy {
    /// nginx, by `auth_request`.
    #[default]
    Nginx,
    /// Caddy, by `forward_auth`.
    Caddy,
    /// HAProxy, by the action that avouch ships for it.
    Haproxy,
    /// HAProxy, by its Stream Processing Offload Engine.
    HaproxySpoe,
    /// Traefik, by its ForwardAuth middleware.
    Traefik,
    /// Envoy, by its ext_authz filter over HTTP.
    Envoy,
    /// Envoy, by its ext_authz filter over gRPC.
    EnvoyGrpc,
}

impl Proxy {
    const ALL: [(&str, Self); 7] = [
        ("nginx", Self::Nginx),
        ("caddy", Self::Caddy),
        ("haproxy", Self::Haproxy),
        ("haproxy-spoe", Self::HaproxySpoe),
        ("traefik", Self::Traefik),
        ("envoy", Self::Envoy),
        ("envoy-grpc", Self::EnvoyGrpc),
    ];

    /// Its name in configurations.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::HaproxySpoe => "haproxy-spoe",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
            Self::EnvoyGrpc => "envoy-grpc",
        }
    }
}

impl Verify {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let listen = table.required("listen", Endpoint::read);
        let proxy = table.optional("proxy", |value| value.one_of(&Proxy::ALL)).unwrap_or_default();
        Some(Self { listen: listen?, proxy })
    }

    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n[verify]\nlisten = {}\nproxy = \"{}\"", Quoted(&self.listen), self.proxy.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn read(lines: &str) -> Result<Option<Verify>, String> {
        let text = format!("listen = '[::]:8443'\nupstream = 'http://127.0.0.1:8080'\n[verify]\n{lines}");
        Config::parse("test", &text).map(|config| config.verify).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_proxy_is_one_that_is_known_and_nginx_if_nothing_is_said() {
        for (name, proxy) in Proxy::ALL {
            let verify = read(&format!("listen = '127.0.0.1:9181'\nproxy = '{name}'")).unwrap().unwrap();
            assert_eq!((verify.proxy, verify.proxy.as_str()), (proxy, name));
        }
        assert_eq!(read("listen = '127.0.0.1:9181'").unwrap().unwrap().proxy, Proxy::Nginx);
        for wrong in [
            "proxy = 'apache'",
            "proxy = 'Envoy'",
            "proxy = 'envoy_grpc'",
            "proxy = 'haproxy-spop'",
            "proxy = ['nginx', 'caddy']",
            "dialect = 'caddy'",
        ] {
            let told = read(&format!("listen = '127.0.0.1:9181'\n{wrong}")).unwrap_err();
            assert!(told.contains("test:5:"), "{wrong}: {told}");
        }
        assert!(read("proxy = 'caddy'").unwrap_err().contains("listen"));
    }
}
