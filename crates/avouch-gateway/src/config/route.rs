//! Parts of a site with settings of their own.

use std::path::PathBuf;

use avouch_engine::decision::{Mode, OnFault};
use avouch_engine::verdict::Class;
use avouch_wire::settings::{Fault, Table, Value};

use super::Upstream;

/// How much a refusal tells the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disclose {
    /// The reason with its sentence.
    Full,
    /// The reason's code.
    #[default]
    Code,
    /// Only that it was refused.
    None,
}

/// `[[route]]`: everything below a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The path it begins at, matched on whole segments of the normalised path.
    pub path: String,
    /// Where its requests go.
    pub upstream: Option<Upstream>,
    /// What happens with verdicts.
    pub mode: Option<Mode>,
    /// The policy that applies.
    pub policy: Option<PathBuf>,
    /// Whether the upstream gets a signed assertion of the verdict.
    pub assertion: bool,
    /// How much a refusal tells.
    pub disclose: Disclose,
    /// The least trusted class that is let in, before any policy.
    pub require: Option<Class>,
    /// Whether a signature without a nonce, which could be used again, is refused.
    pub require_nonce: bool,
    /// What becomes of a claim that could not be accepted for a reason on this side.
    pub on_fault: OnFault,
}

pub(super) fn mode(value: Value<'_>) -> Result<Mode, Fault> {
    value.one_of(&Mode::WORDS.map(|(word, mode)| (word, mode)))
}

/// A class by its number; every request has at least the trust of class 1.
fn class(value: Value<'_>) -> Result<Class, Fault> {
    const CLASSES: [Class; 3] = [Class::Anonymous, Class::Partial, Class::Verified];
    let number = value.number(0..=3)?;
    let class = CLASSES.into_iter().find(|class| u64::from(class.number()) == number);
    class.ok_or_else(|| {
        value.fault("a class that can be required", "write 0, 2 or 3: class 1 is trusted least")
    })
}

impl Disclose {
    const WORDS: [(&'static str, Self); 3] =
        [("full", Self::Full), ("code", Self::Code), ("none", Self::None)];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Code => "code",
            Self::None => "none",
        }
    }
}

impl Route {
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let path = table.required("path", route_path);
        let upstream = table.optional("upstream", Upstream::read);
        let mode = table.optional("mode", mode);
        let policy = table.optional("policy", |value| value.text().map(PathBuf::from));
        let assertion = table.optional("assertion", |value| value.switch()).unwrap_or_default();
        let disclose = table.optional("disclose", |value| value.one_of(&Disclose::WORDS)).unwrap_or_default();
        let require = table.optional("require", class);
        let require_nonce = table.optional("require_nonce", |value| value.switch()).unwrap_or_default();
        let on_fault = table.optional("on_fault", |value| value.one_of(&OnFault::WORDS)).unwrap_or_default();
        if on_fault == OnFault::Anonymous && matches!(require, Some(Class::Partial | Class::Verified)) {
            let fix = "leave one of the two out: who is taken for anonymous is not let in by `require`";
            table.complain("on_fault", Fault::new("can change nothing here", fix));
        }
        let path = path?;
        Some(Self { path, upstream, mode, policy, assertion, disclose, require, require_nonce, on_fault })
    }

    /// Whether a normalised path lies at or below this route: `/admin` holds `/admin` and
    /// `/admin/x`, not `/administration`.
    pub fn holds(&self, path: &str) -> bool {
        let below = self.path.strip_suffix('/').unwrap_or(&self.path);
        path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

fn route_path(value: Value<'_>) -> Result<String, Fault> {
    let path = value.text()?;
    let plain = path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'%' | b'?' | b'#' | b'\\' | b'*'));
    let dots = path.split('/').any(|segment| matches!(segment, "." | ".."));
    if path.starts_with('/') && plain && !dots && !path.contains("//") {
        return Ok(path.to_owned());
    }
    Err(value.fault(
        "a path",
        "write a plain path that begins with `/`, for example \"/admin\"; everything below it is meant too",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Route {
        Route {
            path: path.into(),
            upstream: None,
            mode: None,
            policy: None,
            assertion: false,
            disclose: Disclose::default(),
            require: None,
            require_nonce: false,
            on_fault: OnFault::default(),
        }
    }

    #[test]
    fn a_route_holds_whole_segments() {
        for path in ["/admin", "/admin/", "/admin/x"] {
            assert!(route("/admin").holds(path), "{path}");
            assert!(route("/admin/").holds(path), "{path}");
            assert!(route("/").holds(path), "{path}");
        }
        for path in ["/", "/administration", "/x/admin", "*", ""] {
            assert!(!route("/admin").holds(path), "{path}");
        }
    }
    #[test]
    fn a_fault_of_ours_can_open_what_class_0_may_enter_and_nothing_else() {
        let parse = |lines: &str| {
            let text =
                format!("listen = '[::]:80'\nupstream = 'http://a.example'\n[[route]]\npath = '/'\n{lines}");
            crate::config::Config::parse("f", &text).map(|config| config.routes[0].on_fault)
        };
        assert_eq!(parse("").unwrap(), OnFault::Unavailable);
        assert_eq!(parse("on_fault = 'unavailable'\nrequire = 3").unwrap(), OnFault::Unavailable);
        for good in ["on_fault = 'anonymous'", "on_fault = 'anonymous'\nrequire = 0"] {
            assert_eq!(parse(good).unwrap(), OnFault::Anonymous);
        }
        for bad in ["require = 3\non_fault = 'anonymous'", "on_fault = 'anonymous'\nrequire = 2"] {
            let said = parse(bad).unwrap_err().to_string();
            assert!(said.contains("on_fault` can change nothing here"), "{said}");
        }
        for bad in ["on_fault = 'accept'", "on_fault = 'Anonymous'", "on_fault = true"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
