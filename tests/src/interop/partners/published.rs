//! The crate `web-bot-auth`. It asks its caller for the value of each component; these are as RFC 9421 has them.

use super::request::Sent;
use super::shape::public;
use ed25519_dalek::SigningKey;
use std::time::Duration;
use web_bot_auth::WebBotAuthVerifier;
use web_bot_auth::components::{
    CoveredComponent, DerivedComponent, HTTPField, HTTPFieldParameters, HTTPFieldParametersSet,
};
use web_bot_auth::keyring::{Algorithm, KeyRing, Thumbprintable};
use web_bot_auth::message_signatures::{MessageSigner, SignedMessage, UnsignedMessage};

impl SignedMessage for Sent {
    fn lookup_component(&self, component: &CoveredComponent) -> Vec<String> {
        let query = self.path.split_once('?').map_or("", |(_, query)| query);
        match component {
            CoveredComponent::HTTP(HTTPField { name, parameters }) => {
                let whole = self.field(name);
                match parameters.0.as_slice() {
                    [HTTPFieldParameters::Key(key)] => {
                        let member =
                            |whole: String| whole.strip_prefix(&format!("{key}=")).map(str::to_owned);
                        whole.and_then(member).into_iter().collect()
                    }
                    _ => whole.into_iter().collect(),
                }
            }
            CoveredComponent::Derived(DerivedComponent::Authority { .. }) => vec![self.site.clone()],
            CoveredComponent::Derived(DerivedComponent::Method { .. }) => vec![self.method.clone()],
            CoveredComponent::Derived(DerivedComponent::Query { .. }) => vec![format!("?{query}")],
            CoveredComponent::Derived(DerivedComponent::Path { .. }) => {
                vec![self.path.split('?').next().unwrap().to_owned()]
            }
            CoveredComponent::Derived(_) => Vec::new(),
        }
    }
}

/// Whether it takes a request, knowing these keys; or its words of refusal.
pub(super) fn verify(sent: &Sent, keys: &[String]) -> Result<(), String> {
    let mut ring = KeyRing::default();
    for key in keys {
        ring.try_import_jwk(&serde_json::from_str::<Thumbprintable>(key).unwrap()).unwrap();
    }
    let verifier = WebBotAuthVerifier::parse(sent).map_err(|error| error.to_string())?;
    verifier.verify(&ring, None).map(drop).map_err(|error| error.to_string())
}

/// A request that it is about to sign.
struct Unsigned {
    sent: Sent,
    covered: Vec<CoveredComponent>,
}

impl UnsignedMessage for Unsigned {
    fn fetch_components_to_cover(&self) -> indexmap::IndexMap<CoveredComponent, String> {
        let value = |component: &CoveredComponent| self.sent.lookup_component(component).remove(0);
        self.covered.iter().map(|component| (component.clone(), value(component))).collect()
    }

    fn register_header_contents(&mut self, input: String, signature: String) {
        self.sent.fields.push(("Signature-Input".into(), format!("sig1={input}")));
        self.sent.fields.push(("Signature".into(), format!("sig1={signature}")));
    }
}

/// Signs the site and `Signature-Agent`, of a dictionary its member.
pub(super) fn sign(key: &SigningKey, nonce: &str, sent: Sent) -> Sent {
    let is_dictionary = sent.field("signature-agent").unwrap().starts_with("sig1=");
    let parameters = is_dictionary.then(|| HTTPFieldParameters::Key("sig1".into())).into_iter().collect();
    let agent = HTTPField { name: "signature-agent".into(), parameters: HTTPFieldParametersSet(parameters) };
    let site = CoveredComponent::Derived(DerivedComponent::Authority { req: false });
    let mut unsigned = Unsigned { sent, covered: vec![site, CoveredComponent::HTTP(agent)] };
    let keyid = serde_json::from_str::<Thumbprintable>(&public(key)).unwrap().b64_thumbprint();
    let signer = MessageSigner { keyid, nonce: nonce.into(), tag: "web-bot-auth".into() };
    let lasts = Duration::from_secs(60);
    signer
        .generate_signature_headers_content(&mut unsigned, lasts, Algorithm::Ed25519, &key.to_bytes())
        .unwrap();
    unsigned.sent
}
