//! BIND 9 on loopback: a signed root with zones below it, made with BIND's own tools.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::peers::Peers;
use crate::primary::{SECRET, write_key};

/// The programs that [`Bind::start`] needs.
pub const PROGRAMS: [&str; 3] = ["named", "dnssec-keygen", "dnssec-signzone"];

/// How long `named` may take until it answers; it takes a tenth of a second.
const START: Duration = Duration::from_secs(20);

/// What every zone begins with. Absence is remembered for a second only.
const APEX: &str = "$TTL 300\n\
    @ SOA ns.invalid. hostmaster.invalid. 1 7200 900 1209600 1\n\
    @ NS ns.invalid.\n";

/// How a zone is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signing {
    /// With a key that the parent vouches for.
    Signed,
    /// Like [`Signing::Signed`], with NSEC3 (RFC 5155) in place of NSEC.
    Hashed,
    /// Like [`Signing::Hashed`], with unsigned delegations left out of the proofs (opt-out), as
    /// large top-level domains do.
    OptOut,
    /// Not at all, and the parent says so.
    Unsigned,
    /// Like [`Signing::Unsigned`], and whoever holds the key of [`Bind::tsig`] changes its TXT records.
    Dynamic,
    /// Like [`Signing::Dynamic`], with a key that the parent vouches for: the server signs what changes.
    SignedDynamic,
    /// The parent vouches for a key, the signatures are of last year.
    Expired,
    /// The parent vouches for a key, there are no signatures.
    Stripped,
}

/// A zone to serve. A delegation in the closest zone above it is made by itself.
#[derive(Clone, Debug)]
pub struct Zone {
    /// The first name, absolute: `acme.example.`; `.` for the root.
    pub name: &'static str,
    /// How it is signed.
    pub signing: Signing,
    /// RFC 1035 text relative to the name; the start of authority and name server are supplied.
    pub records: String,
}

/// A running `named` in a folder of its own; it ends when dropped.
#[derive(Debug)]
pub struct Bind {
    named: Named,
    zones: Vec<Zone>,
    tools: Peers,
    port: u16,
    root_key: String,
    /// After `named`: the folder goes when nothing runs in it any more.
    folder: TempDir,
}

impl Bind {
    /// Signs `zones` (the root among them) and serves them on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// What went wrong, with what the program said.
    pub fn start(tools: &Peers, zones: Vec<Zone>) -> io::Result<Self> {
        Self::start_on(free_port()?, tools, zones)
    }

    /// The same on a given port of 127.0.0.1.
    ///
    /// # Errors
    /// As [`Bind::start`].
    pub fn start_on(port: u16, tools: &Peers, zones: Vec<Zone>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let root_key = sign_all(tools, folder.path(), &zones)?;
        write_key(folder.path(), "registrar", SECRET)?;
        fs::write(folder.path().join("named.conf"), configuration(folder.path(), port, &zones))?;
        let named = Named::start(tools, folder.path())?;
        Ok(Self { named, zones, tools: tools.clone(), port, root_key, folder })
    }

    /// Where it listens, for UDP and TCP.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The root's key as a DNSKEY record.
    #[must_use]
    pub fn trust_anchor(&self) -> &str {
        &self.root_key
    }

    /// The file of the key that dynamic zones are changed by.
    #[must_use]
    pub fn tsig(&self) -> PathBuf {
        self.folder.path().join("registrar.key")
    }

    /// SIGKILL: nobody listens there any more.
    pub fn kill(&mut self) {
        self.named.stop();
    }

    /// Sends a signal: after `STOP` it takes questions and never answers, until `CONT`.
    ///
    /// # Errors
    /// There is no shell.
    pub fn signal(&self, name: &str) -> io::Result<()> {
        // The shell's own, because not every system has a program of that name.
        Command::new("sh").args(["-c", &format!("kill -{name} {}", self.named.0.id())]).status().map(drop)
    }

    /// Serves `records` in place of those of the zone `name`, signed with the same keys, from the
    /// moment this returns.
    ///
    /// # Errors
    /// As [`Bind::start`].
    pub fn replace_zone(&mut self, name: &str, records: &str) -> io::Result<()> {
        for zone in self.zones.iter_mut().filter(|zone| zone.name == name) {
            records.clone_into(&mut zone.records);
        }
        self.root_key = sign_all(&self.tools, self.folder.path(), &self.zones)?;
        self.named.stop();
        self.named = Named::start(&self.tools, self.folder.path())?;
        Ok(())
    }
}

/// A recursive, validating `named` that forwards to another server, or follows delegations; it ends when dropped.
#[derive(Debug)]
pub struct Forwarder {
    _named: Named,
    address: SocketAddr,
    _folder: TempDir,
}

impl Forwarder {
    /// Starts one in front of `server`, trusting its root key. It keeps answers for a second.
    ///
    /// # Errors
    /// As [`Bind::start`].
    pub fn start(tools: &Peers, server: &Bind) -> io::Result<Self> {
        let address = (Ipv4Addr::LOCALHOST, free_port()?).into();
        let more = format!(
            "forward only; forwarders {{ 127.0.0.1 port {}; }};\n  max-cache-ttl 1; max-ncache-ttl 1;",
            server.port
        );
        Self::serving(tools, address, server.trust_anchor(), &more, "")
    }

    /// Starts one that begins at the root, which is at `server`, and follows delegations from there, each to the port of
    /// `server` at whatever address its name has. It keeps answers for as long as they say.
    ///
    /// # Errors
    /// As [`Bind::start`].
    pub fn following(tools: &Peers, server: &Bind) -> io::Result<Self> {
        // It listens at addresses alone that the system says it has, and of those of loopback that is one.
        let (address, port) = ((Ipv4Addr::LOCALHOST, free_port()?).into(), server.port);
        let hints = "zone \".\" { type hint; file \"root.hints\"; };\n";
        Self::serving(tools, address, server.trust_anchor(), &format!("port {port};"), hints)
    }

    fn serving(
        tools: &Peers,
        address: SocketAddr,
        root_key: &str,
        more: &str,
        zones: &str,
    ) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("root.hints"), ". 3600 NS ns.invalid.\nns.invalid. 3600 A 127.0.0.1\n")?;
        let more = format!("recursion yes; dnssec-validation yes; prefetch 0;\n  {more}");
        let text = options(folder.path(), address, &more) + &trust_anchors(root_key) + zones;
        fs::write(folder.path().join("named.conf"), text)?;
        let named = Named::start(tools, folder.path())?;
        Ok(Self { _named: named, address, _folder: folder })
    }

    /// Where it listens, for UDP and TCP.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A root key as `named` and `delv` read it, of a DNSKEY record.
#[must_use]
pub fn trust_anchors(root_key: &str) -> String {
    let (_, key) = root_key.split_once("DNSKEY ").unwrap_or_default();
    let mut words = key.split_whitespace();
    let numbers: Vec<&str> = words.by_ref().take(3).collect();
    let key: String = words.collect();
    format!("trust-anchors {{ . static-key {} \"{key}\"; }};\n", numbers.join(" "))
}

/// The process.
#[derive(Debug)]
struct Named(Child);

impl Named {
    /// Starts `named` on the configuration in `folder` and waits until it serves.
    fn start(tools: &Peers, folder: &Path) -> io::Result<Self> {
        // A copy, because on Debian AppArmor keeps the installed program out of temporary folders.
        let program = folder.join("named");
        if !program.exists() {
            fs::copy(tools.path("named"), &program)?;
        }
        let mut child = Command::new(&program)
            .args(["-g", "-n", "1", "-c", "named.conf"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take();
        let named = Self(child);
        let (said, heard) = mpsc::channel();
        if let Some(log) = log {
            std::thread::spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    // Nobody listens once it serves; the pipe is emptied all the same.
                    let _ = said.send(line);
                }
            });
        }
        wait_until_it_serves(&heard)?;
        Ok(named)
    }

    fn stop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `named` is up when it has said that it runs and that all zones are loaded, in either order.
fn wait_until_it_serves(heard: &mpsc::Receiver<String>) -> io::Result<()> {
    let mut log = String::new();
    let (mut running, mut loaded) = (false, false);
    while !(running && loaded) {
        let Ok(line) = heard.recv_timeout(START) else {
            return Err(io::Error::other(format!("named did not start:\n{log}")));
        };
        running |= line.ends_with(" running");
        loaded |= line.ends_with("all zones loaded");
        log.push_str(&line);
        log.push('\n');
    }
    Ok(())
}

/// A port of 127.0.0.1 that is free for UDP and TCP.
///
/// # Errors
/// There is none.
pub fn free_port() -> io::Result<u16> {
    free_port_of(&[Ipv4Addr::LOCALHOST])
}

/// A port that is free for UDP and TCP at each of these addresses, the first of which is asked for one.
///
/// # Errors
/// There is none.
pub fn free_port_of(addresses: &[Ipv4Addr]) -> io::Result<u16> {
    let first = addresses.first().copied().unwrap_or(Ipv4Addr::LOCALHOST);
    loop {
        let tcp = TcpListener::bind((first, 0))?;
        let port = tcp.local_addr()?.port();
        let is_free = |address: &Ipv4Addr| {
            let for_tcp = *address == first || TcpListener::bind((*address, port)).is_ok();
            for_tcp && UdpSocket::bind((*address, port)).is_ok()
        };
        if addresses.iter().all(is_free) {
            return Ok(port);
        }
    }
}

fn options(folder: &Path, address: SocketAddr, more: &str) -> String {
    let folder = folder.display();
    let (address, port) = (address.ip(), address.port());
    format!(
        "options {{\n  directory \"{folder}\"; managed-keys-directory \"{folder}\";\n  \
         session-keyfile \"{folder}/session.key\"; pid-file none; lock-file none;\n  \
         listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }};\n  \
         empty-zones-enable no; allow-transfer {{ none; }}; notify no;\n  {more}\n}};\ncontrols {{ }};\n"
    )
}

fn configuration(folder: &Path, port: u16, zones: &[Zone]) -> String {
    let own = (Ipv4Addr::LOCALHOST, port).into();
    let mut text = options(folder, own, "recursion no; dnssec-validation no;");
    let _ = writeln!(text, "key registrar {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};");
    for zone in zones {
        let (name, file) = (zone.name, file_name(zone.name));
        let updates = match zone.signing {
            Signing::Dynamic => format!("update-policy {{ grant registrar subdomain {name} TXT; }};"),
            // One key signs everything, the set of keys as well.
            Signing::SignedDynamic => format!(
                "update-policy {{ grant registrar subdomain {name} TXT; }}; key-directory \"{}\"; \
                 update-check-ksk no;",
                folder.display()
            ),
            _ => String::new(),
        };
        let _ = writeln!(text, "zone \"{name}\" {{ type primary; file \"{file}.served\"; {updates} }};");
    }
    text
}

/// Writes and signs all zones, the deepest first, since each vouches for those below it; returns
/// the root's key.
fn sign_all(tools: &Peers, folder: &Path, zones: &[Zone]) -> io::Result<String> {
    let mut deepest_first: Vec<&Zone> = zones.iter().collect();
    deepest_first.sort_by_key(|zone| std::cmp::Reverse(labels(zone.name)));
    let mut delegations: BTreeMap<&str, String> = BTreeMap::new();
    for zone in deepest_first {
        let below = delegations.remove(zone.name).unwrap_or_default();
        let text = format!("$ORIGIN {}\n{APEX}{}\n{below}", zone.name, zone.records);
        let vouched = write_zone(tools, folder, zone, &text)?;
        if let Some(parent) = parent(zone.name, zones) {
            let cut = delegations.entry(parent).or_default();
            let _ = writeln!(cut, "{} NS ns.invalid.\n{vouched}", zone.name);
        }
    }
    let mut key = fs::read_to_string(key_file(tools, folder, ".")?)?;
    key.retain(|octet| octet != '\r');
    let record = key.lines().find(|line| line.contains("DNSKEY"));
    record.map(|line| format!("{line}\n")).ok_or_else(|| io::Error::other("no DNSKEY in the root's key file"))
}

/// Writes one zone as it is served; returns the DS records that its parent publishes.
fn write_zone(tools: &Peers, folder: &Path, zone: &Zone, text: &str) -> io::Result<String> {
    let file = file_name(zone.name);
    fs::write(folder.join(&file), text)?;
    let served = folder.join(format!("{file}.served"));
    if matches!(zone.signing, Signing::Unsigned | Signing::Dynamic) {
        fs::copy(folder.join(&file), served)?;
        return Ok(String::new());
    }
    key_file(tools, folder, zone.name)?;
    let target = format!("{file}.served");
    let mut words = vec!["-S", "-z", "-K", ".", "-d", ".", "-o", zone.name, "-f", &target];
    words.extend(match zone.signing {
        Signing::Hashed => &["-3", "-", "-H", "0"][..],
        Signing::OptOut => &["-3", "-", "-H", "0", "-A"],
        Signing::Expired => &["-s", "20240101000000", "-e", "20240201000000", "-P"],
        Signing::Signed
        | Signing::Stripped
        | Signing::Unsigned
        | Signing::Dynamic
        | Signing::SignedDynamic => &[],
    });
    words.push(&file);
    run(tools, folder, "dnssec-signzone", &words)?;
    if zone.signing == Signing::Stripped {
        fs::copy(folder.join(&file), served)?;
    }
    fs::read_to_string(folder.join(format!("dsset-{}", zone.name)))
        .or_else(|_| fs::read_to_string(folder.join("dsset-.")))
}

/// The public key of a zone, made at the first call.
fn key_file(tools: &Peers, folder: &Path, zone: &str) -> io::Result<PathBuf> {
    let memory = folder.join(format!("{}.key-name", file_name(zone)));
    if !memory.exists() {
        let words = ["-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-K", ".", zone];
        fs::write(&memory, run(tools, folder, "dnssec-keygen", &words)?.trim())?;
    }
    Ok(folder.join(format!("{}.key", fs::read_to_string(memory)?)))
}

fn run(tools: &Peers, folder: &Path, program: &str, words: &[&str]) -> io::Result<String> {
    let done = Command::new(tools.path(program)).args(words).current_dir(folder).output()?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        return Err(io::Error::other(format!("{program} {words:?}: {said}")));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// The closest zone above `name`.
fn parent<'z>(name: &str, zones: &'z [Zone]) -> Option<&'z str> {
    let above = zones
        .iter()
        .map(|zone| zone.name)
        .filter(|above| *above != name && (*above == "." || name.ends_with(&format!(".{above}"))));
    above.max_by_key(|above| labels(above))
}

fn labels(name: &str) -> usize {
    name.split('.').filter(|label| !label.is_empty()).count()
}

fn file_name(zone: &str) -> String {
    if zone == "." { "root.zone".to_owned() } else { format!("{zone}zone") }
}
