//! The script: every request with what must come of it.

use std::borrow::Cow;

use avouch_keys::saip::Mode;
use avouch_wire::delegation::Subject;
use avouch_wire::key::KeyType;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::Dialect;

use crate::cast::{Cast, SHORT_TTL};
use crate::passes::Tokens;
use crate::sent::Sent;
use crate::{DemoError, Expected, Received};

const ROLLING: Mode = Mode::Rolling(KeyType::Ed25519);
const GOOGLEBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// Where honest agents of acme.example come from; nothing is said of it in DNS.
const ACME: [u8; 4] = [192, 0, 2, 20];
const ATTACKER: [u8; 4] = [203, 0, 113, 66];

/// More than is read before the Permit, so that it streams to the web server while it is checked.
const LARGE_BODY: usize = 200 << 10;

/// A part of the script.
pub(crate) struct Scene {
    pub(crate) heading: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// A line of the script.
pub(crate) enum Step {
    /// A request is sent.
    Send(Box<Sending>),
    /// Something happens in DNS, or time passes.
    Happens(Event),
}

/// A request, ready to be sent.
pub(crate) struct Sending {
    pub(crate) name: &'static str,
    pub(crate) sent: Sent,
    pub(crate) expected: Expected,
    /// Sent when the script begins, because its answer takes seconds.
    pub(crate) early: bool,
}

/// What happens between requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The record of one agent is deleted, and an empty key is published for a fleet.
    Revocation,
    /// The TTL of both passes.
    TtlPasses,
}

impl Event {
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Revocation => {
                "DNS: temp-1's record is deleted; an empty pk is published for the fleet gptbot"
            }
            Self::TtlPasses => "… the TTL of 3 seconds passes …",
        }
    }
}

const _: () = assert!(SHORT_TTL == 3, "the words above name the TTL");

impl Expected {
    pub(crate) fn of(class: u8, standing: &'static str, reason: &'static str) -> Self {
        let (decision, status, upstream) = ("accept", 200, Received::Complete);
        Self { class, standing, identity: None, mechanism: "none", reason, decision, status, upstream }
    }

    pub(crate) fn anonymous() -> Self {
        Self::of(0, "anonymous", "no-claim")
    }

    pub(crate) fn verified(identity: impl Into<Cow<'static, str>>, mechanism: &'static str) -> Self {
        Self { identity: Some(identity.into()), mechanism, ..Self::of(3, "verified", "signature-verified") }
    }

    pub(crate) fn partial(identity: &'static str, mechanism: &'static str, reason: &'static str) -> Self {
        let monitored = Self { decision: "monitor", ..Self::of(2, "partial", reason) };
        Self { identity: Some(identity.into()), mechanism, ..monitored }
    }

    /// Served, but slowly.
    pub(crate) fn invalid(reason: &'static str) -> Self {
        Self { decision: "throttle", ..Self::of(1, "invalid", reason) }
    }

    pub(crate) fn undetermined(reason: &'static str, decision: &'static str) -> Self {
        Self { decision, ..Self::of(1, "undetermined", reason) }
    }

    /// Where the route requires more than the sender has.
    pub(crate) fn refused(self, decision: &'static str, status: u16) -> Self {
        Self { decision, status, upstream: Received::Nothing, ..self }
    }

    pub(crate) fn rejected(reason: &'static str) -> Self {
        Self::invalid(reason).refused("reject", 403)
    }
}

fn send(name: &'static str, sent: Sent, expected: Expected) -> Step {
    Step::Send(Box::new(Sending { name, sent, expected, early: false }))
}

fn early(name: &'static str, sent: Sent, expected: Expected) -> Step {
    Step::Send(Box::new(Sending { name, sent, expected, early: true }))
}

/// The whole script, signed at `now`; `origin` is that of the bot's directory.
pub(crate) fn script(cast: &Cast, origin: &str, now: Time) -> Result<Vec<Scene>, DemoError> {
    Ok(vec![
        Scene { heading: "Nobody in particular", steps: nobody(cast, now)? },
        Scene { heading: "Claims without a signature", steps: claims(cast)? },
        Scene { heading: "Proof", steps: proof(cast, now)? },
        Scene { heading: "Attacks on a signed request", steps: attacks(cast, now)? },
        Scene { heading: "Signatures that prove nothing", steps: worthless(cast, now)? },
        Scene { heading: "Revocation", steps: revocation(cast, now)? },
        Scene { heading: "When DNS fails", steps: failures(cast, now)? },
        Scene { heading: "As bots of today say who they are", steps: bots(cast, origin, now)? },
        Scene { heading: "By authority of a domain", steps: delegation(cast, now)? },
    ])
}

fn nobody(cast: &Cast, now: Time) -> Result<Vec<Step>, DemoError> {
    let browser = |target| Sent::get(target, [203, 0, 113, 5]);
    let pseudonym = Expected { mechanism: "saip-stateless", ..Expected::of(0, "pseudonymous", "pseudonym") };
    Ok(vec![
        send("anonymous", browser("/"), Expected::anonymous()),
        send(
            "anonymous, members' area",
            browser("/members/"),
            Expected::anonymous().refused("challenge", 401),
        ),
        send(
            "forged Avouch-Class header",
            browser("/?forged").field("Avouch-Class", "3").field("avouch_identity", "acme.example"),
            Expected::anonymous(),
        ),
        send(
            "pseudonym",
            Sent::get("/", [203, 0, 113, 6]).signed(&cast.pseudonym, Mode::Stateless, now)?,
            pseudonym,
        ),
    ])
}

fn claims(cast: &Cast) -> Result<Vec<Step>, DemoError> {
    let (confirmed, within) = ("forward-confirmed", [192, 0, 2, 7]);
    let partner = "dom=\"partner.example\"; id=\"bot\"";
    Ok(vec![
        send(
            "forged crawler",
            Sent::get("/", ATTACKER).user_agent(GOOGLEBOT),
            Expected::invalid("crawler-not-confirmed"),
        ),
        send(
            "confirmed crawler",
            Sent::get("/", [198, 51, 100, 66]).user_agent(GOOGLEBOT),
            Expected::partial("google.com", confirmed, confirmed),
        ),
        send(
            "bare claim, nothing confirms",
            Sent::get("/?bare", ATTACKER).claiming(&cast.crawler)?,
            Expected::invalid("not-confirmed"),
        ),
        send(
            "bare claim, confirmed by DNS",
            Sent::get("/", within).claiming(&cast.crawler)?,
            Expected::partial("acme.example", confirmed, confirmed),
        ),
        send(
            "bare claim, record delegates",
            Sent::get("/", [198, 51, 100, 130]).field("SAIP", partner),
            Expected::partial("partner.example", "delegation-record", "network-delegated"),
        ),
    ])
}

fn proof(cast: &Cast, now: Time) -> Result<Vec<Step>, DemoError> {
    let visit = |target| Sent::get(target, ACME);
    let testing = Expected { mechanism: "saip-rolling", ..Expected::of(0, "anonymous", "testing") };
    Ok(vec![
        send(
            "rolling key, Ed25519 master",
            visit("/members/").signed(&cast.crawler, ROLLING, now)?,
            Expected::verified("crawler-7@acme.example", "saip-rolling"),
        ),
        send(
            "rolling key, P-256 master",
            visit("/members/2").signed(&cast.scout, Mode::Rolling(KeyType::P256), now)?,
            Expected::verified("scout@acme.example", "saip-rolling"),
        ),
        send(
            "direct",
            visit("/members/3").signed(&cast.crawler, Mode::Direct, now)?,
            Expected::verified("crawler-7@acme.example", "saip-direct"),
        ),
        send(
            "the domain's own key",
            visit("/members/4").signed(&cast.domain, Mode::Stateless, now)?,
            Expected::verified("acme.example", "saip-stateless"),
        ),
        send(
            "an order, its body signed",
            Sent::post("/orders/", ACME, "100 apples").signed(&cast.crawler, ROLLING, now)?,
            Expected::verified("crawler-7@acme.example", "saip-rolling"),
        ),
        send("key published for testing", visit("/5").signed(&cast.trainee, ROLLING, now)?, testing),
    ])
}

fn attacks(cast: &Cast, now: Time) -> Result<Vec<Step>, DemoError> {
    let order = |number| Sent::get(number, ATTACKER);
    let pay = |body| Sent::post("/orders/pay", ATTACKER, body);
    let seen = Sent::get("/orders/1", ACME).signed(&cast.crawler, ROLLING, now)?;
    let cut_off = Expected {
        status: 403,
        upstream: Received::CutOff,
        decision: "accept",
        ..Expected::invalid("body-mismatch")
    };
    Ok(vec![
        send("a signed order …", seen.clone(), Expected::verified("crawler-7@acme.example", "saip-rolling")),
        send("replay", seen, Expected::rejected("replayed")),
        send(
            "tampered path",
            order("/orders/2").signed(&cast.crawler, ROLLING, now)?.target("/orders/3"),
            Expected::rejected("certificate-invalid"),
        ),
        send(
            "tampered path, direct",
            order("/orders/4").signed(&cast.crawler, Mode::Direct, now)?.target("/orders/5"),
            Expected::rejected("signature-invalid"),
        ),
        send(
            "swapped body",
            pay("10 coins".into()).signed(&cast.crawler, ROLLING, now)?.body("99 coins"),
            Expected::rejected("body-mismatch"),
        ),
        send(
            "swapped body, 200 KiB",
            pay("a".repeat(LARGE_BODY)).signed(&cast.crawler, ROLLING, now)?.body("b".repeat(LARGE_BODY)),
            cut_off,
        ),
        send(
            "relayed to another site",
            order("/orders/6")
                .host("evil.example")
                .signed(&cast.crawler, ROLLING, now)?
                .host(crate::sent::SITE),
            Expected::rejected("audience-mismatch"),
        ),
        send(
            "relayed under its own name",
            order("/orders/7").host("evil.example").signed(&cast.crawler, ROLLING, now)?,
            Expected::rejected("authority-not-ours"),
        ),
    ])
}

fn worthless(cast: &Cast, now: Time) -> Result<Vec<Step>, DemoError> {
    let order = |number| Sent::get(number, ATTACKER);
    let late = Time::from_seconds(now.seconds().saturating_sub(600));
    let ahead = Time::from_seconds(now.seconds() + 120);
    Ok(vec![
        send(
            "expired",
            order("/orders/8").signed(&cast.crawler, ROLLING, late)?,
            Expected::rejected("expired"),
        ),
        send(
            "ahead of time",
            order("/orders/9").signed(&cast.crawler, ROLLING, ahead)?,
            Expected::rejected("ahead-of-time"),
        ),
        send(
            "unpublished agent",
            order("/orders/10").signed(&cast.unpublished, ROLLING, now)?,
            Expected::rejected("key-not-published"),
        ),
        send(
            "record made from a wildcard",
            order("/orders/14").signed(&cast.spare, ROLLING, now)?,
            Expected::rejected("wildcard-record"),
        ),
        send(
            "impostor with its own key",
            order("/orders/11").signed(&cast.impostor, ROLLING, now)?,
            Expected::rejected("certificate-invalid"),
        ),
        send(
            "two claims that conflict",
            order("/orders/12").signed(&cast.crawler, ROLLING, now)?.user_agent(GOOGLEBOT),
            Expected::rejected("claims-conflict"),
        ),
        send(
            "header that cannot be read",
            order("/orders/13").field("SAIP", "dom=\"acme.example\"; id=\"crawler-7\"; id=\"x\""),
            Expected::rejected("header-malformed"),
        ),
    ])
}

/// Nobody listens there, so a directory at such an origin is down.
const LATE: &str = "https://late.example:1";
const LOST: &str = "https://lost.example:1";

fn bots(cast: &Cast, origin: &str, now: Time) -> Result<Vec<Step>, DemoError> {
    let visit = |target| Sent::get(target, [192, 0, 2, 30]);
    let proved = |domain| Expected {
        identity: Some(Cow::Borrowed(domain)),
        mechanism: "web-bot-auth",
        ..Expected::of(3, "verified", "directory-verified")
    };
    let gptbot = "Mozilla/5.0 (compatible; GPTBot/1.3; +https://openai.com/gptbot)";
    let again = visit("/orders/30").by_bot(&cast.bot, Dialect::C, origin, now)?;
    let down = Expected::undetermined("directory-unreachable", "monitor");
    Ok(vec![
        send(
            "Web Bot Auth, one string",
            visit("/members/30").by_bot(&cast.bot, Dialect::A, origin, now)?,
            proved("bot.example"),
        ),
        send("Web Bot Auth, a dictionary …", again.clone(), proved("bot.example")),
        send("… sent again", again, Expected::rejected("replayed")),
        send(
            "Web Bot Auth, tampered path",
            visit("/orders/31").by_bot(&cast.bot, Dialect::A, origin, now)?.target("/orders/32"),
            Expected::rejected("signature-invalid"),
        ),
        send(
            "Web Bot Auth, stranger's key",
            visit("/orders/33").by_bot(&cast.stranger, Dialect::A, origin, now)?,
            Expected::rejected("key-not-listed"),
        ),
        send(
            "directory down, key in DNS",
            visit("/members/34").by_bot(&cast.late, Dialect::A, LATE, now)?,
            proved("late.example"),
        ),
        send("directory down", visit("/35").by_bot(&cast.stranger, Dialect::A, LOST, now)?, down),
        send(
            "crawler in its ranges",
            Sent::get("/36", [198, 51, 100, 200]).user_agent(gptbot),
            Expected::partial("openai.com", "crawler-range", "range-confirmed"),
        ),
        send(
            "crawler outside its ranges",
            Sent::get("/37", ATTACKER).user_agent(gptbot),
            Expected::invalid("crawler-not-confirmed"),
        ),
    ])
}

/// What a visitor of whom nothing is known does with tokens.
pub(crate) fn vouched(tokens: &Tokens) -> Scene {
    let visit = |target| Sent::get(target, [203, 0, 113, 8]);
    let vouched = Expected {
        mechanism: "privacy-pass",
        decision: "monitor",
        ..Expected::of(2, "partial", "pass-redeemed")
    };
    let steps = vec![
        send("a token of an attester", visit("/members/60").redeeming(&tokens.good), vouched),
        send("… redeemed again", visit("/orders/61").redeeming(&tokens.good), Expected::rejected("replayed")),
        send(
            "a token of another issuer",
            visit("/orders/62").redeeming(&tokens.foreign),
            Expected::rejected("pass-key-unknown"),
        ),
        send(
            "a token never asked for",
            visit("/orders/63").redeeming(&tokens.elsewhere),
            Expected::invalid("pass-challenge-unknown").refused("challenge", 401),
        ),
    ];
    Scene { heading: "Vouched for, and not named", steps }
}

fn delegation(cast: &Cast, now: Time) -> Result<Vec<Step>, DemoError> {
    let (mechanism, reason) = ("delegation-token", "delegation-verified");
    let rented = [198, 51, 100, 20];
    let visit = |target| Sent::get(target, ATTACKER);
    let of_worker = Subject::Key(*cast.worker.public().fingerprint());
    let of_network = Subject::parse("ip:198.51.100.16/28")?;
    let worker = |target| visit(target).signed(&cast.worker, Mode::Stateless, now);
    let of_other = Subject::Key(*cast.impostor.public().fingerprint());
    Ok(vec![
        send(
            "a token names the key",
            worker("/orders/50")?.delegated(&cast.partner, of_worker, now)?,
            Expected { reason, ..Expected::verified("partner.example", mechanism) },
        ),
        send("… the same key without it", worker("/orders/51")?, Expected::rejected("key-mismatch")),
        send(
            "a token of another key",
            worker("/orders/52")?.delegated(&cast.partner, of_other, now)?,
            Expected::rejected("delegation-mismatch"),
        ),
        send(
            "a token nobody issued",
            worker("/orders/53")?.delegated(&cast.stranger, of_worker, now)?,
            Expected::rejected("delegation-invalid"),
        ),
        send(
            "a token for another path",
            worker("/members/54")?.delegated(&cast.partner, of_worker, now)?,
            Expected::rejected("delegation-mismatch"),
        ),
        send(
            "a token names the network",
            Sent::get("/orders/55", rented).delegated(&cast.partner, of_network, now)?,
            Expected::partial("partner.example", mechanism, reason),
        ),
        send(
            "… from another network",
            visit("/orders/56").delegated(&cast.partner, of_network, now)?,
            Expected::rejected("delegation-mismatch"),
        ),
    ])
}

fn revocation(cast: &Cast, now: Time) -> Result<Vec<Step>, DemoError> {
    let (temp, gptbot) = ("temp-1@acme.example", "nyc.gptbot@openai.example");
    let visit = |target| Sent::get(target, ACME);
    let agent = |target| visit(target).signed(&cast.doomed, ROLLING, now);
    let fleet = |target| visit(target).signed(&cast.fleet, ROLLING, now);
    Ok(vec![
        send("agent, published", agent("/orders/20")?, Expected::verified(temp, "saip-rolling")),
        send("fleet, published", fleet("/orders/21")?, Expected::verified(gptbot, "saip-rolling")),
        Step::Happens(Event::Revocation),
        send("agent revoked, before TTL", agent("/orders/22")?, Expected::verified(temp, "saip-rolling")),
        Step::Happens(Event::TtlPasses),
        send("agent revoked, after TTL", agent("/orders/23")?, Expected::rejected("key-not-published")),
        send("fleet revoked by empty key", fleet("/orders/24")?, Expected::rejected("revoked")),
    ])
}

fn failures(cast: &Cast, now: Time) -> Result<Vec<Step>, DemoError> {
    let dark = |target, host| Sent::get(target, [203, 0, 113, host]).signed(&cast.dark, ROLLING, now);
    let broken = |target| Sent::get(target, [203, 0, 113, 43]).signed(&cast.broken, ROLLING, now);
    let silent = Expected::undetermined("dns-timeout", "monitor");
    Ok(vec![
        early("DNS down", dark("/", 41)?, silent.clone()),
        early("DNS down, members' area", dark("/members/", 42)?, silent.refused("unavailable", 503)),
        send("DNS forged", broken("/")?, Expected::undetermined("dnssec-bogus", "throttle")),
        send(
            "DNS forged, members' area",
            broken("/members/")?,
            Expected::undetermined("dnssec-bogus", "reject").refused("reject", 403),
        ),
    ])
}
