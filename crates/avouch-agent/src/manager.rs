//! What the service manager is told, where one started the agent (`sd_notify(3)`); otherwise nothing.

use sd_notify::NotifyState;

/// Tells that programs can connect.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("signing")]);
}

/// Tells that requests under way may end, and no more are taken.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("letting requests under way end")]);
}

/// Tells, for as long as tasks get their turn, that they do. Ends at once where nobody waits for that.
pub(crate) async fn keep_alive() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(patience / 2).await;
    }
}

/// A service manager that cannot be told will act on its own; the agent goes on.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
