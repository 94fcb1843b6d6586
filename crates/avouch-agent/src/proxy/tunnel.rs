//! Connections that are passed on unopened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

/// Octets that are read at once, in each direction.
const PIECE: usize = 16 << 10;

/// How long a tunnel may be silent once a stop was asked for: what is under way ends, what is idle is not waited for.
const STOPPING: Duration = Duration::from_secs(1);

/// Passes octets both ways until both sides have ended, or neither has said anything for too long.
pub(super) async fn pass<A, B>(near: A, far: B, idle: Duration, mut stop: watch::Receiver<bool>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let moved = AtomicU64::new(0);
    let ((near_from, near_to), (far_from, far_to)) = (tokio::io::split(near), tokio::io::split(far));
    let both = async { tokio::try_join!(pump(near_from, far_to, &moved), pump(far_from, near_to, &moved)) };
    let mut both = std::pin::pin!(both);
    loop {
        let stopping = *stop.borrow_and_update();
        let (limit, before) = (if stopping { STOPPING } else { idle }, moved.load(Ordering::Relaxed));
        tokio::select! {
            _ended = both.as_mut() => return,
            () = tokio::time::sleep(limit) => {
                if moved.load(Ordering::Relaxed) == before {
                    return;
                }
            }
            // Whoever could ask for a stop is gone only with everything else.
            _ = stop.changed(), if !stopping => {}
        }
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> std::io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        moved.fetch_add(1, Ordering::Relaxed);
        if read == 0 {
            return to.shutdown().await;
        }
        to.write_all(piece.get(..read).unwrap_or_default()).await?;
        moved.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn octets_go_both_ways_until_both_sides_end() {
        let ((mut program, near), (far, mut site)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let (_stop, stopping) = watch::channel(false);
        let passing = tokio::spawn(pass(near, far, IDLE, stopping));
        program.write_all(b"question").await.unwrap();
        program.shutdown().await.unwrap();
        let mut heard = String::new();
        site.read_to_string(&mut heard).await.unwrap();
        site.write_all(b"answer").await.unwrap();
        drop(site);
        let mut answer = String::new();
        program.read_to_string(&mut answer).await.unwrap();
        assert_eq!((heard.as_str(), answer.as_str()), ("question", "answer"));
        passing.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_tunnel_ends_and_one_that_speaks_does_not() {
        let ((mut program, near), (far, mut site)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let (stop, stopping) = watch::channel(false);
        let began = Instant::now();
        let passing = tokio::spawn(pass(near, far, IDLE, stopping));
        for _ in 0..5 {
            tokio::time::sleep(IDLE * 3 / 4).await;
            program.write_all(b"x").await.unwrap();
            site.read_u8().await.unwrap();
        }
        assert!(!passing.is_finished());
        passing.await.unwrap();
        assert!(began.elapsed() <= IDLE * 6);
        drop(stop);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_tunnel_is_not_waited_for_when_a_stop_was_asked_for() {
        let ((_program, near), (far, _site)) = (tokio::io::duplex(64), tokio::io::duplex(64));
        let (stop, stopping) = watch::channel(false);
        let passing = tokio::spawn(pass(near, far, IDLE, stopping));
        tokio::time::sleep(Duration::from_secs(5)).await;
        let began = Instant::now();
        stop.send_replace(true);
        passing.await.unwrap();
        assert!(began.elapsed() <= STOPPING * 2);
    }
}
