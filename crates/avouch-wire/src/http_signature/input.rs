//! The two fields that carry signatures.

use super::{Component, ComponentError};
use crate::structured::{
    BareItem, Bytes, Dictionary, Member, Parameters, Reader, Serialise as _, StructuredError,
};
use std::borrow::Cow;
use std::fmt;
use thiserror::Error;

/// Most signatures of one message: its own, those of two or three intermediaries, and room. Each
/// can cost a verification.
pub const MAX_SIGNATURES: usize = 8;

/// Why the two fields cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignaturesError {
    /// `Signature-Input` is no dictionary.
    #[error("Signature-Input {0}")]
    Input(StructuredError),
    /// `Signature` is no dictionary.
    #[error("Signature {0}")]
    Signature(StructuredError),
    /// More than [`MAX_SIGNATURES`].
    #[error("there are more than {MAX_SIGNATURES} signatures")]
    TooMany,
}

/// Why one of the signatures cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// Its member of `Signature-Input` is missing.
    #[error("Signature-Input has no such member")]
    NoInput,
    /// Its member of `Signature` is missing.
    #[error("Signature has no such member")]
    NoSignature,
    /// Its member of `Signature-Input` is no list of components.
    #[error("its member of Signature-Input is not a list in parentheses")]
    NotAList,
    /// Its member of `Signature` is no byte sequence.
    #[error("its member of Signature is not a byte sequence alone")]
    NotBytes,
    /// A component cannot be read.
    #[error("component {0}")]
    Component(#[from] ComponentError),
    /// A parameter has no value it may have.
    #[error("the parameter {0} is not {1}")]
    Parameter(&'static str, &'static str),
}

/// One signature of a message, under its label.
#[derive(Clone, Debug)]
pub struct Labelled<'a> {
    /// The label, by which both fields name it.
    pub label: &'a str,
    /// The signature, or why it cannot be read.
    pub signature: Result<Signature<'a>, SignatureError>,
}

/// A signature, its parameters, and what it covers.
#[derive(Clone, Debug)]
pub struct Signature<'a> {
    /// What was signed.
    pub input: SignatureInput<'a>,
    /// The signature itself.
    pub octets: Bytes<'a>,
}

/// A member of `Signature-Input`: the covered components, and the parameters (RFC 9421 section 2.3).
#[derive(Clone, Debug, Default)]
pub struct SignatureInput<'a> {
    components: Vec<Component<'a>>,
    /// Components and parameters as they are signed.
    text: Cow<'a, str>,
    /// When it was made, in Unix seconds.
    pub created: Option<u64>,
    /// From when on it no longer counts, in Unix seconds.
    pub expires: Option<u64>,
    /// A value used once.
    pub nonce: Option<&'a str>,
    /// The name of the algorithm.
    pub alg: Option<&'a str>,
    /// The name of the key.
    pub keyid: Option<&'a str>,
    /// What it is for.
    pub tag: Option<&'a str>,
}

/// Reads the two fields, the lines of each joined by commas.
///
/// # Errors
/// [`SignaturesError`] when there is no telling which signatures there are.
pub fn read<'a>(input: &'a str, signature: &'a str) -> Result<Vec<Labelled<'a>>, SignaturesError> {
    let inputs = Reader::whole(input, |reader| reader.dictionary_of(SignatureInput::read));
    let inputs = inputs.map_err(SignaturesError::Input)?;
    let signatures = Dictionary::parse(signature).map_err(SignaturesError::Signature)?;
    let stray =
        signatures.members().iter().filter(|(label, _)| inputs.iter().all(|(other, _)| other != label));
    let stray: Vec<_> =
        stray.map(|(label, _)| Labelled { label, signature: Err(SignatureError::NoInput) }).collect();
    if inputs.len() + stray.len() > MAX_SIGNATURES {
        return Err(SignaturesError::TooMany);
    }
    let paired = inputs.into_iter().map(|(label, input)| {
        let signature =
            octets(signatures.get(label)).and_then(|octets| Ok(Signature { input: input?, octets }));
        Labelled { label, signature }
    });
    Ok(paired.chain(stray).collect())
}

fn octets<'a>(member: Option<&Member<'a>>) -> Result<Bytes<'a>, SignatureError> {
    match member {
        None => Err(SignatureError::NoSignature),
        Some(Member::Item(item)) if item.parameters.is_empty() => match item.bare {
            BareItem::Bytes(bytes) => Ok(bytes),
            _ => Err(SignatureError::NotBytes),
        },
        Some(_) => Err(SignatureError::NotBytes),
    }
}

impl<'a> SignatureInput<'a> {
    /// What a signer is about to cover, without parameters yet.
    ///
    /// # Errors
    /// [`ComponentError::Repeated`].
    pub fn covering(components: Vec<Component<'a>>) -> Result<Self, ComponentError> {
        let text = serialised(&components, &Parameters::default());
        Self::of_components(components, text.into())
    }

    fn of_components(components: Vec<Component<'a>>, text: Cow<'a, str>) -> Result<Self, ComponentError> {
        for (at, component) in components.iter().enumerate() {
            if components.iter().take(at).any(|other| other.is_same(component)) {
                return Err(ComponentError::Repeated(component.to_string()));
            }
        }
        Ok(Self { components, text, ..Self::default() })
    }

    /// Reads a member of the field, from behind its label on. What is wrong with it alone is its own matter; what is
    /// no structured field makes the whole field unreadable.
    fn read(reader: &mut Reader<'a>) -> Result<Result<Self, SignatureError>, StructuredError> {
        if !reader.is_at_list() {
            return reader.member_or_true().map(|_| Err(SignatureError::NotAList));
        }
        reader.equals()?;
        let list = |reader: &mut Reader<'a>| Ok((reader.items_of(component)?, reader.parameters()?));
        let ((components, parameters), text) = reader.with_text(list)?;
        Ok(components
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map_err(SignatureError::from)
            .and_then(|components| Self::of(components, &parameters, text)))
    }

    fn of(
        components: Vec<Component<'a>>,
        parameters: &Parameters<'a>,
        sent: Option<&'a str>,
    ) -> Result<Self, SignatureError> {
        let signed = sent.map_or_else(|| Cow::Owned(serialised(&components, parameters)), Cow::Borrowed);
        let mut input = Self::of_components(components, signed)?;
        for (name, value) in parameters.iter() {
            match name {
                "created" => input.created = Some(seconds("created", value)?),
                "expires" => input.expires = Some(seconds("expires", value)?),
                "nonce" => input.nonce = Some(text("nonce", value)?),
                "alg" => input.alg = Some(text("alg", value)?),
                "keyid" => input.keyid = Some(text("keyid", value)?),
                "tag" => input.tag = Some(text("tag", value)?),
                // Others are signed too, and mean nothing here.
                _ => {}
            }
        }
        Ok(input)
    }

    /// The same with the parameters that are set and no others, in the order of RFC 9421 section 2.3.
    #[must_use]
    pub fn with_parameters(mut self) -> Self {
        let number = |seconds: Option<u64>| {
            seconds.and_then(|seconds| i64::try_from(seconds).ok()).map(BareItem::Integer)
        };
        let text = |text: Option<&'a str>| text.map(BareItem::String);
        let all = [
            ("created", number(self.created)),
            ("expires", number(self.expires)),
            ("nonce", text(self.nonce)),
            ("alg", text(self.alg)),
            ("keyid", text(self.keyid)),
            ("tag", text(self.tag)),
        ];
        let mut parameters = Parameters::default();
        for (name, value) in all {
            value.into_iter().for_each(|value| parameters.push(name, value));
        }
        self.text = serialised(&self.components, &parameters).into();
        self
    }

    /// The value of `@signature-params`, which is also the member of `Signature-Input`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What it covers, in order.
    #[must_use]
    pub fn components(&self) -> &[Component<'a>] {
        &self.components
    }

    /// Whether it covers this, in whatever form.
    #[must_use]
    pub fn covers(&self, is: impl Fn(&Component<'a>) -> bool) -> bool {
        self.components.iter().any(is)
    }
}

/// What stands in `Signature-Input`.
impl fmt::Display for SignatureInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An item of the list, as a component: what is no component is its signature's matter alone.
fn component<'a>(reader: &mut Reader<'a>) -> Result<Result<Component<'a>, ComponentError>, StructuredError> {
    let (item, text) = reader.with_text(Reader::item)?;
    Ok(Component::of(&item, text))
}

/// The one serialisation of components and parameters.
fn serialised(components: &[Component<'_>], parameters: &Parameters<'_>) -> String {
    let mut text = String::from("(");
    for (at, component) in components.iter().enumerate() {
        text.push_str(if at > 0 { " " } else { "" });
        text.push_str(component.as_str());
    }
    text.push(')');
    // Writing to a string does not fail.
    let _ = parameters.write(&mut text);
    text
}

fn seconds(name: &'static str, value: BareItem<'_>) -> Result<u64, SignatureError> {
    let seconds = value.integer().and_then(|seconds| u64::try_from(seconds).ok());
    seconds.ok_or(SignatureError::Parameter(name, "a whole number of seconds, 0 or more"))
}

fn text<'a>(name: &'static str, value: BareItem<'a>) -> Result<&'a str, SignatureError> {
    value.plain_string().ok_or(SignatureError::Parameter(name, "a string without escapes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(input: &str) -> Result<SignatureInput<'_>, SignatureError> {
        read(input, "sig1=:aGk=:").unwrap().remove(0).signature.map(|signature| signature.input)
    }

    #[test]
    fn a_signature_is_read_and_written_the_same() {
        let member = "(\"@authority\" \"signature-agent\";key=\"a\");created=1;keyid=\"k\";alg=\"ed25519\";expires=2;nonce=\"n\";tag=\"t\";x=1";
        let text = format!("sig1={member}");
        let input = one(&text).unwrap();
        assert_eq!(input.to_string(), member);
        assert_eq!((input.created, input.expires), (Some(1), Some(2)));
        assert_eq!(
            (input.nonce, input.alg, input.keyid, input.tag),
            (Some("n"), Some("ed25519"), Some("k"), Some("t"))
        );
    }

    #[test]
    fn what_is_signed_is_the_one_serialisation_however_it_was_sent() {
        let member = "(\"a\" \"b\";key=\"c\";tr);created=1;x;y=0;z=-5;t=a;b=:aGk=:";
        for sent in [
            member.to_owned(),
            member.replace("(\"a\" ", "( \"a\"  "),
            member.replace("tr)", "tr )"),
            member.replace(";tr", "; tr"),
            member.replace(";tr", ";tr=?1"),
            member.replace(";x", ";x=?1"),
            member.replace("created=1", "created=001"),
            member.replace("y=0", "y=00"),
            member.replace("y=0", "y=-0"),
            member.replace("z=-5", "z=-05"),
            member.replace(";created", ";  created"),
        ] {
            let text = format!("sig1={sent}");
            let input = one(&text).unwrap();
            assert_eq!(input.as_str(), member, "{sent}");
            assert_eq!(input.components()[1].as_str(), "\"b\";key=\"c\";tr", "{sent}");
            assert_eq!(matches!(input.text, Cow::Borrowed(_)), sent == member, "{sent}");
        }
        let odd = one("sig1=();a=1.0;b=@5;c=%\"x\";d=?0;e=1.50").unwrap();
        assert_eq!(odd.as_str(), "();a=1.0;b=@5;c=%\"x\";d=?0;e=1.5");
    }

    #[test]
    fn each_rule_refuses_its_near_miss() {
        let cases = [
            ("sig1=\"a\"", SignatureError::NotAList),
            ("sig1", SignatureError::NotAList),
            ("sig1=(a)", ComponentError::NotAName("a".into()).into()),
            ("sig1=(\"a\" \"b\" \"a\")", ComponentError::Repeated("\"a\"".into()).into()),
            (
                "sig1=();created=1.0",
                SignatureError::Parameter("created", "a whole number of seconds, 0 or more"),
            ),
            (
                "sig1=();created=-1",
                SignatureError::Parameter("created", "a whole number of seconds, 0 or more"),
            ),
            (
                "sig1=();expires=\"1\"",
                SignatureError::Parameter("expires", "a whole number of seconds, 0 or more"),
            ),
            ("sig1=();keyid=a", SignatureError::Parameter("keyid", "a string without escapes")),
            ("sig1=();alg=\"a\\\\\"", SignatureError::Parameter("alg", "a string without escapes")),
        ];
        for (input, error) in cases {
            assert_eq!(one(input).unwrap_err(), error, "{input}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_signature_is_read_as_the_dictionary_it_is(
            text in "[a-c]=\\( {0,2}(\"[@a-c]{1,3}\"(;[ ]{0,1}(key|sf|tr|req|x)(=(\"a\"|\\?[01]|0?[0-9]|a))?)?[ ]{0,2}){0,3}\\)(; ?[a-d]=(\\?1|-?0?[0-9]|[0-9]\\.[0-9]{1,3}|\"x\"|:aGk=:|tok|@0?1|%\"[a-z%]{0,3}\")){0,4}"
        ) {
            let dictionary = Dictionary::parse(&text);
            let read = read(&text, "");
            proptest::prop_assert_eq!(read.is_ok(), dictionary.is_ok(), "{}", text);
            let input = Reader::whole(&text, |reader| reader.dictionary_of(SignatureInput::read));
            if let (Ok(dictionary), Ok(input)) = (dictionary, input)
                && let Some((_, Ok(input))) = input.first()
            {
                proptest::prop_assert_eq!(dictionary.members()[0].1.to_string(), input.as_str());
            }
        }
    }

    #[test]
    fn each_signature_is_read_by_itself() {
        let read =
            read("a=(), b=(1), c=(), d=()", "c=:aGk=:, a=:aGk=:, e=:aGk=:, d=:aGk=:;x, b=:aGk=:").unwrap();
        let come: Vec<_> =
            read.iter().map(|one| (one.label, one.signature.as_ref().err().cloned())).collect();
        let not_a_name = Some(ComponentError::NotAName("1".into()).into());
        let (stray, not_bytes) = (Some(SignatureError::NoInput), Some(SignatureError::NotBytes));
        assert_eq!(come, [("a", None), ("b", not_a_name), ("c", None), ("d", not_bytes), ("e", stray)]);
        let lonely = super::read("a=()", "").unwrap().remove(0).signature;
        assert_eq!(lonely.unwrap_err(), SignatureError::NoSignature);
    }

    #[test]
    fn there_is_a_limit() {
        let members = |count: usize, value: &str| {
            (0..count).map(|at| format!("s{at}={value}")).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(read(&members(MAX_SIGNATURES, "()"), "").unwrap().len(), MAX_SIGNATURES);
        assert_eq!(read(&members(MAX_SIGNATURES + 1, "()"), "").unwrap_err(), SignaturesError::TooMany);
        assert_eq!(read("a=()", &members(MAX_SIGNATURES, "::")).unwrap_err(), SignaturesError::TooMany);
    }

    #[test]
    fn what_a_signer_sets_is_written_once() {
        let components =
            vec![Component::named("@authority").unwrap(), Component::member("signature-agent", "a").unwrap()];
        let input = SignatureInput {
            created: Some(5),
            tag: Some("t"),
            ..SignatureInput::covering(components).unwrap()
        };
        let written = input.with_parameters();
        assert_eq!(written.to_string(), "(\"@authority\" \"signature-agent\";key=\"a\");created=5;tag=\"t\"");
        assert_eq!(written.clone().with_parameters().to_string(), written.to_string());
        let twice = vec![Component::named("@path").unwrap(), Component::named("@path").unwrap()];
        assert!(SignatureInput::covering(twice).is_err());
    }
}
