//! Each vector, judged as `avouch verify` judges: from zone files, by the gateway's own judge.

use super::{compare, difference, directories};
use avouch_dns::{Dns, ZoneFiles};
use avouch_engine::claim::{BotRules, Catalogue, Issuer, KeyRegister, PassRules};
use avouch_engine::decision::policy::Facts;
use avouch_engine::decision::{Mode, Policy, Terms, decide};
use avouch_engine::evidence::Dnssec;
use avouch_engine::pipeline::Site;
use avouch_engine::request::{Content, Head, Indicators, Peer, Request, Transport, certified_domain};
use avouch_engine::verdict::{Unchecked, Verdict};
use avouch_gateway::config::Config;
use avouch_gateway::registered_keys;
use avouch_gather::clock::ManualClock;
use avouch_gather::meter::RateTable;
use avouch_gather::networks::{Networks, Sources};
use avouch_gather::{Judge, Settings, replay};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::capture::Capture;
use avouch_wire::content::ContentDigests;
use avouch_wire::delegation::Token as Delegation;
use avouch_wire::name::Domain;
use avouch_wire::privacy_pass::{ContextKey, ContextKeys};
use avouch_wire::target::NormalPath;
use std::collections::BTreeSet;
use std::sync::Arc;
use testkit::vector::{Case, Expect, NetworkFiles, Outcome, PASS_SECRET, Passes, Vector};

#[tokio::test]
async fn every_vector_is_judged_offline_as_it_says() {
    let mut differences = Vec::new();
    for vector in Vector::all() {
        for case in vector.cases() {
            differences.extend(difference(&case.name, &case.expect, &came(case).await));
        }
    }
    compare(&differences);
}

/// What a case comes to.
async fn came(case: &Case) -> Expect {
    let capture = Capture::parse(&case.message).unwrap();
    let peer = if case.unlisted_proxy { Peer::untrusted_proxy } else { Peer::client };
    let body = capture.body();
    let content = if body.is_empty() { Content::Empty } else { Content::Read(ContentDigests::of(body)) };
    let request = Request::read(Head {
        method: capture.method(),
        target: capture.target(),
        authority: None,
        scheme: Scheme::Https,
        fields: || capture.fields(),
        peer: peer(case.peer),
        content,
    });
    let Ok(request) = request else { return Expect::Refused };
    let names: Vec<_> = case.certificate_names.iter().filter_map(|name| certified_domain(name)).collect();
    let request = request.over(transport(case, &names));
    let folder = tempfile::tempdir().unwrap();
    let NetworkFiles { asn, ranges } = case.write_networks(folder.path()).unwrap();
    let judge = judge(case);
    let (networks, broken) = Sources { asn, ranges }.load(&Networks::default(), case.now);
    assert!(broken.is_empty(), "{broken:?}");
    judge.use_networks(networks);
    let verdict = judge.judge(&request, &site(case)).await;
    let decision = decision(&request, &verdict, case);
    Expect::Judged(Box::new(outcome(&verdict, decision)))
}

fn transport<'c>(case: &'c Case, client_names: &'c [Domain<'static>]) -> Transport<'c> {
    if case.sni.is_none() && case.certificate_names.is_empty() {
        return Transport::Unseen;
    }
    Transport::Seen(Indicators { server_name: case.sni.as_deref(), covers_authority: false, client_names })
}

fn judge(case: &Case) -> Judge {
    let texts = case.zone_texts();
    let texts: Vec<_> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let zones = ZoneFiles::parse(&texts, Dnssec::Insecure).unwrap();
    let replay = replay::Settings { capacity: 1 << 14, fresh: true, ..replay::Settings::default() };
    let settings = Settings { replay, private: true, ..Settings::default() };
    Judge::new(&settings, Dns::Zones(zones), directories(case), Arc::new(ManualClock::at(case.now))).unwrap()
}

fn site(case: &Case) -> Site {
    let authority = |text: &String| Authority::parse(text, Scheme::Https).unwrap().into_owned();
    Site {
        authorities: case.authorities.iter().map(authority).collect(),
        accept_draft: case.draft,
        catalogue: Arc::new(Catalogue::built_in().unwrap()),
        bots: Some(BotRules::default()),
        passes: passes(case),
        registered: Arc::new(registered(case)),
        entities: None,
        named: BTreeSet::new(),
    }
}

/// What a configuration would say of issuers of Privacy Pass tokens.
fn passes(case: &Case) -> Option<PassRules> {
    let Passes { delegation, .. } = case.passes.as_ref()?;
    let folder = tempfile::tempdir().unwrap();
    let lines = case.write_passes(folder.path()).unwrap();
    let lines = format!(
        "listen = '[::]:1'\nupstream = 'http://127.0.0.1:1'\nauthorities = 'www.shop.example'\n{lines}"
    );
    let issuer = Config::parse("vector", &lines).unwrap().privacy_pass.remove(0);
    let delegation = Delegation::parse(delegation).unwrap().into_owned();
    let issuer = Issuer::new(issuer.issuer, issuer.key, delegation, issuer.trust).unwrap();
    Some(PassRules { keys: ContextKeys::always(ContextKey::new(&PASS_SECRET)), issuers: vec![issuer] })
}

fn registered(case: &Case) -> KeyRegister {
    let folder = tempfile::tempdir().unwrap();
    let file = case.write_registered(folder.path()).unwrap();
    let read = file.map(|file| registered_keys(&file).unwrap_or_else(|error| panic!("{error}")));
    read.unwrap_or_default()
}

/// What the model's policy decides where it is enforced.
fn decision(request: &Request<'_>, verdict: &Verdict, case: &Case) -> String {
    let path = NormalPath::of(request.path());
    let facts = Facts {
        method: request.method(),
        path: &path,
        authority: request.authority().as_str(),
        address: request.peer().address,
        asns: &[],
    };
    let terms = Terms { mode: Mode::Enforce, ..Terms::default() };
    decide(verdict, &facts, &Policy::model(), terms, &RateTable::new(1), case.now).action.to_string()
}

fn outcome(verdict: &Verdict, decision: String) -> Outcome {
    let instance = verdict.identity().and_then(|identity| identity.instance.as_ref());
    let not_checked = verdict.not_checked().iter().filter(|what| **what != Unchecked::Replay);
    Outcome {
        class: verdict.class().number(),
        standing: verdict.standing().name().to_owned(),
        identity: verdict.identity().map(ToString::to_string),
        instance: instance.map(ToString::to_string),
        claimed: verdict.claimed().map(str::to_owned),
        mechanism: verdict.mechanism().name().to_owned(),
        via: verdict.document().via.map(std::borrow::Cow::into_owned),
        pseudonym: verdict.pseudonym().map(ToString::to_string),
        cause: verdict.cause().map(|cause| cause.name().to_owned()),
        reasons: verdict.reasons().iter().map(ToString::to_string).collect(),
        not_checked: not_checked.map(|what| what.name().to_owned()).collect(),
        decision,
    }
}
