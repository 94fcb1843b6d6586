//! What Privacy Pass challenges are bound to: drawn at the start, or shared by a group of gateways.

use std::sync::Arc;
use std::time::Duration;

use avouch_keys::entropy::{Entropy as _, NoRandomness, SystemEntropy};
use avouch_store::Store;
use avouch_wire::privacy_pass::{ContextKey, ContextKeys};

use crate::gate::Gate;
use crate::snapshot::Snapshot;

/// How often the secrets of a group are asked for: one that was lost asks nobody for tokens that do not count for
/// longer than this.
const ASK: Duration = Duration::from_secs(1);

/// The keys of a start. A gateway of a group has none until it has asked; one that stands alone draws its own, new at
/// each start, so that a token which was redeemed before is for no challenge of this one.
pub(crate) fn first_keys(is_shared: bool, given: Option<[u8; 32]>) -> Result<ContextKeys, NoRandomness> {
    if is_shared {
        return Ok(ContextKeys::by_epoch(Vec::new(), None));
    }
    let drawn = || {
        let mut secret = [0; 32];
        SystemEntropy.fill(&mut secret)?;
        Ok(secret)
    };
    let secret = given.map_or_else(drawn, Ok)?;
    Ok(ContextKeys::always(ContextKey::new(&secret)))
}

/// Keeps the secrets of the group at hand, for as long as it is polled. While the store is out of reach those of now
/// and of the next epoch stay; when they have ended, what answers them can no longer be told.
pub(crate) async fn keep(gate: Arc<Gate>, store: Arc<Store>) {
    loop {
        if gate.snapshot().site.passes.is_some()
            && let Ok(keys) = store.context_keys(gate.clock.now()).await
            && gate.snapshot().pass_keys() != &keys
        {
            // A reload at the same moment may bring back those of before: until the next round.
            gate.snapshot.rcu(|now| Arc::new(Snapshot::with_pass_keys(now, keys.clone())));
        }
        tokio::time::sleep(ASK).await;
    }
}
