//! Whether the clock is right: signatures are good for seconds.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::{About, Finding, PATIENCE};

/// How far a clock may be off: what is signed is good from 30 s before to 300 s after, and its signer's clock is off, too.
const FAR: Duration = Duration::from_secs(5);

/// Where systemd-timesyncd says that it has set the clock (systemd-timesyncd.service(8)).
const SET: &str = "/run/systemd/timesync/synchronized";

/// A message of SNTP (RFC 5905 section 7.3): its length, a client's first octet (version 4, mode 3), the mode of a
/// server, and where the times of question, receipt and answer stand.
const LENGTH: usize = 48;
const CLIENT: u8 = 0x23;
const SERVER: u8 = 4;
const ORIGIN: usize = 24;
const RECEIPT: usize = 32;
const TRANSMIT: usize = 40;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_EPOCH: u64 = 2_208_988_800;

pub(super) async fn examine(server: Option<SocketAddr>) -> Vec<Finding> {
    vec![match server {
        Some(server) => by_server(server).await,
        None => by_system().await,
    }]
}

const FIX: &str = "set up NTP (systemd-timesyncd or chrony)";

async fn by_server(server: SocketAddr) -> Finding {
    match timeout(PATIENCE, ask(server)).await {
        Ok(Ok(Some(off))) if off > FAR => {
            let said = format!("the clock is {} s off, by the word of {server}", off.as_secs());
            Finding::wrong(About::Clock, said, FIX)
        }
        Ok(Ok(Some(off))) => {
            let said = format!("the clock is right within {} ms, by the word of {server}", off.as_millis());
            Finding::fine(About::Clock, said)
        }
        Ok(Ok(None)) => Finding::unknown(
            About::Clock,
            format!("whether the clock is right: {server} does not know the time itself"),
            "name another time server",
        ),
        Ok(Err(error)) => silent(server, &error.to_string()),
        Err(_) => silent(server, "no answer"),
    }
}

fn silent(server: SocketAddr, why: &str) -> Finding {
    let said = format!("whether the clock is right: {server}: {why}");
    Finding::unknown(About::Clock, said, "name a time server that answers")
}

/// How far the clock is off; `None` where the server says that it does not know.
async fn ask(server: SocketAddr) -> std::io::Result<Option<Duration>> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    let mut question = [0; LENGTH];
    question[0] = CLIENT;
    let asked = now();
    question[TRANSMIT..].copy_from_slice(&written(asked));
    socket.send(&question).await?;
    let mut answer = [0; LENGTH];
    loop {
        let length = socket.recv(&mut answer).await?;
        let is_ours = length == LENGTH && answer[ORIGIN..RECEIPT] == question[TRANSMIT..];
        if is_ours && answer[0] & 7 == SERVER {
            return Ok(offset(&answer, asked, now()));
        }
    }
}

fn offset(answer: &[u8; LENGTH], asked: Duration, answered: Duration) -> Option<Duration> {
    let (leap, stratum) = (answer[0] >> 6, answer[1]);
    if leap == 3 || !(1..=15).contains(&stratum) {
        return None;
    }
    let (receipt, transmit) = (read(&answer[RECEIPT..TRANSMIT]), read(&answer[TRANSMIT..]));
    // The mean of both ways, as RFC 5905 section 8 has it.
    let (there, here) = ((receipt + transmit) / 2, (asked + answered) / 2);
    Some(there.abs_diff(here))
}

fn written(time: Duration) -> [u8; 8] {
    let seconds = u32::try_from((time.as_secs() + NTP_EPOCH) & u64::from(u32::MAX)).unwrap_or_default();
    let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
    ((u64::from(seconds) << 32) | fraction).to_be_bytes()
}

/// A time of NTP's era that began in 1900, or of the next, from 2036 (RFC 4330 section 3).
fn read(octets: &[u8]) -> Duration {
    let number = u64::from_be_bytes(octets.try_into().unwrap_or_default());
    let (seconds, fraction) = (number >> 32, number & u64::from(u32::MAX));
    let seconds = if seconds >> 31 == 1 { seconds } else { seconds + (1 << 32) };
    let nanos = u32::try_from((fraction * 1_000_000_000) >> 32).unwrap_or_default();
    Duration::new(seconds.saturating_sub(NTP_EPOCH), nanos)
}

#[expect(clippy::disallowed_methods, reason = "the clock itself is what is examined")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

async fn by_system() -> Finding {
    if Path::new(SET).exists() {
        return Finding::fine(About::Clock, "systemd-timesyncd keeps the clock");
    }
    let asking = tokio::task::spawn_blocking(|| {
        let mut timedatectl = Command::new("timedatectl");
        timedatectl.args(["show", "--property=NTPSynchronized", "--value"]).stdin(Stdio::null()).output()
    });
    match timeout(PATIENCE, asking).await {
        Ok(Ok(Ok(told))) if told.stdout.trim_ascii() == b"yes" => {
            Finding::fine(About::Clock, "the clock is kept by NTP, as timedatectl says")
        }
        Ok(Ok(Ok(told))) if told.stdout.trim_ascii() == b"no" => {
            Finding::wrong(About::Clock, "nothing keeps the clock, as timedatectl says", FIX)
        }
        _ => Finding::unknown(
            About::Clock,
            "whether the clock is right: the system does not say",
            "name a time server by --ntp ADDRESS",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    /// A server whose clock is so many seconds ahead; `change` makes its answer what it sends.
    async fn told(ahead: u64, change: fn(&mut [u8; LENGTH])) -> Finding {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut question = [0; LENGTH];
            let (_, client) = server.recv_from(&mut question).await.unwrap();
            let time = written(now() + Duration::from_secs(ahead));
            let mut answer = [0; LENGTH];
            (answer[0], answer[1]) = (0x24, 2);
            answer[ORIGIN..RECEIPT].copy_from_slice(&question[TRANSMIT..]);
            answer[RECEIPT..TRANSMIT].copy_from_slice(&time);
            answer[TRANSMIT..].copy_from_slice(&time);
            change(&mut answer);
            server.send_to(&answer, client).await.unwrap();
        });
        by_server(address).await
    }

    #[tokio::test]
    async fn a_clock_is_right_within_five_seconds_of_a_server_that_knows() {
        assert_eq!(told(0, |_| {}).await.standing, Standing::Fine);
        assert_eq!(told(4, |_| {}).await.standing, Standing::Fine);
        assert_eq!(told(7, |_| {}).await.standing, Standing::Wrong);
        assert_eq!(told(0, |answer| answer[1] = 0).await.standing, Standing::Unknown, "a kiss of death");
        assert_eq!(told(0, |answer| answer[0] |= 0xC0).await.standing, Standing::Unknown, "unsynchronised");
    }

    #[test]
    fn times_are_read_as_they_are_written_into_the_next_era() {
        for seconds in [1_800_000_000, 2_085_978_495, 2_085_978_496, 4_000_000_000] {
            let time = Duration::new(seconds, 250_000_000);
            assert_eq!(read(&written(time)).as_secs(), seconds);
        }
    }
}
