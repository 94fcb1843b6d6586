//! What established an identity.

/// The mechanism behind a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// A rolling key certified by a published master key.
    SaipRolling,
    /// A published key itself.
    SaipDirect,
    /// A key that travels with the request.
    SaipStateless,
    /// A key that a registration entity derived for this site.
    SaipRegistry,
    /// An HTTP message signature by a key that the site's operator registered.
    HttpSignature,
    /// A Web Bot Auth signature, by a key of the domain's directory or record.
    WebBotAuth,
    /// A token of the claimed domain names the sender's key or network.
    DelegationToken,
    /// The claimed domain's record names the client's network.
    DelegationRecord,
    /// PTR within the domain, confirmed forward.
    ForwardConfirmed,
    /// The claimed domain resolves to the client's address.
    ForwardAddress,
    /// The operator of the claimed crawler publishes ranges that hold the client's address.
    CrawlerRange,
    /// A Privacy Pass token: an attester vouches for the client, and names nobody.
    PrivacyPass,
    /// None.
    None,
}

impl Mechanism {
    /// Every mechanism.
    pub const ALL: [Self; 13] = [
        Self::SaipRolling,
        Self::SaipDirect,
        Self::SaipStateless,
        Self::SaipRegistry,
        Self::HttpSignature,
        Self::WebBotAuth,
        Self::DelegationToken,
        Self::DelegationRecord,
        Self::ForwardConfirmed,
        Self::ForwardAddress,
        Self::CrawlerRange,
        Self::PrivacyPass,
        Self::None,
    ];

    /// As written in logs and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SaipRolling => "saip-rolling",
            Self::SaipDirect => "saip-direct",
            Self::SaipStateless => "saip-stateless",
            Self::SaipRegistry => "saip-registry",
            Self::HttpSignature => "http-signature",
            Self::WebBotAuth => "web-bot-auth",
            Self::DelegationToken => "delegation-token",
            Self::DelegationRecord => "delegation-record",
            Self::ForwardConfirmed => "forward-confirmed",
            Self::ForwardAddress => "forward-address",
            Self::CrawlerRange => "crawler-range",
            Self::PrivacyPass => "privacy-pass",
            Self::None => "none",
        }
    }
}
