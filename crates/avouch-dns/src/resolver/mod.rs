//! Live name servers, with DNSSEC validation done here.

mod anchor;
mod settings;
mod standing;
#[cfg(test)]
mod tests;
mod wildcard;
mod witness;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::ResolverOpts;
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer, RetryDnsHandle};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::{DnsRequest, DnsRequestOptions, Query};
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};

use crate::lookup::Reply;
use witness::Witness;

pub use anchor::{AnchorError, TrustAnchor};
pub use settings::{ResolverSettings, SettingsError};

/// How long one look-up may take with its aliases, retries and the whole chain of trust.
pub const MAX_LOOKUP: Duration = Duration::from_secs(5);

/// What a UDP answer may measure before it is asked again over TCP (the DNS flag day's 1232:
/// what passes everywhere without fragmentation).
const UDP_PAYLOAD: u16 = 1232;

/// How deep a chain of trust may be nested: each zone cut needs two steps.
const MAX_VALIDATION_DEPTH: usize = 26;

type Pool = RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>;

/// Asks name servers and validates their answers against trust anchors.
///
/// Every look-up asks anew, chain of trust included. hickory can cache both answers and proofs of
/// signatures; neither cache is used. Answers, because `avouch-gather` has the only cache, so that
/// a withdrawn record is gone when its TTL is. Proofs, because hickory 0.26 finds them again by a
/// 64-bit hash, under a key that everybody knows, of records and signatures among which somebody on
/// the path may put junk of his own: making two sets collide is within a laptop's reach, and the
/// forged one would inherit the proof of the other. Within one look-up no question is asked twice.
///
/// Questions carry DO and CD: an upstream that validates itself hands over what it would call
/// bogus, so that the verdict is ours and permanent. One that ignores CD answers SERVFAIL for it,
/// which is [`ServerFailure`](avouch_engine::evidence::Cause::ServerFailure), temporary.
/// If the trouble with a chain of trust was a question that went unanswered, its cause is reported
/// rather than bogus.
#[derive(Clone)]
pub struct Resolver {
    pool: Pool,
    /// `None` where the servers' own validation is believed.
    anchors: Option<Arc<TrustAnchors>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").field("validates", &self.anchors.is_some()).finish_non_exhaustive()
    }
}

impl Resolver {
    /// A resolver that asks the servers of `settings`. Opens no socket yet.
    ///
    /// # Errors
    /// [`SettingsError`] says which setting cannot be honoured.
    pub fn new(settings: &ResolverSettings) -> Result<Self, SettingsError> {
        settings.check()?;
        let mut options = ResolverOpts::default();
        options.timeout = settings.timeout;
        let tls = TlsConfig::new().map_err(|_| SettingsError::Unusable)?;
        let context = Arc::new(PoolContext::new(options, tls));
        let pool =
            NameServerPool::from_config(settings.name_servers(), context, TokioRuntimeProvider::default());
        Ok(Self {
            pool: RetryDnsHandle::new(pool, settings.attempts.saturating_sub(1)),
            anchors: settings.trust_ad_from.is_empty().then(|| Arc::new(settings.anchors())),
        })
    }

    /// Asks one question. Aliases are not followed: the records of the question's own name decide.
    pub(crate) async fn ask(&self, name: &Name, record_type: RecordType) -> Reply {
        let query = Query::query(name.clone(), record_type);
        match &self.anchors {
            Some(anchors) => self.ask_and_validate(query, anchors).await,
            None => self.ask_and_believe(query).await,
        }
    }

    async fn ask_and_validate(&self, query: Query, anchors: &Arc<TrustAnchors>) -> Reply {
        let witness = Witness::new(self.pool.clone());
        let validator =
            DnssecDnsHandle::with_trust_anchor(witness.clone(), Arc::clone(anchors)).validation_cache_size(0);
        let result = validator.lookup(query.clone(), request_options()).first_answer().await;
        standing::validated(&query, result).unwrap_or_else(|standing::Bogus| {
            Reply::Unknown(witness.failure().unwrap_or(avouch_engine::evidence::Cause::Bogus))
        })
    }

    async fn ask_and_believe(&self, query: Query) -> Reply {
        let mut request = DnsRequest::from_query(query.clone(), request_options());
        request.metadata.authentic_data = true;
        let result = self.pool.send(request).first_answer().await;
        standing::believed(&query, result)
    }
}

fn request_options() -> DnsRequestOptions {
    let mut options = DnsRequestOptions::default();
    options.edns_payload_len = UDP_PAYLOAD;
    options.edns_set_dnssec_ok = true;
    options.max_request_depth = MAX_VALIDATION_DEPTH;
    options
}
