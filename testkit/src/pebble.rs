//! Pebble, the authority that Let's Encrypt makes for tests: it looks at challenges for real, and issues certificates
//! that nobody trusts.

use std::io::{self, BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use avouch_tls::{Connector, Protocol};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bind::free_port;
use crate::certificate::CertificateAuthority;
use crate::peers::Peers;

/// The programs that a test asks [`crate::peers::require`] for.
pub const PROGRAMS: [&str; 1] = ["pebble"];

/// What it says, last of all, when it begins to serve.
const LISTENS: &str = "ACME directory available at";

/// A running Pebble; it ends when dropped, and forgets everything when it is killed.
#[derive(Debug)]
pub struct Pebble {
    process: Option<Child>,
    command: Vec<String>,
    address: SocketAddr,
    management: SocketAddr,
    folder: TempDir,
    /// The root that its own certificate leads to, PEM.
    pub root: String,
}

impl Pebble {
    /// One that looks names up at `dns`, and asks at these ports whose they are.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(tools: &Peers, dns: SocketAddr, (http, tls): (u16, u16)) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let [address, management] =
            [free_port()?, free_port()?].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let authority = CertificateAuthority::new().map_err(io::Error::other)?;
        let own = authority.issue(&["localhost", "127.0.0.1"]).map_err(io::Error::other)?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(at("chain.pem"), own.certificate)?;
        std::fs::write(at("key.pem"), own.key)?;
        let text = format!(
            r#"{{"pebble":{{"listenAddress":"{address}","managementListenAddress":"{management}",
            "certificate":"{}","privateKey":"{}","httpPort":{http},"tlsPort":{tls},
            "ocspResponderURL":"","externalAccountBindingRequired":false}}}}"#,
            at("chain.pem"),
            at("key.pem")
        );
        std::fs::write(at("pebble.json"), text)?;
        let program = tools.path("pebble").display().to_string();
        let command =
            vec![program, "-config".into(), at("pebble.json"), "-dnsserver".into(), dns.to_string()];
        let mut pebble = Self { process: None, command, address, management, folder, root: authority.root };
        pebble.run()?;
        Ok(pebble)
    }

    /// Starts it, where it was killed.
    ///
    /// # Errors
    /// As [`Pebble::start`].
    pub fn run(&mut self) -> io::Result<()> {
        let Some((program, arguments)) = self.command.split_first() else { return Ok(()) };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::null());
        // It waits for no reason otherwise, before it looks.
        let mut process = command.env("PEBBLE_VA_NOSLEEP", "1").spawn()?;
        let said = process.stdout.take();
        self.process = Some(process);
        let mut said = said.into_iter().flat_map(|said| BufReader::new(said).lines().map_while(Result::ok));
        if !said.any(|line| line.contains(LISTENS)) {
            return Err(io::Error::other("pebble ended before it listened"));
        }
        // The pipe is emptied also when nobody listens any more.
        std::thread::spawn(move || said.for_each(drop));
        // It says so just before.
        while std::net::TcpStream::connect(self.address).is_err() {
            std::thread::yield_now();
        }
        Ok(())
    }

    /// SIGKILL: accounts and orders are gone.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // Where it has ended already, nothing is left to do.
            let _ended = process.kill().and_then(|()| process.wait());
        }
    }

    /// The URL of its directory.
    #[must_use]
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// The root that the certificates lead to which it issues, PEM.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn issuing_root(&self) -> io::Result<String> {
        let connector =
            Connector::trusting(self.root.as_bytes(), &[Protocol::Http1]).map_err(io::Error::other)?;
        let stream = TcpStream::connect(self.management).await?;
        let mut stream = connector.connect("localhost", stream).await?;
        stream.write_all(b"GET /roots/0 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        // Without the farewell of TLS the end is an error, and all is there.
        let _ended = stream.read_to_string(&mut text).await;
        let (_, root) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("no answer"))?;
        Ok(root.to_owned())
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.kill();
    }
}
