//! Sockets that were open before the gateway was.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use testkit::bind::free_port;
use testkit::message::{Kind, Messages};
use testkit::peers::require;
use testkit::process::Process;
use testkit::raw::exchange;
use testkit::upstream::Upstream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use super::{configure, gateway, run};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: www.shop.example\r\nConnection: close\r\n\r\n";

/// Starts `avouch gateway run` with this socket passed as the first and only one, by this name.
fn start_with(socket: impl Into<OwnedFd>, names: &str, config: &Path) -> Process {
    let exec = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 0</dev/null";
    let own = run(config);
    let mut shell = Command::new("sh");
    shell.args(["-c", exec, "sh"]).arg(own.get_program()).args(own.get_args()).env("LISTEN_FDNAMES", names);
    Process::start_with(Stdio::from(socket.into()), &mut shell).unwrap()
}

/// What it said when it did not start.
fn refusal(mut process: Process) -> String {
    let said = process.hear(|line| line.strip_prefix("error: ").map(str::to_owned)).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(3), "{said}");
    said
}

fn until_ready(process: &Process) {
    process.hear(|line| line.starts_with("listening on").then_some(())).unwrap();
}

fn end(mut process: Process) {
    process.signal("TERM").unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

/// Clients that connect anew for each request, until they are told to stop; how many were not served.
struct Clients {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Clients {
    fn start(address: SocketAddr) -> Self {
        let (stop, served) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| tokio::spawn(ask(address, Arc::clone(&stop), Arc::clone(&served)));
        let clients = (0..4).map(client).collect();
        Self { stop, served, clients }
    }

    /// Waits until another 20 requests were served.
    async fn go_on(&self) {
        let more = self.served.load(Ordering::SeqCst) + 20;
        while self.served.load(Ordering::SeqCst) < more {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    async fn end(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.unwrap());
        }
        failures
    }
}

async fn ask(address: SocketAddr, stop: Arc<AtomicBool>, served: Arc<AtomicUsize>) -> Vec<String> {
    let mut failures = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        match exchange(address, REQUEST).await {
            Ok(Some(answer)) if answer.status() == 200 => _ = served.fetch_add(1, Ordering::SeqCst),
            other => failures.push(format!("{:?}", other.map(|answer| answer.map(|answer| answer.status())))),
        }
    }
    failures
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_passed_socket_refuses_nobody() {
    let upstream = Upstream::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let config =
        configure(folder.path(), &format!("listen = 'systemd:site'\nupstream = '{}'", upstream.url()));
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let start = || {
        let process = start_with(socket.try_clone().unwrap(), "site", &config);
        until_ready(&process);
        process
    };
    let mut process = start();
    let clients = Clients::start(address);
    for _ in 0..3 {
        clients.go_on().await;
        // As systemd does: the next starts when this one has ended.
        end(process);
        process = start();
    }
    clients.go_on().await;
    // As when one machine is moved to another version: two at once.
    let next = start();
    end(process);
    clients.go_on().await;
    assert_eq!(clients.end().await, [""; 0]);
    end(next);
    // A socket of its own goes with the gateway.
    drop(socket);
    let own = configure(folder.path(), &format!("listen = '{address}'\nupstream = '{}'", upstream.url()));
    let process = Process::start(&mut run(&own)).unwrap();
    until_ready(&process);
    assert!(exchange(address, REQUEST).await.unwrap().is_some());
    end(process);
    assert!(exchange(address, REQUEST).await.is_err());
}

#[tokio::test]
async fn a_socket_that_was_not_passed_is_asked_for_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let upstream = "upstream = 'http://127.0.0.1:9'";
    let config = configure(folder.path(), &format!("listen = 'systemd:site'\n{upstream}"));
    let said = refusal(start_with(listener(), "other", &config));
    assert!(said.contains("systemd:site") && said.contains("there are other"), "{said}");
    let said = refusal(Process::start(&mut run(&config)).unwrap());
    assert!(said.contains("FileDescriptorName=site"), "{said}");
    let said = refusal(start_with(listener(), "site:other", &config));
    assert!(said.contains("LISTEN_FDNAMES"), "{said}");
    // What one place took is no other's.
    let twice = configure(folder.path(), &format!("listen = ['systemd:site', 'systemd:site']\n{upstream}"));
    assert!(refusal(start_with(listener(), "site", &twice)).contains("nor is any other left"));
    let wrong = configure(folder.path(), &format!("listen = 'systemd:'\n{upstream}"));
    assert!(refusal(start_with(listener(), "site", &wrong)).contains("gateway.toml:4"));
}

#[tokio::test]
async fn what_nobody_can_be_accepted_at_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let config = configure(folder.path(), "listen = 'systemd:site'\nupstream = 'http://127.0.0.1:9'");
    let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    assert!(refusal(start_with(datagrams, "site", &config)).contains("ListenStream="));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connection = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    assert!(refusal(start_with(connection, "site", &config)).contains("Accept=no"));
    let file = std::fs::File::open(&config).unwrap();
    assert!(refusal(start_with(file, "site", &config)).contains("no socket that listens"));
}

#[tokio::test]
async fn systemd_passes_the_sockets_of_site_operator_and_proxies() {
    let Some(peers) = require(&["systemd-socket-activate"]) else { return };
    let upstream = Upstream::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let lines = format!(
        "listen = 'systemd:site'\nupstream = '{}'\nadmin.listen = 'systemd:operator'\nverify.listen = 'systemd:ask'\n\
         trusted_proxies = 'unix'",
        upstream.url()
    );
    let config = configure(folder.path(), &lines);
    let socket = folder.path().join("ask.sock");
    let ports = [0; 3].map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port().unwrap())));
    let [first, second, operator] = ports;
    let own = gateway(&testkit::binary::path(), &config);
    let mut systemd = Command::new(peers.path("systemd-socket-activate"));
    systemd.args(ports.map(|port| format!("--listen={port}"))).arg(format!("--listen={}", socket.display()));
    // It passes only what it is told to of its environment.
    systemd.arg("--fdname=site:site:operator:ask").arg(own.get_program()).args(own.get_args());
    let process = Process::start(&mut systemd).unwrap();
    process.hear(|line| line.starts_with("Listening on").then_some(())).unwrap();
    while UnixStream::connect(&socket).await.is_err() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    // Two sockets of one name are two places to listen.
    for address in [first, second] {
        assert_eq!(exchange(address, REQUEST).await.unwrap().unwrap().status(), 200);
    }
    let ready = exchange(operator, REQUEST.replace("GET /", "GET /readyz")).await.unwrap().unwrap();
    assert_eq!(ready.status(), 200);
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let asked = "GET /verify HTTP/1.1\r\nHost: a\r\nX-Original-Method: GET\r\nX-Original-URI: /\r\n\
                 X-Forwarded-Host: www.shop.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n";
    stream.write_all(asked.as_bytes()).await.unwrap();
    let answer = Messages::new(stream).next(Kind::Answer).await.unwrap().unwrap();
    assert_eq!((answer.status(), answer.field("avouch-class")), (204, Some("0")));
    end(process);
    assert!(socket.exists(), "what systemd opened is systemd's");
}
