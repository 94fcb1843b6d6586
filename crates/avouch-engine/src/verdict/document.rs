//! A verdict put into its written form.

use super::{Check, KeyTier, Verdict};
use crate::evidence::Persistence;
use crate::reason::Reason;
use avouch_wire::delegation::Subject;
use avouch_wire::name::Identity;
use avouch_wire::verdict::{CheckDocument, IdentityDocument, KeyTierDocument, VerdictDocument};
use std::borrow::Cow;

impl Verdict {
    /// The verdict as it is written at every edge.
    #[must_use]
    pub fn document(&self) -> VerdictDocument<'_> {
        VerdictDocument {
            class: self.class().number(),
            standing: self.standing.name(),
            identity: self.identity.as_ref().map(identity),
            claimed: self.claimed.as_deref().map(Cow::Borrowed),
            mechanism: self.mechanism.name(),
            via: self.via.map(|via| via_name(via).into()).or(self.attester().map(Cow::Borrowed)),
            pseudonym: self.pseudonym.map(|key| key.to_string()),
            key_tier: KeyTierDocument { tier: self.key_tier.name(), attested_by: None },
            cause: self.cause().map(Persistence::name),
            reasons: self.reasons.iter().copied().map(Reason::code).collect(),
            checks: self.checks.iter().map(check).collect(),
            not_checked: self.not_checked.iter().map(|what| what.name()).collect(),
            valid_until: self.valid_until.map(|until| until.to_string()),
        }
    }
}

impl KeyTier {
    /// As written in logs and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Software => "software",
            Self::Tpm => "tpm",
        }
    }
}

impl Persistence {
    /// As written in logs and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Temporary => "temporary",
            Self::Permanent => "permanent",
        }
    }
}

/// A key by its fingerprint alone, which is how keys are written everywhere.
fn via_name(via: Subject) -> String {
    match via {
        Subject::Key(key) => key.to_string(),
        Subject::Asn(_) | Subject::Network(_) => via.to_string(),
    }
}

fn identity(identity: &Identity) -> IdentityDocument<'_> {
    IdentityDocument {
        domain: identity.domain.as_str().into(),
        agent: identity.agent.as_ref().map(|agent| agent.as_str().into()),
        instance: identity.instance.as_ref().map(|instance| instance.as_str().into()),
    }
}

fn check(check: &Check) -> CheckDocument<'_> {
    CheckDocument {
        name: check.name.name(),
        outcome: check.outcome.name(),
        detail: Cow::Borrowed(&check.detail),
        dnssec: check.dnssec.map(|validation| validation.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{CheckName, Mechanism, Outcome, Standing, Unchecked, Validation};
    use avouch_wire::name::AgentId;
    use avouch_wire::time::Time;

    fn check(name: CheckName, detail: &'static str, dnssec: Option<Validation>) -> Check {
        Check { name, outcome: Outcome::Pass, detail: detail.into(), dnssec }
    }

    fn blank(standing: Standing) -> Verdict {
        Verdict {
            standing,
            identity: None,
            claimed: None,
            mechanism: Mechanism::None,
            via: None,
            attester: None,
            pseudonym: None,
            key_tier: KeyTier::Unknown,
            reasons: [].into_iter().collect(),
            checks: vec![],
            not_checked: vec![],
            valid_until: None,
            next_sequence: None,
        }
    }

    #[test]
    fn a_verified_agent_is_written_with_every_member_in_order() {
        let agent = AgentId::parse("crawler-7").unwrap().into_owned();
        let mut identity = Identity::parse("crawler-7@acme.example").unwrap();
        identity.instance = Some(agent);
        let verdict = Verdict {
            identity: Some(identity),
            mechanism: Mechanism::SaipRolling,
            reasons: [Reason::SignatureVerified].into_iter().collect(),
            checks: vec![
                check(CheckName::DnsKey, "crawler-7._saip.acme.example", Some(Validation::Secure)),
                check(CheckName::Signature, "", None),
            ],
            not_checked: vec![Unchecked::Body],
            valid_until: Some(Time::from_seconds(1_790_000_000)),
            ..blank(Standing::Verified)
        };
        let written = serde_json::to_string(&verdict.document()).unwrap();
        let expected = concat!(
            r#"{"class":3,"standing":"verified","identity":{"domain":"acme.example","agent":"crawler-7","#,
            r#""instance":"crawler-7"},"claimed":null,"mechanism":"saip-rolling","via":null,"pseudonym":null,"#,
            r#""key_tier":{"tier":"unknown","attested_by":null},"cause":null,"reasons":["signature-verified"],"#,
            r#""checks":[{"name":"dns-key","outcome":"pass","detail":"crawler-7._saip.acme.example","#,
            r#""dnssec":"secure"},{"name":"signature","outcome":"pass","detail":""}],"not_checked":["body"],"#,
            r#""valid_until":"2026-09-21T14:13:20Z"}"#,
        );
        assert_eq!(written, expected);
    }

    #[test]
    fn what_could_not_be_found_out_keeps_its_cause_and_its_claim_apart_from_an_identity() {
        let standing = Standing::Undetermined(Persistence::Temporary);
        let verdict = Verdict { claimed: Some("acme.example".into()), ..blank(standing) };
        let document = verdict.document();
        assert_eq!((document.class, document.standing), (1, "undetermined"));
        assert_eq!(document.cause, Some("temporary"));
        assert_eq!((document.identity, document.claimed.as_deref()), (None, Some("acme.example")));
    }
}
