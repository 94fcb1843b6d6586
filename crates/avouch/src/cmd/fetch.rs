//! `avouch fetch`: a signed request, sent; the answer's body on stdout.

use super::signing::{SignedRequest, Signing};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use avouch_tls::{Connector, Protocol};
use avouch_wire::authority::Scheme;
use avouch_wire::b64u;
use bytes::Bytes;
use clap::Args;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// Longest wait for one address to accept a connection: twice the three seconds of a lost SYN, and room.
const CONNECT: Duration = Duration::from_secs(10);

/// The largest answer held in memory to be printed as JSON.
const MAX_JSON_BODY: usize = 64 << 20;

/// Sign a request, send it, and print the answer's body
///
/// Redirections are not followed: each would be another request to sign. Ends with 0 for answers
/// 2xx and 3xx, 1 for others, 4 if none came.
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  avouch fetch --key file:crawler.key --dom acme.example --id crawler-7 https://www.shop.example/
  avouch fetch … --resolve www.shop.example:443:127.0.0.1 --cacert ca.pem https://www.shop.example/
  avouch fetch … --body order.json -H 'Content-Type: application/json' https://api.shop.example/")]
pub(crate) struct Fetch {
    /// Print the head of the answer, too
    #[arg(long, short)]
    include: bool,
    /// Write the body to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE")]
    cacert: Option<PathBuf>,
    /// Connect to this address (and port) for that host and port; may be repeated
    #[arg(long, value_name = "HOST:PORT:ADDR[:PORT]", value_parser = Elsewhere::parse)]
    resolve: Vec<Elsewhere>,
    /// The longest wait for the whole answer
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    max_time: u64,
    /// Print JSON: status, fields and body
    #[arg(long, conflicts_with_all = ["include", "output"])]
    json: bool,
    #[command(flatten)]
    signing: Signing,
}

/// `--resolve`: where to connect for a host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Elsewhere {
    host: String,
    port: u16,
    address: SocketAddr,
}

impl Elsewhere {
    fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| "write HOST:PORT:ADDR, such as www.shop.example:443:127.0.0.1".into())
    }

    fn read(text: &str) -> Option<Self> {
        let end_of_host = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':')? };
        let (host, rest) = text.split_at_checked(end_of_host)?;
        let (port, address) = rest.strip_prefix(':')?.split_once(':')?;
        let port = port.parse().ok()?;
        let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
        let address = match bare.parse::<IpAddr>() {
            Ok(address) => SocketAddr::new(address, port),
            Err(_) => address.parse().ok()?,
        };
        Some(Self { host: host.to_ascii_lowercase(), port, address })
    }
}

impl Fetch {
    pub(super) async fn run(self) -> Result<Exit, Failure> {
        let request = self.signing.sign()?;
        let site = request.authority.to_string();
        let late = |_| Failure::unknown(format_args!("{site}: no whole answer within {} s", self.max_time));
        timeout(Duration::from_secs(self.max_time), self.perform(request)).await.map_err(late)?
    }

    async fn perform(&self, request: SignedRequest) -> Result<Exit, Failure> {
        let site = request.authority.to_string();
        let (scheme, host) = (request.scheme, request.authority.host().to_owned());
        let message = message(request)?;
        let connector = match scheme {
            Scheme::Http => None,
            Scheme::Https => Some(self.connector()?),
        };
        let stream = self.connect(&host, port_of(&site, &host, scheme)).await?;
        let answer = match connector {
            None => exchange(stream, message).await,
            Some(connector) => {
                let name = host.trim_start_matches('[').trim_end_matches(']');
                let secured = connector.connect(name, stream).await;
                let secured =
                    secured.map_err(|error| Failure::unknown(format_args!("{site}: TLS: {error}")))?;
                exchange(secured, message).await
            }
        };
        let answer = answer.map_err(|error| Failure::unknown(format_args!("{site}: {}", Chain(&error))))?;
        output::talk(format_args!("{site} answered {}", answer.status()));
        let status = answer.status();
        match self.json {
            true => print_json(answer).await?,
            false => self.print(answer).await?,
        }
        Ok(Exit::from_answer(status.is_success() || status.is_redirection()))
    }

    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Failure> {
        let elsewhere = self.resolve.iter().find(|entry| entry.host == host && entry.port == port);
        let addresses: Vec<SocketAddr> = match elsewhere {
            Some(entry) => vec![entry.address],
            None => {
                let found = lookup_host(format!("{host}:{port}")).await;
                found.map_err(|error| Failure::unknown(format_args!("{host}: {error}")))?.collect()
            }
        };
        let mut last = Failure::unknown(format_args!("{host}: has no address"));
        for address in addresses {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = Failure::unknown(format_args!("{host}: {address}: {error}")),
                Err(_) => last = Failure::unknown(format_args!("{host}: {address}: no answer")),
            }
        }
        Err(last)
    }

    fn connector(&self) -> Result<Connector, Failure> {
        let protocols = [Protocol::Http1];
        let made = match &self.cacert {
            Some(path) => {
                let text = std::fs::read(path).map_err(|error| Failure::file(path, &error))?;
                Connector::trusting(&text, &protocols)
            }
            None => Connector::system(&protocols),
        };
        made.map_err(|error| {
            Failure::configuration(format_args!("no certificates to trust: {error}"))
                .fix("name a PEM file with --cacert")
        })
    }

    /// Prints the answer as it comes.
    async fn print(&self, answer: Response<Incoming>) -> Result<(), Failure> {
        if self.include {
            let mut head = format!("{:?} {}\r\n", answer.version(), answer.status()).into_bytes();
            for (name, value) in answer.headers() {
                head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
            }
            output::octets(&[&head, b"\r\n".as_slice()].concat())?;
        }
        let mut file = match &self.output {
            Some(path) => {
                Some((File::create(path).await.map_err(|error| Failure::file(path, &error))?, path))
            }
            None => None,
        };
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
            match &mut file {
                Some((file, path)) => {
                    file.write_all(&data).await.map_err(|error| Failure::file(path, &error))?
                }
                None => output::octets(&data)?,
            }
        }
        match file {
            Some((mut file, path)) => file.flush().await.map_err(|error| Failure::file(path, &error)),
            None => Ok(()),
        }
    }
}

/// The port an authority names, or its scheme's.
fn port_of(authority: &str, host: &str, scheme: Scheme) -> u16 {
    let named = authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':')?.parse().ok());
    named.unwrap_or(match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    })
}

fn message(request: SignedRequest) -> Result<Request<Full<Bytes>>, Failure> {
    let mut message = Request::builder().method(&*request.method).uri(&request.path);
    for (name, value) in request.all_fields() {
        message = message.header(name, value);
    }
    let body = Full::new(Bytes::from(request.body.unwrap_or_default()));
    message.body(body).map_err(|error| Failure::usage(format_args!("the request cannot be sent: {error}")))
}

async fn exchange<S>(stream: S, message: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Its failures reach the sender or the body, whoever waits.
    tokio::spawn(connection);
    sender.send_request(message).await
}

async fn print_json(answer: Response<Incoming>) -> Result<(), Failure> {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, MAX_JSON_BODY).collect().await;
    let body = body.map_err(|error| Failure::unknown(format_args!("the answer: {error}")))?.to_bytes();
    let fields: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| json!({ "name": name.as_str(), "value": String::from_utf8_lossy(value.as_bytes()) }))
        .collect();
    let text = std::str::from_utf8(&body).ok();
    output::json(&json!({
        "status": head.status.as_u16(),
        "fields": fields,
        "body": text,
        "body_b64u": text.is_none().then(|| b64u::encode(&body)),
    }))
}

fn broken(error: hyper::Error) -> Failure {
    Failure::unknown(format_args!("the answer broke off: {}", Chain(&error)))
}

/// An error with its causes, in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let causes = std::iter::successors(self.0.source(), |error| error.source());
        causes.into_iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_elsewhere_is_read_with_and_without_a_port() {
        let read =
            |text| Elsewhere::parse(text).map(|entry| (entry.host, entry.port, entry.address.to_string()));
        let of = |host: &str, port, address: &str| Ok((host.to_owned(), port, address.to_owned()));
        assert_eq!(read("Shop.example:443:127.0.0.1"), of("shop.example", 443, "127.0.0.1:443"));
        assert_eq!(read("shop.example:443:127.0.0.1:8443"), of("shop.example", 443, "127.0.0.1:8443"));
        assert_eq!(read("[::1]:80:[::1]:8080"), of("[::1]", 80, "[::1]:8080"));
        assert_eq!(read("shop.example:80:::1"), of("shop.example", 80, "[::1]:80"));
        for text in ["shop.example", "shop.example:443", "shop.example:x:127.0.0.1", "shop.example:443:there"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_port_is_the_named_one_or_the_schemes() {
        assert_eq!(port_of("shop.example:8080", "shop.example", Scheme::Http), 8080);
        assert_eq!(port_of("shop.example", "shop.example", Scheme::Https), 443);
        assert_eq!(port_of("[::1]:81", "[::1]", Scheme::Http), 81);
    }
}
