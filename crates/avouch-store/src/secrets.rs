//! The secrets that challenges of a group are bound to: drawn once for each epoch, by whoever is first.

use avouch_keys::entropy::{Entropy as _, SystemEntropy};
use avouch_wire::privacy_pass::{ContextKey, ContextKeys, EPOCH, Epoch};
use avouch_wire::time::Time;
use zeroize::Zeroizing;

use crate::store::{Store, Unavailable};

/// How many epochs are looked back, as far as a token is told to be too old rather than unknown.
const BACK: usize = 12;

/// How long Redis keeps a secret, in seconds: it is drawn an epoch ahead, counts in two, and is looked back to.
pub(crate) const KEPT: u64 = (BACK as u64 + 3) * EPOCH;

impl Store {
    /// The keys by which contexts of the group are derived: those of now and of the next epoch, which are drawn where
    /// nobody has, and of the last half hour what there is.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn context_keys(&self, now: Time) -> Result<ContextKeys, Unavailable> {
        let present = Epoch::at(now);
        let mut epochs = Vec::new();
        for epoch in [present.next(), present] {
            epochs.push((epoch, drawn()?));
        }
        epochs.extend(present.and_before().take(BACK).skip(1).map(|epoch| (epoch, Vec::new())));
        let secrets = self.draw(&epochs, now).await?;
        let known = epochs.iter().zip(secrets);
        let keys = known.filter_map(|((epoch, _), secret)| {
            let secret = Zeroizing::new(secret?);
            Some((*epoch, ContextKey::new(&secret)))
        });
        Ok(ContextKeys::by_epoch(keys.collect(), Some(present.next())))
    }
}

/// A secret, with what stands for it behind it.
fn drawn() -> Result<Vec<u8>, Unavailable> {
    let mut secret = Zeroizing::new([0; 32]);
    // Without randomness nothing is asked for; the gateway would not have started without.
    SystemEntropy.fill(&mut *secret).map_err(|_| Unavailable)?;
    let id = ContextKey::new(&secret).id();
    Ok(secret.iter().chain(&id.0).copied().collect())
}
