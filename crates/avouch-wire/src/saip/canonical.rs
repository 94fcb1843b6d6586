//! The strings that signatures cover.

use super::{Form, Header, Mode, Registry, Signed};
use crate::context;
use crate::key::Fingerprint;
use crate::octets::lp16;

/// The parts of a request that its signatures cover.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The path with its query, as [`crate::target::Target::path`] gives it.
    pub path: &'a str,
}

/// Writes the canonical string of a request into `out`, which is emptied first.
///
/// `key` is the key that verifies the signature; naming it keeps a signature from being adopted
/// by another key. There is none in registry mode. The draft form names neither key nor site and has no context string.
pub fn request_string(
    out: &mut Vec<u8>,
    header: &Header<'_>,
    signed: &Signed<'_>,
    key: Option<&Fingerprint>,
    request: RequestParts<'_>,
) {
    out.clear();
    let mut timestamp = [0; 20];
    let timestamp = decimal(signed.timestamp, &mut timestamp);
    let (agent, nonce) = (header.agent.as_str().as_bytes(), signed.nonce.as_bytes());
    let (method, path) = (request.method.as_bytes(), request.path.as_bytes());
    let Form::Full(aud) = signed.form else {
        return write(
            out,
            &[b"id=", agent, b";ts=", timestamp, b";nonce=", nonce, b";method=", method, b";path=", path],
        );
    };
    let content = signed.content.map_or("", |digest| digest.as_str());
    let key = key.map(Fingerprint::b64u);
    let (mut buffer, registry) = ([0; 20], registry(&signed.mode));
    let sequence = registry.map_or(&[][..], |registry| decimal(registry.sequence, &mut buffer));
    write(
        out,
        &[
            context::REQUEST,
            b"alg=",
            signed.seal.algorithm().as_bytes(),
            b";key=",
            key.as_ref().map_or(&[], |key| &key[..]),
            b";re=",
            registry.map_or(&[], |registry| registry.entity_text.as_bytes()),
            b";seq=",
            sequence,
            b";dom=",
            header.domain_text.as_bytes(),
            b";id=",
            agent,
            b";inst=",
            header.instance_text().as_bytes(),
            b";ts=",
            timestamp,
            b";nonce=",
            nonce,
            b";aud=",
            aud.as_bytes(),
            b";cd=",
            content.as_bytes(),
            b";method=",
            method,
            b";path=",
            path,
        ],
    );
}

/// Writes what the master key signs to certify a rolling key into `out`, which is emptied first.
///
/// `rolling` is the rolling key's octets; `aud` the audience as sent.
pub fn rcert_tbs(
    out: &mut Vec<u8>,
    header: &Header<'_>,
    signed: &Signed<'_>,
    aud: &str,
    rolling: &[u8],
    request: RequestParts<'_>,
) {
    out.clear();
    out.extend_from_slice(context::RCERT);
    lp16(out, rolling);
    lp16(out, header.domain_text.as_bytes());
    lp16(out, header.agent.as_str().as_bytes());
    lp16(out, header.instance_text().as_bytes());
    out.extend_from_slice(&signed.timestamp.to_be_bytes());
    lp16(out, signed.nonce.as_bytes());
    lp16(out, aud.as_bytes());
    lp16(out, request.method.as_bytes());
    lp32(out, request.path.as_bytes());
}

const fn registry<'m, 'a>(mode: &'m Mode<'a>) -> Option<&'m Registry<'a>> {
    match mode {
        Mode::Registry(registry) => Some(registry),
        Mode::Rolling { .. } | Mode::Direct | Mode::Stateless { .. } => None,
    }
}

fn write(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.reserve(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

fn lp32(out: &mut Vec<u8>, octets: &[u8]) {
    out.extend_from_slice(&u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(octets);
}

/// Writes a number in decimal without allocating.
fn decimal(mut number: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut digits = 0;
    for slot in buffer.iter_mut().rev() {
        *slot = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        digits += 1;
        if number == 0 {
            break;
        }
    }
    buffer.get(20 - digits..).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: RequestParts<'_> = RequestParts { method: "GET", path: "/a;b=c?d" };

    fn header(aud: &str) -> String {
        let (sig, cd) = (crate::b64u::encode(&[1; 64]), crate::b64u::encode(&[0; 32]));
        let full =
            if aud.is_empty() { String::new() } else { format!("aud=\"{aud}\";inst=\"m1\";cd=\"{cd}\";") };
        format!(
            "dom=\"Acme.example\";id=\"bot\";alg=\"ed25519\";ts=\"17\";nonce=\"0123456789abcdef\";{full}sig=\"{sig}\""
        )
    }

    #[test]
    fn the_full_form_is_written_as_the_format_says() {
        let text = header("shop.example");
        let header = Header::parse(&text).unwrap();
        let mut out = Vec::new();
        let key = Fingerprint::of_spki(b"");
        request_string(&mut out, &header, header.signed.as_ref().unwrap(), Some(&key), REQUEST);
        let expected = "avouch request v1\0alg=ed25519;key=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU;re=;seq=;\
            dom=Acme.example;id=bot;inst=m1;ts=17;nonce=0123456789abcdef;aud=shop.example;\
            cd=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA;method=GET;path=/a;b=c?d";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn registry_mode_names_the_entity_as_sent_and_no_key() {
        let sig = crate::b64u::encode(&[1; 32]);
        let text = format!(
            "dom=\"acme.example\";id=\"bot\";alg=\"hmac-sha256\";ts=\"17\";nonce=\"0123456789abcdef\";\
             aud=\"shop.example\";re=\"Re.example\";seq=\"0\";sig=\"{sig}\""
        );
        let header = Header::parse(&text).unwrap();
        let mut out = Vec::new();
        request_string(&mut out, &header, header.signed.as_ref().unwrap(), None, REQUEST);
        let expected = "avouch request v1\0alg=hmac-sha256;key=;re=Re.example;seq=0;dom=acme.example;id=bot;inst=;\
            ts=17;nonce=0123456789abcdef;aud=shop.example;cd=;method=GET;path=/a;b=c?d";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn the_draft_form_is_written_as_the_draft_says() {
        let text = header("");
        let header = Header::parse(&text).unwrap();
        let mut out = Vec::new();
        request_string(
            &mut out,
            &header,
            header.signed.as_ref().unwrap(),
            Some(&Fingerprint::of_spki(b"")),
            REQUEST,
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "id=bot;ts=17;nonce=0123456789abcdef;method=GET;path=/a;b=c?d"
        );
    }

    #[test]
    fn the_rolling_certificate_is_length_prefixed() {
        let text = header("shop.example");
        let header = Header::parse(&text).unwrap();
        let mut out = Vec::new();
        rcert_tbs(&mut out, &header, header.signed.as_ref().unwrap(), "shop.example", &[9; 32], REQUEST);
        let mut expected = b"avouch rcert v1\0\0\x20".to_vec();
        expected.extend([9; 32]);
        expected.extend(b"\0\x0cAcme.example\0\x03bot\0\x02m1\0\0\0\0\0\0\0\x11\0\x100123456789abcdef");
        expected.extend(b"\0\x0cshop.example\0\x03GET\0\0\0\x08/a;b=c?d");
        assert_eq!(out, expected);
    }
}
