//! Reading and writing the header itself. Reading does not allocate.

use super::batch::{BatchProof, ProofError};
use super::values::{MAX_HEADER, MAX_UNKNOWN, Value, Values};
use crate::b64u::{self, Text};
use crate::key::KeyType;
use crate::name::{AgentId, Domain, Instance, NameError};
use std::fmt;
use thiserror::Error;

/// How old a signed timestamp may be, in seconds, inclusive: time for a slow path and a poor clock.
pub const WINDOW_BEFORE: u64 = 300;

/// How far a signed timestamp may lie ahead, in seconds, inclusive: clock skew only.
pub const WINDOW_AFTER: u64 = 30;

/// Why a header is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// Longer than [`MAX_HEADER`].
    #[error("is longer than {MAX_HEADER} octets")]
    TooLong,
    /// What begins at this offset is not `name=\"value\"`.
    #[error("at octet {0}: expected name=\"value\"")]
    Pair(usize),
    /// The value beginning at this offset is empty, does not end, or holds an octet it may not.
    #[error(
        "at octet {0}: the value is empty, lacks its second quote, or holds an octet outside 0x21-0x7E or a backslash"
    )]
    Octet(usize),
    /// A name twice.
    #[error("{0} stands twice")]
    Repeated(Value),
    /// A name that means nothing here stands twice, or is one too many, at this offset.
    #[error(
        "at octet {0}: a name that means nothing here stands twice, or is one of more than {MAX_UNKNOWN}"
    )]
    Unknown(usize),
    /// A name that must be there.
    #[error("{0} is missing")]
    Missing(Value),
    /// A name that may not stand beside the others.
    #[error("{0} may not stand here: the values mix two modes or forms")]
    Mixed(Value),
    /// `dom`, `id` or `inst` is not a name.
    #[error("{0} {1}")]
    Name(Value, NameError),
    /// A value that is not what its name asks for.
    #[error("{0} is not of the form its name asks for")]
    Form(Value),
    /// `rproof` is no proof.
    #[error("{} {_0}", Value::Rproof)]
    Proof(ProofError),
}

/// How the signature is tied to the long-term key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode<'a> {
    /// A key made for this request, certified by the master key.
    Rolling {
        /// The rolling key, base64url.
        key: &'a str,
        /// The master key's signature over the rolling key and the request, or over the batch it is in.
        certificate: Text<'a, 64>,
        /// The proof that it is in a batch, where the certificate is that of one.
        proof: Option<BatchProof<'a>>,
    },
    /// The published key itself.
    Direct,
    /// The key travels along.
    Stateless {
        /// The key, base64url.
        key: &'a str,
    },
    /// A key that a registration entity shares with the agent, and what is derived of it with the verifier.
    Registry(Registry<'a>),
}

/// What a header in registry mode says beside the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry<'a> {
    /// The registration entity.
    pub entity: Domain<'a>,
    /// `re` exactly as sent, as it enters the string under the MAC.
    pub entity_text: &'a str,
    /// The sequence number.
    pub sequence: u64,
}

/// What makes the request one that its sender meant: `alg` and `sig`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal<'a> {
    /// A signature.
    Signature {
        /// The algorithm, which must be that of the key that verifies it.
        algorithm: KeyType,
        /// Over the request string.
        signature: Text<'a, 64>,
    },
    /// HMAC-SHA-256 over the request string: in registry mode, and in no other.
    Mac(Text<'a, 32>),
}

impl<'a> Seal<'a> {
    /// The name of a MAC in `alg`.
    pub const HMAC: &'static str = "hmac-sha256";

    /// A signature that is still to be made.
    #[must_use]
    pub const fn unsigned(algorithm: KeyType) -> Self {
        Self::Signature { algorithm, signature: Text::UNSIGNED }
    }

    /// The name of the algorithm, as written.
    #[must_use]
    pub const fn algorithm(&self) -> &'static str {
        match self {
            Self::Signature { algorithm, .. } => algorithm.algorithm(),
            Self::Mac(_) => Self::HMAC,
        }
    }

    /// The value of `sig`.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        match self {
            Self::Signature { signature, .. } => signature.as_str(),
            Self::Mac(mac) => mac.as_str(),
        }
    }
}

/// Which string is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form<'a> {
    /// The full form, which binds the site: `aud` as sent.
    Full(&'a str),
    /// The form of the draft, without `aud`.
    Draft,
}

/// The signed part of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// How the signature is tied to the long-term key.
    pub mode: Mode<'a>,
    /// Which string is signed.
    pub form: Form<'a>,
    /// Unix seconds.
    pub timestamp: u64,
    /// 16–64 octets of the base64url alphabet.
    pub nonce: &'a str,
    /// The digest of the content, where it is covered.
    pub content: Option<Text<'a, 32>>,
    /// The signature or MAC over the request string.
    pub seal: Seal<'a>,
}

impl Signed<'_> {
    /// Whether the timestamp lies within the window around `now` (Unix seconds), ends included.
    #[must_use]
    pub const fn is_timely(&self, now: u64) -> bool {
        self.timestamp >= now.saturating_sub(WINDOW_BEFORE)
            && self.timestamp <= now.saturating_add(WINDOW_AFTER)
    }
}

/// A well-formed SAIP header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The claimed domain; `None` only in stateless mode.
    pub domain: Option<Domain<'a>>,
    /// `dom` exactly as sent, as it enters signed strings; empty when absent.
    pub domain_text: &'a str,
    /// The agent.
    pub agent: AgentId<'a>,
    /// The machine, where named.
    pub instance: Option<Instance<'a>>,
    /// The signature; `None` in a bare claim.
    pub signed: Option<Signed<'a>>,
    /// Whether there were names that mean nothing here; they change no verdict.
    pub has_unknown: bool,
}

impl<'a> Header<'a> {
    /// Reads a header value.
    ///
    /// # Errors
    /// [`HeaderError`] names the first rule broken; the claim is then invalid.
    pub fn parse(text: &'a str) -> Result<Self, HeaderError> {
        let mut values = Values::default();
        values.read(text)?;
        let signed = values.signed()?;
        let domain = values.domain()?;
        if domain.is_none() && !matches!(signed, Some(Signed { mode: Mode::Stateless { .. }, .. })) {
            return Err(HeaderError::Missing(Value::Dom));
        }
        Ok(Self {
            domain,
            domain_text: values.get(Value::Dom).unwrap_or(""),
            agent: values.agent(Value::Id)?.ok_or(HeaderError::Missing(Value::Id))?,
            instance: values.agent(Value::Inst)?,
            signed,
            has_unknown: values.has_unknown(),
        })
    }

    /// The machine as it enters signed strings; empty when absent.
    #[must_use]
    pub fn instance_text(&self) -> &str {
        self.instance.as_ref().map_or("", AgentId::as_str)
    }
}

impl<'a> Values<'a> {
    fn domain(&self) -> Result<Option<Domain<'a>>, HeaderError> {
        let domain = self.get(Value::Dom).map(Domain::parse).transpose();
        domain.map_err(|error| HeaderError::Name(Value::Dom, error))
    }

    fn agent(&self, value: Value) -> Result<Option<AgentId<'a>>, HeaderError> {
        let agent = self.get(value).map(AgentId::parse).transpose();
        agent.map_err(|error| HeaderError::Name(value, error))
    }

    fn signed(&self) -> Result<Option<Signed<'a>>, HeaderError> {
        use Value::{Alg, Aud, Cd, Id, Inst, Nonce, Pk, Rcert, Re, Rpk, Rproof, Seq, Sig, Ts};
        self.require(Id)?;
        if self.get(Sig).is_none() {
            self.refuse(&[Alg, Ts, Nonce, Aud, Cd, Rpk, Rcert, Rproof, Pk, Re, Seq])?;
            return Ok(None);
        }
        let form = match self.get(Aud) {
            Some(aud) => Form::Full(aud),
            None => Form::Draft,
        };
        if form == Form::Draft {
            self.refuse(&[Rpk, Rcert, Rproof, Re, Seq, Inst, Cd])?;
        }
        let mode = self.mode()?;
        let alg = self.require(Alg)?;
        Ok(Some(Signed {
            form,
            timestamp: parse_timestamp(self.require(Ts)?).ok_or(HeaderError::Form(Ts))?,
            nonce: Some(self.require(Nonce)?)
                .filter(|nonce| is_nonce(nonce))
                .ok_or(HeaderError::Form(Nonce))?,
            content: self.get(Cd).map(|digest| octets(Cd, digest)).transpose()?,
            seal: self.seal(&mode, alg)?,
            mode,
        }))
    }

    fn mode(&self) -> Result<Mode<'a>, HeaderError> {
        use Value::{Pk, Rcert, Re, Rpk, Rproof, Seq};
        if self.get(Re).is_some() || self.get(Seq).is_some() {
            self.refuse(&[Rpk, Rcert, Rproof, Pk])?;
            let entity_text = self.require(Re)?;
            let entity = Domain::parse(entity_text).map_err(|error| HeaderError::Name(Re, error))?;
            let sequence = parse_sequence(self.require(Seq)?).ok_or(HeaderError::Form(Seq))?;
            return Ok(Mode::Registry(Registry { entity, entity_text, sequence }));
        }
        if self.get(Rpk).is_some() || self.get(Rcert).is_some() {
            self.refuse(&[Pk])?;
            let (key, certificate) = (self.require(Rpk)?, self.require(Rcert)?);
            let certificate = octets(Rcert, certificate)?;
            let proof = self.get(Rproof).map(BatchProof::parse).transpose().map_err(HeaderError::Proof)?;
            return Ok(Mode::Rolling { key: checked_key(Rpk, key)?, certificate, proof });
        }
        self.refuse(&[Rproof])?;
        match self.get(Pk) {
            Some(key) => Ok(Mode::Stateless { key: checked_key(Pk, key)? }),
            None => Ok(Mode::Direct),
        }
    }

    /// Registry mode has a MAC, and nothing else has one.
    fn seal(&self, mode: &Mode<'_>, alg: &str) -> Result<Seal<'a>, HeaderError> {
        let sig = self.require(Value::Sig)?;
        match (mode, alg == Seal::HMAC) {
            (Mode::Registry(_), true) => return Ok(Seal::Mac(octets(Value::Sig, sig)?)),
            (Mode::Registry(_), false) => return Err(HeaderError::Form(Value::Alg)),
            (_, true) => return Err(HeaderError::Missing(Value::Re)),
            (_, false) => {}
        }
        let kinds = [KeyType::Ed25519, KeyType::P256];
        let algorithm = kinds.into_iter().find(|kind| kind.algorithm() == alg);
        let algorithm = algorithm.ok_or(HeaderError::Form(Value::Alg))?;
        Ok(Seal::Signature { algorithm, signature: octets(Value::Sig, sig)? })
    }
}

/// Reads 1–12 digits without sign or leading zero.
fn parse_timestamp(text: &str) -> Option<u64> {
    let is_plain = match text.as_bytes() {
        [b'0'] => true,
        [b'0', ..] | [] => false,
        digits => digits.len() <= 12,
    };
    let digit = |octet: u8| octet.is_ascii_digit().then(|| u64::from(octet - b'0'));
    if !is_plain {
        return None;
    }
    text.bytes().try_fold(0, |number, octet| Some(number * 10 + digit(octet)?))
}

/// Reads a number below 2^64 without sign or leading zero.
fn parse_sequence(text: &str) -> Option<u64> {
    let is_plain = text == "0" || !text.starts_with('0') && text.bytes().all(|octet| octet.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

fn is_nonce(text: &str) -> bool {
    (16..=64).contains(&text.len()) && b64u::is_alphabet(text)
}

/// A key's length and alphabet; whether it is a point of the curve is found when it is used, for
/// that costs more than refusing a stale request should.
fn checked_key(value: Value, text: &str) -> Result<&str, HeaderError> {
    let is_key = [43, 87].contains(&text.len()) && b64u::is_alphabet(text);
    if is_key { Ok(text) } else { Err(HeaderError::Form(value)) }
}

fn octets<const N: usize>(value: Value, text: &str) -> Result<Text<'_, N>, HeaderError> {
    Text::parse(text).map_err(|_| HeaderError::Form(value))
}

/// The header value as avouch writes it: values in the table's order, `; ` between them.
impl fmt::Display for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        let mut put = |value: Value, text: &str| {
            let divider = if std::mem::take(&mut first) { "" } else { "; " };
            if text.is_empty() { Ok(()) } else { write!(f, "{divider}{value}=\"{text}\"") }
        };
        if !self.domain_text.is_empty() {
            put(Value::Dom, self.domain_text)?;
        }
        put(Value::Id, self.agent.as_str())?;
        put(Value::Inst, self.instance_text())?;
        let Some(signed) = &self.signed else { return Ok(()) };
        put(Value::Alg, signed.seal.algorithm())?;
        put(Value::Ts, &signed.timestamp.to_string())?;
        put(Value::Nonce, signed.nonce)?;
        if let Form::Full(aud) = signed.form {
            put(Value::Aud, aud)?;
        }
        if let Some(digest) = signed.content {
            put(Value::Cd, digest.as_str())?;
        }
        match &signed.mode {
            Mode::Rolling { key, certificate, proof } => {
                put(Value::Rpk, key)?;
                put(Value::Rcert, certificate.as_str())?;
                proof.map_or(Ok(()), |proof| put(Value::Rproof, proof.as_str()))?;
            }
            Mode::Stateless { key } => put(Value::Pk, key)?,
            Mode::Registry(Registry { entity_text, sequence, .. }) => {
                put(Value::Re, entity_text)?;
                put(Value::Seq, &sequence.to_string())?;
            }
            Mode::Direct => {}
        }
        put(Value::Sig, signed.seal.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proof of the only request of a batch.
    const SINGLE: &str = "AAAAAAAAAAAAAAAAAAAAAQ";

    fn full(extra: &str) -> String {
        let sig = b64u::encode(&[1; 64]);
        format!(
            "dom=\"acme.example\"; id=\"crawler-7\"; alg=\"ed25519\"; ts=\"1790000000\"; \
             nonce=\"0123456789abcdef\"; aud=\"www.shop.example\"; sig=\"{sig}\"{extra}"
        )
    }

    fn with(from: &str, to: &str) -> Result<(), HeaderError> {
        let text = full("");
        assert!(text.contains(from), "{from}");
        Header::parse(&text.replacen(from, to, 1)).map(drop)
    }

    #[test]
    fn each_mode_is_told_by_its_values() {
        let key = b64u::encode(&[2; 32]);
        let certificate = b64u::encode(&[3; 64]);
        let mode =
            |text: &str| Header::parse(text).unwrap().signed.map(|signed| format!("{:?}", signed.mode));
        assert!(mode(&full("")).unwrap().starts_with("Direct"));
        assert!(mode(&full(&format!("; pk=\"{key}\""))).unwrap().starts_with("Stateless"));
        let rolling = full(&format!("; rpk=\"{key}\"; rcert=\"{certificate}\""));
        assert!(mode(&rolling).unwrap().starts_with("Rolling"));
        assert_eq!(mode("dom=\"acme.example\";id=\"a\""), None);
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let key = b64u::encode(&[2; 32]);
        let certificate = b64u::encode(&[3; 64]);
        let cd = b64u::encode(&[4; 32]);
        for extra in [
            "".into(),
            format!("; pk=\"{key}\""),
            format!("; inst=\"m1\"; cd=\"{cd}\"; rpk=\"{key}\"; rcert=\"{certificate}\""),
            format!("; rpk=\"{key}\"; rcert=\"{certificate}\"; rproof=\"{SINGLE}\""),
        ] {
            let text = full(&extra);
            let header = Header::parse(&text).unwrap();
            assert_eq!(Header::parse(&header.to_string()).unwrap(), header);
        }
        let bare = "dom=\"acme.example\"; id=\"a\"; inst=\"b\"";
        assert_eq!(Header::parse(bare).unwrap().to_string(), bare);
    }

    #[test]
    fn dividers_may_have_blanks_and_nothing_else() {
        for text in ["dom=\"acme.example\";id=\"a\"", " dom=\"acme.example\"\t ; \tid=\"a\" "] {
            assert!(Header::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            ";",
            "dom=\"acme.example\"",
            "dom=\"acme.example\";;id=\"a\"",
            "dom=\"acme.example\";id=\"a\";",
            "dom=\"acme.example\",id=\"a\"",
            "dom =\"acme.example\";id=\"a\"",
            "dom=acme.example;id=a",
            "dom=\"acme.example\" id=\"a\"",
            "Dom=\"acme.example\";id=\"a\"",
            "\0dom=\"acme.example\";id=\"a\"",
            "dom=\"acme.example\";idid=\"a\"",
            "dom=\"acme.example\";id\0=\"a\"",
            "dom=\"acme.example\";=\"a\"",
            "dom=\"acme.example\";\"id\"=\"a\"",
            "dom=\"acme.example\";id=\"a",
            "dom=\"acme.example\";id=\"a\";\u{a0}x=\"y\"",
        ] {
            assert!(Header::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_value_refuses_its_near_miss() {
        use HeaderError::{Form, Missing, Name, Octet, Repeated};
        assert_eq!(with("x", "x"), Ok(()));
        assert_eq!(with("ts=\"1790000000\"", "ts=\"01790000000\""), Err(Form(Value::Ts)));
        assert_eq!(with("ts=\"1790000000\"", "ts=\"+1790000000\""), Err(Form(Value::Ts)));
        assert_eq!(with("ts=\"1790000000\"", "ts=\"1790000000000\""), Err(Form(Value::Ts)));
        assert_eq!(with("0123456789abcdef", "0123456789abcde"), Err(Form(Value::Nonce)));
        assert_eq!(with("0123456789abcdef", "0123456789abcde+"), Err(Form(Value::Nonce)));
        assert_eq!(with("0123456789abcdef", &"a".repeat(65)), Err(Form(Value::Nonce)));
        assert_eq!(with("ed25519", "ED25519"), Err(Form(Value::Alg)));
        assert_eq!(with("ed25519", "hmac-sha256"), Err(Missing(Value::Re)));
        assert_eq!(with("; alg=\"ed25519\"", ""), Err(Missing(Value::Alg)));
        assert_eq!(with("id=\"crawler-7\"; ", ""), Err(Missing(Value::Id)));
        assert_eq!(with("dom=\"acme.example\"; ", ""), Err(Missing(Value::Dom)));
        assert_eq!(with("acme.example", "co.uk"), Err(Name(Value::Dom, NameError::PublicSuffix)));
        assert_eq!(with("www.shop.example", ""), Err(Octet(99)));
        assert_eq!(with("acme.example", "acme .example"), Err(Octet(5)));
        assert_eq!(with("acme.example", "acme\\.example"), Err(Octet(5)));
        assert_eq!(with("; ts=", "; id=\"b\"; ts="), Err(Repeated(Value::Id)));
        assert_eq!(with("AQ\"", "AR\""), Err(Form(Value::Sig)), "trailing bits");
    }

    #[test]
    fn modes_and_forms_do_not_mix() {
        use HeaderError::{Missing, Mixed, Proof};
        let key = b64u::encode(&[2; 32]);
        let certificate = b64u::encode(&[3; 64]);
        let parse = |text: &str| Header::parse(text).map(drop);
        let rolling = format!("; rpk=\"{key}\"; rcert=\"{certificate}\"");
        assert_eq!(parse(&full(&format!("; rpk=\"{key}\""))), Err(Missing(Value::Rcert)));
        assert_eq!(parse(&full(&format!("; rcert=\"{certificate}\""))), Err(Missing(Value::Rpk)));
        assert_eq!(parse(&full(&format!("{rolling}; pk=\"{key}\""))), Err(Mixed(Value::Pk)));
        let batched = format!("{rolling}; rproof=\"{SINGLE}\"");
        assert_eq!(parse(&full(&batched)), Ok(()));
        let no_proof = full(&format!("{rolling}; rproof=\"AA\""));
        assert_eq!(parse(&no_proof), Err(Proof(ProofError::Encoding)));
        let proof = format!("; rproof=\"{SINGLE}\"");
        assert_eq!(parse(&full(&proof)), Err(Mixed(Value::Rproof)));
        assert_eq!(parse(&full(&format!("; rpk=\"{key}\"{proof}"))), Err(Missing(Value::Rcert)));
        assert_eq!(parse(&full(&format!("; pk=\"{key}\"{proof}"))), Err(Mixed(Value::Rproof)));
        assert_eq!(
            parse(&full(&format!("; re=\"re.example\"; seq=\"1\"{proof}"))),
            Err(Mixed(Value::Rproof))
        );
        assert_eq!(parse(&format!("dom=\"acme.example\"; id=\"a\"{proof}")), Err(Mixed(Value::Rproof)));
        let draft = |extra: &str| full(extra).replace(" aud=\"www.shop.example\";", "");
        assert_eq!(parse(&draft("")), Ok(()));
        assert_eq!(parse(&draft("; inst=\"m\"")), Err(Mixed(Value::Inst)));
        assert_eq!(parse(&draft(&proof)), Err(Mixed(Value::Rproof)));
        assert_eq!(parse(&draft(&rolling)), Err(Mixed(Value::Rpk)));
        assert_eq!(parse("dom=\"acme.example\"; id=\"a\"; ts=\"1\""), Err(Mixed(Value::Ts)));
    }

    #[test]
    fn registry_mode_is_read_and_refuses_its_near_misses() {
        use HeaderError::{Form, Missing, Mixed, Name, Repeated};
        let mac = b64u::encode(&[1; 32]);
        let good = format!(
            "dom=\"acme.example\"; id=\"a\"; inst=\"m1\"; alg=\"hmac-sha256\"; ts=\"1790000000\"; \
             nonce=\"0123456789abcdef\"; aud=\"www.shop.example\"; re=\"Re.example\"; seq=\"7\"; sig=\"{mac}\""
        );
        let header = Header::parse(&good).unwrap();
        let signed = header.signed.as_ref().unwrap();
        let Mode::Registry(registry) = &signed.mode else { panic!("registry mode") };
        assert_eq!((registry.entity.as_str(), registry.entity_text), ("re.example", "Re.example"));
        assert_eq!((registry.sequence, signed.seal), (7, Seal::Mac(Text::parse(&mac).unwrap())));
        assert_eq!(header.to_string(), good);
        let with = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            Header::parse(&good.replace(from, to)).map(drop)
        };
        for sequence in ["0", "18446744073709551615"] {
            assert_eq!(with("seq=\"7\"", &format!("seq=\"{sequence}\"")), Ok(()), "{sequence}");
        }
        for sequence in ["00", "07", "+7", "-1", "7a", "18446744073709551616"] {
            assert_eq!(
                with("seq=\"7\"", &format!("seq=\"{sequence}\"")),
                Err(Form(Value::Seq)),
                "{sequence}"
            );
        }
        assert_eq!(with("seq=\"7\"; ", ""), Err(Missing(Value::Seq)));
        assert_eq!(with("seq=\"7\"", "seq=\"7\"; seq=\"7\""), Err(Repeated(Value::Seq)));
        assert_eq!(with("re=\"Re.example\"; ", ""), Err(Missing(Value::Re)));
        assert_eq!(with("re=\"Re.example\"; seq=\"7\"; ", ""), Err(Missing(Value::Re)));
        assert_eq!(with("Re.example", "example"), Err(Name(Value::Re, NameError::SingleLabel)));
        assert_eq!(with("dom=\"acme.example\"; ", ""), Err(Missing(Value::Dom)));
        for alg in ["ed25519", "ecdsa-p256-sha256", "hmac-sha512", "HMAC-SHA256"] {
            assert_eq!(with("hmac-sha256", alg), Err(Form(Value::Alg)), "{alg}");
        }
        assert_eq!(with(&mac, &b64u::encode(&[1; 64])), Err(Form(Value::Sig)), "the length of a signature");
        assert_eq!(with(&mac, &b64u::encode(&[1; 31])), Err(Form(Value::Sig)));
        assert_eq!(with(" aud=\"www.shop.example\";", ""), Err(Mixed(Value::Re)), "the draft form");
        let key = b64u::encode(&[2; 32]);
        for (name, value) in [(Value::Pk, &key), (Value::Rpk, &key), (Value::Rcert, &key)] {
            let mixed = format!("seq=\"7\"; {name}=\"{value}\"");
            assert_eq!(with("seq=\"7\"", &mixed), Err(Mixed(name)), "{name}");
        }
    }

    #[test]
    fn unknown_names_are_noticed_and_harmless() {
        let header = full("; later=\"1\"");
        assert!(Header::parse(&header).unwrap().has_unknown);
        assert!(!Header::parse(&full("")).unwrap().has_unknown);
    }

    #[test]
    fn an_unknown_name_may_not_stand_twice_either() {
        let at = full("").len() + 2;
        assert!(Header::parse(&full("; later=\"1\"; other=\"1\"")).is_ok());
        for name in ["i", "rproofs", "rproofs1", "rproofs12", "a-name-of-some-length"] {
            assert!(
                Header::parse(&full(&format!("; {name}=\"1\""))).is_ok_and(|header| header.has_unknown),
                "{name}"
            );
        }
        let twice = full("; later=\"1\"; later=\"1\"");
        assert_eq!(Header::parse(&twice), Err(HeaderError::Unknown(at + "later=\"1\"; ".len())));
        let many = |count: usize| (0..count).map(|at| format!("; x{at}=\"1\"")).collect::<String>();
        assert!(Header::parse(&full(&many(MAX_UNKNOWN))).is_ok());
        assert!(Header::parse(&full(&many(MAX_UNKNOWN + 1))).is_err());
    }

    #[test]
    fn the_window_includes_its_ends() {
        let header = full("");
        let signed = Header::parse(&header).unwrap().signed.unwrap();
        for (now, timely) in
            [(1_790_000_300, true), (1_790_000_301, false), (1_789_999_970, true), (1_789_999_969, false)]
        {
            assert_eq!(signed.is_timely(now), timely, "{now}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,200}") {
            let _ = Header::parse(&text);
        }
    }
}
