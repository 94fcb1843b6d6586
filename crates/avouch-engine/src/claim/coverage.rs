//! What a signature under a registered key has to cover.

use crate::request::{Content, Request};
use avouch_wire::http_signature::{Component, FieldDigest, Form, Part, SignatureInput};
use std::fmt;

/// What a signature has to cover: parts of the request, each in its own name or as part of a larger one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage(Vec<Needed>);

/// One part that has to be covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// `@method`.
    Method,
    /// `@authority`, or `@target-uri`.
    Authority,
    /// `@scheme`, or `@target-uri`.
    Scheme,
    /// `@path`, `@target-uri` or `@request-target`.
    Path,
    /// `@query`, `@target-uri` or `@request-target`, where the request has a query.
    Query,
    /// `@target-uri`.
    TargetUri,
    /// `@request-target`.
    RequestTarget,
    /// `content-digest` with a digest that is known here, where the request has content.
    ContentDigest,
    /// A field, which the request has to have then.
    Field(Box<str>),
}

impl Default for Coverage {
    /// All that a request asks: so that a signature holds for this one alone.
    fn default() -> Self {
        Self(vec![Needed::Method, Needed::Authority, Needed::Path, Needed::Query, Needed::ContentDigest])
    }
}

impl Coverage {
    /// These and no others.
    #[must_use]
    pub const fn of(needed: Vec<Needed>) -> Self {
        Self(needed)
    }

    /// What has to be covered.
    #[must_use]
    pub fn needed(&self) -> &[Needed] {
        &self.0
    }

    /// Whether a signature covers all of it.
    pub(crate) fn is_met(&self, input: &SignatureInput<'_>, request: &Request<'_>) -> bool {
        self.0.iter().all(|needed| needed.is_met(input, request))
    }

    /// Whether what is covered by this holds for one method, path and query. Where none was sent, none can be added:
    /// it would have to be covered.
    pub(crate) fn binds_target(&self) -> bool {
        let needs = |part: Needed| self.0.contains(&part);
        let whole = needs(Needed::TargetUri) || needs(Needed::RequestTarget);
        needs(Needed::Method) && (whole || (needs(Needed::Path) && needs(Needed::Query)))
    }
}

impl Needed {
    /// Reads the name of a component, without parameters.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match Component::named(name).ok()?.part() {
            Part::Method => Self::Method,
            Part::Authority => Self::Authority,
            Part::Scheme => Self::Scheme,
            Part::Path => Self::Path,
            Part::Query => Self::Query,
            Part::TargetUri => Self::TargetUri,
            Part::RequestTarget => Self::RequestTarget,
            Part::Field { name: "content-digest", .. } => Self::ContentDigest,
            // No signature covers itself.
            Part::Field { name: "signature" | "signature-input", .. } => return None,
            Part::Field { name, .. } => Self::Field(name.into()),
            Part::QueryParam(_) | Part::Status => return None,
        })
    }

    fn is_met(&self, input: &SignatureInput<'_>, request: &Request<'_>) -> bool {
        let any = |parts: &[Part<'_>]| input.covers(|component| parts.contains(&component.part()));
        match self {
            Self::Method => any(&[Part::Method]),
            Self::Authority => any(&[Part::Authority, Part::TargetUri]),
            Self::Scheme => any(&[Part::Scheme, Part::TargetUri]),
            Self::Path => any(&[Part::Path, Part::TargetUri, Part::RequestTarget]),
            Self::Query => {
                !request.path().contains('?') || any(&[Part::Query, Part::TargetUri, Part::RequestTarget])
            }
            Self::TargetUri => any(&[Part::TargetUri]),
            Self::RequestTarget => any(&[Part::RequestTarget]),
            Self::ContentDigest => request.content() == Content::Empty || covers_digest(input, request),
            Self::Field(own) => input.covers(|component| match component.part() {
                Part::Field { name, form, trailer: false } => {
                    *name == **own && !matches!(form, Form::Member(_))
                }
                _ => false,
            }),
        }
    }
}

/// Whether a digest of the content is covered. One that says nothing is for the comparison to refuse.
fn covers_digest(input: &SignatureInput<'_>, request: &Request<'_>) -> bool {
    let fields = request.signature_fields();
    let field = fields.and_then(|fields| fields.content_digest.as_deref()).unwrap_or_default();
    !matches!(FieldDigest::covered_by(input, field), Ok(None))
}

/// As it is named in a signature.
impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "@method",
            Self::Authority => "@authority",
            Self::Scheme => "@scheme",
            Self::Path => "@path",
            Self::Query => "@query",
            Self::TargetUri => "@target-uri",
            Self::RequestTarget => "@request-target",
            Self::ContentDigest => "content-digest",
            Self::Field(name) => name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Head, Peer};
    use avouch_wire::authority::Scheme;
    use avouch_wire::content::ContentDigests;
    use avouch_wire::http_signature::read;

    fn covers(needed: &[&str], covered: &str, target: &str, content: Content) -> bool {
        let input = format!("a=({covered})");
        let signature = read(&input, "a=:AA==:").unwrap().remove(0).signature.unwrap();
        let digest = FieldDigest::of(b"hello").to_string();
        let fields = [("host", "shop.example"), ("signature-input", &*input), ("content-digest", &*digest)];
        let request = Request::read(Head {
            method: "POST",
            target,
            authority: None,
            scheme: Scheme::Https,
            fields: || fields.iter().map(|(name, value)| (*name, value.as_bytes())),
            peer: Peer::client([192, 0, 2, 1].into()),
            content,
        });
        let needed = needed.iter().map(|name| Needed::parse(name).unwrap()).collect();
        Coverage::of(needed).is_met(&signature.input, &request.unwrap())
    }

    #[test]
    fn a_larger_part_covers_the_smaller_ones_and_no_smaller_one_the_larger() {
        let met = |needed: &str, covered: &str| covers(&[needed], covered, "/a?b", Content::Empty);
        for (needed, by) in [
            ("@method", &["@method"][..]),
            ("@authority", &["@authority", "@target-uri"]),
            ("@scheme", &["@scheme", "@target-uri"]),
            ("@path", &["@path", "@target-uri", "@request-target"]),
            ("@query", &["@query", "@target-uri", "@request-target"]),
            ("@target-uri", &["@target-uri"]),
            ("@request-target", &["@request-target"]),
            ("date", &["date"]),
        ] {
            for all in [
                "@method",
                "@authority",
                "@scheme",
                "@path",
                "@query",
                "@target-uri",
                "@request-target",
                "date",
            ] {
                assert_eq!(met(needed, &format!("\"{all}\"")), by.contains(&all), "{needed} by {all}");
            }
        }
        assert!(!met("@query", "\"@query-param\";name=\"b\""));
        assert!(
            met("date", "\"date\";bs") && !met("date", "\"date\";key=\"a\"") && !met("date", "\"date\";tr")
        );
    }

    #[test]
    fn query_and_digest_are_needed_where_there_is_something_to_cover() {
        let hello = Content::Read(ContentDigests::of(b"hello"));
        assert!(covers(&["@query"], "", "/a", Content::Empty));
        assert!(!covers(&["@query"], "", "/a?", Content::Empty), "an empty query is one");
        assert!(covers(&["content-digest"], "", "/a", Content::Empty));
        for content in [hello, Content::Streaming] {
            assert!(!covers(&["content-digest"], "", "/a", content));
            assert!(!covers(&["content-digest"], "\"content-digest\";key=\"md5\"", "/a", content));
            assert!(covers(&["content-digest"], "\"content-digest\";key=\"sha-256\"", "/a", content));
            assert!(covers(&["content-digest"], "\"content-digest\"", "/a", content));
        }
    }

    #[test]
    fn what_is_needed_reads_as_it_is_written_and_what_no_request_has_is_not_asked_for() {
        let names = ["@scheme", "@target-uri", "@request-target", "x-date"];
        for name in
            Coverage::default().needed().iter().map(ToString::to_string).chain(names.map(str::to_owned))
        {
            assert_eq!(Needed::parse(&name).unwrap().to_string(), name);
        }
        for name in ["", "@status", "@query-param", "@other", "Date", "signature", "signature-input", "a b"] {
            assert_eq!(Needed::parse(name), None, "{name}");
        }
        assert!(Coverage::default().binds_target());
        assert!(!Coverage::of(vec![Needed::Method, Needed::Path]).binds_target());
    }
}
