//! What every page has around it.

use crate::assets;
use crate::user::User;
use crate::users::Role;

/// The pages, in the order of the navigation: path and title.
pub(crate) const PAGES: [(&str, &str); 7] = [
    ("/console/", "Traffic"),
    ("/console/requests", "Requests"),
    ("/console/identities", "Identities"),
    ("/console/policy", "Policy"),
    ("/console/record", "Record"),
    ("/console/keys", "Keys"),
    ("/console/health", "Health"),
];

/// Who looks, and at what.
pub(crate) struct Frame {
    /// Nobody, on pages outside.
    pub(crate) user: Option<User>,
    /// The path of the page in the navigation.
    pub(crate) here: &'static str,
}

impl Frame {
    /// Of a page for whoever is signed in.
    pub(crate) const fn of(user: User, here: &'static str) -> Self {
        Self { user: Some(user), here }
    }

    /// Of a page that nobody need be signed in for.
    pub(crate) const fn outside() -> Self {
        Self { user: None, here: "" }
    }

    /// Where the files are that pages load; another place for other files, so that browsers may keep them.
    #[expect(clippy::unused_self, reason = "templates ask their frame")]
    pub(crate) fn assets(&self) -> &'static str {
        assets::place()
    }

    #[expect(clippy::unused_self, reason = "templates ask their frame")]
    pub(crate) const fn pages(&self) -> &'static [(&'static str, &'static str)] {
        &PAGES
    }

    pub(crate) fn is_operator(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.role == Role::Operator)
    }

    /// What forms carry.
    pub(crate) fn csrf(&self) -> String {
        self.user.as_ref().map(|user| user.csrf.to_string()).unwrap_or_default()
    }
}
