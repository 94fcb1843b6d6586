//! Delegation tokens: a domain's key says who else may act for the domain.

use crate::secret::{KeyError, SecretKey};
use avouch_wire::b64u;
use avouch_wire::delegation::{Grant, Token, TokenError};

/// Why a token was not issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// What it would say breaks a rule.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The key refused.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Issues a token, signed by a key that stands, or will stand, at `_saip.` of the domain the grant names.
///
/// # Errors
/// [`IssueError`].
pub fn issue(key: &SecretKey, grant: &Grant) -> Result<String, IssueError> {
    let mut token = Token::signing_input(grant, key.public())?;
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&b64u::encode(&signature));
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Fixed;
    use avouch_wire::delegation::{Scope, Subject};
    use avouch_wire::key::KeyType;
    use avouch_wire::name::Domain;

    fn grant() -> Grant {
        Grant {
            issuer: Domain::parse("acme.example").unwrap(),
            subject: Subject::parse("asn:64500").unwrap(),
            not_before: 1_790_000_000,
            expires: 1_790_086_400,
            scopes: vec![Scope::parse("GET /").unwrap()],
            audience: Vec::new(),
            id: "1".to_owned(),
        }
    }

    #[test]
    fn a_token_of_either_kind_of_key_is_verified_by_it_alone() {
        for key_type in [KeyType::Ed25519, KeyType::P256] {
            let key = SecretKey::generate(key_type, &mut Fixed(1)).unwrap();
            let other = SecretKey::generate(key_type, &mut Fixed(2)).unwrap();
            let text = issue(&key, &grant()).unwrap();
            let token = Token::parse(&text).unwrap();
            assert_eq!(token.grant(), &grant());
            assert!(token.verify(key.public()).is_ok() && token.verify(other.public()).is_err());
        }
    }

    #[test]
    fn what_breaks_a_rule_is_not_issued() {
        let key = SecretKey::generate(KeyType::Ed25519, &mut Fixed(1)).unwrap();
        let endless = Grant { expires: u64::MAX, ..grant() };
        assert!(matches!(issue(&key, &endless), Err(IssueError::Token(TokenError::Grant(_)))));
    }
}
