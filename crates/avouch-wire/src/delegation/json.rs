//! JSON objects as tokens hold them: no member twice, for two readers might take different ones.

use super::TokenError;
use crate::b64u;
use crate::http_signature::quoted;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// The members of one of the two objects of a token.
pub(super) struct Object {
    members: BTreeMap<String, Value>,
    part: &'static str,
}

impl Object {
    /// Reads base64url of JSON.
    pub(super) fn read(text: &str, part: &'static str) -> Result<Self, TokenError> {
        let octets = b64u::decode_vec(text).map_err(|_| TokenError::Encoding(part))?;
        let Members(members) = serde_json::from_slice(&octets)
            .map_err(|error| TokenError::Json { part, detail: quoted(&error.to_string()) })?;
        Ok(Self { members, part })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    pub(super) fn text(&self, name: &'static str) -> Result<&str, TokenError> {
        self.required(name)?.as_str().ok_or_else(|| self.invalid(name, "is not a string"))
    }

    /// Whole seconds; `1e9` and `1.0` are other spellings that not everyone reads alike.
    pub(super) fn seconds(&self, name: &'static str) -> Result<u64, TokenError> {
        let whole = self.required(name)?.as_u64();
        whole.ok_or_else(|| self.invalid(name, "is not a whole number of seconds"))
    }

    /// A list of strings, each read by `read`. `None` where there is no such member.
    pub(super) fn list<T, E: fmt::Display>(
        &self,
        name: &'static str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<Vec<T>>, TokenError> {
        let Some(value) = self.members.get(name) else { return Ok(None) };
        let Some(list) = value.as_array().filter(|list| !list.is_empty()) else {
            return Err(self.invalid(name, "is not a list with something in it"));
        };
        let item = |value: &Value| {
            let text =
                value.as_str().ok_or_else(|| self.invalid(name, "lists something else than strings"))?;
            read(text)
                .map_err(|error| self.invalid(name, &format!("lists {:?}, which {error}", quoted(text))))
        };
        list.iter().map(item).collect::<Result<_, _>>().map(Some)
    }

    pub(super) fn missing(&self, name: &'static str) -> TokenError {
        TokenError::Missing { part: self.part, name }
    }

    pub(super) fn invalid(&self, name: &'static str, detail: &str) -> TokenError {
        TokenError::Invalid { part: self.part, name, detail: detail.to_owned() }
    }

    fn required(&self, name: &'static str) -> Result<&Value, TokenError> {
        self.members.get(name).ok_or_else(|| self.missing(name))
    }
}

struct Members(BTreeMap<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Once)
    }
}

struct Once;

impl<'de> Visitor<'de> for Once {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{:?} stands twice", quoted(&name))));
            }
            members.insert(name, value);
        }
        Ok(Members(members))
    }
}
