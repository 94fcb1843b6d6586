//! A registration entity that follows a script: it answers verifiers by HTTPS, truly or as a test wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use avouch_keys::entity::Secrets;
use avouch_tls::Acceptor;
use avouch_wire::entity::{
    AgentAnswer, AgentQuestion, Credentials, EVENT_PATH, EnrolmentSecret, Event, EventQuestion, Happening,
    KEY_PATH, KeyAnswer, KeyName, KeyQuestion, Registration, SecretAnswer, VerifierDocument, epoch_of,
};
use avouch_wire::name::{AgentId, Domain};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::certificate::Certificate;
use crate::message::{Kind, Message, Messages};

/// The name it goes by, which the certificate has to be for.
pub const HOST: &str = "re.example";

/// Seconds between signs of life.
const ALIVE: Duration = Duration::from_secs(10);

/// Lines of a stream that a slow reader may be behind.
const BEHIND: usize = 1_024;

/// What it does with questions for keys.
#[derive(Clone)]
pub enum Script {
    /// Answers them.
    Honest,
    /// Answers them, after this was done to the answer.
    Changed(fn(&mut KeyAnswer)),
    /// Answers them late.
    Late(Duration),
    /// Sends these octets.
    Octets(Vec<u8>),
    /// Never answers.
    Hang,
}

/// A registration entity on a free loopback port.
pub struct Entity {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    lines: broadcast::Sender<Option<String>>,
    _tasks: JoinSet<()>,
}

struct State {
    now: Box<dyn Fn() -> u64 + Send>,
    agents: BTreeMap<(String, String), Vec<EnrolmentSecret>>,
    floors: BTreeMap<(String, String), u64>,
    revoked: BTreeSet<(String, String)>,
    events: Vec<Event>,
    script: Script,
    /// Whose questions count; everybody's without it.
    verifiers: Option<VerifierDocument>,
    /// Whether streams are refused.
    deaf: bool,
    asked: Vec<KeyQuestion>,
    followed: Vec<EventQuestion>,
}

impl Entity {
    /// Starts one with a certificate for [`HOST`], by this clock of Unix seconds.
    ///
    /// # Errors
    ///
    /// No free port, or a certificate that cannot be used.
    pub async fn start(
        certificate: &Certificate,
        now: impl Fn() -> u64 + Send + 'static,
    ) -> io::Result<Self> {
        let acceptor = Acceptor::from_pem(certificate.certificate.as_bytes(), certificate.key.as_bytes());
        let acceptor = acceptor.map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(State {
            now: Box::new(now),
            agents: BTreeMap::new(),
            floors: BTreeMap::new(),
            revoked: BTreeSet::new(),
            events: Vec::new(),
            script: Script::Honest,
            verifiers: None,
            deaf: false,
            asked: Vec::new(),
            followed: Vec::new(),
        }));
        let (lines, _) = broadcast::channel(BEHIND);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, Arc::clone(&state), lines.clone()));
        Ok(Self { address, state, lines, _tasks: tasks })
    }

    /// Registers an agent, and gives what the agent keeps.
    ///
    /// # Panics
    ///
    /// Names that are none.
    #[expect(clippy::unwrap_used, reason = "names of tests are names")]
    pub fn register(&self, dom: &str, id: &str) -> Secrets {
        let mut state = self.state();
        let number = state.agents.len() as u8;
        let secret = EnrolmentSecret::from_octets([number.wrapping_add(7); 32]);
        state.agents.insert((dom.to_owned(), id.to_owned()), vec![secret.clone()]);
        Secrets::of(SecretAnswer {
            entity: Domain::parse(HOST).unwrap(),
            domain: Domain::parse(dom).unwrap().into_owned(),
            agent: AgentId::parse(id).unwrap().into_owned(),
            version: 1,
            secret,
            epoch: 0,
            floor: 0,
        })
    }

    /// Does this from now on with questions for keys.
    pub fn plays(&self, script: Script) {
        self.state().script = script;
    }

    /// Counts the questions of these keys only.
    pub fn trusts(&self, verifiers: VerifierDocument) {
        self.state().verifiers = Some(verifiers);
    }

    /// Revokes an agent, and says so on every stream.
    ///
    /// # Panics
    ///
    /// Names that are none.
    #[expect(clippy::unwrap_used, reason = "names of tests are names")]
    pub fn revoke(&self, dom: &str, id: &str) {
        self.state().revoked.insert((dom.to_owned(), id.to_owned()));
        let (domain, agent) = (Domain::parse(dom).unwrap().into_owned(), AgentId::parse(id).unwrap());
        self.happens(Happening::Revoked { domain, agent: Some(agent.into_owned()) });
    }

    /// Has the sequence of an agent begin elsewhere, and says so on every stream.
    ///
    /// # Panics
    ///
    /// Names that are none.
    #[expect(clippy::unwrap_used, reason = "names of tests are names")]
    pub fn raise(&self, dom: &str, id: &str, floor: u64) {
        self.state().floors.insert((dom.to_owned(), id.to_owned()), floor);
        let (domain, agent) = (Domain::parse(dom).unwrap().into_owned(), AgentId::parse(id).unwrap());
        self.happens(Happening::Floor { domain, agent: agent.into_owned(), floor });
    }

    /// Numbers an event and tells it.
    pub fn happens(&self, happening: Happening) {
        let mut state = self.state();
        let event = Event { number: state.events.len() as u64 + 1, happening };
        self.say(&event.write());
        state.events.push(event);
    }

    /// Says this on every stream, whatever it is.
    pub fn say(&self, line: &str) {
        let _ = self.lines.send(Some(line.to_owned()));
    }

    /// Breaks all streams off.
    pub fn cut(&self) {
        let _ = self.lines.send(None);
    }

    /// Refuses streams from now on, or takes them.
    pub fn is_deaf(&self, deaf: bool) {
        self.state().deaf = deaf;
    }

    /// The questions for keys so far.
    #[must_use]
    pub fn asked(&self) -> Vec<KeyQuestion> {
        self.state().asked.clone()
    }

    /// The questions for events so far.
    #[must_use]
    pub fn followed(&self) -> Vec<EventQuestion> {
        self.state().followed.clone()
    }

    /// How many streams there are.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.lines.receiver_count()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(
    listener: TcpListener,
    acceptor: Acceptor,
    state: Arc<Mutex<State>>,
    lines: broadcast::Sender<Option<String>>,
) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, acceptor.clone(), Arc::clone(&state), lines.clone()));
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: Acceptor,
    state: Arc<Mutex<State>>,
    lines: broadcast::Sender<Option<String>>,
) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let mut messages = Messages::new(stream);
    let Ok(Some(message)) = messages.next(Kind::Request).await else { return };
    let stream = messages.stream();
    if message.line().starts_with(&format!("POST {EVENT_PATH} ")) {
        let told = lock(&state).follow(&message).map(|told| (told, lines.subscribe()));
        match told {
            Ok((told, lines)) => tell(stream, &state, told, lines).await,
            Err(refused) => finish(stream, &refused).await,
        }
        return;
    }
    let (script, answer) = lock(&state).answer(&message);
    match script {
        Script::Hang => std::future::pending().await,
        Script::Late(after) => tokio::time::sleep(after).await,
        Script::Honest | Script::Changed(_) | Script::Octets(_) => {}
    }
    finish(stream, &answer).await;
}

async fn finish<S: AsyncWrite + Unpin>(stream: &mut S, octets: &[u8]) {
    if stream.write_all(octets).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

/// Sends events as they come, until the stream is broken off.
async fn tell<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    state: &Mutex<State>,
    first: Vec<String>,
    mut lines: broadcast::Receiver<Option<String>>,
) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
    let first: String = first.iter().flat_map(|line| [line, "\n"]).collect();
    if stream.write_all(format!("{head}{first}").as_bytes()).await.is_err() {
        return;
    }
    loop {
        let line = match tokio::time::timeout(ALIVE, lines.recv()).await {
            Ok(Ok(Some(line))) => line,
            Ok(_) => return drop(stream.shutdown().await),
            Err(_) => lock(state).alive(),
        };
        if stream.write_all(format!("{line}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

impl State {
    fn alive(&self) -> String {
        Event { number: self.events.len() as u64, happening: Happening::Alive }.write()
    }

    /// The first lines of a stream, or a refusal.
    fn follow(&mut self, message: &Message) -> Result<Vec<String>, Vec<u8>> {
        let question = EventQuestion::read(&message.body).map_err(|_| refusal("400 Bad Request"))?;
        if self.deaf {
            return Err(refusal("503 Service Unavailable"));
        }
        if !self.counts(message, EVENT_PATH) {
            return Err(refusal("403 Forbidden"));
        }
        let missed = self.events.iter().filter(|event| event.number > question.after).map(Event::write);
        let lines = missed.chain([self.alive()]).collect();
        self.followed.push(question);
        Ok(lines)
    }

    /// What is done with a question for keys, and the octets of the answer.
    fn answer(&mut self, message: &Message) -> (Script, Vec<u8>) {
        let script = self.script.clone();
        let Ok(question) = KeyQuestion::read(&message.body) else {
            return (script, refusal("400 Bad Request"));
        };
        self.asked.push(question.clone());
        let octets = match &script {
            Script::Octets(octets) => octets.clone(),
            _ if !message.line().starts_with(&format!("POST {KEY_PATH} ")) => refusal("404 Not Found"),
            _ if !self.counts(message, KEY_PATH) => refusal("403 Forbidden"),
            _ => {
                let mut answer = self.truth(&question);
                if let Script::Changed(change) = &script {
                    change(&mut answer);
                }
                found(&answer.write())
            }
        };
        (script, octets)
    }

    fn counts(&self, message: &Message, path: &str) -> bool {
        let credentials = message.field("authorization").and_then(Credentials::parse);
        let signed = |verifiers: &VerifierDocument, credentials: &Credentials| {
            verifiers.signer(credentials, path, &message.body).is_some()
        };
        match (&self.verifiers, credentials) {
            (Some(verifiers), Some(credentials)) => signed(verifiers, &credentials),
            (Some(_), None) => false,
            (None, credentials) => credentials.is_some(),
        }
    }

    fn truth(&self, question: &KeyQuestion) -> KeyAnswer {
        let now = (self.now)();
        let agents = question.agents.iter().map(|agent| self.of(question, agent)).collect();
        KeyAnswer {
            entity: question.entity.clone(),
            audience: question.audience.clone(),
            until: (epoch_of(now) + 1) * 300,
            event: self.events.len() as u64,
            agents,
        }
    }

    fn of(&self, question: &KeyQuestion, asked: &AgentQuestion) -> AgentAnswer {
        let name = (asked.domain.as_str().to_owned(), asked.agent.as_str().to_owned());
        let registration = match self.agents.get(&name) {
            None => Registration::Unknown,
            Some(_) if self.revoked.contains(&name) => Registration::Revoked,
            Some(secrets) => {
                let name_of = KeyName {
                    entity: &question.entity,
                    audience: question.audience.as_str(),
                    domain: &asked.domain,
                    agent: &asked.agent,
                    epoch: asked.epoch,
                };
                let keys = secrets.iter().map(|secret| secret.verifier_key(&name_of)).collect();
                Registration::Registered { keys, floor: self.floors.get(&name).copied().unwrap_or_default() }
            }
        };
        AgentAnswer { question: asked.clone(), registration }
    }
}

/// An answer of JSON.
#[must_use]
pub fn found(body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

/// An answer without content; fields may follow the status line.
#[must_use]
pub fn refusal(status: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").into_bytes()
}
