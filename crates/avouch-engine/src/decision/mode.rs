//! How much of a decision is carried out.

/// How much of a decision is carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Every request is let through; what would have happened is only recorded.
    #[default]
    Observe,
    /// Every request is let through, and the upstream is told what would have happened.
    Advise,
    /// Decisions are carried out.
    Enforce,
}

impl Mode {
    /// Every mode with the word for it.
    pub const WORDS: [(&'static str, Self); 3] =
        [("observe", Self::Observe), ("advise", Self::Advise), ("enforce", Self::Enforce)];

    /// The word configurations and logs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Advise => "advise",
            Self::Enforce => "enforce",
        }
    }
}
