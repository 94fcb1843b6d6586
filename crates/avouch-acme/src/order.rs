//! One order, from the account to the certificate.

use std::time::Duration;

use avouch_gather::clock::Clock;
use avouch_tls::Acceptor;
use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use zeroize::Zeroizing;

use crate::exchange::Exchange;
use crate::kept::{Kept, usable};
use crate::{AcmeError, Answers, Method, Settings};

/// How an authority says that it does not know an account.
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// How long the authority may take to look at the challenges, and to issue.
const POLLING: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(500)).timeout(Duration::from_secs(90));

impl Method {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Http01 => "http-01",
        }
    }

    const fn kind(self) -> ChallengeType {
        match self {
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
            Self::Http01 => ChallengeType::Http01,
        }
    }
}

/// Orders a certificate; gives it with its key, PEM, and ready for use.
pub(crate) async fn order(
    settings: &Settings,
    kept: &Kept,
    exchange: &Exchange,
    answers: &Answers,
    clock: &dyn Clock,
) -> Result<(Zeroizing<Vec<u8>>, Acceptor), AcmeError> {
    let account = account(settings, kept, exchange).await?;
    let names: Vec<_> = settings.names.iter().map(|name| Identifier::Dns(name.clone())).collect();
    let mut order = match account.new_order(&NewOrder::new(&names)).await {
        Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {
            kept.forget_account()?;
            return Err(Error::Api(problem).into());
        }
        order => order?,
    };
    show(settings, &mut order, answers).await?;
    if order.poll_ready(&POLLING).await? != OrderStatus::Ready {
        return Err(why_not(settings, &mut order).await);
    }
    let key = Zeroizing::new(order.finalize().await?);
    let chain = order.poll_certificate(&POLLING).await?;
    let pem = Zeroizing::new([chain.as_bytes(), b"\n", key.as_bytes()].concat());
    let acceptor = Acceptor::from_pem(&pem, &pem)?;
    usable(&acceptor, &settings.names, clock.now())?;
    Ok((pem, acceptor))
}

/// The account that is kept, or a new one, whose key is kept before anything is asked by it.
async fn account(settings: &Settings, kept: &Kept, exchange: &Exchange) -> Result<Account, AcmeError> {
    let builder = Account::builder_with_http(Box::new(exchange.clone()));
    if let Some(known) = kept.account(&settings.directory)? {
        return Ok(builder.from_credentials(known).await?);
    }
    let contact: Vec<_> = settings.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let contact: Vec<_> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder.create(&wanted, settings.directory.clone(), None).await?;
    kept.keep_account(&credentials)?;
    Ok(account)
}

/// Puts the answers to the challenges in place, and has the authority look.
async fn show(settings: &Settings, order: &mut Order, answers: &Answers) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let name = name_of(&authorization);
        let method = settings.method.name();
        let Some(mut challenge) = authorization.challenge(settings.method.kind()) else {
            return Err(AcmeError::NotOffered { method, name });
        };
        let key = challenge.key_authorization();
        match settings.method {
            Method::Http01 => answers.put_file(&challenge.token, key.as_str()),
            Method::TlsAlpn01 => {
                let (certificate, secret) = certificate_for(&name, key.digest().as_ref())?;
                answers.tls.put(&name, certificate.as_bytes(), secret.as_bytes())?;
            }
        }
        challenge.set_ready().await?;
    }
    Ok(())
}

/// What a challenge over TLS is answered with (RFC 8737 section 3): for the one name, and with the digest in it.
fn certificate_for(name: &str, digest: &[u8]) -> Result<(String, Zeroizing<String>), AcmeError> {
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), Zeroizing::new(key.serialize_pem())))
}

/// What the authority found in place of what it asked for.
async fn why_not(settings: &Settings, order: &mut Order) -> AcmeError {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if let Err(error) = authorization.refresh().await {
            return error.into();
        }
        let why = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(why) = why {
            return AcmeError::NotShown { name: name_of(&authorization), why: why.to_string() };
        }
    }
    let name = settings.names.first().cloned().unwrap_or_default();
    AcmeError::NotShown { name, why: "the authority does not say why".to_owned() }
}

fn name_of(authorization: &AuthorizationHandle<'_>) -> String {
    authorization.identifier().to_string()
}
