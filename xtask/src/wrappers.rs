//! Who may touch what: each foreign library that needs care is a direct dependency of few crates.

use crate::finding::Finding;
use crate::house::Crate;
use crate::layers::{Layer, Place};

/// Where a library may be a direct dependency. What stands beside the house is exempt.
enum Only {
    Crate(&'static str),
    /// This layer and those above it.
    From(u8),
}

struct Wrapper {
    /// Names, or beginnings of names where they end in `-`.
    libraries: &'static [&'static str],
    only: Only,
    reason: &'static str,
}

const WRAPPERS: &[Wrapper] = &[
    Wrapper {
        libraries: &["pkcs8", "pkcs5", "tss-", "tpm2-", "cryptoki", "cryptoki-"],
        only: Only::Crate("avouch-keys"),
        reason: "one crate sees secret keys, so one crate is read to know that they stay secret",
    },
    Wrapper {
        libraries: &["rustls", "tokio-rustls", "hyper-rustls", "rustls-"],
        only: Only::Crate("avouch-tls"),
        reason: "every TLS setting is made in one place",
    },
    Wrapper {
        libraries: &["hickory-"],
        only: Only::Crate("avouch-dns"),
        reason: "nothing but its wrapper can take an unvalidated answer for a validated one",
    },
    Wrapper {
        libraries: &["async-smtp"],
        only: Only::Crate("avouch-reports"),
        reason: "mail leaves by one way: to the operator's relay, within bounds",
    },
    Wrapper {
        libraries: &["instant-acme"],
        only: Only::Crate("avouch-acme"),
        reason: "the site's certificate is asked for in one place, and its key leaves it for one folder",
    },
    Wrapper {
        libraries: &["x509-parser"],
        only: Only::Crate("avouch-tls"),
        reason: "what a certificate says is read in one place",
    },
    Wrapper {
        libraries: &["redis"],
        only: Only::Crate("avouch-store"),
        reason: "what is entered there is entered once, which one crate is read to know",
    },
    Wrapper {
        libraries: &["listenfd"],
        only: Only::Crate("avouch-gateway"),
        reason: "sockets from outside are taken once, in one place, which looks at what they are",
    },
    Wrapper {
        libraries: &["sd-notify"],
        only: Only::From(2),
        reason: "what a service manager is told stands in one place, for every service",
    },
    Wrapper {
        libraries: &["mail-parser"],
        only: Only::Crate("avouch-wire"),
        reason: "bytes of strangers are read in one crate, which is fuzzed",
    },
    Wrapper {
        libraries: &["hyper", "hyper-util"],
        only: Only::From(2),
        reason: "formats, judgement and keys know nothing of connections",
    },
    Wrapper {
        libraries: &["tonic", "tonic-", "envoy-types", "prost", "prost-"],
        only: Only::Crate("avouch-gateway"),
        reason: "gRPC is how one proxy asks, and what it says becomes a request in one place",
    },
    Wrapper {
        libraries: &["axum"],
        only: Only::From(3),
        reason: "formats, judgement and look-ups know nothing of servers",
    },
];

/// Holds the manifests to the list.
pub(crate) fn check(places: &[Place<'_>], crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in crates {
        let Some(place) = places.iter().find(|place| place.name == krate.name) else { continue };
        for need in &krate.needs {
            let breached = WRAPPERS.iter().filter(|wrapper| wrapper.names(need) && !wrapper.allows(place));
            findings.extend(breached.map(|wrapper| {
                let what = format!("`{}` depends on `{need}`: {}", krate.name, wrapper.reason);
                Finding::new(format!("{}/Cargo.toml", krate.folder), what, wrapper.mend())
            }));
        }
    }
    findings
}

impl Wrapper {
    fn names(&self, library: &str) -> bool {
        self.libraries
            .iter()
            .any(|name| library == *name || (name.ends_with('-') && library.starts_with(name)))
    }

    fn allows(&self, place: &Place<'_>) -> bool {
        match (&self.only, place.layer) {
            (_, Layer::Beside) => true,
            (Only::Crate(name), Layer::Number(_)) => place.name == *name,
            (Only::From(lowest), Layer::Number(layer)) => layer >= *lowest,
        }
    }

    fn mend(&self) -> String {
        match self.only {
            Only::Crate(name) => format!("ask `{name}` for what you need, and let it own the type"),
            Only::From(layer) => format!("move that code to layer {layer}"),
        }
    }
}

/// A second cryptographic library would double what has to be trusted, and `ring` comes in easily.
/// `tree` is what `cargo tree --invert ring` prints: nothing, when nothing builds it.
pub(crate) fn check_ring(tree: &str) -> Vec<Finding> {
    let who: Vec<&str> = tree.lines().skip(1).take(4).map(str::trim).collect();
    if tree.trim().is_empty() {
        return Vec::new();
    }
    let mend = "choose features with aws-lc-rs in place of ring; `cargo tree --workspace -i ring` shows who";
    vec![Finding::new("Cargo.lock", format!("`ring` is built, for {}", who.join(" ")), mend)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers;

    const DOCUMENT: &str = "\
| layer | crate | also |
|---|---|---|
| 1 keys | `avouch-keys` | |
| 2 adapters | `avouch-dns` | |
| 3 services | `avouch-gateway` | |
| beside | `testkit` | |
";

    fn findings(name: &str, need: &str) -> Vec<Finding> {
        let krate = Crate { name: name.into(), folder: String::new(), needs: vec![need.into()] };
        check(&layers::places(DOCUMENT).unwrap(), &[krate])
    }

    #[test]
    fn each_library_is_for_its_wrapper_alone() {
        assert!(findings("avouch-dns", "hickory-proto").is_empty());
        assert!(findings("avouch-keys", "pkcs8").is_empty());
        assert!(findings("avouch-keys", "tpm2-protocol").is_empty());
        assert!(findings("avouch-keys", "cryptoki").is_empty());
        assert_eq!(findings("avouch-gateway", "cryptoki").len(), 1);
        assert_eq!(findings("avouch-gateway", "tpm2-protocol").len(), 1);
        assert!(findings("avouch-gateway", "hyper").is_empty());
        assert!(findings("testkit", "rustls").is_empty());
        assert_eq!(findings("avouch-gateway", "hickory-proto").len(), 1);
        assert_eq!(findings("avouch-dns", "pkcs8").len(), 1);
        assert!(findings("avouch-dns", "hyper").is_empty());
        assert_eq!(findings("avouch-dns", "axum").len(), 1);
        assert_eq!(findings("avouch-gateway", "rustls").len(), 1);
        assert!(findings("avouch-gateway", "tonic").is_empty());
        assert_eq!(findings("avouch-keys", "tonic-prost").len(), 1);
    }

    #[test]
    fn a_name_that_only_begins_alike_is_free() {
        assert!(findings("avouch-keys", "hyperlink").is_empty());
    }

    #[test]
    fn ring_is_named_with_whoever_brings_it() {
        assert!(check_ring("").is_empty());
        let findings = check_ring("ring v0.17.14\n└── rustls-webpki v0.103.16\n");
        assert!(findings[0].to_string().contains("rustls-webpki"));
    }
}
