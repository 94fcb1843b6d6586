//! The verdict as JSON, at every edge that shows one: commands, access log, demonstration.
//!
//! The judgement itself is `avouch-engine`'s and is not serialisable; this is how it is written
//! (`docs/formats/verdict.md`). Every member is always present, `null` where it says nothing, but
//! for `dnssec`, which only a check that rests on a DNS answer has.

use serde::Serialize;
use std::borrow::Cow;

/// A verdict as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct VerdictDocument<'a> {
    /// 0–3 (VICDM draft section 4.2).
    pub class: u8,
    /// The class refined: `anonymous`, `pseudonymous`, `invalid`, `undetermined`, `partial`, `verified`.
    pub standing: &'static str,
    /// Who it is; in classes 2 and 3 only.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub identity: Option<IdentityDocument<'a>>,
    /// Who it was said to be, where that is not established.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub claimed: Option<Cow<'a, str>>,
    /// What established the identity; `none` where nothing did.
    pub mechanism: &'static str,
    /// A verified intermediary, by its name or its key's fingerprint.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub via: Option<Cow<'a, str>>,
    /// The fingerprint of the key a pseudonymous sender is known by.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub pseudonym: Option<String>,
    /// Where the signing key is kept.
    pub key_tier: KeyTierDocument<'a>,
    /// For an undetermined claim: `temporary` or `permanent`.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub cause: Option<&'static str>,
    /// Reason codes, the deciding one first.
    pub reasons: Vec<&'static str>,
    /// What was checked, in order.
    pub checks: Vec<CheckDocument<'a>>,
    /// What the verdict does not cover.
    pub not_checked: Vec<&'static str>,
    /// RFC 3339: from when on the evidence must be gathered anew.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub valid_until: Option<String>,
}

/// An identity, in its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IdentityDocument<'a> {
    /// The domain that answers for the agent.
    pub domain: Cow<'a, str>,
    /// The agent; `null` where only the domain is known.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub agent: Option<Cow<'a, str>>,
    /// The machine, where it was named or is the agent.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub instance: Option<Cow<'a, str>>,
}

/// Where a key is kept, and on whose word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct KeyTierDocument<'a> {
    /// `unknown`, `software` or `tpm`.
    pub tier: &'static str,
    /// Who attested it.
    #[cfg_attr(feature = "openapi", schema(required))]
    pub attested_by: Option<Cow<'a, str>>,
}

/// One check and how it came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CheckDocument<'a> {
    /// What was checked.
    pub name: &'static str,
    /// `pass`, `fail`, `undetermined` or `skipped`.
    pub outcome: &'static str,
    /// For a human reader; never parsed.
    pub detail: Cow<'a, str>,
    /// How the DNS answer behind it was validated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dnssec: Option<&'static str>,
}
