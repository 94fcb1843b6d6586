//! A bot of today, judged by its key directory: against its one signature check.

use crate::check::WARM_UP;
use crate::figure::{Figure, in_turn};
use crate::world::{NOW, PATH, SITE, judge, site};
use avouch_engine::pipeline::Site;
use avouch_engine::request::{Content, Head, Peer, Request};
use avouch_gather::{Directories, Documents, Judge};
use avouch_keys::SecretKey;
use avouch_keys::entropy::SystemEntropy;
use avouch_keys::web_bot_auth::{Fields, RequestToSign, Speaker, sign};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::http_signature::{self, Jwk, Message, Start};
use avouch_wire::key::KeyType;
use avouch_wire::target::Target;
use avouch_wire::web_bot_auth::{Dialect, WELL_KNOWN};
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use tokio::runtime::Runtime;

/// Many more bots than any site sees in a minute.
const BOTS: usize = 500;

/// Rounds of a request of each.
const ROUNDS: usize = 31;

/// Bots with a directory each.
struct Bots {
    keys: Vec<SecretKey>,
    judge: Judge,
    site: Site,
    runtime: Runtime,
}

/// What a verifier cannot do without: the message and the signature.
struct Bare {
    key: VerifyingKey,
    message: Vec<u8>,
    signature: Signature,
}

/// Parse and verdict, with the replay table, against the signature check.
pub(crate) fn whole() -> Figure {
    let bots = Bots::new();
    let rounds: Vec<Vec<Fields>> = (0..ROUNDS).map(|_| bots.sign_all()).collect();
    let bare: Vec<_> =
        bots.keys.iter().zip(bots.sign_all()).map(|(key, fields)| Bare::of(key, &fields)).collect();
    (0..WARM_UP).for_each(|_| bots.judge_all(&bots.sign_all()));
    let compared = in_turn(
        ROUNDS,
        (|round| rounds.get(round).into_iter().for_each(|signed| bots.judge_all(signed)), BOTS),
        (|_| assert!(bare.iter().all(|one| one.key.verify(&one.message, &one.signature).is_ok())), BOTS),
    );
    Figure {
        name: "whole check of a Web Bot Auth request / its signature check",
        ratio: compared.ratio(),
        goal: 1.05,
        limit: 1.05,
        detail: format!(
            "{:.2} µs / {:.2} µs, Ed25519, dialect A with a nonce, {BOTS} directories",
            compared.subject / 1e3,
            compared.limit / 1e3
        ),
    }
}

impl Bots {
    fn new() -> Self {
        let generate = |_| SecretKey::generate(KeyType::Ed25519, &mut SystemEntropy).expect("randomness");
        let keys: Vec<_> = (0..BOTS).map(generate).collect();
        let mut documents = Documents::default();
        for (at, key) in keys.iter().enumerate() {
            let directory = format!("{{\"keys\":[{}]}}", Jwk::write(key.public(), None, None));
            documents.add(format!("{}{WELL_KNOWN}", origin(at)), directory.into_bytes());
        }
        let zone = "$ORIGIN acme.example.\n$TTL 86400\n@ SOA ns host 1 2 3 4 86400\n";
        let judge = judge(zone, Directories::Given(documents));
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        Self { keys, judge, site: site(), runtime }
    }

    /// One signed request of each bot.
    fn sign_all(&self) -> Vec<Fields> {
        self.keys.iter().enumerate().map(|(at, key)| signed(at, key)).collect()
    }

    fn judge_all(&self, all: &[Fields]) {
        self.runtime.block_on(async {
            for signed in all {
                let verdict = self.judge.judge(&request(signed), &self.site).await;
                assert_eq!(verdict.class().number(), 3, "every request is good: {verdict:?}");
            }
        });
    }
}

fn origin(at: usize) -> String {
    format!("https://bot-{at}.acme.example")
}

fn signed(at: usize, key: &SecretKey) -> Fields {
    let target = Target::parse("GET", PATH).expect("sound");
    let authority = Authority::parse(SITE, Scheme::Https).expect("sound");
    let request = RequestToSign {
        method: "GET",
        scheme: Scheme::Https,
        authority: &authority,
        target: &target,
        content: None,
    };
    let speaker = Speaker { dialect: Dialect::A, url: &origin(at), lifetime: 60 };
    sign(key, speaker, request, NOW).expect("signs")
}

fn request(signed: &Fields) -> Request<'_> {
    let own = [
        ("host", SITE.as_bytes()),
        ("user-agent", b"acme-crawler/1.0 (+https://acme.example/bot)"),
        ("accept", b"text/html"),
        ("accept-encoding", b"gzip, br"),
    ];
    let head = Head {
        method: "GET",
        target: PATH,
        authority: None,
        scheme: Scheme::Https,
        fields: || own.into_iter().chain(signed.iter().map(|(name, value)| (*name, value.as_bytes()))),
        peer: Peer::client([203, 0, 113, 9].into()),
        content: Content::Empty,
    };
    Request::read(head).expect("the request is sound")
}

impl Bare {
    fn of(key: &SecretKey, fields: &Fields) -> Self {
        let field = |wanted: &str| {
            let found = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
            found.map(|(_, value)| value.as_str()).expect("a signed request has it")
        };
        let read = http_signature::read(field("signature-input"), field("signature")).expect("sound");
        let one = read.first().and_then(|one| one.signature.as_ref().ok()).expect("one signature");
        let sent: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let start =
            Start::Request { method: "GET", scheme: "https", authority: SITE, path: PATH, target: PATH };
        let message = Message { start, fields: &sent, trailers: &[], request: None };
        Self {
            key: VerifyingKey::from_bytes(key.public().octets().try_into().expect("Ed25519")).expect("a key"),
            message: one.input.base(&message).expect("all is there").into(),
            signature: Signature::from_bytes(&one.octets.exactly().expect("Ed25519")),
        }
    }
}
