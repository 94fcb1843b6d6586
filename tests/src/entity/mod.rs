//! A registration entity as a process that is killed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use avouch_gather::clock::{Clock as _, SystemClock};
use avouch_keys::SecretKey;
use avouch_keys::entity::{Secrets, ask, nonce};
use avouch_keys::entropy::SystemEntropy;
use avouch_wire::entity::{Question, RegistrationQuestion, Renegotiation, Rotation, SecretAnswer};
use avouch_wire::key::KeyType;
use avouch_wire::name::{AgentId, Domain};
use testkit::binary;
use testkit::process::Process;

/// How long after a question the process is killed, in microseconds: before it is read, while it is answered, after.
const KILLED_AFTER: [u64; 8] = [0, 300, 1_000, 2_000, 4_000, 8_000, 16_000, 60_000];

struct Entity {
    process: Process,
    address: SocketAddr,
}

impl Entity {
    fn start(folder: &Path) -> Self {
        let config = folder.join("entity.toml");
        let mut command = Command::new(binary::path());
        command.args(["entity", "run", "--config"]).arg(config);
        let process = Process::start(&mut command).unwrap();
        let asked = |line: &str| line.strip_prefix("re.example is asked at ").and_then(|at| at.parse().ok());
        let address = process.hear(asked).unwrap();
        Self { process, address }
    }

    #[expect(clippy::disallowed_methods, reason = "at which step it is killed is the point")]
    fn kill_after(self, micros: u64) {
        std::thread::sleep(Duration::from_micros(micros));
        self.kill();
    }

    fn kill(mut self) {
        self.process.signal("KILL").unwrap();
        self.process.wait().unwrap();
    }

    fn send<Q: Question>(&self, key: &SecretKey, question: &Q) -> TcpStream {
        let asked = ask(key, question).unwrap();
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: re.example\r\nConnection: close\r\nAuthorization: {}\r\nContent-Length: {}\r\n\r\n{}",
            Q::PATH,
            asked.authorization,
            asked.body.len(),
            asked.body
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream
    }

    fn told<Q: Question>(&self, key: &SecretKey, question: &Q) -> SecretAnswer {
        let mut answer = String::new();
        self.send(key, question).read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        SecretAnswer::read_any(answer.split_once("\r\n\r\n").unwrap().1.as_bytes()).unwrap()
    }
}

fn owner(folder: &Path, words: &[&str]) -> String {
    let mut command = Command::new(binary::path());
    command.arg("entity").args(words).arg("--socket").arg(folder.join("owner.sock"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn now() -> u64 {
    SystemClock::new().now().seconds()
}

fn names(id: &str) -> (Domain<'static>, Domain<'static>, AgentId<'static>) {
    let [entity, domain] = ["re.example", "acme.example"].map(|name| Domain::parse(name).unwrap());
    (entity, domain, AgentId::parse(id).unwrap().into_owned())
}

fn fresh() -> String {
    nonce(&mut SystemEntropy).unwrap()
}

fn registration(key: &SecretKey, id: &str, token: &str) -> RegistrationQuestion {
    let (entity, domain, agent) = names(id);
    let (key, token) = (key.public().clone(), token.to_owned());
    RegistrationQuestion { entity, domain, agent, key, token, time: now(), nonce: fresh() }
}

fn rotation(id: &str) -> Rotation {
    let (entity, domain, agent) = names(id);
    Rotation(Renegotiation { entity, domain, agent, time: now(), nonce: fresh() })
}

#[test]
fn whoever_was_cut_off_by_a_kill_asks_again_and_nothing_is_left_over() {
    let folder = tempfile::tempdir().unwrap();
    let config = "re = 're.example'\nlisten = '127.0.0.1:0'\nowner.socket = 'owner.sock'\n\
        store = { url = 'sqlite:entity.db', root = 'root.key' }\nsites.resolvers = '127.0.0.1'\n";
    std::fs::write(folder.path().join("entity.toml"), config).unwrap();
    let folder = folder.path();
    let key = SecretKey::generate(KeyType::P256, &mut SystemEntropy).unwrap();
    let mut entity = Entity::start(folder);
    let more = ["token", "new", "fleet", "--domain", "acme.example", "--agents", "*.gptbot", "--uses", "100"];
    let token = owner(folder, &more);
    for (number, after) in KILLED_AFTER.into_iter().enumerate() {
        let id = format!("a{number}.gptbot");
        let cut = entity.send(&key, &registration(&key, &id, &token));
        entity.kill_after(after);
        drop(cut);
        entity = Entity::start(folder);
        let mut secrets = Secrets::of(entity.told(&key, &registration(&key, &id, &token)));
        assert_eq!(secrets.version(), 1, "{after}");

        let cut = entity.send(&key, &rotation(&id));
        entity.kill_after(after);
        drop(cut);
        entity = Entity::start(folder);
        let again = entity.told(&key, &rotation(&id));
        secrets.rotated(again.clone());
        assert_eq!(secrets.version(), 2, "{after}: changed once");
        assert_eq!(entity.told(&key, &rotation(&id)), again);
    }
    let agents = owner(folder, &["agents"]);
    assert_eq!(agents.lines().count(), KILLED_AFTER.len(), "{agents}");
    let tokens = owner(folder, &["token", "list"]);
    assert!(tokens.contains(&format!(" {} left", 100 - KILLED_AFTER.len())), "{tokens}");
    let deeds = owner(folder, &["audit"]);
    let count = |what: &str| deeds.lines().filter(|deed| deed.contains(what)).count();
    assert_eq!((count(" register "), count(" rotate ")), (KILLED_AFTER.len(), KILLED_AFTER.len()), "{deeds}");
    entity.kill();
}
