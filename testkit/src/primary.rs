//! A name server that takes changes of one zone by those who hold a key: BIND 9, or Knot.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bind::free_port;
use crate::peers::Peers;
use crate::process::Process;

/// How long a server may take until it listens; it takes a tenth of a second.
const START: Duration = Duration::from_secs(20);

/// Secret of every key here: the tests are about whose key may do what.
pub(crate) const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `named`, whose `update-policy` says who may change what.
    Bind,
    /// `knotd`, whose `acl` says it.
    Knot,
}

impl Kind {
    /// Programs it needs.
    #[must_use]
    pub const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Bind => &["named", "dig"],
            Self::Knot => &["knotd", "dig"],
        }
    }
}

/// A running primary of the zone that it was started for; it ends when dropped.
///
/// The key `registrar` may change TXT records below the first name of the zone, the key `single` those at
/// `single.<zone>` alone, the key `owner` those of the whole zone; the key `nobody` it knows, and lets change nothing.
#[derive(Debug)]
pub struct Primary {
    process: Process,
    tools: Peers,
    zone: String,
    address: SocketAddr,
    /// After the process: the folder goes when nothing runs in it any more.
    folder: TempDir,
}

impl Primary {
    /// Starts one with `zone`, absolute and in lower case.
    ///
    /// # Errors
    /// What went wrong, with what the program said.
    pub fn start(kind: Kind, tools: &Peers, zone: &str) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, free_port()?).into(), kind, tools, zone)
    }

    /// The same at a given address.
    ///
    /// # Errors
    /// As [`Primary::start`].
    pub fn start_at(address: SocketAddr, kind: Kind, tools: &Peers, zone: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        let text = format!(
            "$ORIGIN {zone}\n$TTL 300\n@ SOA ns.invalid. hostmaster.invalid. 1 7200 900 1209600 1\n@ NS ns.invalid.\n"
        );
        fs::write(path.join(format!("{zone}zone")), text)?;
        let process = match kind {
            Kind::Bind => bind(tools, path, zone, address)?,
            Kind::Knot => knot(tools, path, zone, address)?,
        };
        for key in ["registrar", "single", "owner", "nobody", "stranger"] {
            write_key(path, key, SECRET)?;
        }
        write_key(path, "forged", &SECRET.replace("AAEC", "AAED"))?;
        let primary = Self { process, tools: tools.clone(), zone: zone.to_owned(), address, folder };
        primary.wait_until_it_listens()?;
        Ok(primary)
    }

    /// Where it listens, for UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file of a key: `registrar`, `single`, `owner`, `nobody`, `stranger` (unknown there), or `forged` (the registrar's name
    /// with another secret).
    #[must_use]
    pub fn key(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.key"))
    }

    /// What it answers now, as `dig +short` prints it.
    ///
    /// # Errors
    /// `dig` cannot be run.
    pub fn dig(&self, name: &str, kind: &str) -> io::Result<String> {
        let mut dig = Command::new(self.tools.path("dig"));
        let (server, port) = (format!("@{}", self.address.ip()), self.address.port().to_string());
        dig.args(["+short", "+norecurse", "+tcp", &server, "-p", &port, name, kind]);
        Ok(String::from_utf8_lossy(&dig.output()?.stdout).trim().to_owned())
    }

    /// The serial number of the zone.
    ///
    /// # Errors
    /// As [`Primary::dig`], or it says none.
    pub fn serial(&self) -> io::Result<u32> {
        let said = self.dig(&self.zone, "SOA")?;
        let serial = said.split_whitespace().nth(2).and_then(|serial| serial.parse().ok());
        serial.ok_or_else(|| io::Error::other(format!("no serial in {said:?}")))
    }

    /// Sends a signal: after `STOP` it takes connections and never answers, until `CONT`.
    ///
    /// # Errors
    /// There is no shell.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        self.process.signal(name)
    }

    #[expect(clippy::disallowed_methods, reason = "neither server says that it listens for everything")]
    fn wait_until_it_listens(&self) -> io::Result<()> {
        let until = Instant::now() + START;
        while TcpStream::connect(self.address()).is_err() || self.serial().is_err() {
            if Instant::now() > until {
                let said = self.process.hear(|_| None::<()>).err();
                return Err(io::Error::other(format!("it does not serve: {said:?}")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

/// A key in BIND's form, under the name of its file but for the forged one.
pub(crate) fn write_key(folder: &Path, file: &str, secret: &str) -> io::Result<()> {
    let name = if file == "forged" { "registrar" } else { file };
    let path = folder.join(format!("{file}.key"));
    fs::write(&path, format!("key \"{name}\" {{\n\talgorithm hmac-sha256;\n\tsecret \"{secret}\";\n}};\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
}

fn bind(tools: &Peers, folder: &Path, zone: &str, address: SocketAddr) -> io::Result<Process> {
    let (path, ip, port) = (folder.display(), address.ip(), address.port());
    let keys: String = ["registrar", "single", "owner", "nobody"]
        .iter()
        .map(|name| format!("key {name} {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};\n"))
        .collect();
    let text = format!(
        "options {{ directory \"{path}\"; managed-keys-directory \"{path}\"; session-keyfile \"{path}/session.key\";
            pid-file none; lock-file none; listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};
            empty-zones-enable no; allow-transfer {{ none; }}; notify no; recursion no; dnssec-validation no; }};
         controls {{ }};
         {keys}
         zone \"{zone}\" {{ type primary; file \"{zone}zone\"; update-policy {{
            grant single name single.{zone} TXT;
            grant owner zonesub TXT;
            grant registrar wildcard *.{zone} TXT; }}; }};\n"
    );
    fs::write(folder.join("named.conf"), text)?;
    // A copy, because on Debian AppArmor keeps the installed program out of temporary folders.
    let program = folder.join("named");
    fs::copy(tools.path("named"), &program)?;
    Process::start(Command::new(program).args(["-g", "-n", "1", "-c", "named.conf"]).current_dir(folder))
}

fn knot(tools: &Peers, folder: &Path, zone: &str, address: SocketAddr) -> io::Result<Process> {
    let (path, ip, port) = (folder.display(), address.ip(), address.port());
    let keys: String = ["registrar", "single", "owner", "nobody"]
        .iter()
        .map(|name| format!("  - id: {name}\n    algorithm: hmac-sha256\n    secret: {SECRET}\n"))
        .collect();
    let text = format!(
        "server:\n    rundir: {path}\n    listen: {ip}@{port}\n    background-workers: 1\n    udp-workers: 1\n    tcp-workers: 1\n\
         log:\n  - target: stderr\n    any: info\n\
         database:\n    storage: {path}\n\
         key:\n{keys}\
         acl:\n  - id: registrar\n    key: registrar\n    action: update\n    update-type: [TXT]\n    update-owner: name\n    \
         update-owner-match: sub\n    update-owner-name: [{zone}]\n  - id: single\n    key: single\n    action: update\n    \
         update-type: [TXT]\n    update-owner: name\n    update-owner-match: equal\n    update-owner-name: [single.{zone}]\n  - id: owner\n    key: owner\n    action: update\n    update-type: [TXT]\n\
         zone:\n  - domain: {zone}\n    storage: {path}\n    file: {zone}zone\n    acl: [registrar, single, owner]\n    zonefile-sync: -1\n    \
         journal-content: changes\n"
    );
    fs::write(folder.join("knot.conf"), text)?;
    Process::start(Command::new(tools.path("knotd")).args(["-c", "knot.conf"]).current_dir(folder))
}
