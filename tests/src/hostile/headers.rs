//! SAIP headers that are malformed, mixed from several, or nearly another agent's.

use avouch_keys::saip::Mode;
use avouch_wire::b64u;
use avouch_wire::key::KeyType;

use super::world::{Agent, Ask, CLOSED, NOW, OPEN, Plan, SITE, World, request, value, with};

/// Ways to spoil a good header, which sits between the two halves of what is around it.
fn malformed(good: &str) -> Vec<String> {
    let nonce = value(good, "nonce");
    let mut headers = vec![
        "x".to_owned(),
        "=".to_owned(),
        "dom=acme.example; id=bot".to_owned(),
        format!("{good};"),
        format!(";{good}"),
        good.replacen("; ", ";; ", 1),
        good.replacen("; ", ", ", 1),
        good.replacen("; ", " ", 1),
        good.replacen("=\"", " = \"", 1),
        good.replacen("=\"", "='", 1),
        good.replacen("id=", "ID=", 1),
        good.replace('"', ""),
        good[..good.len() - 1].to_owned(),
        good[..good.len() / 2].to_owned(),
        format!("{good}\""),
        format!("{good}; id=\"bot\""),
        format!("{good}; sig=\"{}\"", value(good, "sig")),
        format!("{good}; inst=\"\""),
        format!("{good}; x=\"\""),
        format!("{good}; x=\"a b\""),
        format!("{good}; x=\"a\\b\""),
        format!("{good}; x=\"\u{e9}\""),
        format!("{good}; pk=\"{}\"", value(good, "rpk")),
        format!("{good}; re=\"re.example\""),
        format!("{good}; x=\"{}\"", "y".repeat(4096)),
        with(good, "id", "Bot"),
        with(good, "id", "bot."),
        with(good, "id", "b..t"),
        with(good, "id", "-bot"),
        with(good, "id", "a.b.c.d.e"),
        with(good, "id", &"a".repeat(64)),
        with(good, "dom", "acme"),
        with(good, "dom", "acme.example."),
        with(good, "dom", "acme.example:80"),
        with(good, "dom", "a_b.example"),
        with(good, "dom", "192.0.2.1"),
        with(good, "ts", &format!("0{NOW}")),
        with(good, "ts", &format!("+{NOW}")),
        with(good, "ts", "-1"),
        with(good, "ts", "1e9"),
        with(good, "ts", "1790000000000"),
        with(good, "ts", "18446744073709551616"),
        with(good, "nonce", &nonce[..15]),
        with(good, "nonce", &"a".repeat(65)),
        with(good, "nonce", &format!("{nonce}=")),
        with(good, "nonce", &format!("{nonce}+")),
        with(good, "alg", "none"),
        with(good, "alg", "ED25519"),
        with(good, "alg", "hmac-sha256"),
        with(good, "sig", &format!("{}==", value(good, "sig"))),
        with(good, "sig", &value(good, "sig")[1..]),
        with(good, "sig", &last_bit(value(good, "sig"))),
        with(good, "rcert", &last_bit(value(good, "rcert"))),
    ];
    for name in ["dom", "id", "alg", "ts", "nonce", "aud", "rpk", "rcert", "sig"] {
        let pair = format!("{name}=\"{}\"; ", value(good, name));
        headers.push(format!("{good}; ").replacen(&pair, "", 1).trim_end_matches("; ").to_owned());
        headers.push(with(good, name, ""));
    }
    headers
}

/// The same octets in base64url, but with a bit set that stands for none of them.
fn last_bit(text: &str) -> String {
    let (start, last) = text.split_at(text.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.find(last).unwrap() + 1;
    format!("{start}{}", &alphabet[next..=next])
}

#[tokio::test]
async fn malformed_headers_of_every_kind_prove_nothing() {
    let (world, bot) = World::with_bot().await;
    world.see(bot.request(Ask::get(OPEN))).await.is_verified("bot@acme.example");
    let headers = malformed(&bot.header(Ask::get(OPEN)));
    assert!(headers.len() >= 70, "{}", headers.len());
    let requests = headers.iter().map(|header| request(Ask::get(OPEN), &format!("SAIP: {header}\r\n")));
    for (seen, header) in world.see_all(requests).await.iter().zip(&headers) {
        assert_eq!(seen.line["verdict"]["class"], 1, "{header}: {seen:#?}");
        assert_eq!(seen.told("class"), Some("1"), "{header}: {seen:#?}");
    }
}

#[tokio::test]
async fn two_headers_or_another_spelling_of_one_prove_nothing() {
    let (world, bot) = World::with_bot().await;
    let (one, two) = (bot.header(Ask::get(CLOSED)), bot.header(Ask::get(CLOSED)));
    let doubled = [
        format!("SAIP: {one}\r\nSAIP: {two}\r\n"),
        format!("SAIP: {one}\r\nsaip: {one}\r\n"),
        format!("SAIP: {one}\r\nsAiP: x\r\n"),
        format!("SAIP: {one}\r\nSAIP:\r\n"),
        format!("SAIP: {one}\r\nSAIP_Delegation: x\r\n"),
        format!("SAIP: {one}, {two}\r\n"),
        "SAIP:\r\n".to_owned(),
    ];
    let requests = doubled.iter().map(|fields| request(Ask::get(CLOSED), fields));
    for (seen, fields) in world.see_all(requests).await.iter().zip(&doubled) {
        assert_eq!(seen.reached, None, "{fields}");
        assert_eq!(seen.line["verdict"]["class"], 1, "{fields}: {seen:#?}");
    }
    world.see(request(Ask::get(CLOSED), &format!("SAIP: {one}\r\n"))).await.is_verified("bot@acme.example");
    world
        .see(request(Ask::get(CLOSED), &format!("SAIP: \t{two} \t\r\n")))
        .await
        .is_verified("bot@acme.example");
}

#[tokio::test]
async fn order_blanks_and_unknown_names_change_nothing() {
    let (world, bot) = World::with_bot().await;
    let [one, two, three] = [(); 3].map(|()| bot.header(Ask::get(CLOSED)));
    let reversed = one.split("; ").collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("; ");
    let headers = [reversed, two.replace("; ", "\t;  "), format!("{three}; colour=\"blue\"")];
    let requests = headers.iter().map(|header| request(Ask::get(CLOSED), &format!("SAIP: {header}\r\n")));
    for seen in world.see_all(requests).await {
        seen.is_verified("bot@acme.example");
    }
}

#[tokio::test]
async fn octets_shifted_between_neighbouring_fields_break_the_signature() {
    let bot = Agent::with_instance("bot", "acme.example", Some("m1n"));
    // Every name an octet could be shifted to is published with the very same key.
    let names = [
        "bot._saip.acme.example",
        "botm._saip.acme.example",
        "ot._saip.acme.exampleb",
        "bo._saip.acme.example",
    ];
    let world = Plan::records(names.map(|name| bot.record_at(name)).concat()).start().await;
    for mode in [Mode::Rolling(KeyType::Ed25519), Mode::Direct] {
        let ask = Ask::post(CLOSED, b"x").by(mode);
        let good = bot.header(ask);
        let (ts, nonce, aud, cd) =
            (value(&good, "ts"), value(&good, "nonce"), value(&good, "aud"), value(&good, "cd"));
        let shift = |pairs: &[(&str, &str)]| {
            pairs.iter().fold(good.clone(), |header, (name, text)| with(&header, name, text))
        };
        let mut headers = vec![
            shift(&[("dom", "acme.exampleb"), ("id", "ot")]),
            shift(&[("id", "botm"), ("inst", "1n")]),
            shift(&[("id", "bo"), ("inst", "tm1n")]),
            shift(&[("inst", &format!("m1n{}", &ts[..1])), ("ts", &ts[1..])]),
            shift(&[("ts", &ts[..ts.len() - 1]), ("nonce", &format!("0{nonce}"))]),
            shift(&[
                ("nonce", &nonce[..nonce.len() - 1]),
                ("aud", &format!("{}{aud}", &nonce[nonce.len() - 1..])),
            ]),
            shift(&[("nonce", &format!("{nonce}w")), ("aud", &aud[1..])]),
            shift(&[("aud", &format!("{aud}{}", &cd[..1])), ("cd", &format!("{}A", &cd[1..]))]),
            good.replacen("; inst=\"m1n\"", "", 1).replacen("id=\"bot\"", "id=\"bot\"; x=\"m1n\"", 1),
        ];
        // The value of one name under another.
        headers.push(with(&good, "inst", "bot"));
        headers.push(with(&good, "dom", "acme.exampleb"));
        only_the_good_one_counts(&world, ask, &headers, &good).await;
    }
}

#[tokio::test]
async fn octets_shifted_between_method_and_path_break_the_signature() {
    let (world, bot) = World::with_bot().await;
    let ask = Ask::get("/closed?a=1;path=/b");
    let header = format!("SAIP: {}\r\n", bot.header(ask));
    for (method, path) in [
        ("GET", "/closed?a=1;path=/c"),
        ("GET", "/closed?a=1"),
        ("GET;path=", "/closed?a=1;path=/b"),
        ("GETX", "/closed?a=1;path=/b"),
        ("get", "/closed?a=1;path=/b"),
        ("PUT", "/closed?a=1;path=/b"),
        ("GET", "/closed?a=1;path=/b&"),
        ("GET", "/closed?a=1%3Bpath=/b"),
        ("GET", "/closed/?a=1;path=/b"),
        ("GET", "/closed/../closed?a=1;path=/b"),
        ("GET", "/%63losed?a=1;path=/b"),
    ] {
        let before = world.completed().len();
        world.send(request(Ask { method, path, ..ask }, &header)).await;
        assert_eq!(world.completed().len(), before, "{method} {path}");
    }
    world.see(request(ask, &header)).await.is_verified("bot@acme.example");
}

/// Each of `headers` is an invalid claim that does not reach the upstream; `good` is verified.
async fn only_the_good_one_counts(world: &World, ask: Ask<'_>, headers: &[String], good: &str) {
    let requests = headers.iter().map(|header| request(ask, &format!("SAIP: {header}\r\n")));
    for (seen, header) in world.see_all(requests).await.iter().zip(headers) {
        assert_eq!(seen.reached, None, "{header}");
        assert_eq!(seen.line["verdict"]["class"], 1, "{header}: {seen:#?}");
    }
    world.see(request(ask, &format!("SAIP: {good}\r\n"))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn parts_of_two_good_headers_make_no_third() {
    let (bot, other) = (Agent::new("bot", "acme.example"), Agent::new("other", "acme.example"));
    let world = Plan::records(bot.record() + &other.record()).start().await;
    let ask = Ask::post(CLOSED, b"x");
    let (good, second, foreign) = (bot.header(ask), bot.header(ask), other.header(ask));
    let mut headers = Vec::new();
    for name in ["nonce", "rpk", "rcert", "sig"] {
        headers.push(with(&good, name, value(&second, name)));
        headers.push(with(&good, name, value(&foreign, name)));
    }
    // A rolling key and its signature lifted whole under another's certificate.
    headers.push(with(&with(&good, "rpk", value(&foreign, "rpk")), "sig", value(&foreign, "sig")));
    headers.push(with(&foreign, "id", "bot"));
    headers.push(with(&good, "id", "other"));
    headers.push(with(&good, "rcert", value(&good, "sig")));
    only_the_good_one_counts(&world, ask, &headers, &good).await;
}

#[tokio::test]
async fn keys_that_are_weak_or_no_points_prove_nothing() {
    let (world, bot) = World::with_bot().await;
    let ask = Ask::get(CLOSED);
    let good = bot.header(ask);
    // 0 and 1 are points of small order; the last is not reduced; 33 and 65 octets are no Ed25519 keys.
    let mut one = [0; 32];
    one[0] = 1;
    let keys = [
        b64u::encode(&[0; 32]),
        b64u::encode(&one),
        b64u::encode(&[0xff; 32]),
        b64u::encode(&[2; 33]),
        b64u::encode(&[4; 65]),
    ];
    for key in keys {
        let header = with(&good, "rpk", &key);
        let seen = world.see(request(ask, &format!("SAIP: {header}\r\n"))).await;
        assert_eq!(
            (seen.reached.as_ref(), &seen.line["verdict"]["class"]),
            (None, &1.into()),
            "{key}: {seen:#?}"
        );
    }
    world.see(request(ask, &format!("SAIP: {good}\r\n"))).await.is_verified("bot@acme.example");
}

#[tokio::test]
async fn a_name_alone_proves_nothing() {
    let (world, bot) = World::with_bot().await;
    let claim = format!("SAIP: {}\r\n", bot.signer.speaker().bare_claim().unwrap());
    world.see(request(Ask::get(CLOSED), &claim)).await.is_kept_out("not-confirmed");
    world
        .see(request(Ask::get(CLOSED).to(SITE), &format!("Avouch-Class: 3\r\n{claim}")))
        .await
        .is_kept_out("not-confirmed");
    world.see(bot.request(Ask::get(CLOSED))).await.is_verified("bot@acme.example");
}
