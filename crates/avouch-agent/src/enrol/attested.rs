//! The round in which a TPM shows that it holds the key: it is presented, and answers a challenge.

use std::sync::Arc;

use avouch_keys::enrolment::{attest, present};
use avouch_keys::{KeyError, SecretKey};

use super::answer::Answer;
use super::{EnrolError, Enrolling, Enrolment, Question};
use crate::outbound::Outbound;

impl Enrolling<'_> {
    /// Asks the same once more, with what the TPM that holds the key says along.
    pub(super) async fn attest(
        &self,
        key: &Arc<SecretKey>,
        mut question: Question,
        enrolment: &Enrolment,
        outbound: &Outbound,
    ) -> Result<Answer, EnrolError> {
        let token = &enrolment.token.text;
        let presented = in_turn(key, present).await?;
        let text = question.write_presented(token, &presented.1);
        let challenge = match enrolment.registrar.challenge(outbound, text).await {
            Ok(challenge) => challenge,
            Err(answer) => return Ok(answer),
        };
        let attestation = in_turn(key, move |key| attest(key, presented, &challenge)).await?;
        question.attestation = Some(Box::new(attestation));
        let of = (self.agent.as_str(), self.name.as_str());
        Ok(enrolment.registrar.ask(outbound, question.write(token), of).await)
    }
}

/// Has the TPM do something, which takes up to a minute on a chip.
async fn in_turn<T: Send + 'static>(
    key: &Arc<SecretKey>,
    work: impl FnOnce(&SecretKey) -> Result<T, KeyError> + Send + 'static,
) -> Result<T, EnrolError> {
    let key = Arc::clone(key);
    let working = tokio::task::spawn_blocking(move || work(&key));
    working.await.map_err(|_| EnrolError::Broken)?.map_err(EnrolError::Attesting)
}
