//! The examples of the Web Bot Auth drafts: requests for `https://example.com/path/to/resource`, signed by keys of
//! RFC 9421 appendix B.1.

use super::{Agents, Dialect};
use crate::http_signature::{self, Algorithms, Jwk, Message, Start};

const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"test-key-ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
const RSA_PSS: &str = r#"{"kty":"RSA","kid":"test-key-rsa-pss","alg":"PS512","e":"AQAB","n":"r4tmm3r20Wd_PbqvP1s2-QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct-Lh1GH45x28Rw3Ry53mm-oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL-Wokqltd11nqqzi-bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d-nb4bnNkQVklLQ3fVAvJm-xdDOp9LCNCN48V2pnDOkFV6-U9nV5oyc6XI2w"}"#;

struct Example {
    key: &'static str,
    input: &'static str,
    signature: &'static str,
    agent: Option<&'static str>,
}

const EXAMPLES: [Example; 4] = [
    Example {
        key: RSA_PSS,
        input: r#"sig1=("@authority");created=1735689600;keyid="oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA";alg="rsa-pss-sha512";expires=4889289600;nonce="JojDFWJ90jf+gZhdKeTyJYsu1XvNPZSFAGhvYq5SuV3gneOEUAhq+xl792WGuD1W+Dr6NRmx+m+t06NsYnL4iA==";tag="web-bot-auth""#,
        signature: "sig1=:hWPaj85MWQiRkzU4jnIKvdPQiDfMCPIoxOP8nZveNc3aFQ7r/UmXWCwGNImw588iRvTFey5TR3fVEgnXpcttlyK+u5pN831z9Wlr+IMNfub4uEM3SuO+SKFygJZyLG0pf7OAiRcU4C0gyx1BS/+z9ydQTRzDLr88wCkBBRqwGRrSi8HTwxkqg1jugobh93hcnU6gV8MK1n+VnhRprIgl2RQSO6q5cfbB4OS8C4t/8ndW0lYmP2SWzKZJXnpX5Wrj17PuLqnVW6MO8pJnLAMXNvxUdx32KHeq/cHFrzZazZsua3UOoP+k+niHwoQ8bBWj1Vi4mM1mYJK+fk366cCLsQ==:",
        agent: None,
    },
    Example {
        key: RSA_PSS,
        input: r#"sig2=("@authority" "signature-agent";key="agent2");created=1735689600;keyid="oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA";alg="rsa-pss-sha512";expires=4889289600;nonce="wcfPQPh7SzkvrIVvhD00vNk9PkxJNY2NVbYl2PVBB4zmUoluSwE7W6bPtF60QA3k8g06FU7PPCD+J58YofY1zg==";tag="web-bot-auth""#,
        signature: "sig2=:gHzpLNeHaHIO19NaJH9YMW5dcVSi2s0wOMBr6p18vcofS106sfC4KBIS0/szPlBBd1vIcyQ88B6CTEWIhRAiVrb9zfX0mx1aG12CSGWcYkSirHeyTxhbuJvXd27ed6skWoy4PjXItq38936ivUQjfdIwXh1aX6HxkAC3vRnEdSNfntkLWeEuIQ5BLIOBGE39fSwg27Qjq6OVWYas/9/aFUr3HA34MXWYdp+//cvlEKDp3kRoLOw9ro0AOr6srHrTeEtxon2afcws1aZVSlPdd2fZSEIGmw9HAHLDCEkFTERu1gH2k/zIEqgy7CAYXI9E5slog0cLg/Vc6+f8gih33g==:",
        agent: Some("agent2=\"https://signature-agent.test\""),
    },
    Example {
        key: ED25519,
        input: r#"sig1=("@authority");created=1735689600;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";alg="ed25519";expires=4889289600;nonce="zIW8+cdmA3vdYagbxojpONwa/l0EKJ/O3/wD486VvsQjO/RxPaSt6ZxvQaMcQzNnqKN/mQ6hpGiFro2L2qkz5A==";tag="web-bot-auth""#,
        signature: "sig1=:QKN4fTdIYfh82fvoZCQiQA1weuozfCS/Led2zTMbewMMqH8PI2Wsy/5c4ao6B6D09nraNQdBNOADg8aM1MqfCg==:",
        agent: None,
    },
    Example {
        key: ED25519,
        input: r#"sig2=("@authority" "signature-agent";key="agent2");created=1735689600;keyid="poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U";alg="ed25519";expires=4889289600;nonce="n9p433xm+NJ3ph3upfBIGmsuwHw387YV7Q/F+6BSpGCVjYCqQw6rznNA8PVVLySrAWsv0hQtFioQb6E1YsauiA==";tag="web-bot-auth""#,
        signature: "sig2=:RdNFx5Bj6au3YgAMQL/RzmUlZE8QZLIaXGRpw985hWnwPfMxT228NMk6ehRS1PSl4e8PhbNZACSanGdhEwYCCg==:",
        agent: Some("agent2=\"https://signature-agent.test\""),
    },
];

#[test]
fn every_example_holds_for_its_site_and_names_its_agent() {
    for example in EXAMPLES {
        let one = http_signature::read(example.input, example.signature).unwrap().remove(0);
        let (label, signature) = (one.label, one.signature.unwrap());
        let jwk = Jwk::parse(example.key).unwrap();
        assert_eq!(signature.input.keyid, Some(jwk.thumbprint.to_string().as_str()));
        let algorithm = jwk.key.algorithm(signature.input.alg, Algorithms::DEFAULT).unwrap();
        let fields: Vec<_> =
            example.agent.iter().map(|agent| ("Signature-Agent", agent.as_bytes())).collect();
        let holds = |authority: &str| {
            let path = "/path/to/resource";
            let start = Start::Request { method: "GET", scheme: "https", authority, path, target: path };
            let message = Message { start, fields: &fields, trailers: &[], request: None };
            let base = signature.input.base(&message).unwrap();
            jwk.key.verify(algorithm, &base, signature.octets).is_ok()
        };
        assert!(holds("example.com") && !holds("example.org"), "{}", example.input);
        if let Some(field) = example.agent {
            let agent = Agents::parse(field).unwrap().of(label, &signature.input, |_| false).unwrap();
            assert_eq!((agent.dialect, agent.domain.as_str()), (Dialect::B, "signature-agent.test"));
        }
    }
}
