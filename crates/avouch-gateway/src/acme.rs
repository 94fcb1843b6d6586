//! The certificate that an authority issues: its keeper, the listener that challenges over HTTP are answered at, and how
//! another one is put to use.

use std::sync::Arc;

use avouch_acme::{Answers, Keeper};
use avouch_dns::Dns;
use avouch_gather::clock::Clock;
use avouch_tls::{Acceptor, CertificateError};
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::config::Config;
use crate::gate::Gate;
use crate::load::{self, LoadErrors};
use crate::run::StartError;

/// Takes the folder, where the configuration names an authority.
pub(crate) fn keeper(
    config: &Config,
    dns: &Dns,
    answers: &Answers,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<Keeper>>, StartError> {
    let Some(acme) = &config.acme else { return Ok(None) };
    let connector = load::authority(acme).map_err(|error| LoadErrors(vec![error]))?;
    let asked = (dns.clone(), connector);
    Ok(Some(Arc::new(Keeper::open(acme.settings.clone(), asked, answers.clone(), Arc::clone(clock))?)))
}

/// Keeps the certificate in force, for as long as it is polled.
pub(crate) async fn keep(gate: Arc<Gate>, keeper: Arc<Keeper>) {
    keeper
        .keep(|| {
            if let Err(error) = gate.use_certificate() {
                tracing::error!("the TLS certificate that was issued is not in use: {error}");
            }
        })
        .await;
}

/// What connections are accepted with: the files of the operator's, or what an authority issued. Until it has issued one
/// that can be used, handshakes fail.
pub(crate) fn acceptor(config: &Config, answers: &Answers) -> Option<Result<Acceptor, CertificateError>> {
    let tls = config.tls.as_ref()?;
    let loaded = Acceptor::load(&tls.cert, &tls.key, tls.client_ca.as_deref());
    if config.acme.is_none() {
        return Some(loaded);
    }
    let challenges = answers.tls.clone();
    Some(match loaded {
        Ok(acceptor) => Ok(acceptor.answering(challenges)),
        // Its roots are the operator's, and no authority mends them.
        Err(error) if Acceptor::load(&tls.cert, &tls.key, None).is_ok() => Err(error),
        Err(_) => Acceptor::awaiting(challenges),
    })
}

impl Gate {
    /// Puts the certificate in the folder to use for connections that begin from now on.
    fn use_certificate(&self) -> Result<(), CertificateError> {
        let snapshot = self.snapshot();
        if let Some(acceptor) = acceptor(&snapshot.config, &snapshot.answers).transpose()? {
            self.snapshot.rcu(|now| Arc::new(now.with_acceptor(acceptor.clone())));
        }
        Ok(())
    }
}

/// Answers challenges over HTTP (RFC 8555 section 8.3), and nothing else.
pub(crate) fn router(answers: Answers) -> Router {
    Router::new().route("/.well-known/acme-challenge/{token}", get(file)).with_state(answers)
}

async fn file(State(answers): State<Answers>, Path(token): Path<String>) -> impl IntoResponse {
    match answers.file(&token) {
        Some(content) => ([(header::CONTENT_TYPE, "application/octet-stream")], content).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
