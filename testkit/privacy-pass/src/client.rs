//! The client's side.

use super::Public;
use avouch_keys::entropy::{Entropy, SystemEntropy};
use avouch_wire::privacy_pass::{IssuerKey, TOKEN_TYPE, Token, TokenChallenge};
use blind_rsa_signatures::{BlindSignature, BlindingResult, DefaultRng, Error};

/// A token that was asked for.
pub struct Pending {
    token: Token,
    key: Public,
    blinding: BlindingResult,
}

/// Draws a nonce, and makes the `TokenRequest` for a challenge.
///
/// # Errors
/// [`Error`] when the key is none.
pub fn ask(challenge: &TokenChallenge, key: &IssuerKey) -> Result<(Pending, Vec<u8>), Error> {
    let mut nonce = [0; 32];
    SystemEntropy.fill(&mut nonce).map_err(|_| Error::InternalError)?;
    let token = Token::new(nonce, challenge.digest(), *key.id().as_bytes(), [0; 256]);
    let public = Public::from_spki(key.spki())?;
    let blinding = public.blind(&mut DefaultRng, token.input())?;
    let mut request = TOKEN_TYPE.to_be_bytes().to_vec();
    request.extend(key.id().as_bytes().last());
    request.extend(&blinding.blind_message.0);
    Ok((Pending { token, key: public, blinding }, request))
}

impl Pending {
    /// Takes the blinding off the `TokenResponse`.
    ///
    /// # Errors
    /// [`Error`] when it is no signature of the key.
    pub fn finish(self, response: &[u8]) -> Result<Token, Error> {
        let signature = BlindSignature(response.to_vec());
        let signature = self.key.finalize(&signature, &self.blinding, self.token.input())?;
        let authenticator = signature.0.try_into().map_err(|_| Error::VerificationFailed)?;
        let token = self.token;
        Ok(Token::new(*token.nonce(), *token.challenge_digest(), *token.key_id(), authenticator))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Issuer, issue};
    use super::*;

    #[test]
    fn a_token_issued_blindly_is_verified_and_what_the_issuer_saw_is_not_in_it() {
        let issuer = Issuer::generate().unwrap();
        let challenge = TokenChallenge::new("issuer.example", [1; 32], "www.shop.example").unwrap();
        let (pending, request) = ask(&challenge, issuer.key()).unwrap();
        let response = issuer.respond(&request).unwrap();
        let token = pending.finish(&response).unwrap();
        assert!(issuer.key().verify(&token).is_ok());
        assert_ne!(token.authenticator().as_slice(), response);
        let seen = [request, response].concat();
        assert!(!seen.windows(32).any(|part| part == token.nonce()));
        let other = issue(&issuer, &challenge).unwrap();
        assert_ne!(token.nonce(), other.nonce());
    }

    #[test]
    fn another_issuers_response_makes_no_token() {
        let (issuer, other) = (Issuer::generate().unwrap(), Issuer::generate().unwrap());
        let challenge = TokenChallenge::new("issuer.example", [1; 32], "www.shop.example").unwrap();
        let (pending, mut request) = ask(&challenge, issuer.key()).unwrap();
        request[2] = *other.key().id().as_bytes().last().unwrap();
        let response = other.respond(&request);
        assert!(response.is_none_or(|response| pending.finish(&response).is_err()));
        request[1] = 1;
        assert_eq!(other.respond(&request), None);
        assert_eq!(other.respond(&[]), None);
    }
}
