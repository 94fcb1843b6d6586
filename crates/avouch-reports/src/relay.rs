//! Mail, by way of the operator's relay and no other.

use async_smtp::error::Error as SmtpError;
use async_smtp::extension::ClientId;
use async_smtp::{EmailAddress, Envelope, SendableEmail, SmtpClient, SmtpTransport};
use avouch_tls::Connector;
use avouch_wire::name::Domain;
use avouch_wire::report::Mailbox;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a relay may take for one mail, from the connection to its last word. RFC 5321 section 4.5.3.2 would have
/// clients wait for minutes at each step; a relay of one's own has no reason to take so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the relay may take to say farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// The most a relay has to say, in octets.
const MAX_SAID: u64 = 64 * 1024;

/// A mail relay: `smtp://host[:port]`, or `smtps://host[:port]` over TLS from the first octet (RFC 8314).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    tls: bool,
    host: String,
    port: u16,
}

/// Why a text names no relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is neither smtp://host:port nor smtps://host:port")]
pub struct RelayError;

/// Why a mail was not taken.
#[derive(Debug, Error)]
pub(crate) enum MailError {
    #[error("no connection to the mail relay: {0}")]
    Connect(std::io::Error),
    #[error("the mail relay takes more than {} s", PATIENCE.as_secs())]
    Timeout,
    #[error("the mail relay refuses: {0}")]
    Refused(SmtpError),
    #[error("the mail relay: {0}")]
    Smtp(SmtpError),
    #[error("the address is not one that SMTP can carry")]
    Address,
}

impl FromStr for Relay {
    type Err = RelayError;

    fn from_str(text: &str) -> Result<Self, RelayError> {
        let (scheme, rest) = text.split_once("://").ok_or(RelayError)?;
        let (tls, port) = match scheme {
            "smtp" => (false, 25),
            "smtps" => (true, 465),
            _ => return Err(RelayError),
        };
        let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, after) = match bracketed {
            Some((host, after)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, after),
            Some(_) => return Err(RelayError),
            None => rest.split_at(rest.find(':').unwrap_or(rest.len())),
        };
        let is_name = |host: &str| {
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() || Domain::host(host).is_ok()
        };
        let port = match after.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(RelayError)?,
            None if after.is_empty() => port,
            None => return Err(RelayError),
        };
        if !is_name(host) {
            return Err(RelayError);
        }
        Ok(Self { tls, host: host.to_owned(), port })
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "smtps" } else { "smtp" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl MailError {
    /// Whether trying again can help.
    pub(crate) const fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Address)
    }
}

impl Relay {
    /// Hands a mail over. `Ok` means that the relay took it into its care.
    pub(crate) async fn hand_over(
        &self,
        mail: Vec<u8>,
        from: &Mailbox,
        to: &Mailbox,
        connector: &Connector,
    ) -> Result<(), MailError> {
        let address = |mailbox: &Mailbox| EmailAddress::new(mailbox.as_str().to_owned());
        let (from_address, to) = (address(from), address(to));
        let (Ok(sender), Ok(receiver)) = (from_address, to) else { return Err(MailError::Address) };
        let Ok(envelope) = Envelope::new(Some(sender), vec![receiver]) else {
            return Err(MailError::Address);
        };
        let mail = SendableEmail::new(envelope, mail);
        let name = ClientId::new(from.domain().to_owned());
        let session = async {
            let stream =
                TcpStream::connect((self.host.as_str(), self.port)).await.map_err(MailError::Connect)?;
            match self.tls {
                true => {
                    let secured = connector.connect(&self.host, stream).await.map_err(MailError::Connect)?;
                    speak(secured, name, mail).await
                }
                false => speak(stream, name, mail).await,
            }
        };
        timeout(PATIENCE, session).await.unwrap_or(Err(MailError::Timeout))
    }
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    name: ClientId,
    mail: SendableEmail,
) -> Result<(), MailError> {
    let (heard, said) = tokio::io::split(stream);
    let stream = tokio::io::join(BufReader::new(heard.take(MAX_SAID)), said);
    let said = |error| match error {
        error @ SmtpError::Permanent(_) => MailError::Refused(error),
        error => MailError::Smtp(error),
    };
    // Without pipelining each step is known to be taken before the next: no mail follows a refused receiver.
    let client = SmtpClient::new().hello_name(name).pipelining(false);
    // What is refused before the relay hears of a mail is no fault of the mail, and can be mended.
    let mut relay = SmtpTransport::new(client, stream).await.map_err(MailError::Smtp)?;
    relay.send(mail).await.map_err(said)?;
    // It has the mail; how it says farewell, and whether it does in time, changes nothing.
    let _ = timeout(FAREWELL, relay.quit()).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        for (text, shown) in [
            ("smtp://127.0.0.1", "smtp://127.0.0.1:25"),
            ("smtp://localhost:2525", "smtp://localhost:2525"),
            ("smtps://mail.shop.example", "smtps://mail.shop.example:465"),
            ("smtp://[::1]:25", "smtp://[::1]:25"),
        ] {
            assert_eq!(text.parse::<Relay>().unwrap().to_string(), shown);
        }
        for text in [
            "127.0.0.1:25",
            "http://127.0.0.1",
            "smtp://",
            "smtp://:25",
            "smtp://a.example:0",
            "smtp://a.example:65536",
            "smtp://a.example:25/",
            "smtp://u@a.example",
            "smtp://[127.0.0.1]:25",
            "smtp://[::1]x",
            "smtp://::1",
        ] {
            assert_eq!(text.parse::<Relay>(), Err(RelayError), "{text}");
        }
    }
}
