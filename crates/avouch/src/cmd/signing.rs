//! What `sign` and `fetch` share: a request given on the command line, signed.

use super::{delegate, key};
use crate::failure::Failure;
use crate::{files, instant};
use avouch_agent::check_url;
use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::saip::{Mode, RequestToSign, SignError, Signer, Speaker};
use avouch_keys::{SecretKey, http_signature, partner, web_bot_auth};
use avouch_wire::authority::{Authority, Scheme};
use avouch_wire::content::ContentDigest;
use avouch_wire::delegation::{self, Grant, Subject};
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain, NameError};
use avouch_wire::target::Target;
use avouch_wire::time::Time;
use avouch_wire::web_bot_auth::{Dialect, TAG};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Fields that the request itself determines; a second one would be read differently by different servers.
const OWN_FIELDS: [&str; 10] = [
    "saip",
    "saip-delegation",
    "signature-agent",
    "signature-input",
    "signature",
    "content-digest",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
];

#[derive(Debug, Args)]
pub(super) struct Signing {
    /// The key to sign with: file:PATH or tpm:PATH; a bare claim needs none
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The domain that answers for the agent; only a pseudonym (stateless mode) has none
    #[arg(long, value_name = "DOMAIN")]
    dom: Option<String>,
    /// The agent's id within the domain, for SAIP; `_` is the domain itself
    #[arg(long, value_name = "AGENT")]
    id: Option<String>,
    /// The machine, where several share the agent's key
    #[arg(long, value_name = "INSTANCE")]
    inst: Option<String>,
    /// How the signature of SAIP is tied to the key [default: rolling; stateless with a delegation token]
    #[arg(long, value_enum)]
    mode: Option<ModeName>,
    /// A file with a delegation token to send along: of one that names a key, --key is that key
    #[arg(long, value_name = "FILE")]
    delegation: Option<PathBuf>,
    /// The header protocol to sign by; may be repeated, to sign by several at once
    #[arg(long, value_enum, default_value = "saip")]
    profile: Vec<Profile>,
    /// The URL that Signature-Agent names: where the key directory stands, or with profile d the keys
    /// themselves; without it https://DOMAIN
    #[arg(long, value_name = "URL")]
    agent: Option<String>,
    /// The name under which the site knows the key, for profile http-signature
    #[arg(long, value_name = "NAME")]
    keyid: Option<String>,
    /// The tag that is agreed upon with the site, for profile http-signature
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// How long an HTTP message signature lasts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    lifetime: u64,
    /// The method
    #[arg(long, short = 'X', value_name = "METHOD")]
    method: Option<String>,
    /// A file that is the body, or `-` for standard input; the body is always covered by the signature
    #[arg(long, value_name = "FILE")]
    body: Option<PathBuf>,
    /// A further header field; may be repeated
    #[arg(long, short = 'H', value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The time to sign for, instead of now: Unix seconds or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = instant::parse)]
    at: Option<Time>,
    /// A file whose one line is the key's passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Where the request goes: http://… or https://…
    url: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModeName {
    /// A key made for this request signs it, and the agent's key certifies that key
    Rolling,
    /// The agent's key signs the request
    Direct,
    /// The key travels with the request: the domain's own, or a pseudonym's
    Stateless,
    /// No signature: a claim that DNS must confirm
    Bare,
}

/// A header protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// The SAIP header
    Saip,
    /// Web Bot Auth, Signature-Agent as one string: what nearly everyone sends
    WebBotAuthA,
    /// Web Bot Auth, Signature-Agent as a dictionary
    WebBotAuthB,
    /// Web Bot Auth, Signature-Agent as a dictionary with types: the current draft
    WebBotAuthC,
    /// Web Bot Auth, Signature-Agent as the URL of the keys
    WebBotAuthD,
    /// An HTTP message signature by a key that is registered with the site under --keyid
    HttpSignature,
}

impl Profile {
    const fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Saip | Self::HttpSignature => None,
            Self::WebBotAuthA => Some(Dialect::A),
            Self::WebBotAuthB => Some(Dialect::B),
            Self::WebBotAuthC => Some(Dialect::C),
            Self::WebBotAuthD => Some(Dialect::D),
        }
    }
}

/// A request, signed and ready to send.
#[derive(Debug)]
pub(super) struct SignedRequest {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority<'static>,
    pub(super) method: String,
    pub(super) path: String,
    /// Further fields, then those of the signatures.
    pub(super) fields: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
}

impl Signing {
    /// Reads the body, opens the key, and signs.
    pub(super) fn sign(&self) -> Result<SignedRequest, Failure> {
        let url = self.url.split_once('#').map_or(&*self.url, |(url, _)| url);
        let target = Target::parse("GET", url).map_err(|error| self.bad_url(error))?;
        let (scheme, authority) = target.origin().ok_or_else(|| self.bad_url("names no site"))?;
        let authority = Authority::parse(authority, scheme).map_err(|error| self.bad_url(error))?;
        let body = self.body.as_deref().map(files::read).transpose()?;
        let method = self.method.as_deref().unwrap_or(if body.is_some() { "POST" } else { "GET" });
        if method == "CONNECT" {
            return Err(Failure::usage("CONNECT has no path to sign"));
        }
        let mut fields: Vec<_> = self.header.iter().map(|field| further(field)).collect::<Result<_, _>>()?;
        let content = body.as_deref().map(ContentDigest::of);
        let token = self.delegation.as_deref().map(delegate::read).transpose()?;
        let delegated = match (&self.delegation, &token) {
            (Some(path), Some(token)) => Some(delegate::parse(path, token)?.grant().clone()),
            _ => None,
        };
        delegated.iter().try_for_each(|grant| self.check_company(grant))?;
        if self.profile.contains(&Profile::Saip) && !self.comes_alone(delegated.as_ref()) {
            let content = content.or(Some(ContentDigest::of(b"")));
            let request = RequestToSign { method, target: &target, authority: &authority, content };
            fields.push(("SAIP".to_owned(), self.header_for(request, delegated.as_ref())?));
        }
        fields.extend(token.map(|token| (delegation::FIELD.to_owned(), token)));
        let request =
            web_bot_auth::RequestToSign { method, scheme, authority: &authority, target: &target, content };
        let mut dialects = self.profile.iter().filter_map(|profile| profile.dialect());
        if let Some(dialect) = dialects.next() {
            if dialects.next().is_some() {
                return Err(Failure::usage("a request has one Signature-Agent")
                    .fix("give --profile for one form of Web Bot Auth"));
            }
            fields.extend(self.as_bot(dialect, request)?);
        }
        if self.profile.contains(&Profile::HttpSignature) {
            // Both may cover the digest of the content, which is one field.
            let own = self.as_partner(request)?;
            let added: Vec<_> = own.into_iter().filter(|field| !fields.contains(field)).collect();
            fields.extend(added);
        }
        Ok(SignedRequest {
            scheme,
            method: method.to_owned(),
            path: target.path().to_owned(),
            fields,
            body,
            authority: authority.into_owned(),
        })
    }

    /// Whether a token that names a network is all there is to send.
    fn comes_alone(&self, delegated: Option<&Grant>) -> bool {
        let is_of_network = delegated.is_some_and(|grant| !matches!(grant.subject, Subject::Key(_)));
        is_of_network && self.key.is_none() && self.mode.is_none() && self.id.is_none()
    }

    /// The value of the SAIP field.
    fn header_for(&self, request: RequestToSign<'_>, delegated: Option<&Grant>) -> Result<String, Failure> {
        let mut speaker = self.speaker()?;
        let mut mode = self.mode.unwrap_or(ModeName::Rolling);
        if let Some(grant) = delegated {
            mode = self.mode.unwrap_or(match grant.subject {
                Subject::Key(_) => ModeName::Stateless,
                Subject::Asn(_) | Subject::Network(_) => ModeName::Bare,
            });
            speaker.domain.get_or_insert_with(|| grant.issuer.clone());
            check_fit(grant, mode)?;
        }
        let mode = match mode {
            ModeName::Rolling => Mode::Rolling(KeyType::Ed25519),
            ModeName::Direct => Mode::Direct,
            ModeName::Stateless => Mode::Stateless,
            ModeName::Bare => return speaker.bare_claim().map_err(unsigned),
        };
        let key = self.open_key()?;
        if let Some(Subject::Key(named)) = delegated.map(|grant| grant.subject)
            && *key.public().fingerprint() != named
        {
            return Err(Failure::usage(format_args!("the token names the key {named}"))
                .fix("give that key with --key; `avouch key show` prints fingerprints"));
        }
        let signer = Signer::new(key, speaker);
        signer.sign(request, mode, self.now()).map_err(unsigned)
    }

    /// Whether a token comes with what belongs to it.
    fn check_company(&self, grant: &Grant) -> Result<(), Failure> {
        if !self.profile.contains(&Profile::Saip) {
            return match grant.subject {
                Subject::Key(_) => Err(Failure::usage("the key that the token names signs by SAIP")
                    .fix("give --profile saip, alone or beside another")),
                Subject::Asn(_) | Subject::Network(_) => Ok(()),
            };
        }
        match self.domain()?.filter(|domain| *domain != grant.issuer) {
            Some(_) => Err(Failure::usage(format_args!("the token is of {}", grant.issuer))
                .fix("leave --dom out, or name that domain")),
            None => Ok(()),
        }
    }

    /// The fields of Web Bot Auth.
    fn as_bot(
        &self,
        dialect: Dialect,
        request: web_bot_auth::RequestToSign<'_>,
    ) -> Result<Vec<(String, String)>, Failure> {
        let url = match (&self.agent, &self.dom) {
            (Some(url), _) => url.clone(),
            (None, Some(domain)) => format!("https://{domain}"),
            (None, None) => {
                return Err(Failure::usage("nothing says where the key is to be found")
                    .fix("name the URL with --agent, or the domain with --dom"));
            }
        };
        check_url(dialect, &url).map_err(|error| Failure::usage(format_args!("--agent {url}: {error}")))?;
        let speaker = web_bot_auth::Speaker { dialect, url: &url, lifetime: self.lifetime };
        let fields = web_bot_auth::sign(&self.open_key()?, speaker, request, self.now());
        let fields = fields.map_err(unsigned_message)?;
        Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The fields of a signature by a registered key.
    fn as_partner(&self, request: web_bot_auth::RequestToSign<'_>) -> Result<Vec<(String, String)>, Failure> {
        let Some(keyid) = self.keyid.as_deref() else {
            return Err(Failure::usage("nothing says by which name the site knows the key")
                .fix("give with --keyid what its operator calls it"));
        };
        let tag = self.tag.as_deref();
        if tag == Some(TAG) {
            return Err(Failure::usage(format_args!("--tag {TAG}: is that of Web Bot Auth"))
                .fix("sign with --profile web-bot-auth-a, or leave --tag out"));
        }
        let speaker = partner::Speaker { keyid, tag, lifetime: self.lifetime };
        let fields = partner::sign(&self.open_key()?, speaker, request, self.now());
        let fields = fields.map_err(unsigned_message)?;
        Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn open_key(&self) -> Result<SecretKey, Failure> {
        let Some(key) = &self.key else {
            return Err(Failure::usage("there is no key to sign with")
                .fix("give one with --key file:PATH or tpm:PATH; `avouch key new` makes one"));
        };
        key::open(key, self.passphrase_file.as_deref())
    }

    fn now(&self) -> Time {
        self.at.unwrap_or_else(|| SystemClock::new().now())
    }

    fn domain(&self) -> Result<Option<Domain<'static>>, Failure> {
        let read =
            |text| Domain::parse(text).map(Domain::into_owned).map_err(|error| bad_name("dom", text, error));
        self.dom.as_deref().map(read).transpose()
    }

    fn speaker(&self) -> Result<Speaker, Failure> {
        let agent_id = |option: &str, text: &str| {
            AgentId::parse(text).map(AgentId::into_owned).map_err(|error| bad_name(option, text, error))
        };
        Ok(Speaker {
            domain: self.domain()?,
            agent: match &self.id {
                Some(id) => agent_id("id", id)?,
                None => {
                    return Err(Failure::usage("nothing says which agent of the domain signs")
                        .fix("name it with --id"));
                }
            },
            instance: self.inst.as_deref().map(|text| agent_id("inst", text)).transpose()?,
        })
    }

    fn bad_url(&self, error: impl std::fmt::Display) -> Failure {
        Failure::usage(format_args!("the URL {:?}: {error}", self.url))
            .fix("write http://… or https://…, other characters than ASCII percent-encoded")
    }
}

impl SignedRequest {
    /// Every field in the order it is sent.
    pub(super) fn all_fields(&self) -> Vec<(String, String)> {
        let mut fields = vec![("Host".to_owned(), self.authority.to_string())];
        if !self.fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("user-agent")) {
            fields.push(("User-Agent".to_owned(), format!("avouch/{}", env!("CARGO_PKG_VERSION"))));
        }
        fields.extend(self.fields.iter().cloned());
        if let Some(body) = &self.body {
            fields.push(("Content-Length".to_owned(), body.len().to_string()));
        }
        fields
    }
}

/// Whether verifiers would find that the token belongs to a header of this mode.
fn check_fit(grant: &Grant, mode: ModeName) -> Result<(), Failure> {
    let of_network = !matches!(grant.subject, Subject::Key(_));
    if of_network && mode != ModeName::Bare {
        return Err(Failure::usage(format_args!("the token names {}, and no key", grant.subject))
            .fix("leave --key and --mode out; the address it is sent from is the proof"));
    }
    if !of_network && mode != ModeName::Stateless {
        return Err(Failure::usage("a request with a token that names a key is signed in stateless mode")
            .fix("leave --mode out"));
    }
    Ok(())
}

fn bad_name(option: &str, text: &str, error: NameError) -> Failure {
    Failure::usage(format_args!("--{option} {text}: {error}"))
}

fn unsigned(error: SignError) -> Failure {
    match error {
        SignError::NoDomain => Failure::usage(error).fix("name it with --dom, or sign with --mode stateless"),
        SignError::Method => Failure::usage(error),
        SignError::Key(_) => Failure::unknown(error),
    }
}

fn unsigned_message(error: web_bot_auth::SignError) -> Failure {
    match error {
        web_bot_auth::SignError::Signature(http_signature::SignError::Key(_)) => Failure::unknown(error),
        _ => Failure::usage(error),
    }
}

/// A field as given, in two parts.
fn further(text: &str) -> Result<(String, String), Failure> {
    let bad = |what| Err(Failure::usage(format_args!("--header {text:?}: {what}")));
    let Some((name, value)) = text.split_once(':') else { return bad("is not `Name: value`") };
    let (name, value) = (name, value.trim_matches([' ', '\t']));
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() || http::HeaderValue::from_str(value).is_err() {
        return bad("holds characters that may not stand in a field");
    }
    if OWN_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return bad("is written by avouch itself");
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_further_field_cannot_bring_in_another() {
        assert_eq!(further("Accept:  text/html ").unwrap(), ("Accept".into(), "text/html".into()));
        for text in ["Accept", "Accept: a\r\nHost: b", "A b: c", "Host: b", "saip: x", ": x"] {
            assert!(further(text).is_err(), "{text}");
        }
    }
}
