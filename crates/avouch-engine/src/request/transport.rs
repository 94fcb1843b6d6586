//! What was seen of the TLS connection that a request came by.

use avouch_wire::name::Domain;

/// What was seen of TLS. It supports a claim and never suffices for one (VICDM draft section 5.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport<'a> {
    /// There was none, or nobody looked.
    #[default]
    Unseen,
    /// It ended at a proxy, which does not say what it saw. What the connection of the proxy shows is the
    /// proxy's own.
    Elsewhere,
    /// This was seen, here or by a proxy that is trusted to say so.
    Seen(Indicators<'a>),
}

/// What the client of a TLS connection showed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Indicators<'a> {
    /// The host it asked for (SNI, RFC 6066 section 3), in lower case.
    pub server_name: Option<&'a str>,
    /// Whether the certificate that was served is valid for the authority of the request, too. Then one
    /// connection may carry requests for both (RFC 9113 section 9.1.1).
    pub covers_authority: bool,
    /// The domains that its certificate names, where it presented one that was verified.
    pub client_names: &'a [Domain<'static>],
}

/// The domain a certificate names; of a wildcard the one below which it counts. `None` for what is no domain,
/// such as the name of a person, which says nothing here.
#[must_use]
pub fn certified_domain(name: &str) -> Option<Domain<'static>> {
    let domain = name.strip_prefix("*.").unwrap_or(name).to_ascii_lowercase();
    Domain::parse(&domain).ok().map(Domain::into_owned)
}
