//! Requests right and wrong, judged by avouch and both partners: who takes which, and why they differ.

use super::npm::Npm;
use super::published;
use super::request::{Ours, Sent};
use super::shape::{AGENT, AUTHORITY, OWN, OWN_TOO, PLAIN, STRANGE, Shape, key, public, thumbprint};

/// A request, what avouch says of it, whether the npm package and the crate take it, and why they differ; nothing where
/// all agree.
struct Row {
    what: &'static str,
    sent: Sent,
    ours: &'static str,
    npm: bool,
    published: bool,
    why: &'static str,
}

const TAKEN: &str = "directory-verified";

/// Where both partners agree with avouch.
fn agreed(what: &'static str, sent: Sent, ours: &'static str) -> Row {
    let takes = ours == TAKEN;
    Row { what, sent, ours, npm: takes, published: takes, why: "" }
}

/// Where a partner does not.
fn differ(what: &'static str, sent: Sent, ours: &'static str, takes: (bool, bool), why: &'static str) -> Row {
    Row { what, sent, ours, npm: takes.0, published: takes.1, why }
}

const PATH: (&str, &str) = (r#""@path""#, "/prices");

fn honest_and_altered() -> Vec<Row> {
    let path = Shape { covered: &[AUTHORITY, PATH, AGENT], ..PLAIN };
    let method = Shape { covered: &[AUTHORITY, (r#""@method""#, "GET"), AGENT], ..PLAIN };
    let sent = PLAIN.sent();
    vec![
        agreed("as the drafts have it", sent.clone(), TAKEN),
        agreed("with alg", Shape { alg: Some("ed25519"), ..PLAIN }.sent(), TAKEN),
        agreed("path and method covered", Shape { by: OWN_TOO, ..path }.sent(), TAKEN),
        agreed("the path changed", Sent { path: "/other?page=2".into(), ..path.sent() }, "signature-invalid"),
        agreed("a path changed that is not covered", Sent { path: "/other".into(), ..sent.clone() }, TAKEN),
        agreed("the method changed", Sent { method: "HEAD".into(), ..method.sent() }, "signature-invalid"),
        agreed(
            "the agent changed",
            sent.clone().changed("signature-agent", |_| r#""https://bot.example/keys""#.into()),
            "signature-invalid",
        ),
        agreed("the signature changed", sent.clone().changed("signature", corrupt), "signature-invalid"),
        agreed(
            "signed by another key of the bot",
            Shape { by: OWN_TOO, keyid: Some(&thumbprint(&key(OWN))), ..PLAIN }.sent(),
            "signature-invalid",
        ),
        agreed("a key that is not listed", Shape { by: STRANGE, ..PLAIN }.sent(), "key-not-listed"),
        differ(
            "to another site, for which it was signed",
            Sent {
                site: "www.other.example".into(),
                ..Shape { covered: &[(AUTHORITY.0, "www.other.example"), AGENT], ..PLAIN }.sent()
            },
            "authority-not-ours",
            (true, true),
            "neither asks its caller which site it serves",
        ),
        agreed(
            "to another site than it was signed for",
            Sent { site: "www.other.example".into(), ..sent.clone() },
            "authority-not-ours",
        ),
        differ(
            "blanks within Signature-Input",
            sent.changed("signature-input", |input| input.replace("(\"@authority\" ", "( \"@authority\"   ")),
            TAKEN,
            (false, true),
            "npm signs the field as it was sent, not as it is serialized (RFC 9421 section 2.5)",
        ),
    ]
}

fn times() -> Vec<Row> {
    let at = |created, expires| Shape { created, expires, ..PLAIN }.sent();
    const CALLER: &str = "the crate leaves times to its caller (possibly_insecure)";
    vec![
        differ("expired", at(Some(-120), Some(-60)), "expired", (false, true), CALLER),
        differ(
            "ahead by less than clocks may differ",
            at(Some(10), Some(60)),
            TAKEN,
            (false, true),
            "npm takes no clock that is behind",
        ),
        differ("ahead by an hour", at(Some(3600), Some(3660)), "ahead-of-time", (false, true), CALLER),
        differ("ends before it begins", at(Some(0), Some(-1)), "lifetime-too-long", (false, true), CALLER),
        differ("without created", at(None, Some(60)), "times-missing", (false, false), ""),
        differ("without expires", at(Some(0), None), "times-missing", (false, false), ""),
        differ("lasts a day", at(Some(0), Some(86_400)), TAKEN, (true, true), ""),
        differ(
            "lasts more than a day",
            at(Some(0), Some(86_401)),
            "lifetime-too-long",
            (true, true),
            "neither has a longest lifetime; the draft recommends a day",
        ),
        differ(
            "lasts ten years",
            at(Some(0), Some(315_360_000)),
            "lifetime-too-long",
            (true, true),
            "neither has a longest lifetime; the draft recommends a day",
        ),
    ]
}

const UNCOVERED: &str = "npm leaves what is covered to its caller";
const CALLER_FETCHES: &str = "both hand the URL to their caller, who has to refuse it";

fn coverage() -> Vec<Row> {
    let covering = |covered| Shape { covered, ..PLAIN }.sent();
    let npm_only = (true, false);
    vec![
        differ("covers nothing", covering(&[]), "coverage-empty", npm_only, UNCOVERED),
        differ("covers the agent alone", covering(&[AGENT]), "authority-uncovered", npm_only, UNCOVERED),
        differ("leaves out the agent", covering(&[AUTHORITY]), "agent-not-covered", npm_only, UNCOVERED),
        differ(
            "a component twice",
            covering(&[AUTHORITY, AUTHORITY, AGENT]),
            "component-repeated",
            npm_only,
            "npm does not look (RFC 9421 section 2 forbids it)",
        ),
        differ(
            "a component that is not there",
            covering(&[AUTHORITY, AGENT, ("\"absent\"", "")]),
            "component-missing",
            npm_only,
            "npm takes an absent field for an empty one (RFC 9421 section 2.5 asks for an error)",
        ),
        agreed(
            "a component of answers",
            covering(&[AUTHORITY, AGENT, ("\"@status\"", "200")]),
            "component-missing",
        ),
    ]
}

fn parameters() -> Vec<Row> {
    let by_http = r#""http://bot.example""#;
    let by_http = Shape { agent: by_http, covered: &[AUTHORITY, (AGENT.0, by_http)], ..PLAIN };
    vec![
        agreed("another tag", Shape { tag: Some("other"), ..PLAIN }.sent(), "tag-missing"),
        agreed("no tag", Shape { tag: None, ..PLAIN }.sent(), "tag-missing"),
        differ(
            "alg of another kind of key",
            Shape { alg: Some("rsa-pss-sha512"), ..PLAIN }.sent(),
            "algorithm-mismatch",
            (true, true),
            "neither reads alg (RFC 9421 section 3.2 step 6 asks for it)",
        ),
        agreed("keyid is no thumbprint", Shape { keyid: Some("bot"), ..PLAIN }.sent(), "keyid-invalid"),
        differ("an agent by http", by_http.sent(), "agent-not-https", (true, true), CALLER_FETCHES),
    ]
}

fn several() -> Vec<Row> {
    let two = |first: &Shape<'_>, second: &Shape<'_>| {
        let ((input, signature), (more, too)) = (first.members("sig1"), second.members("sig2"));
        let mut sent = Sent::get(PLAIN.path, PLAIN.agent);
        sent.fields.push(("Signature-Input".into(), format!("{input}, {more}")));
        sent.fields.push(("Signature".into(), format!("{signature}, {too}")));
        sent
    };
    let pair = two(&PLAIN, &Shape { by: OWN_TOO, ..PLAIN });
    let once = Shape { nonce: "once", ..PLAIN }.sent();
    vec![
        differ("two signatures", pair.clone(), TAKEN, (false, true), "npm reads messages of one signature"),
        differ(
            "the first of two corrupt",
            pair.changed("signature", corrupt),
            TAKEN,
            (false, false),
            "npm reads messages of one signature, the crate the first with the tag",
        ),
        agreed("a nonce", once.clone(), TAKEN),
        differ("the same nonce again", once, "replayed", (true, true), "both leave nonces to their caller"),
    ]
}

/// Another signature of the same length.
fn corrupt(signature: &str) -> String {
    let at = signature.find(':').unwrap() + 4;
    let other = |octet| if octet == 'A' { 'B' } else { 'A' };
    let changed = signature.chars().enumerate();
    changed.map(|(place, octet)| if place == at { other(octet) } else { octet }).collect()
}

#[tokio::test]
async fn where_partners_judge_otherwise_the_table_says_why() {
    let Some(mut npm) = Npm::start() else { return };
    let keys = [public(&key(OWN)), public(&key(OWN_TOO))];
    let ours = Ours::knowing(&keys);
    let mut wrong = Vec::new();
    for row in [honest_and_altered(), times(), coverage(), parameters(), several()].into_iter().flatten() {
        let (says, by_npm, by_crate) =
            (ours.judge(&row.sent).await, npm.verify(&row.sent, &keys), published::verify(&row.sent, &keys));
        let takes = row.ours == TAKEN;
        let differs = row.npm != takes || row.published != takes;
        let as_said = says == row.ours && by_npm.is_ok() == row.npm && by_crate.is_ok() == row.published;
        if !as_said || differs == row.why.is_empty() {
            wrong.push(format!(
                "{}: avouch {says}, npm {by_npm:?}, crate {by_crate:?} ({})",
                row.what, row.why
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
