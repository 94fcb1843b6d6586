//! What systemd is told.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testkit::binary;
use testkit::process::Process;

use super::{configure, run};

/// The place where systemd listens.
struct Manager(UnixDatagram);

impl Manager {
    fn open(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(socket)
    }

    /// The next notice that is no sign of life.
    fn told(&self) -> String {
        loop {
            let notice = self.any();
            if notice != "WATCHDOG=1\n" {
                return notice;
            }
        }
    }

    fn any(&self) -> String {
        let mut room = [0; 4096];
        let length = self.0.recv(&mut room).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap()
    }
}

#[test]
fn systemd_is_told_of_start_reload_life_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("notify");
    let manager = Manager::open(&place);
    let lines = "listen = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:9'";
    let config = configure(folder.path(), lines);
    let mut command = run(&config);
    command.env("NOTIFY_SOCKET", &place).env("WATCHDOG_USEC", "400000");
    let mut process = Process::start(&mut command).unwrap();
    assert_eq!(manager.told(), "READY=1\nSTATUS=judging requests\n");
    assert_eq!(manager.any(), "WATCHDOG=1\n");
    process.signal("HUP").unwrap();
    let reloading = manager.told();
    let (first, rest) = reloading.split_once("\nMONOTONIC_USEC=").unwrap();
    assert_eq!(first, "RELOADING=1");
    assert!(rest.split_once('\n').unwrap().0.parse::<u64>().is_ok(), "{rest}");
    assert_eq!(manager.told(), "READY=1\nSTATUS=judging requests\n");
    // What does not load leaves it at work, and says so.
    fs::write(&config, "listen = 1").unwrap();
    assert!(manager.told().starts_with("RELOADING=1\n"));
    let kept = manager.told();
    assert!(kept.starts_with("READY=1\nSTATUS=") && kept.contains("does not load"), "{kept}");
    process.signal("TERM").unwrap();
    assert!(manager.told().starts_with("STOPPING=1\n"));
    assert_eq!(process.wait().unwrap().code(), Some(0));
}

#[test]
fn a_gateway_that_does_not_start_is_never_called_ready() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("notify");
    let manager = Manager::open(&place);
    let config =
        configure(folder.path(), "listen = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:9'\nmode = 'off'");
    let mut process = Process::start(run(&config).env("NOTIFY_SOCKET", &place)).unwrap();
    assert_eq!(process.wait().unwrap().code(), Some(3));
    manager.0.set_nonblocking(true).unwrap();
    assert!(manager.0.recv(&mut [0; 16]).is_err());
}

#[test]
fn systemd_is_told_of_an_agents_start_life_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("notify");
    let manager = Manager::open(&place);
    let avouch = |words: &[&str]| {
        let mut command = Command::new(binary::path());
        command.args(words).current_dir(folder.path()).env("NOTIFY_SOCKET", &place);
        command
    };
    let root = testkit::certificate::CertificateAuthority::new().unwrap().root;
    fs::write(folder.path().join("root.pem"), root).unwrap();
    let lines = "key = 'file:k'\ndomain = 'acme.example'\nagent = 'bot'\nroots = 'root.pem'\n\
                 destination = { host = '*' }\nproxy.listen = '127.0.0.1:0'\ndns.resolvers = '127.0.0.1:9'\n";
    fs::write(folder.path().join("agent.toml"), lines).unwrap();
    let run = ["agent", "run", "--config", "agent.toml"];
    // Without its key it does not start, and is never called ready.
    assert_eq!(Process::start(&mut avouch(&run)).unwrap().wait().unwrap().code(), Some(3));
    assert!(avouch(&["key", "new", "file:k", "--unencrypted"]).output().unwrap().status.success());
    let mut process = Process::start(avouch(&run).env("WATCHDOG_USEC", "400000")).unwrap();
    assert_eq!(manager.told(), "READY=1\nSTATUS=signing\n");
    // A hangup does not end it.
    process.signal("HUP").unwrap();
    process.hear(|line| line.contains("there is no reload").then_some(())).unwrap();
    assert_eq!(manager.any(), "WATCHDOG=1\n");
    process.signal("TERM").unwrap();
    assert!(manager.told().starts_with("STOPPING=1\n"));
    assert_eq!(process.wait().unwrap().code(), Some(0));
}
