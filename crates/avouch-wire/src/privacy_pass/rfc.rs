//! The test vectors of RFC 9577 appendix A and RFC 9578 appendix A.2, as hexadecimal.

use super::*;
use data_encoding::{BASE64URL, HEXLOWER};

/// The key of all of them.
pub(super) const KEY: &str = "30820152303d06092a864886f70d01010a3030a00d300b0609608648016503040202a11a301806092a864886f70d0101\
    08300b0609608648016503040202a2030201300382010f003082010a0282010100cb1aed6b6a95f5b1ce013a4cfcab25\
    b94b2e64a23034e4250a7eab43c0df3a8c12993af12b111908d4b471bec31d4b6c9ad9cdda90612a2ee903523e6de5a2\
    24d6b02f09e5c374d0cfe01d8f529c500a78a2f67908fa682b5a2b430c81eaf1af72d7b5e794fc98a3139276879757ce\
    453b526ef9bf6ceb99979b8423b90f4461a22af37aab0cf5733f7597abe44d31c732db68a181c6cbbe607d8c0e52e065\
    5fd9996dc584eca0be87afbcd78a337d17b1dba9e828bbd81e291317144e7ff89f55619709b096cbb9ea474cead264c2\
    073fe49740c01f00e109106066983d21e5f83f086e2e823c879cd43cef700d2a352a9babd612d03cad02db134b7e225a\
    5f0203010001";

/// SHA-256 of the key.
pub(super) const KEY_ID: &str = "ca572f8982a9ca248a3056186322d93ca147266121ddeb5632c07f1f71cd2708";

/// Challenges, and tokens that were issued for them (RFC 9578 appendix A.2, vectors 1, 2 and 5).
const TOKENS: [(&str, &str); 3] = [
    (
        "0002000e6973737565722e6578616d706c65208e7acc900e393381e8810b7c9e4a68b5163f1f880ab6688a6ffe780923\
         609e88000e6f726967696e2e6578616d706c65",
        "0002aa72019d1f951df197021ce63876fe8b0a02dc1c31a12b0a2dd1508d07827f055969f643b4cfda5196d4aa86aeb5\
         368834f4f06de46950ed435b3b81bd036d44ca572f8982a9ca248a3056186322d93ca147266121ddeb5632c07f1f71cd\
         2708bc6a21b533d07294b5e900faf5537dd3eb33cee4e08c9670d1e5358fd184b0e00c637174f5206b14c7bb0e724ebf\
         6b56271e5aa2ed94c051c4a433d302b23bc52460810d489fb050f9de5c868c6c1b06e3849fd087629f704cc724bc0d09\
         84d5c339686fcdd75f9a9cdd25f37f855f6f4c584d84f716864f546b696d620c5bd41a811498de84ff9740ba3003ba24\
         22d26b91eb745c084758974642a42078201543246ddb58030ea8e722376aa82484dca9610a8fb7e018e396165462e17a\
         03e40ea7e128c090a911ecc708066cb201833010c1ebd4e910fc8e27a1be467f78671836a508257123a45e4e0ae2180a\
         434bd1037713466347a8ebe46439d3da1970",
    ),
    (
        "0002000e6973737565722e6578616d706c6500000e6f726967696e2e6578616d706c65",
        "000298c1345ff38a554b429b428b0f206cfe4f3892f8041995f2c24873d90e84488d11e15c91a7c2ad02abd666458023\
         73db1d823bea80f08d452541fb2b62b5898bca572f8982a9ca248a3056186322d93ca147266121ddeb5632c07f1f71cd\
         27083350a206c5e9b7c0898f97611ce0bb8d74d310bb194ab67e094e32ff6da90886924b1b9e7b569402c1101d896d2f\
         c3a7371ef77f02310db1dc9f81c8535828c2d0e9d9051720d182cd54e1c2c3bf417da2fc7aa72bb70ccc834ef274a2e8\
         09c9821b3d395d6535423f7428b3f29175d6eb840b4b7685336e57e2b6afeaabc0c17ea4f557e8a9cc2f624e245c6ccd\
         7cbdd6c32c97c5c6974e802f688e2d25f0aba4215f609f692244517d5d3407e0172273982c001c158f5fcbe1b5d2447c\
         26a87e89f5a9e72b498b0c59ce749823d2cf253d3cf6cd4e64fa0e434d95e488789247a9ceed756ff4ff33a8d2402c0d\
         b381236d331092838b608a42002552092897",
    ),
    (
        "0002000e6973737565722e6578616d706c65208e7acc900e393381e8810b7c9e4a68b5163f1f880ab6688a6ffe780923\
         609e880000",
        "0002a1aa8b371c37c9a8ddbd7342ab4f9dd5227d5b1600dca6517b60f63143cd43a3bb8a8cf1c59e7a251358ed76fe0c\
         cff61044bc79dd261f16020324d22f2d434cca572f8982a9ca248a3056186322d93ca147266121ddeb5632c07f1f71cd\
         27082899f4bc385b4147a650a3e7efc7d23a743cb944bb53e2ed8b88ee03a9c0b1cf1f73fd7f15c1bd1f850a5a96a34d\
         4ee9f295543f30ac920825e9a0ce26e924f2c145583019dd14408c565b660e8b702fbea559908b1a8c8f9d21ef22f7cc\
         6a4641c57c146e6c5497d2890ca230a6749f5f83a8fdd79eba0722f10dff9e81a2fb2d05fa4d989acc2e93f595ae69c9\
         8c3daa3b169efcdd6e59596b2f049f16ba49528761f661032da65a3ee0fe8a22409766e90daf8c60323c16522818c492\
         73c795f26bbab306dc63cfc16fe1702af2464028cf819cc647d6f9b8a8f54d7d6585a268fdb8c75f76618c64aba26683\
         6a3b2db7cdd739815a021d7ff2b36ef91f23",
    ),
];

/// Redemption contexts, the origins beside them, and the digests of such challenges (RFC 9577 appendix A.1).
const DIGESTS: [(&str, &str, &str); 5] = [
    (
        "476ac2c935f458e9b2d7af32dacfbd22dd6023ef5887a789f1abe004e79bb5bb",
        "origin.example",
        "8e1d5518ec82964255526efd8f9db88205a8ddd3ffb1db298fcc3ad36c42388f",
    ),
    ("", "origin.example", "11e15c91a7c2ad02abd66645802373db1d823bea80f08d452541fb2b62b5898b"),
    ("", "", "b741ec1b6fd05f1e95f8982906aec1612896d9ca97d53eef94ad3c9fe023f7a4"),
    (
        "476ac2c935f458e9b2d7af32dacfbd22dd6023ef5887a789f1abe004e79bb5bb",
        "",
        "b85fb5bc06edeb0e8e8bdb5b3bea8c4fa40837c82e8bcaf5882c81e14817ea18",
    ),
    (
        "476ac2c935f458e9b2d7af32dacfbd22dd6023ef5887a789f1abe004e79bb5bb",
        "foo.example,bar.example",
        "a2a775866b6ae0f98944910c8f48728d8a2735b9157762ddbf803f70e2e8ba3e",
    ),
];

/// The challenges of RFC 9577 appendix A.2, and the key of its second token type.
const CHALLENGE: &str = "0002000e6973737565722e6578616d706c65208a3e83a33d98005d2f30bef419fa6bf4cd5c6005e36b1285bbb4ccd40f\
    a4b383000e6f726967696e2e6578616d706c65";
const OTHER_KEY: &str =
    "ebb1fed338310361c08d0c7576969671296e05e99a17d7926dfc28a53fabd489fac0f82bca86249a668f3a5bfab374c9";

pub(super) fn octets(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn the_tokens_of_the_specification_hold_and_no_other_octet_does() {
    let key = IssuerKey::from_spki(&octets(KEY)).unwrap();
    for (challenge, text) in TOKENS {
        let (challenge, token) = (TokenChallenge::parse(&octets(challenge)).unwrap(), octets(text));
        let read = Token::parse(&token).unwrap();
        assert_eq!(read.challenge_digest(), &challenge.digest());
        assert_eq!(read.key_id(), key.id().as_bytes());
        assert_eq!(read.octets(), token);
        assert!(key.verify(&read).is_ok());
        for at in 2..token.len() {
            let mut bent = token.clone();
            bent[at] ^= 1;
            assert!(key.verify(&Token::parse(&bent).unwrap()).is_err(), "octet {at}");
        }
    }
}

#[test]
fn challenges_have_the_digests_of_the_specification() {
    for (context, origins, digest) in DIGESTS {
        let lp16 =
            |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
        let context = octets(context);
        let length = [u8::try_from(context.len()).unwrap()];
        let octets = [&[0, 2], lp16("issuer.example").as_slice(), &length, &context, &lp16(origins)].concat();
        let challenge = TokenChallenge::parse(&octets).unwrap();
        assert_eq!(challenge.issuer(), "issuer.example");
        assert_eq!(challenge.context().map(|context| context.to_vec()).unwrap_or_default(), context);
        assert!(challenge.origins().eq(origins.split(',').filter(|name| !name.is_empty())));
        assert_eq!(HEXLOWER.encode(&challenge.digest()), digest);
    }
}

#[test]
fn the_fields_of_the_specification_are_read() {
    let (challenge, key) = (BASE64URL.encode(&octets(CHALLENGE)), BASE64URL.encode(&octets(KEY)));
    let other = BASE64URL.encode(&[&[0, 1], &octets(CHALLENGE)[2..]].concat());
    let other_key = BASE64URL.encode(&octets(OTHER_KEY));
    let one = |challenge: &str, key: &str| {
        format!(
            "PrivateToken challenge=\"{challenge}\", token-key=\"{key}\",\
             unknownChallengeAttribute=\"ignore-me\", max-age=\"10\""
        )
    };
    let field = format!("{}, {}", one(&challenge, &key), one(&other, &other_key));
    let read = Challenged::read(&field).unwrap();
    let told: Vec<_> = read.iter().map(|one| (one.challenge(), one.token_key(), one.max_age)).collect();
    let expected =
        |challenge: &str, key| (BASE64URL.decode(challenge.as_bytes()).ok(), Some(octets(key)), Some(10));
    assert_eq!(told, [expected(&challenge, KEY), expected(&other, OTHER_KEY)]);
    assert!(TokenChallenge::parse(&told[0].0.clone().unwrap()).is_ok());
    assert_eq!(TokenChallenge::parse(&told[1].0.clone().unwrap()), Err(ChallengeError::Type(1)));
    // What is not quoted cannot hold the padding (RFC 9110 section 11.2).
    assert!(Challenged::read(&field.replace('"', "")).is_err());
}
