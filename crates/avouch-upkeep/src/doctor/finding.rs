//! What was found: about what, whether it is fine, and what mends it.

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The configuration and all that it names.
    Configuration,
    /// The files of secrets, and who may change what decides.
    Files,
    /// The certificate that clients are shown.
    Certificate,
    /// The names of the site.
    Authorities,
    /// The resolvers.
    Resolvers,
    /// The clock.
    Clock,
    /// Where the gateway listens.
    Ports,
    /// Whose word about clients is taken.
    Proxies,
    /// The operator's listener.
    Admin,
    /// The servers behind.
    Upstreams,
    /// Where used nonces are remembered.
    Store,
    /// Folders that are written, and room on their disk.
    Folders,
    /// Data on networks.
    Data,
    /// What the process may use.
    Limits,
    /// How the gateway is started.
    Service,
    /// Where keys can be kept.
    Tpm,
}

impl About {
    /// Its name in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Files => "files",
            Self::Certificate => "certificate",
            Self::Authorities => "authorities",
            Self::Resolvers => "resolvers",
            Self::Clock => "clock",
            Self::Ports => "ports",
            Self::Proxies => "proxies",
            Self::Admin => "admin",
            Self::Upstreams => "upstreams",
            Self::Store => "store",
            Self::Folders => "folders",
            Self::Data => "data",
            Self::Limits => "limits",
            Self::Service => "service",
            Self::Tpm => "tpm",
        }
    }
}

/// Whether it is fine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was looked at, and holds.
    Fine,
    /// It was looked at, and does not hold.
    Wrong,
    /// It could not be found out.
    Unknown,
}

impl Standing {
    /// Its name in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Wrong => "wrong",
            Self::Unknown => "unknown",
        }
    }
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// About what.
    pub about: About,
    /// Whether it is fine.
    pub standing: Standing,
    /// What was found, in words.
    pub said: String,
    /// What mends it; nothing where it is fine.
    pub fix: Option<String>,
}

impl Finding {
    /// It holds.
    pub fn fine(about: About, said: impl Into<String>) -> Self {
        Self { about, standing: Standing::Fine, said: said.into(), fix: None }
    }

    /// It does not hold.
    pub fn wrong(about: About, said: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { about, standing: Standing::Wrong, said: said.into(), fix: Some(fix.into()) }
    }

    /// Whether it holds could not be found out.
    pub fn unknown(about: About, said: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { about, standing: Standing::Unknown, said: said.into(), fix: Some(fix.into()) }
    }
}
