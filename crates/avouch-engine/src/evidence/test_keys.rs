//! Keys that prove nothing, because everyone has their private part.

use avouch_wire::http_signature::Thumbprint;
use std::sync::LazyLock;

/// Thumbprints of keys whose private parts are printed in specifications.
static PRINTED: LazyLock<[Option<Thumbprint>; 7]> = LazyLock::new(|| {
    [
        // RFC 9421 appendix B.1: RSA, RSA-PSS, P-256 and Ed25519. The Web Bot Auth drafts and demonstrations use them.
        "BHj8s0GPnMEQtkaULIM-PLgEhLBbuGUQ1vMxmBWZzEo",
        "oD0HwocPBSfpNy5W3bpJeyFGY_IQ_YpqxSjQ3Yd-CLA",
        "ydQXMtvbsOsZyFir-Y7A8t7fKEM1gbKPvyFkdpu4fvI",
        "poqkLGiymh_W0uP6PZFw-dvez3QJT5SolqXBCW38r0U",
        // RFC 8037 appendix A.1: Ed25519.
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        // RFC 7517 appendix A.2: P-256 and RSA.
        "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s",
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    ]
    .map(Thumbprint::parse)
});

/// Whether the key of this thumbprint is one of them.
#[must_use]
pub fn is_public_test_key(thumbprint: Thumbprint) -> bool {
    PRINTED.contains(&Some(thumbprint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use avouch_wire::http_signature::Jwk;

    fn is_refused(jwk: &str) -> bool {
        is_public_test_key(Jwk::parse(jwk).unwrap().thumbprint)
    }

    /// The public halves, as the specifications print them.
    #[test]
    fn keys_printed_with_their_private_part_are_known_by_their_thumbprint() {
        let rfc9421 = r#"{"kty":"OKP","crv":"Ed25519","x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}"#;
        let rfc8037 = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        let p256 = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
        let rsa = r#"{"kty":"RSA","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}"#;
        assert!([rfc9421, rfc8037, p256, rsa].map(is_refused).iter().all(|refused| *refused));
        // Of RFC 8032 section 7.1, where it stands as octets: nobody copies it as a key.
        let other = r#"{"kty":"OKP","crv":"Ed25519","x":"PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}"#;
        assert!(!is_refused(other));
        assert!(PRINTED.iter().all(Option::is_some));
    }
}
