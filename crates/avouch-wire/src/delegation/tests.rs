use super::*;
use crate::authority::{Authority, Scheme};
use crate::b64u;
use crate::key::PublicKey;
use crate::name::Domain;
use crate::target::NormalPath;
use crate::time::Time;
use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

fn key(seed: u8) -> (SigningKey, PublicKey) {
    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = PublicKey::from_octets(key.verifying_key().as_bytes()).unwrap();
    (key, public)
}

fn grant() -> Grant {
    Grant {
        issuer: Domain::parse("acme.example").unwrap(),
        subject: Subject::parse("ip:192.0.2.0/24").unwrap(),
        not_before: 1_790_000_000,
        expires: 1_790_000_000 + MAX_LIFETIME,
        scopes: vec![Scope::parse("GET /feeds").unwrap(), Scope::parse("* /open/").unwrap()],
        audience: vec![Authority::parse("www.shop.example", Scheme::Https).unwrap()],
        id: "2026-11/1".to_owned(),
    }
}

fn signed(input: &str, key: &SigningKey) -> String {
    format!("{input}.{}", b64u::encode(&key.sign(input.as_bytes()).to_bytes()))
}

/// A token of this header and these claims, whatever they say.
fn token(head: &str, claims: &str) -> String {
    let input = format!("{}.{}", b64u::encode(head.as_bytes()), b64u::encode(claims.as_bytes()));
    signed(&input, &key(1).0)
}

fn head() -> String {
    format!(r#"{{"typ":"saip-delegation+jwt","alg":"EdDSA","kid":"{}"}}"#, key(1).1.fingerprint())
}

const CLAIMS: &str = r#"{"iss":"acme.example","sub":"asn:64500","nbf":1,"exp":2,"scope":["* /"],"jti":"1"}"#;

#[test]
fn what_is_written_reads_the_same_and_is_verified_by_the_key_that_signed_it() {
    let (own, public) = key(1);
    let text = signed(&Token::signing_input(&grant(), &public).unwrap(), &own);
    let token = Token::parse(&text).unwrap();
    assert_eq!((token.grant(), token.key()), (&grant(), public.fingerprint()));
    assert!(token.verify(&public).is_ok());
    assert!(token.verify(&key(2).1).is_err(), "another key");
    let other = signed(&Token::signing_input(&grant(), &public).unwrap(), &key(2).0);
    assert!(Token::parse(&other).unwrap().verify(&public).is_err(), "the name of one key, signed by another");
    let wider = Grant { subject: Subject::parse("ip:192.0.0.0/16").unwrap(), ..grant() };
    let (_, signature) = text.rsplit_once('.').unwrap();
    let forged = format!("{}.{signature}", Token::signing_input(&wider, &public).unwrap());
    assert!(Token::parse(&forged).unwrap().verify(&public).is_err(), "other claims");
}

#[test]
fn the_algorithm_is_that_of_the_key() {
    let text = token(&head().replace("EdDSA", "ES256"), CLAIMS);
    assert!(Token::parse(&text).unwrap().verify(&key(1).1).is_err());
    assert!(Token::parse(&token(&head(), CLAIMS)).unwrap().verify(&key(1).1).is_ok());
}

#[test]
fn headers_that_bring_in_keys_or_rules_are_refused() {
    for (before, after, told) in [
        (r#""alg""#, r#""crit":["b64"],"alg""#, "crit"),
        (r#""alg""#, r#""jwk":{},"alg""#, "jwk"),
        (r#""alg""#, r#""jku":"https://x","alg""#, "jku"),
        (r#""alg""#, r#""x5c":[],"alg""#, "x5c"),
        (r#""alg""#, r#""x5t#S256":"","alg""#, "x5t#S256"),
        ("saip-delegation+jwt", "jwt", "typ"),
        ("EdDSA", "none", "alg"),
        ("EdDSA", "HS256", "alg"),
        ("sha256:", "sha1:", "kid"),
        (r#","kid""#, r#","alg":"EdDSA","kid""#, "stands twice"),
        (r#""kid""#, r#""key""#, "lacks kid"),
    ] {
        let head = head().replacen(before, after, 1);
        let error = Token::parse(&token(&head, CLAIMS)).unwrap_err().to_string();
        assert!(error.contains(told), "{head}: {error}");
    }
    let unknown = head().replace(r#""alg""#, r#""cty":"x","alg""#);
    assert!(Token::parse(&token(&unknown, CLAIMS)).is_ok());
}

#[test]
fn each_claim_refuses_its_near_miss() {
    assert!(Token::parse(&token(&head(), CLAIMS)).is_ok());
    for (before, after, told) in [
        ("acme.example", "example", "iss"),
        ("acme.example", "acme.example.", "iss"),
        ("acme.example", "co.uk", "iss"),
        ("asn:64500", "asn:0", "sub"),
        ("asn:64500", "asn:064500", "sub"),
        ("asn:64500", "asn:4294967296", "sub"),
        ("asn:64500", "ASN:64500", "sub"),
        ("asn:64500", "ip:192.0.2.1/24", "sub"),
        ("asn:64500", "ip:10.0.0.0/7", "sub"),
        ("asn:64500", "key:sha256:AA", "sub"),
        (r#""sub":"asn:64500""#, r#""sub":["asn:64500"]"#, "sub"),
        (r#""nbf":1"#, r#""nbf":1.0"#, "nbf"),
        (r#""exp":2"#, r#""exp":2e0"#, "exp"),
        (r#""exp":2"#, r#""exp":"2""#, "exp"),
        (r#""exp":2"#, r#""exp":-2"#, "exp"),
        (r#""exp":2"#, r#""exp":1"#, "before exp"),
        (r#""exp":2"#, r#""exp":7776002"#, "7776001 s apart"),
        (r#""nbf":1,"#, "", "lacks nbf"),
        (r#","exp":2"#, "", "lacks exp"),
        (r#","scope":["* /"]"#, "", "lacks scope"),
        (r#"["* /"]"#, "[]", "scope"),
        (r#"["* /"]"#, r#""* /""#, "scope"),
        (r#"["* /"]"#, "[1]", "scope"),
        ("* /", "/", "scope"),
        ("* /", "* x", "scope"),
        ("* /", "* /a/../b", "scope"),
        ("* /", "* /a//b", "scope"),
        ("* /", "* /%61", "scope"),
        ("* /", "* /a%2fb", "scope"),
        ("* /", "* /a?b", "scope"),
        ("* /", "G(T /", "scope"),
        (r#""jti":"1""#, r#""jti":"""#, "jti"),
        (r#""jti":"1""#, r#""jti":"a b""#, "jti"),
        (r#","jti":"1""#, "", "lacks jti"),
        (r#""jti""#, r#""aud":"www.shop.example","jti""#, "aud"),
        (r#""jti""#, r#""aud":[],"jti""#, "aud"),
        (r#""jti""#, r#""aud":["WWW.shop.example"],"jti""#, "aud"),
        (r#""jti""#, r#""aud":["www.shop.example:443"],"jti""#, "aud"),
        (r#""jti""#, r#""iss":"acme.example","jti""#, "stands twice"),
    ] {
        let claims = CLAIMS.replacen(before, after, 1);
        let error = Token::parse(&token(&head(), &claims)).unwrap_err().to_string();
        assert!(error.contains(told), "{claims}: {error}");
    }
    let longest = CLAIMS.replace(r#""exp":2"#, r#""exp":7776001"#);
    assert!(Token::parse(&token(&head(), &longest)).is_ok());
}

#[test]
fn what_is_no_compact_jws_is_refused() {
    let text = token(&head(), CLAIMS);
    for (broken, error) in [
        (String::new(), TokenError::Form),
        (text.replacen('.', "", 1), TokenError::Form),
        (format!("{text}.x"), TokenError::Form),
        (format!("{text}="), TokenError::Encoding("signature")),
        (format!("={text}"), TokenError::Encoding("header")),
        ("x".repeat(MAX_OCTETS + 1), TokenError::Length(MAX_OCTETS + 1)),
    ] {
        assert_eq!(Token::parse(&broken), Err(error), "{broken}");
    }
    let many = Grant { scopes: vec![Scope::parse("* /").unwrap(); MAX_LISTED + 1], ..grant() };
    assert_eq!(many.check(), Err(GrantError::TooMany));
    let long = Scope::parse(&format!("* /{}", "a".repeat(2_000))).unwrap();
    let long = Grant { scopes: vec![long; 2], ..grant() };
    assert!(matches!(Token::signing_input(&long, &key(1).1), Err(TokenError::Length(_))));
}

#[test]
fn a_grant_counts_from_its_first_second_to_before_its_last() {
    let grant = grant();
    for (at, counts) in
        [(-1, false), (0, true), (MAX_LIFETIME as i64 - 1, true), (MAX_LIFETIME as i64, false)]
    {
        let now = Time::from_seconds(grant.not_before.checked_add_signed(at).unwrap());
        assert_eq!(grant.is_in_force(now), counts, "{at}");
    }
}

#[test]
fn scopes_end_where_segments_end() {
    let grant = grant();
    for (method, path, admitted) in [
        ("GET", "/feeds", true),
        ("GET", "/feeds?page=2", true),
        ("GET", "/feeds/", true),
        ("GET", "/feeds/a", true),
        ("GET", "/%66eeds/a/../b", true),
        ("GET", "/feedsx", false),
        ("GET", "/feeds/../private", false),
        ("GET", "/feeds/%2e%2e/private", false),
        ("GET", "/feeds/a%2Fb", false),
        ("GET", "/feeds//a", false),
        ("POST", "/feeds", false),
        ("get", "/feeds", false),
        ("PUT", "/open/a", true),
        ("PUT", "/open", false),
        ("OPTIONS", "*", false),
    ] {
        assert_eq!(grant.admits(method, &NormalPath::of(path)), admitted, "{method} {path}");
    }
    let everything = Scope::parse("* /").unwrap();
    assert!(everything.admits("GET", &NormalPath::of("/a/b")));
    assert!(!everything.admits("OPTIONS", &NormalPath::of("*")));
}

#[test]
fn a_grant_is_for_the_sites_it_names_or_for_all() {
    let at = |text: &'static str| Authority::parse(text, Scheme::Https).unwrap();
    let named = grant();
    assert!(named.is_for(&at("www.shop.example")) && named.is_for(&at("WWW.shop.example:443")));
    assert!(!named.is_for(&at("shop.example")) && !named.is_for(&at("www.shop.example:8443")));
    assert!(Grant { audience: Vec::new(), ..named }.is_for(&at("shop.example")));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*", head in "\\PC*", claims in "\\PC*") {
        let _ = Token::parse(&text);
        let _ = Token::parse(&token(&head, &claims));
        let _ = Scope::parse(&text);
        let _ = Subject::parse(&text);
    }
}
