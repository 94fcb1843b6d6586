//! The examples of RFC 9421 appendix B: keys (B.1), signatures (B.2), a proxy (B.3), and what a
//! signature survives (B.4).

use super::*;
use crate::b64u;
use crate::key::PublicKey;
use data_encoding::BASE64;

const DATE: (&str, &[u8]) = ("Date", b"Tue, 20 Apr 2021 02:07:55 GMT");
const TYPE: (&str, &[u8]) = ("Content-Type", b"application/json");
const LENGTH: (&str, &[u8]) = ("Content-Length", b"18");
const DIGEST: (&str, &[u8]) = (
    "Content-Digest",
    b"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:",
);

type Fields<'a> = &'a [(&'a str, &'a [u8])];

/// The first line of the request that B.2 and B.3 sign.
const fn post(authority: &str) -> Start<'_> {
    let target = "/foo?param=Value&Pet=dog";
    Start::Request { method: "POST", scheme: "https", authority, path: target, target }
}

/// B.1.2 `test-key-rsa-pss`.
fn rsa_pss() -> VerificationKey {
    let json = r#"{"kty":"RSA","alg":"PS512","e":"AQAB","n":"r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w"}"#;
    Jwk::parse(json).unwrap().key
}

/// B.1.3 `test-key-ecc-p256`.
fn ecc_p256() -> VerificationKey {
    let spki = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6Dxh71Z50VGGdldkkDXZCnTNnoXQ==";
    let spki = BASE64.decode(spki.as_bytes()).unwrap();
    PublicKey::from_octets(spki.last_chunk::<65>().unwrap()).unwrap().into()
}

/// B.1.4 `test-key-ed25519`.
fn ed25519() -> VerificationKey {
    PublicKey::from_b64u("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs").unwrap().into()
}

/// B.1.5 `test-shared-secret`.
fn shared_secret() -> VerificationKey {
    let secret = "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ==";
    VerificationKey::hmac(&BASE64.decode(secret.as_bytes()).unwrap())
}

struct Example<'a> {
    start: Start<'a>,
    fields: Fields<'a>,
    key: VerificationKey,
    input: &'a str,
    signature: &'a str,
}

impl Example<'_> {
    /// The base without its last line, which must be the member of `Signature-Input` as it stands.
    fn base(&self) -> Result<String, BaseError> {
        let (input, signature) = (format!("s={}", self.input), format!("s=:{}:", self.signature));
        let signature = read(&input, &signature).unwrap().remove(0).signature.unwrap();
        let base = signature.input.base(&self.message())?;
        let end = format!("\"@signature-params\": {}", self.input);
        Ok(base.strip_suffix(&end).unwrap().to_owned())
    }

    fn message(&self) -> Message<'_> {
        Message { start: self.start, fields: self.fields, trailers: &[], request: None }
    }

    fn holds(&self) -> bool {
        let (input, signature) = (format!("s={}", self.input), format!("s=:{}:", self.signature));
        let signature = read(&input, &signature).unwrap().remove(0).signature.unwrap();
        let algorithm = self.key.algorithm(signature.input.alg, Algorithms::of(&Algorithm::ALL)).unwrap();
        let base = signature.input.base(&self.message());
        base.is_ok_and(|base| self.key.verify(algorithm, &base, signature.octets).is_ok())
    }
}

fn examples() -> [Example<'static>; 7] {
    const REQUEST: Fields<'static> = &[("Host", b"example.com"), DATE, TYPE, DIGEST, LENGTH];
    const CERTIFICATE: &[u8] = b":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:";
    let request = |key, input, signature| Example {
        start: post("example.com"),
        fields: REQUEST,
        key,
        input,
        signature,
    };
    [
        request(
            rsa_pss(), // B.2.1
            "();created=1618884473;keyid=\"test-key-rsa-pss\";nonce=\"b3k2pp5k7z-50gnwp.yemd\"",
            "d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==",
        ),
        request(
            rsa_pss(), // B.2.2
            "(\"@authority\" \"content-digest\" \"@query-param\";name=\"Pet\");created=1618884473;keyid=\"test-key-rsa-pss\";tag=\"header-example\"",
            "LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECxCmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaUEb0rQl3/XaVe4bXTugEjHSw==",
        ),
        request(
            rsa_pss(), // B.2.3
            "(\"date\" \"@method\" \"@path\" \"@query\" \"@authority\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-rsa-pss\"",
            "bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/CCoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZAFL2FUo5fTIztsDZKEgM4cUA==",
        ),
        Example {
            start: Start::Response { status: 200 }, // B.2.4
            fields: &[
                ("Date", b"Tue, 20 Apr 2021 02:07:56 GMT"),
                TYPE,
                (
                    "Content-Digest",
                    b"sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
                ),
                ("Content-Length", b"23"),
            ],
            key: ecc_p256(),
            input: "(\"@status\" \"content-type\" \"content-digest\" \"content-length\");created=1618884473;keyid=\"test-key-ecc-p256\"",
            signature: "wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
        },
        request(
            shared_secret(), // B.2.5
            "(\"date\" \"@authority\" \"content-type\");created=1618884473;keyid=\"test-shared-secret\"",
            "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8=",
        ),
        request(
            ed25519(), // B.2.6
            "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"",
            "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==",
        ),
        Example {
            start: post("service.internal.example"), // B.3
            fields: &[("Host", b"service.internal.example"), DATE, TYPE, LENGTH, ("Client-Cert", CERTIFICATE)],
            key: ecc_p256(),
            input: "(\"@path\" \"@query\" \"@method\" \"@authority\" \"client-cert\");created=1618884473;keyid=\"test-key-ecc-p256\"",
            signature: "xVMHVpawaAC/0SbHrKRs9i8I3eOs5RtTMGCWXm/9nvZzoHsIg6Mce9315T6xoklyy0yzhD9ah4JHRwMLOgmizw==",
        },
    ]
}

#[test]
fn every_example_holds_and_holds_for_nothing_else() {
    let swap = |start| match start {
        Start::Request { authority, .. } => Start::Request {
            method: "PUT",
            scheme: "https",
            authority: "other.example",
            path: "/",
            target: authority,
        },
        Start::Response { .. } => Start::Response { status: 201 },
    };
    for (at, mut example) in examples().into_iter().enumerate() {
        assert!(example.holds(), "example {at}");
        let signed_anything = !example.input.starts_with("()");
        example.start = swap(example.start);
        assert_eq!(example.holds(), !signed_anything, "example {at}, of another message");
        let mut octets = BASE64.decode(example.signature.as_bytes()).unwrap();
        octets[0] ^= 1;
        let other = BASE64.encode(&octets);
        let corrupt = Example { signature: &other, ..example };
        assert!(!corrupt.holds(), "example {at}, corrupt");
    }
}

#[test]
fn bases_are_those_of_the_text() {
    let [minimal, selective, full, ..] = examples();
    assert_eq!(minimal.base().unwrap(), "");
    let digest = String::from_utf8_lossy(DIGEST.1);
    let expected = format!(
        "\"@authority\": example.com\n\"content-digest\": {digest}\n\"@query-param\";name=\"Pet\": dog\n"
    );
    assert_eq!(selective.base().unwrap(), expected);
    let expected = format!(
        "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@query\": ?param=Value&Pet=dog\n\
         \"@authority\": example.com\n\"content-type\": application/json\n\"content-digest\": {digest}\n\"content-length\": 18\n"
    );
    assert_eq!(full.base().unwrap(), expected);
}

#[test]
fn a_signature_survives_what_b_4_says_and_nothing_else() {
    let holds = |path: &str, authority: &str, method: &str, fields: Fields<'_>| {
        let start = Start::Request { method, scheme: "https", authority, path, target: path };
        let example = Example {
            start,
            fields,
            key: ed25519(),
            input: "(\"@method\" \"@path\" \"@authority\" \"accept\");created=1618884473;keyid=\"test-key-ed25519\"",
            signature: "ZT1kooQsEHpZ0I1IjCqtQppOmIqlJPeo7DHR3SoMn0s5JZ1eRGS0A+vyYP9t/LXlh5QMFFQ6cpLt2m0pmj3NDA==",
        };
        example.holds()
    };
    let date = ("Date", &b"Fri, 15 Jul 2022 14:24:55 GMT"[..]);
    let (json, any) = (("Accept", &b"application/json"[..]), ("Accept", &b"*/*"[..]));
    let path = "/demo?name1=Value1&Name2=value2";
    assert!(holds(path, "example.org", "GET", &[date, json, any]));
    let added = ("Accept-Language", &b"en-US,en;q=0.5"[..]);
    assert!(holds(
        "/demo?name1=Value1&Name2=value2&param=added",
        "example.org",
        "GET",
        &[date, json, any, added]
    ));
    let collapsed = ("Accept", &b"application/json, */*"[..]);
    assert!(holds(
        path,
        "example.org",
        "GET",
        &[("Referer", b"https://developer.example.org/demo"), collapsed]
    ));
    assert!(!holds(path, "example.com", "POST", &[date, json, any]), "another method and authority");
    assert!(!holds(path, "example.org", "GET", &[date, any, json]), "another order");
}

#[test]
fn the_other_algorithms_of_the_rfc_verify_too() {
    // The appendix has no example of them; the keys are made here.
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{
        ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    };
    let (base, random) = ("base", SystemRandom::new());
    let bytes = |octets: &[u8]| format!("s=:{}:", BASE64.encode(octets));
    let verify = |key: &VerificationKey, algorithm, text: &str, base: &str| {
        let signature = read("s=()", text).unwrap().remove(0).signature.unwrap();
        key.verify(algorithm, base, signature.octets).is_ok()
    };

    let pair = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let text = bytes(pair.sign(&random, base.as_bytes()).unwrap().as_ref());
    let (x, y) = pair.public_key().as_ref()[1..].split_at(48);
    let json = format!(r#"{{"kty":"EC","crv":"P-384","x":"{}","y":"{}"}}"#, b64u::encode(x), b64u::encode(y));
    let key = Jwk::parse(&json).unwrap().key;
    assert!(verify(&key, Algorithm::EcdsaP384Sha384, &text, base));
    assert!(!verify(&key, Algorithm::EcdsaP384Sha384, &text, "other"));
    assert!(!verify(&key, Algorithm::EcdsaP256Sha256, &text, base));

    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &random, base.as_bytes(), &mut signature).unwrap();
    // RSAPublicKey (RFC 8017 appendix A.1.1): 9 octets of DER before the modulus.
    let modulus = &pair.public_key().as_ref()[9..9 + 256];
    let key = VerificationKey::rsa(modulus, &[1, 0, 1]).unwrap();
    assert!(verify(&key, Algorithm::RsaV15Sha256, &bytes(&signature), base));
    assert!(!verify(&key, Algorithm::RsaV15Sha256, &bytes(&signature), "other"));
    assert!(!verify(&key, Algorithm::RsaPssSha512, &bytes(&signature), base), "one padding is not the other");
}
