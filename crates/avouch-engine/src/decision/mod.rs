//! What happens to a request, given who sent it: a verdict meets a policy.

mod action;
mod fault;
mod mode;
mod permit;
pub mod policy;
pub mod rate;

use core::time::Duration;
use std::sync::Arc;

use avouch_wire::time::Time;

pub use action::{Action, Priority};
pub use fault::OnFault;
pub use mode::Mode;
pub use permit::{Permit, Refusal};
pub use policy::{Facts, Policy};
pub use rate::{Limit, Meter, Subject};

use crate::evidence::Persistence;
use crate::reason::Reason;
use crate::verdict::{Class, Standing, Unchecked, Verdict};
use policy::{Rule, View};

/// A decision and how it was come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What policy and route ask for, whatever the mode made of it.
    pub action: Action,
    /// The rule that decided; `None` where it was the route's `require` or a fault on this side.
    pub rule: Option<Arc<str>>,
    /// What is done.
    pub outcome: Outcome,
    /// Whether it was decided upon as if it had claimed nothing, by [`OnFault::Anonymous`]: then no more than class 0
    /// may be said of it.
    pub as_anonymous: bool,
}

/// What is done with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is forwarded.
    Permit(Permit),
    /// It is answered here.
    Refuse(Refusal),
}

/// What a route says beside its policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// How much of the decision is carried out.
    pub mode: Mode,
    /// The least trusted class that is let in, in the order of trust 3, 2, 0, 1.
    pub require: Option<Class>,
    /// Whether what is proved must be proved for one request: a signature that could be used again is not let in.
    pub require_nonce: bool,
    /// What becomes of a claim that could not be accepted for a reason on this side.
    pub on_fault: OnFault,
}

/// Decides. First what could not be accepted on this side, then content that was swapped, then the
/// route's `require` and `require_nonce`, then the first rule that matches; its rate limit is charged in every mode, so that what is observed is
/// what will be enforced.
pub fn decide<M: Meter + ?Sized>(
    verdict: &Verdict,
    facts: &Facts<'_>,
    policy: &Policy,
    terms: Terms,
    meter: &M,
    now: Time,
) -> Decision {
    let judged = |verdict: &Verdict| {
        swapped(verdict)
            .or_else(|| required(verdict, terms.require?))
            .or_else(|| terms.require_nonce.then(|| repeatable(verdict))?)
            .unwrap_or_else(|| ruled(verdict, facts, policy, meter, now))
    };
    let ruling = match fault::of(verdict) {
        None => judged(verdict),
        Some((reason, wait)) => excused(terms.on_fault, judged)
            .unwrap_or_else(|| Ruling::refused(verdict, wait_refusal(Action::Unavailable, reason, wait))),
    };
    ruling.carried_out(terms.mode)
}

/// What becomes of a request that is taken for one without a claim, where the route says so. Where such a one is
/// kept out by more than its rate, nothing: whoever could prove who it is hears that trying again can help.
fn excused(on_fault: OnFault, judged: impl FnOnce(&Verdict) -> Ruling) -> Option<Ruling> {
    if on_fault == OnFault::Unavailable {
        return None;
    }
    let ruling = judged(&Verdict::unclaimed());
    let is_kept_out = ruling.refusal.as_ref().is_some_and(|refusal| refusal.action != Action::Throttle);
    (!is_kept_out).then_some(Ruling { as_anonymous: true, ..ruling })
}

/// A decision before the mode.
struct Ruling {
    action: Action,
    rule: Option<Arc<str>>,
    priority: Priority,
    audit: bool,
    refusal: Option<Refusal>,
    as_anonymous: bool,
}

impl Ruling {
    fn refused(verdict: &Verdict, refusal: Refusal) -> Self {
        let priority = Priority::of(verdict.standing());
        Self {
            action: refusal.action,
            rule: None,
            priority,
            audit: false,
            refusal: Some(refusal),
            as_anonymous: false,
        }
    }

    fn carried_out(self, mode: Mode) -> Decision {
        let Self { action, rule, priority, audit, refusal, as_anonymous } = self;
        let outcome = match (mode, refusal) {
            (Mode::Enforce, Some(refusal)) => Outcome::Refuse(refusal),
            (Mode::Observe | Mode::Advise | Mode::Enforce, withheld) => Outcome::Permit(Permit {
                priority,
                audit,
                told: (mode != Mode::Observe || withheld.is_none()).then_some(action),
                withheld,
            }),
        };
        Decision { action, rule, outcome, as_anonymous }
    }
}

/// Content that is not what was signed: a long body is cut off when it turns out so, whatever the
/// policy says, and a short one that was read ahead fares no better.
fn swapped(verdict: &Verdict) -> Option<Ruling> {
    let is_swapped = verdict.reasons().first() == Some(&Reason::BodyMismatch);
    is_swapped.then(|| Ruling::refused(verdict, refusal(verdict, Action::Reject)))
}

/// What a route requires and the sender has not. Whoever can still prove who it is is asked to;
/// what could not be found out for now is our fault rather than the sender's; a claim that failed
/// is rejected (VICDM draft section 7), but for a token that answers what was asked before: its
/// sender cannot know of a restart, and is asked anew.
fn required(verdict: &Verdict, least: Class) -> Option<Ruling> {
    if Priority::of(verdict.standing()) >= least_priority(least) {
        return None;
    }
    let refusal = match verdict.standing() {
        Standing::Undetermined(Persistence::Temporary) => {
            wait_refusal(Action::Unavailable, said(verdict, Reason::ClassRequired), fault::AFTER_FAULT)
        }
        Standing::Invalid if is_outdated(verdict) => refusal(verdict, Action::Challenge),
        Standing::Undetermined(Persistence::Permanent) | Standing::Invalid => {
            refusal(verdict, Action::Reject)
        }
        Standing::Anonymous | Standing::Pseudonymous | Standing::Partial | Standing::Verified => {
            refusal(verdict, Action::Challenge)
        }
    };
    Some(Ruling::refused(verdict, refusal))
}

/// Whether a Privacy Pass token failed for no more than that it answers no challenge of now.
fn is_outdated(verdict: &Verdict) -> bool {
    matches!(verdict.reasons().first(), Some(Reason::PassExpired | Reason::PassChallengeUnknown))
}

/// A signature without a nonce, on a route that takes each request once. Who sends it is known, and can sign a nonce.
/// One that something keeps from class 3, such as what TLS showed, can be used again no less.
fn repeatable(verdict: &Verdict) -> Option<Ruling> {
    let names_somebody = matches!(verdict.class(), Class::Partial | Class::Verified);
    let is_repeatable = names_somebody && verdict.not_checked().contains(&Unchecked::Replay);
    let refusal = Refusal { reason: Reason::NonceRequired, ..refusal(verdict, Action::Challenge) };
    is_repeatable.then(|| Ruling::refused(verdict, refusal))
}

/// The priority that a standing of the required class has; priorities follow trust.
const fn least_priority(class: Class) -> Priority {
    match class {
        Class::Unverifiable => Priority::Minimal,
        Class::Anonymous => Priority::Low,
        Class::Partial => Priority::Medium,
        Class::Verified => Priority::High,
    }
}

fn ruled<M: Meter + ?Sized>(
    verdict: &Verdict,
    facts: &Facts<'_>,
    policy: &Policy,
    meter: &M,
    now: Time,
) -> Ruling {
    let view = View::of(verdict, facts);
    let rule = policy.rule_for(&view);
    let refusal = match rule.treatment.action {
        action @ (Action::Challenge | Action::Reject | Action::Unavailable) => Some(refusal(verdict, action)),
        Action::Accept | Action::Monitor | Action::Throttle => over_rate(rule, &view, meter, now),
    };
    let action = refusal.as_ref().map_or(rule.treatment.action, Refusal::action);
    let priority = rule.priority(verdict.standing());
    let audit = rule.treatment.action == Action::Monitor;
    let rule = Some(Arc::clone(&rule.name));
    Ruling { action, rule, priority, audit, refusal, as_anonymous: false }
}

fn over_rate<M: Meter + ?Sized>(rule: &Rule, view: &View<'_>, meter: &M, now: Time) -> Option<Refusal> {
    let quota = rule.treatment.quota.as_ref()?;
    let wait = meter.admit(quota.subject(view), &quota.limit, now).err()?;
    Some(wait_refusal(Action::Throttle, Reason::RateLimited, wait))
}

fn refusal(verdict: &Verdict, action: Action) -> Refusal {
    let usual = if action == Action::Challenge { Reason::ClassRequired } else { Reason::ByPolicy };
    Refusal {
        action,
        reason: said(verdict, usual),
        identified: verdict.class() == Class::Verified,
        retry_after: None,
        retryable: verdict.cause() == Some(Persistence::Temporary),
    }
}

const fn wait_refusal(action: Action, reason: Reason, wait: Duration) -> Refusal {
    Refusal { action, reason, identified: false, retry_after: Some(wait), retryable: true }
}

/// What the answer says: of a claim that does not hold why, else what was asked for.
fn said(verdict: &Verdict, usual: Reason) -> Reason {
    match verdict.class() {
        Class::Unverifiable => verdict.reasons().first().copied().unwrap_or(usual),
        Class::Anonymous | Class::Partial | Class::Verified => usual,
    }
}

#[cfg(test)]
mod tests {
    use avouch_wire::target::NormalPath;

    use super::rate::Cell;
    use super::*;

    /// One cell for everybody.
    impl Meter for Cell {
        fn admit(&self, _: Subject<'_>, limit: &Limit, now: Time) -> Result<(), Duration> {
            Cell::admit(self, limit, now)
        }
    }

    const ENFORCE: Terms =
        Terms { mode: Mode::Enforce, require: None, require_nonce: false, on_fault: OnFault::Unavailable };

    fn decided(verdict: &Verdict, policy: &Policy, terms: Terms) -> Decision {
        let path = NormalPath::of("/");
        let address = [192, 0, 2, 1].into();
        let facts = Facts { method: "GET", path: &path, authority: "shop.example", address, asns: &[] };
        decide(verdict, &facts, policy, terms, &Cell::new(), Time::from_seconds(1_000))
    }

    fn sample(standing: Standing) -> Verdict {
        Verdict::sample(standing)
    }

    fn permit(decision: Decision) -> Permit {
        match decision.outcome {
            Outcome::Permit(permit) => permit,
            Outcome::Refuse(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    fn refusal(decision: Decision) -> Refusal {
        match decision.outcome {
            Outcome::Refuse(refusal) => refusal,
            Outcome::Permit(permit) => panic!("permitted: {permit:?}"),
        }
    }

    const TEMPORARY: Standing = Standing::Undetermined(Persistence::Temporary);
    const PERMANENT: Standing = Standing::Undetermined(Persistence::Permanent);

    #[test]
    fn the_model_treats_each_standing_as_the_draft_says() {
        let table = [
            (Standing::Verified, Action::Accept, Priority::High, "model/verified"),
            (Standing::Partial, Action::Monitor, Priority::Medium, "model/partial"),
            (Standing::Anonymous, Action::Accept, Priority::Low, "model/anonymous"),
            (Standing::Pseudonymous, Action::Accept, Priority::Low, "model/anonymous"),
            (TEMPORARY, Action::Monitor, Priority::Low, "model/undetermined"),
            (PERMANENT, Action::Throttle, Priority::Minimal, "model/invalid"),
            (Standing::Invalid, Action::Throttle, Priority::Minimal, "model/invalid"),
        ];
        for (standing, action, priority, rule) in table {
            let decision = decided(&sample(standing), &Policy::model(), ENFORCE);
            assert_eq!((decision.action, decision.rule.as_deref()), (action, Some(rule)), "{standing:?}");
            let permit = permit(decision);
            assert_eq!((permit.priority(), permit.is_audited()), (priority, action == Action::Monitor));
            assert_eq!(permit.told(), Some(action));
        }
    }

    #[test]
    fn a_failed_claim_is_served_slowly_and_then_told_to_wait() {
        let path = NormalPath::of("/");
        let address = [192, 0, 2, 1].into();
        let facts = Facts { method: "GET", path: &path, authority: "shop.example", address, asns: &[] };
        let (cell, policy, verdict) = (Cell::new(), Policy::model(), sample(Standing::Invalid));
        let at = |seconds| decide(&verdict, &facts, &policy, ENFORCE, &cell, Time::from_seconds(seconds));
        assert!((0..10).all(|_| matches!(at(1_000).outcome, Outcome::Permit(_))));
        let refusal = refusal(at(1_000));
        assert_eq!((refusal.status(), refusal.reason()), (429, Reason::RateLimited));
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(1)));
        assert!(refusal.is_retryable());
        permit(at(1_001));
    }

    #[test]
    fn swapped_content_is_rejected_whatever_the_policy_says() {
        let policy = "[[rule]]\nname = 'all'\nwhen = { class = 1 }\nthen = { action = 'accept' }";
        let policy = Policy::parse("policy.toml", policy).unwrap();
        let swapped = sample(Standing::Invalid).with_reason(Reason::BodyMismatch);
        assert_eq!(refusal(decided(&swapped, &policy, ENFORCE)).status(), 403);
        let other = sample(Standing::Invalid).with_reason(Reason::Expired);
        permit(decided(&other, &policy, ENFORCE));
        permit(decided(&swapped, &policy, Terms { mode: Mode::Observe, ..ENFORCE }));
    }

    #[test]
    fn refusals_say_what_the_sender_can_do() {
        let policy = |action| {
            Policy::parse("p", &format!("[[rule]]\nname = 'r'\nthen = {{ action = '{action}' }}")).unwrap()
        };
        let rejected = sample(Standing::Invalid).with_reason(Reason::SignatureInvalid);
        let refused = refusal(decided(&rejected, &policy("reject"), ENFORCE));
        assert_eq!((refused.status(), refused.reason()), (403, Reason::SignatureInvalid));
        assert!(!refused.is_retryable());
        let refused = refusal(decided(&sample(Standing::Anonymous), &policy("reject"), ENFORCE));
        assert_eq!((refused.status(), refused.reason()), (403, Reason::ByPolicy));
        let refused = refusal(decided(&sample(Standing::Anonymous), &policy("challenge"), ENFORCE));
        assert_eq!((refused.status(), refused.reason()), (401, Reason::ClassRequired));
        let refused = refusal(decided(&sample(Standing::Verified), &policy("challenge"), ENFORCE));
        assert_eq!(refused.status(), 403, "another proof would not help");
    }

    #[test]
    fn a_required_class_is_asked_for_in_the_order_of_trust() {
        let with = |standing, least| {
            let terms = Terms { require: Some(least), ..ENFORCE };
            decided(&sample(standing), &Policy::model(), terms).action
        };
        assert_eq!(with(Standing::Verified, Class::Verified), Action::Accept);
        assert_eq!(with(Standing::Partial, Class::Verified), Action::Challenge);
        assert_eq!(with(Standing::Anonymous, Class::Verified), Action::Challenge);
        assert_eq!(with(Standing::Invalid, Class::Verified), Action::Reject);
        assert_eq!(with(PERMANENT, Class::Verified), Action::Reject);
        assert_eq!(with(TEMPORARY, Class::Verified), Action::Unavailable);
        assert_eq!(with(Standing::Anonymous, Class::Anonymous), Action::Accept);
        assert_eq!(with(TEMPORARY, Class::Anonymous), Action::Monitor);
        assert_eq!(with(Standing::Invalid, Class::Anonymous), Action::Reject);
        assert_eq!(with(Standing::Partial, Class::Anonymous), Action::Monitor);
    }

    #[test]
    fn whoever_answers_a_challenge_of_before_is_asked_anew_and_no_other_failure_is() {
        let with = |reason| {
            let terms = Terms { require: Some(Class::Partial), ..ENFORCE };
            refusal(decided(&sample(Standing::Invalid).with_reason(reason), &Policy::model(), terms))
        };
        for reason in [Reason::PassExpired, Reason::PassChallengeUnknown] {
            assert_eq!((with(reason).status(), with(reason).reason()), (401, reason));
        }
        for reason in [Reason::PassElsewhere, Reason::PassInvalid, Reason::Replayed, Reason::Expired] {
            assert_eq!((with(reason).status(), with(reason).reason()), (403, reason));
        }
    }

    #[test]
    fn where_a_nonce_is_required_a_signature_without_one_is_refused_and_nothing_else() {
        let with = |standing, repeatable: bool, require_nonce| {
            let verdict = sample(standing);
            let verdict = if repeatable { verdict.with_unchecked(Unchecked::Replay) } else { verdict };
            decided(&verdict, &Policy::model(), Terms { require_nonce, ..ENFORCE })
        };
        for signed in [Standing::Verified, Standing::Partial] {
            let refused = refusal(with(signed, true, true));
            assert_eq!(refused.reason(), Reason::NonceRequired, "{signed:?}");
            for (repeatable, required) in [(true, false), (false, true)] {
                permit(with(signed, repeatable, required));
            }
        }
        assert_eq!(refusal(with(Standing::Verified, true, true)).status(), 403);
        for other in [Standing::Anonymous, Standing::Invalid, TEMPORARY, PERMANENT] {
            assert_eq!(with(other, true, true), with(other, true, false), "{other:?}");
        }
    }

    #[test]
    fn faults_of_the_replay_table_are_answered_503_whatever_the_policy() {
        for reason in [
            Reason::ReplayShareFull,
            Reason::ReplayTableFull,
            Reason::ReplayStartRule,
            Reason::ReplayStoreUnreachable,
            Reason::SequenceTableFull,
        ] {
            let decision = decided(&sample(TEMPORARY).with_reason(reason), &Policy::model(), ENFORCE);
            assert_eq!((decision.action, decision.rule.clone()), (Action::Unavailable, None));
            let refusal = refusal(decision);
            assert_eq!((refusal.status(), refusal.reason()), (503, reason));
            assert!(refusal.is_retryable() && refusal.retry_after() >= Some(Duration::from_secs(5)));
        }
        let other = sample(TEMPORARY).with_reason(Reason::DnsTimeout);
        assert_eq!(decided(&other, &Policy::model(), ENFORCE).action, Action::Monitor);
    }

    /// What a route makes of it that takes faults of ours for silence.
    fn excused(verdict: &Verdict, policy: &str, terms: Terms) -> Decision {
        let policy = Policy::parse("p", policy).unwrap();
        decided(verdict, &policy, Terms { on_fault: OnFault::Anonymous, ..terms })
    }

    const FAULTS: [Reason; 5] = [
        Reason::ReplayShareFull,
        Reason::ReplayTableFull,
        Reason::ReplayStartRule,
        Reason::ReplayStoreUnreachable,
        Reason::SequenceTableFull,
    ];

    #[test]
    fn where_a_route_says_so_a_fault_of_ours_leaves_class_0_and_never_more() {
        let rules = "[[rule]]\nname = 'failed'\nwhen = { class = 1 }\nthen = { action = 'reject' }\n\
                     [[rule]]\nname = 'known'\nwhen = { class = [2, 3] }\nthen = { action = 'accept', priority = 'high' }\n\
                     [[rule]]\nname = 'silent'\nwhen = { class = 0, standing = 'anonymous' }\nthen = { action = 'monitor' }";
        for reason in FAULTS {
            let verdict = sample(TEMPORARY).with_reason(reason);
            let decision = excused(&verdict, rules, ENFORCE);
            assert!(decision.as_anonymous);
            assert_eq!((decision.action, decision.rule.as_deref()), (Action::Monitor, Some("silent")));
            assert_eq!(permit(decision).priority(), Priority::Low);
        }
    }

    #[test]
    fn what_met_no_fault_of_ours_is_never_taken_for_silence() {
        let rules = "[[rule]]\nname = 'silent'\nwhen = { class = 0 }\nthen = { action = 'accept' }\n\
                     [[rule]]\nname = 'rest'\nthen = { action = 'reject' }";
        for (standing, reason) in [
            (Standing::Invalid, Reason::SignatureInvalid),
            (Standing::Invalid, Reason::Replayed),
            (Standing::Invalid, Reason::BodyMismatch),
            (TEMPORARY, Reason::DnsTimeout),
            (PERMANENT, Reason::DnssecBogus),
        ] {
            let decision = excused(&sample(standing).with_reason(reason), rules, ENFORCE);
            assert!(!decision.as_anonymous, "{reason:?}");
            assert_eq!(refusal(decision).status(), 403, "{reason:?}");
        }
    }

    #[test]
    fn where_class_0_is_kept_out_a_fault_of_ours_is_answered_503_as_before() {
        for reason in FAULTS {
            let verdict = sample(TEMPORARY).with_reason(reason);
            for action in ["reject", "challenge"] {
                let rules = format!("[[rule]]\nname = 'r'\nthen = {{ action = '{action}' }}");
                let decision = excused(&verdict, &rules, ENFORCE);
                assert!(!decision.as_anonymous);
                let refusal = refusal(decision);
                assert_eq!((refusal.status(), refusal.reason()), (503, reason));
            }
            for least in [Class::Partial, Class::Verified] {
                let decision = excused(&verdict, "", Terms { require: Some(least), ..ENFORCE });
                assert_eq!(refusal(decision).status(), 503);
            }
            permit(excused(&verdict, "", Terms { require: Some(Class::Anonymous), ..ENFORCE }));
        }
    }

    #[test]
    fn who_is_taken_for_silent_is_held_to_the_rate_of_the_silent() {
        let rules = "[[rule]]\nname = 'r'\nwhen = { class = 0 }\nthen = { action = 'throttle', rate = '1/s', burst = 1 }";
        let policy = Policy::parse("p", rules).unwrap();
        let terms = Terms { on_fault: OnFault::Anonymous, ..ENFORCE };
        let verdict = sample(TEMPORARY).with_reason(Reason::ReplayStoreUnreachable);
        let (path, cell) = (NormalPath::of("/"), Cell::new());
        let address = [192, 0, 2, 1].into();
        let facts = Facts { method: "GET", path: &path, authority: "shop.example", address, asns: &[] };
        let send = || decide(&verdict, &facts, &policy, terms, &cell, Time::from_seconds(1_000));
        permit(send());
        assert_eq!(refusal(send()).status(), 429);
    }

    #[test]
    fn only_enforcing_refuses_and_only_observing_keeps_silent() {
        let text = "[[rule]]\nname = 'no'\nthen = { action = 'reject' }";
        let policy = Policy::parse("p", text).unwrap();
        let with = |mode| decided(&sample(Standing::Anonymous), &policy, Terms { mode, ..ENFORCE });
        for mode in [Mode::Observe, Mode::Advise] {
            let decision = with(mode);
            assert_eq!((decision.action, decision.rule.as_deref()), (Action::Reject, Some("no")));
            let permit = permit(decision);
            assert_eq!(permit.withheld().map(Refusal::status), Some(403));
            assert_eq!(permit.told(), (mode == Mode::Advise).then_some(Action::Reject));
        }
        assert_eq!(refusal(with(Mode::Enforce)).status(), 403);
        let accepted = decided(&sample(Standing::Verified), &Policy::model(), Terms::default());
        assert_eq!(permit(accepted).told(), Some(Action::Accept));
    }
}
