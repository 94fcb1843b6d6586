//! The program itself, killed.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use avouch_dns::SignedZones;
use testkit::binary;
use testkit::message::Message;
use testkit::raw::exchange;
use testkit::upstream::Upstream;

use super::world::{Agent, Ask, CLOSED, SITE};

/// `avouch gateway run`, killed when dropped.
pub(super) struct Program {
    process: Child,
    address: SocketAddr,
}

impl Program {
    pub(super) fn start(folder: &Path, fresh: bool) -> Self {
        let common = fs::read_to_string(folder.join("common.toml")).unwrap();
        fs::write(folder.join("gateway.toml"), format!("store.fresh = {fresh}\n{common}")).unwrap();
        let mut process = Command::new(binary::path())
            .args(["gateway", "run", "--config", "gateway.toml"])
            .current_dir(folder)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.find_map(|line| line.strip_prefix("listening on ")?.parse().ok());
        std::thread::spawn(move || lines.for_each(drop));
        Self { process, address: said.expect("the gateway says where it listens") }
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) async fn send(&self, request: &[u8]) -> Message {
        exchange(self.address, request).await.unwrap().unwrap()
    }

    /// SIGKILL: nothing is saved, nothing is said.
    pub(super) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM, and waits for its end.
    pub(super) fn stop(mut self) {
        Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0));
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Where it has ended already, nothing is left to do.
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}

#[expect(clippy::disallowed_methods, reason = "the program runs by the machine's clock")]
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_a_crash_is_not_accepted_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (bot, upstream) = (Agent::new("bot", "acme.example"), Upstream::start().await.unwrap());
    let zones = SignedZones::start(&bot.record()).await.unwrap();
    fs::write(folder.path().join("root.anchor"), zones.trust_anchor().to_string()).unwrap();
    let common = format!(
        "listen = '127.0.0.1:0'\nupstream = '{}'\nauthorities = '{SITE}'\nmode = 'enforce'\nprivate_peers = 'clients'\n\
         log.access = 'access.log'\nstore.url = 'file:store'\ndns.resolvers = '{}'\ndns.trust_anchor = 'root.anchor'\n\
         [[route]]\npath = '/'\nrequire = 3\n",
        upstream.url(),
        zones.address()
    );
    fs::write(folder.path().join("common.toml"), common).unwrap();
    let ahead = |seconds: u64| bot.request(Ask::get(CLOSED).at(now() + seconds));

    let program = Program::start(folder.path(), true);
    let (present, future) = (ahead(0), ahead(10));
    assert_eq!(program.send(&present).await.status(), 200);
    assert_eq!(program.send(&future).await.status(), 200);
    assert_eq!(program.send(&present).await.status(), 403);
    let unspent = ahead(1);
    program.kill();

    let program = Program::start(folder.path(), false);
    for sent in [&present, &future, &unspent] {
        // Whether these were seen before the crash nobody knows any more.
        let answer = program.send(sent).await;
        assert_eq!(
            (answer.status(), answer.text().contains("\"replay-start-rule\"")),
            (503, true),
            "{}",
            answer.text()
        );
    }
    let later = ahead(25);
    assert_eq!(program.send(&later).await.status(), 200, "what was signed after the mark is new");
    program.kill();

    let program = Program::start(folder.path(), false);
    assert_eq!(program.send(&later).await.status(), 503);
    let last = ahead(30);
    assert_eq!(program.send(&last).await.status(), 200);
    program.stop();

    // After a clean stop the table is known again, and so is what the crash before it lost.
    let program = Program::start(folder.path(), false);
    assert_eq!(program.send(&last).await.status(), 403);
    assert_eq!(program.send(&future).await.status(), 503);
    assert_eq!(program.send(&ahead(30)).await.status(), 200);
    assert_eq!(upstream.received().len(), 5);
}
