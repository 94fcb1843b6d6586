//! What the service manager is told, where one started the registrar (`sd_notify(3)`); otherwise nothing.

use sd_notify::NotifyState;
use tokio::sync::watch;

/// Tells that agents can ask.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("enrolling")]);
}

/// Tells that requests under way may end, and no more are taken.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("letting requests under way end")]);
}

/// Tells, for as long as tasks get their turn, that they do, until told to stop. Ends at once where nobody waits for that.
pub(crate) async fn keep_alive(mut stop: watch::Receiver<bool>) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    while !*stop.borrow() {
        tell(&[NotifyState::Watchdog]);
        let pause = tokio::time::sleep(patience / 2);
        tokio::select! {
            () = pause => {}
            _ = stop.changed() => {}
        }
    }
}

/// A service manager that cannot be told will act on its own; the registrar goes on.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot tell the service manager");
    }
}
