//! What several claims of one request come to together. All of them are of one operator, or they conflict.
//!
//! The claim that says most decides: a delegation token with its header, a signed SAIP header, signatures under
//! registered keys, then Web Bot Auth signatures. What rests on the client's address alone, a bare claim or a crawler's user agent, is asked where nothing
//! else decides.
//!
//! | what says most | beside no other claim | the address confirms | contradicts | is not known |
//! |---|---|---|---|---|
//! | holds | what it proves | the same | the same | the same |
//! | holds, and names nobody | the pseudonym | what the address says | failed | undetermined |
//! | failed | failed | failed | failed | failed |
//! | could not be checked | undetermined | what the address says | failed | undetermined |
//! | is the address itself | | what the address says | failed | undetermined |

use super::Conclusion;
use crate::evidence::{Cause, Proof, Shortfall};

/// What a claim that holds comes to.
#[derive(Debug)]
pub(crate) enum Holding {
    /// Its signatures hold; whether the request is new is still to be asked.
    Proof(Proof),
    /// Nothing more is to be asked.
    Conclusion(Conclusion),
}

impl Holding {
    /// Whether it says who sends the request.
    const fn names_somebody(&self) -> bool {
        match self {
            Self::Proof(proof) => proof.published,
            Self::Conclusion(_) => true,
        }
    }
}

/// The table above: `most` is the claim that says most, where there is one beside those that rest on the address;
/// `address` weighs these, if there are any, and is asked only where it matters.
pub(crate) fn together(
    most: Option<Result<Holding, Shortfall>>,
    address: impl FnOnce() -> Option<Result<Conclusion, Shortfall>>,
) -> Holding {
    let short = |shortfall| Holding::Conclusion(Conclusion::Short(shortfall));
    match most {
        Some(Ok(holding)) if holding.names_somebody() => holding,
        Some(Err(failed @ Shortfall::Failed(_))) => short(failed),
        open => match (address(), open) {
            (Some(Ok(confirmed)), _) => Holding::Conclusion(confirmed),
            (Some(Err(failed @ Shortfall::Failed(_))), _) => short(failed),
            // A lie beside it would hide behind any signature that cannot be checked, so it is told first.
            (_, Some(Err(unknown))) => short(unknown),
            (Some(Err(unknown)), _) => short(unknown),
            (None, Some(Ok(pseudonym))) => pseudonym,
            (None, None) => short(Shortfall::unknown(Cause::NotAsked)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Persistence;
    use crate::reason::Reason;
    use crate::verdict::Mechanism;
    use avouch_wire::key::Fingerprint;

    const FAILED: Shortfall = Shortfall::Failed(Reason::SignatureInvalid);
    const REFUTED: Shortfall = Shortfall::Failed(Reason::CrawlerNotConfirmed);
    const UNKNOWN: Shortfall = Shortfall::Unknown(Reason::DnsTimeout, Persistence::Temporary);
    const STALE: Shortfall = Shortfall::Unknown(Reason::RangesStale, Persistence::Temporary);

    fn proof(published: bool) -> Option<Result<Holding, Shortfall>> {
        let (mechanism, key) = (Mechanism::SaipStateless, None::<Fingerprint>);
        Some(Ok(Holding::Proof(Proof {
            mechanism,
            key,
            candidate: None,
            published,
            testing: false,
            root: None,
            counted: None,
        })))
    }

    fn told(
        most: Option<Result<Holding, Shortfall>>,
        address: Option<Result<(), Shortfall>>,
    ) -> &'static str {
        let address =
            || address.map(|weighed| weighed.map(|()| Conclusion::Consistent(Mechanism::CrawlerRange)));
        match together(most, address) {
            Holding::Proof(proof) if proof.published => "proved",
            Holding::Proof(_) => "pseudonym",
            Holding::Conclusion(conclusion) => conclusion.reason().code(),
        }
    }

    #[test]
    fn the_table_is_what_it_says() {
        let columns = [None, Some(Ok(())), Some(Err(REFUTED)), Some(Err(STALE))];
        let row =
            |most: fn() -> Option<Result<Holding, Shortfall>>| columns.map(|address| told(most(), address));
        let (confirmed, refuted, stale) = ("range-confirmed", "crawler-not-confirmed", "ranges-stale");
        assert_eq!(row(|| proof(true)), ["proved"; 4]);
        assert_eq!(row(|| proof(false)), ["pseudonym", confirmed, refuted, stale]);
        assert_eq!(row(|| Some(Err(FAILED))), ["signature-invalid"; 4]);
        assert_eq!(row(|| Some(Err(UNKNOWN))), ["dns-timeout", confirmed, refuted, "dns-timeout"]);
        assert_eq!(row(|| None), ["not-looked-up", confirmed, refuted, stale]);
    }
}
