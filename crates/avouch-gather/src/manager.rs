//! What the service manager is told, where one started the process (`sd_notify(3)`); otherwise nothing.

use sd_notify::NotifyState;

/// Tells that the service is there, or that a reload has ended, and what is to be read in `systemctl status`.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells that the configuration is read again; [`ready`] follows.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => {
            tell(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration again")])
        }
        Err(error) => tracing::warn!(%error, "cannot read the clock for the service manager"),
    }
}

/// Tells that requests under way may end, and no more are taken.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("letting requests under way end")]);
}

/// Tells, for as long as tasks get their turn, that they do: twice in the time that the service manager waits.
/// Ends at once where it does not wait.
pub async fn keep_alive() {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(patience / 2).await;
    }
}

/// A service manager that cannot be told will act on its own; the service goes on.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
