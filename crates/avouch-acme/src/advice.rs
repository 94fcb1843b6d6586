//! When the authority would have a certificate renewed (RFC 9773): earlier than by its life alone where it is going to be
//! revoked, or where many would come at once.

use std::time::Duration;

use avouch_tls::Acceptor;
use avouch_wire::b64u;
use avouch_wire::time::Time;
use instant_acme::{Account, CertificateIdentifier};

use crate::exchange::Exchange;
use crate::kept::Kept;
use crate::{AcmeError, Settings};

/// How soon an authority may be asked again, and how late: RFC 9773 section 4.3.3 has clients heed what is between.
const SOONEST: Duration = Duration::from_mins(1);
const LATEST: Duration = Duration::from_hours(24);

/// The time in which a certificate should be renewed, and how long that word is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Advice {
    begin: Time,
    end: Time,
    pub(crate) for_now: Duration,
}

impl Advice {
    /// Asks for it; `None` where there is nobody to ask, or nothing to ask by.
    pub(crate) async fn ask(
        settings: &Settings,
        (kept, exchange): (&Kept, &Exchange),
        held: &Acceptor,
    ) -> Result<Option<Self>, AcmeError> {
        let (Some((key, serial)), Some(known)) = (held.issued_as(), kept.account(&settings.directory)?)
        else {
            return Ok(None);
        };
        let account = Account::builder_with_http(Box::new(exchange.clone())).from_credentials(known).await?;
        let named = CertificateIdentifier {
            authority_key_identifier: b64u::encode(&key).into(),
            serial: b64u::encode(&serial).into(),
        };
        let (said, again) = account.renewal_info(&named).await?;
        let window = said.suggested_window;
        let [begin, end] = [window.start, window.end]
            .map(|at| Time::from_seconds(u64::try_from(at.unix_timestamp()).unwrap_or_default()));
        Ok(Some(Self { begin, end, for_now: again.clamp(SOONEST, LATEST) }))
    }

    /// When to renew that was to be renewed at `due`: then, if that is within the window; else at a moment of it that
    /// nobody can foresee.
    pub(crate) fn due(self, due: Time, random: u64) -> Time {
        if self.begin <= due && due <= self.end {
            return due;
        }
        let width = self.end.seconds().saturating_sub(self.begin.seconds());
        Time::from_seconds(self.begin.seconds().saturating_add(random % width.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_moved_into_the_window_and_left_where_it_is_within() {
        let at = Time::from_seconds;
        let advice = Advice { begin: at(100), end: at(200), for_now: LATEST };
        for due in [100, 150, 200] {
            assert_eq!(advice.due(at(due), 7), at(due));
        }
        for due in [0, 99, 201, 1_000] {
            assert_eq!(advice.due(at(due), 7), at(107), "{due}");
            assert!((100..=200).contains(&advice.due(at(due), u64::MAX).seconds()));
        }
        let backwards = Advice { begin: at(200), end: at(100), for_now: LATEST };
        assert_eq!(backwards.due(at(150), 7), at(200));
    }
}
