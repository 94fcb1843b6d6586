//! `avouch verify`: one captured request, judged offline by what judges for the gateway.

use super::judging::{Judged, Judging};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_engine::decision::{Decision, Mode, Terms, decide};
use avouch_engine::reason::Reason;
use avouch_engine::verdict::{Standing, Verdict};
use avouch_gather::meter::RateTable;
use avouch_wire::verdict::VerdictDocument;
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Judge one captured request offline, as the gateway would
///
/// Zone files stand for the DNS; what none of them covers could not be found out. Neither could what
/// needs a table of networks that is not named, or too old. Replay cannot be
/// checked offline. Ends with 0 for class 2 and 3, 1 for class 0 and 1, 4 for a claim that could
/// not be checked; with --expect, 0 if the class is that one and 1 if not.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch verify --zone acme.example.zone --authority www.shop.example request.http
  avouch sign --raw … https://www.shop.example/ | avouch verify --zone acme.example.zone -
  avouch verify --registered partners.toml --authority api.shop.example request.http
  avouch verify --zone forward.zone --zone reverse.zone --peer 192.0.2.7 --policy policy.toml -")]
pub(crate) struct Verify {
    #[command(flatten)]
    judging: Judging,
    /// Also decide by this policy, as if enforced
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// The class that must come out
    #[arg(long, value_name = "CLASS", value_parser = clap::value_parser!(u8).range(0..=3))]
    expect: Option<u8>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A verdict as printed, with the decision where there is a policy.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    verdict: VerdictDocument<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'static str>,
}

/// What is printed of a request that cannot be read without doubt.
#[derive(Debug, Serialize)]
struct Refused {
    refused: &'static str,
    status: u16,
    detail: String,
}

impl Verify {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let policy = self.policy.as_deref().map(super::policy::load).transpose()?;
        let terms = Terms { mode: Mode::Enforce, ..Terms::default() };
        let judged = self.judging.judge(policy.as_ref(), |verdict, facts, now| {
            // A sender that has not been seen before, so that no rate limit is spent.
            let meter = RateTable::new(1);
            let decision = policy.as_ref().map(|policy| decide(verdict, facts, policy, terms, &meter, now));
            self.print(verdict, decision.as_ref()).map(|()| self.exit(verdict))
        });
        match judged.await? {
            Judged::Verdict(exit) => exit,
            Judged::Refused(detail) => self.refuse(detail),
        }
    }

    fn print(&self, verdict: &Verdict, decision: Option<&Decision>) -> Result<(), Failure> {
        match self.json {
            true => output::json(&Printed {
                verdict: verdict.document(),
                decision: decision.map(|decision| decision.action.as_str()),
            }),
            false => output::data(told(verdict, decision)?.trim_end()),
        }
    }

    fn refuse(&self, detail: String) -> Result<Exit, Failure> {
        let reason = Reason::RequestMalformed.code();
        match self.json {
            true => output::json(&Refused { refused: reason, status: 400, detail })?,
            false => output::data(format_args!("refused     {reason} (400)\n            {detail}"))?,
        }
        Ok(Exit::Negative)
    }

    fn exit(&self, verdict: &Verdict) -> Exit {
        let class = verdict.class().number();
        match (self.expect, verdict.standing()) {
            (Some(expected), _) => Exit::from_answer(class == expected),
            (None, Standing::Undetermined(_)) => Exit::Unknown,
            (None, _) => Exit::from_answer(class >= 2),
        }
    }
}

/// The verdict for a human reader.
fn told(verdict: &Verdict, decision: Option<&Decision>) -> Result<String, Failure> {
    let mut out = String::new();
    tell(&mut out, verdict, decision).map_err(|error| Failure::unknown(format_args!("writing: {error}")))?;
    Ok(out)
}

fn tell(out: &mut String, verdict: &Verdict, decision: Option<&Decision>) -> std::fmt::Result {
    let cause = verdict.cause().map_or(String::new(), |cause| format!(" ({})", cause.name()));
    writeln!(out, "class       {} {}{cause}", verdict.class().number(), verdict.standing().name())?;
    if let Some(identity) = verdict.identity() {
        writeln!(out, "identity    {identity}")?;
        if let Some(instance) = identity.instance.as_ref().filter(|it| identity.agent.as_ref() != Some(it)) {
            writeln!(out, "instance    {instance}")?;
        }
    }
    if let Some(claimed) = verdict.claimed() {
        writeln!(out, "claimed     {claimed}")?;
    }
    if let Some(pseudonym) = verdict.pseudonym() {
        writeln!(out, "pseudonym   {pseudonym}")?;
    }
    writeln!(out, "mechanism   {}", verdict.mechanism().name())?;
    if let Some(via) = verdict.via() {
        writeln!(out, "via         {via}")?;
    }
    if let Some(Decision { action, rule, .. }) = decision {
        let rule = rule.as_ref().map_or(String::new(), |rule| format!(" (rule `{rule}`)"));
        writeln!(out, "decision    {action}{rule}")?;
    }
    for reason in verdict.reasons() {
        writeln!(out, "reason      {reason}: {}\n            {}", reason.sentence(), reason.fix())?;
    }
    for check in verdict.checks() {
        let dnssec = check.dnssec.map_or(String::new(), |validation| format!(" [{}]", validation.name()));
        let line = format!("{:<12} {:<17} {}{dnssec}", check.outcome.name(), check.name.name(), check.detail);
        writeln!(out, "check       {}", line.trim_end())?;
    }
    for what in verdict.not_checked() {
        writeln!(out, "unchecked   {}", what.name())?;
    }
    match verdict.valid_until() {
        Some(until) => writeln!(out, "good until  {until}"),
        None => Ok(()),
    }
}
