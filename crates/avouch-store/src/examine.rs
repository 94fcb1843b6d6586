//! A look at a store from outside, which enters nothing.

use std::time::Duration;

use tokio::time::timeout;

use crate::line::Line;
use crate::store::Settings;
use crate::trouble::Trouble;

/// The longest that a look may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a store could not be used; it says what would mend it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unfit(Trouble);

/// Whether a store can be reached and may forget nothing that was entered; gives the version of Redis.
///
/// # Errors
///
/// What is wrong with it.
pub async fn examine(settings: &Settings) -> Result<String, Unfit> {
    let looking = async {
        let line = Line::open(&settings.address, settings.tls.as_ref()).await?;
        line.look(PATIENCE).await?;
        line.version().await
    };
    timeout(PATIENCE, looking).await.unwrap_or(Err(Trouble::Silent(PATIENCE))).map_err(Unfit)
}
