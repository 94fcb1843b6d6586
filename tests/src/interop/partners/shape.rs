//! Signatures in every shape, good and bad, made from RFC 9421 alone: nothing of avouch's takes part.

use super::request::{SITE, Sent, now};
use avouch_wire::b64u;
use avouch_wire::http_signature::Jwk;
use data_encoding::BASE64;
use ed25519_dalek::{Signer as _, SigningKey};

/// What a signature covers and says. Times are relative to the present.
#[derive(Clone, Copy)]
pub(in crate::interop) struct Shape<'a> {
    pub(in crate::interop) path: &'a str,
    pub(in crate::interop) agent: &'a str,
    /// Components as written, and their values.
    pub(in crate::interop) covered: &'a [(&'a str, &'a str)],
    pub(in crate::interop) created: Option<i64>,
    pub(in crate::interop) expires: Option<i64>,
    pub(in crate::interop) alg: Option<&'a str>,
    /// In place of the key's thumbprint.
    pub(in crate::interop) keyid: Option<&'a str>,
    pub(in crate::interop) tag: Option<&'a str>,
    pub(in crate::interop) nonce: &'a str,
    /// Which key signs.
    pub(in crate::interop) by: u8,
}

/// Of the bot: its key directory lists them.
pub(in crate::interop) const OWN: u8 = 1;
pub(in crate::interop) const OWN_TOO: u8 = 2;
/// Of somebody else.
pub(in crate::interop) const STRANGE: u8 = 3;

pub(in crate::interop) const AUTHORITY: (&str, &str) = (r#""@authority""#, SITE);
pub(in crate::interop) const AGENT: (&str, &str) = (r#""signature-agent""#, r#""https://bot.example""#);

/// As the drafts have it.
pub(in crate::interop) const PLAIN: Shape<'static> = Shape {
    path: "/prices?page=2",
    agent: AGENT.1,
    covered: &[AUTHORITY, AGENT],
    created: Some(0),
    expires: Some(60),
    alg: None,
    keyid: None,
    tag: Some("web-bot-auth"),
    nonce: "",
    by: OWN,
};

impl Shape<'_> {
    /// The request, signed.
    pub(in crate::interop) fn sent(&self) -> Sent {
        let mut sent = Sent::get(self.path, self.agent);
        let (input, signature) = self.members("sig1");
        sent.fields.extend([("Signature-Input".into(), input), ("Signature".into(), signature)]);
        sent
    }

    /// The members of the two fields, under a label.
    pub(in crate::interop) fn members(&self, label: &str) -> (String, String) {
        let key = key(self.by);
        let covered: Vec<_> = self.covered.iter().map(|(component, _)| *component).collect();
        let at = |offset: Option<i64>| Some(now().saturating_add_signed(offset?).to_string());
        let text = |text: Option<&str>| Some(format!("\"{}\"", text?));
        let keyid = self.keyid.map_or_else(|| thumbprint(&key), str::to_owned);
        let parameters = [
            ("created", at(self.created)),
            ("expires", at(self.expires)),
            ("keyid", text(Some(&keyid))),
            ("alg", text(self.alg)),
            ("nonce", text(Some(self.nonce).filter(|nonce| !nonce.is_empty()))),
            ("tag", text(self.tag)),
        ];
        let parameters =
            parameters.into_iter().filter_map(|(name, value)| Some(format!(";{name}={}", value?)));
        let input = format!("({}){}", covered.join(" "), parameters.collect::<String>());
        let lines = self.covered.iter().map(|(component, value)| format!("{component}: {value}\n"));
        let base = lines.collect::<String>() + &format!("\"@signature-params\": {input}");
        let signature = BASE64.encode(&key.sign(base.as_bytes()).to_bytes());
        (format!("{label}={input}"), format!("{label}=:{signature}:"))
    }
}

pub(in crate::interop) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The public half as a JWK.
pub(in crate::interop) fn public(key: &SigningKey) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, b64u::encode(key.verifying_key().as_bytes()))
}

pub(in crate::interop) fn thumbprint(key: &SigningKey) -> String {
    Jwk::parse(&public(key)).unwrap().thumbprint.to_string()
}
