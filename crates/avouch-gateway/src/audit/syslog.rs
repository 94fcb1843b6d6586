//! Messages of RFC 5424, by a Unix socket, UDP (RFC 5426) or TCP with octet counting (RFC 6587 section 3.4.1).

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::queue::Target;
use super::record::Record;
use crate::config::{Facility, Syslog};

/// The longest message: what every receiver should take (RFC 5424 section 6.1).
const LONGEST: usize = 2048;

/// The longest value of structured data that is sent; a longer one ends with `…`.
const LONGEST_VALUE: usize = 192;

/// How long connecting and sending may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Names our structured data. The number is that of examples (RFC 5612): avouch has none of its own.
const ID: &str = "avouch@32473";

/// Where Linux says what the machine is called.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Sends messages to one receiver.
pub(super) struct Sender {
    receiver: Syslog,
    facility: Facility,
    hostname: String,
    line: Option<Line>,
}

enum Line {
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Sender {
    pub(super) fn new(receiver: Syslog, facility: Facility) -> Self {
        let hostname = std::fs::read_to_string(HOSTNAME).unwrap_or_default();
        let plain = |name: &&str| {
            (1..=255).contains(&name.len()) && name.bytes().all(|octet| octet.is_ascii_graphic())
        };
        let hostname = Some(hostname.trim()).filter(plain).unwrap_or("-").to_owned();
        Self { receiver, facility, hostname, line: None }
    }

    /// Sends on the line that stands, or on a new one.
    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let mut line = match self.line.take() {
            Some(line) => line,
            None => Line::to(&self.receiver)?,
        };
        line.send(message)?;
        self.line = Some(line);
        Ok(())
    }

    /// The message of a record.
    fn message(&self, record: &Record) -> String {
        let priority = u16::from(self.facility.number()) * 8 + record.severity as u16;
        let (host, pid) = (&self.hostname, std::process::id());
        // Writing to a `String` never fails.
        let mut text = String::with_capacity(512);
        let _ = write!(text, "<{priority}>1 {} {host} avouch {pid} {} [{ID}", record.time, record.event);
        for (name, value) in &record.facts {
            let before = text.len();
            let _ = write!(text, " {name}=\"");
            value_of(value, &mut text);
            text.push('"');
            // One octet stays for the end of the data.
            if text.len() >= LONGEST {
                text.truncate(before);
            }
        }
        text.push(']');
        if !record.message.is_empty() && text.len() < LONGEST {
            text.push(' ');
            shown(&record.message, &mut text);
            text.truncate(text.floor_char_boundary(LONGEST));
        }
        text
    }
}

impl Target for Sender {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        let message = self.message(record);
        // A receiver that was started anew is noticed by an error on the line that stood.
        let stood = self.line.is_some();
        match self.send(message.as_bytes()) {
            Err(_) if stood => self.send(message.as_bytes())?,
            sent => sent?,
        }
        Ok(true)
    }

    fn name(&self) -> String {
        format!("{:?}", self.receiver)
    }
}

impl Line {
    fn to(receiver: &Syslog) -> io::Result<Self> {
        Ok(match receiver {
            Syslog::Unix(path) => {
                let socket = UnixDatagram::unbound()?;
                socket.connect(path)?;
                socket.set_write_timeout(Some(PATIENCE))?;
                Self::Unix(socket)
            }
            Syslog::Udp(address) => {
                let any: SocketAddr = match address {
                    SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                    SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
                };
                let socket = UdpSocket::bind(any)?;
                socket.connect(address)?;
                Self::Udp(socket)
            }
            Syslog::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, PATIENCE)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Self::Tcp(stream)
            }
        })
    }

    fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.send(message).map(drop),
            Self::Udp(socket) => socket.send(message).map(drop),
            Self::Tcp(stream) => {
                let framed = [message.len().to_string().as_bytes(), b" ", message].concat();
                stream.write_all(&framed)
            }
        }
    }
}

/// The inside of a value (RFC 5424 section 6.3.3).
fn value_of(value: &str, out: &mut String) {
    let mut octets = 0;
    for c in value.chars() {
        octets += c.len_utf8();
        if octets > LONGEST_VALUE {
            out.push('…');
            return;
        }
        match c {
            '"' | '\\' | ']' => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
}

/// Text for people, on one line.
fn shown(text: &str, out: &mut String) {
    out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
}

#[cfg(test)]
mod tests {
    use super::super::record::Severity;
    use super::*;
    use avouch_wire::time::Time;
    use std::io::Read as _;
    use std::net::TcpListener;

    fn record(facts: &[(&'static str, &str)], message: &str) -> Record {
        Record {
            time: Time::from_seconds(1_795_219_500),
            event: "request",
            severity: Severity::Warning,
            line: b"{}\n".to_vec(),
            facts: facts.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            message: message.to_owned(),
        }
    }

    fn sender(receiver: Syslog) -> Sender {
        Sender { hostname: "gw".into(), ..Sender::new(receiver, Facility::default()) }
    }

    fn nowhere() -> Sender {
        sender(Syslog::Unix("/no/such/socket".into()))
    }

    fn start() -> String {
        format!("<84>1 2026-11-21T00:05:00Z gw avouch {} request [avouch@32473", std::process::id())
    }

    #[test]
    fn a_message_is_one_of_rfc_5424_whatever_its_values_hold() {
        let text =
            nowhere().message(&record(&[("class", "1"), ("claimed", "a\"]\\\n<1>ü")], "GET /\r\n<9>1"));
        assert_eq!(text, format!("{} class=\"1\" claimed=\"a\\\"\\]\\\\ <1>ü\"] GET /  <9>1", start()));
        assert_eq!(nowhere().message(&record(&[], "")), format!("{}]", start()));
    }

    #[test]
    fn no_message_is_longer_than_every_receiver_takes() {
        let long = "ü\"".repeat(3000);
        let facts: Vec<_> = (0..40).map(|_| ("peer", long.as_str())).collect();
        let text = nowhere().message(&record(&facts, &long));
        assert!(text.len() <= LONGEST && text.contains("…\"] ü"), "{} {text}", text.len());
        let text = nowhere().message(&record(&[], &long));
        assert!((LONGEST - 2..=LONGEST).contains(&text.len()));
    }

    #[test]
    fn a_receiver_that_comes_back_gets_what_follows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut sender = sender(Syslog::Unix(path.clone()));
        assert!(sender.write(&record(&[], "none")).is_err(), "nobody is there");
        for text in ["one", "two"] {
            let receiver = UnixDatagram::bind(&path).unwrap();
            assert!(sender.write(&record(&[], text)).unwrap());
            let mut octets = [0; LONGEST];
            let count = receiver.recv(&mut octets).unwrap();
            assert!(octets[..count].ends_with(text.as_bytes()));
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn by_tcp_each_message_is_led_by_its_length() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut sender = sender(Syslog::Tcp(listener.local_addr().unwrap()));
        sender.write(&record(&[], "a\nb")).unwrap();
        sender.write(&record(&[("class", "ü")], "")).unwrap();
        drop(sender);
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        let (one, two) = (format!("{}] a b", start()), format!("{} class=\"ü\"]", start()));
        assert_eq!(text, format!("{} {one}{} {two}", one.len(), two.len()));
    }

    #[test]
    fn by_udp_a_message_is_a_datagram() {
        let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut sender = sender(Syslog::Udp(receiver.local_addr().unwrap()));
        sender.write(&record(&[], "one")).unwrap();
        let mut octets = [0; LONGEST];
        let count = receiver.recv(&mut octets).unwrap();
        assert_eq!(octets[..count], *format!("{}] one", start()).as_bytes());
    }
}
