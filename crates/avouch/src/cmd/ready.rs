//! `avouch gateway ready`: whether the gateway of a configuration takes requests, for whoever starts and watches it.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_gateway::config::{Config, Endpoint};
use clap::Args;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Octets of an answer that are read: its first line is what counts.
const HEAD: u64 = 1024;

/// Ask the gateway at work whether it takes requests
///
/// Asks `/readyz` of its `[admin]` listener. Ends with 0 if it does, 1 if it is stopping, 4 if it does not answer.
#[derive(Debug, Args)]
#[command(after_long_help = "Example:
  avouch gateway ready --config /etc/avouch/gateway.toml")]
pub(super) struct Ready {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Ready {
    pub(super) async fn run(&self) -> Result<Exit, Failure> {
        let config = Config::load(&self.config).map_err(Failure::configuration)?;
        let Some(admin) = config.admin else {
            return Err(Failure::configuration(format_args!("{}: has no [admin]", self.config.display()))
                .fix("add it, with `listen = \"127.0.0.1:9180\"`"));
        };
        let failed = |error: io::Error| Failure::unknown(format_args!("{admin}: {error}"));
        let answer = timeout(PATIENCE, ask(&admin)).await.unwrap_or_else(|late| Err(late.into()));
        let is_ready = answer.map_err(failed)?;
        output::talk(if is_ready { "ready" } else { "not ready" });
        Ok(Exit::from_answer(is_ready))
    }
}

async fn ask(admin: &Endpoint) -> io::Result<bool> {
    match admin {
        Endpoint::Tcp(address) => asked(TcpStream::connect(here(*address)).await?).await,
        Endpoint::Unix(path) => asked(UnixStream::connect(path).await?).await,
        Endpoint::Passed(_) => {
            Err(io::Error::other("where systemd listens is not in the configuration: ask systemctl"))
        }
    }
}

/// An address that can be connected to: who listens at all of them listens at this machine's own.
fn here(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

async fn asked(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<bool> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut head = Vec::new();
    stream.take(HEAD).read_to_end(&mut head).await?;
    match head.get(..13) {
        Some(b"HTTP/1.1 200 ") => Ok(true),
        Some(b"HTTP/1.1 503 ") => Ok(false),
        _ => Err(io::Error::other("another program than a gateway answers there")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_is_what_a_gateway_says_and_another_programs_word_is_none() {
        for (answer, expected) in [
            ("HTTP/1.1 200 OK\r\n\r\nready", Some(true)),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", Some(false)),
            ("HTTP/1.1 404 Not Found\r\n\r\n", None),
            ("HTTP/1.1 2000 OK\r\n\r\n", None),
            ("SSH-2.0\r\n", None),
            ("", None),
        ] {
            let (near, mut far) = tokio::io::duplex(4096);
            let (told, sent) = tokio::join!(asked(near), async {
                let mut room = [0; 512];
                let length = far.read(&mut room).await.unwrap();
                far.write_all(answer.as_bytes()).await.unwrap();
                drop(far);
                length
            });
            assert!(sent > 0);
            assert_eq!(told.ok(), expected, "{answer}");
        }
    }

    #[test]
    fn who_listens_everywhere_is_asked_at_this_machine() {
        for (at, asked) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")]
        {
            assert_eq!(here(at.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
