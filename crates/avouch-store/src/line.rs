//! One connection to Redis, over which many questions are under way at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use avouch_tls::Connector;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, FromRedisValue, RedisError, ServerErrorKind};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::address::{Address, Place};
use crate::script::{self, Script};
use crate::trouble::Trouble;

/// Questions under way at once, of this gateway: at a millisecond each, half a million in a second.
pub(crate) const IN_FLIGHT: usize = 512;

/// A connection, for as long as it lives.
pub(crate) struct Line {
    connection: MultiplexedConnection,
    _driver: Driver,
    /// Which run of which server it leads to, as which primary, and how much that has evicted: another follows after a
    /// restart or a fail-over, where a server is a primary again that was a replica for a while, and where something was
    /// evicted.
    run: String,
    enter: Script,
    draw: Script,
    add_up: Script,
    answers: AtomicU64,
    dead: AtomicBool,
    trouble: Mutex<Option<Trouble>>,
    failed: Notify,
}

/// What carries questions and answers. It ends here: otherwise it would wait for answers that nobody wants any more.
struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What Redis says of itself.
struct Standing {
    run: String,
    policy: String,
    is_replica: bool,
    is_cluster: bool,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Line {
    /// Connects and introduces itself. The caller bounds the time it may take.
    pub(crate) async fn open(address: &Address, tls: Option<&Connector>) -> Result<Self, Trouble> {
        let stream = connect(&address.place, tls).await.map_err(Trouble::Unreachable)?;
        let config =
            AsyncConnectionConfig::new().set_response_timeout(None).set_pipeline_buffer_size(IN_FLIGHT);
        let opened = MultiplexedConnection::new_with_config(&address.greeting(), stream, config).await;
        let (mut connection, driver) =
            opened.map_err(|error| Trouble::of_greeting(error, address.database()))?;
        let driver = Driver(tokio::spawn(driver).abort_handle());
        let Standing { run, .. } = Standing::ask(&mut connection).await?;
        let enter = load(&mut connection, &script::ENTERING).await?;
        let draw = load(&mut connection, &script::DRAWING).await?;
        let add_up = load(&mut connection, &script::ADDING_UP).await?;
        let (answers, dead, trouble, failed) = Default::default();
        Ok(Self { connection, _driver: driver, run, enter, draw, add_up, answers, dead, trouble, failed })
    }

    /// Whether what was entered is kept; what has been asked otherwise would be entered for nothing.
    pub(crate) async fn look(&self, patience: Duration) -> Result<(), Trouble> {
        let standing = timeout(patience, Standing::ask(&mut self.connection.clone())).await;
        let standing = standing.map_err(|_| Trouble::Silent(patience))??;
        match standing {
            Standing { is_cluster: true, .. } => Err(Trouble::Cluster),
            Standing { is_replica: true, .. } => Err(Trouble::ReadOnly),
            Standing { policy, .. } if policy != "noeviction" => Err(Trouble::Evicts(policy)),
            // A proxy in between may lead a connection elsewhere, and Redis may have evicted since the last look.
            Standing { run, .. } if run != self.run => Err(Trouble::Another),
            Standing { .. } => Ok(()),
        }
    }

    /// Removes the marker, so that all that may have been forgotten is refused.
    pub(crate) async fn forget(&self, marker: &str, patience: Duration) {
        let mut connection = self.connection.clone();
        let removal = redis::cmd("DEL").arg(marker).clone();
        // Where it fails the marker stays, and so does what made it necessary: it is tried again.
        let _ = timeout(patience, removal.query_async::<()>(&mut connection)).await;
    }

    pub(crate) async fn enter(
        &self,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        patience: Duration,
    ) -> Result<(i64, i64), Trouble> {
        self.run(&self.enter, keys, arguments, patience).await
    }

    pub(crate) async fn draw(
        &self,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        patience: Duration,
    ) -> Result<Vec<redis::Value>, Trouble> {
        self.run(&self.draw, keys, arguments, patience).await
    }

    pub(crate) async fn add_up(
        &self,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        patience: Duration,
    ) -> Result<Vec<u64>, Trouble> {
        self.run(&self.add_up, keys, arguments, patience).await
    }

    /// Runs a script. `arguments` follow the run of the server.
    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        patience: Duration,
    ) -> Result<T, Trouble> {
        let before = self.answers.load(Ordering::Relaxed);
        let asking = async {
            let answer = self.call("EVALSHA", &script.sha, keys, arguments).await;
            match answer {
                // It was forgotten by SCRIPT FLUSH, and has not run: it is brought along.
                Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                    self.call("EVAL", script.text, keys, arguments).await
                }
                answer => answer,
            }
        };
        let answer = timeout(patience, asking).await;
        let Ok(answer) = answer else {
            // Answers come in the order of the questions: where none came for so long, none will.
            if self.answers.load(Ordering::Relaxed) == before {
                self.fail(Trouble::Silent(patience));
            }
            return Err(Trouble::Silent(patience));
        };
        self.answers.fetch_add(1, Ordering::Relaxed);
        answer.map_err(Trouble::of)
    }

    async fn call<T: FromRedisValue>(
        &self,
        command: &str,
        script: &str,
        keys: &[&[u8]],
        arguments: &[&[u8]],
    ) -> Result<T, RedisError> {
        let mut command = redis::cmd(command);
        command.arg(script).arg(keys.len()).arg(keys).arg(&self.run).arg(arguments);
        command.query_async(&mut self.connection.clone()).await
    }

    /// Says that nothing more is to be asked here.
    pub(crate) fn fail(&self, trouble: Trouble) {
        self.dead.store(true, Ordering::Relaxed);
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(trouble);
        self.failed.notify_one();
    }

    /// Whether that was said.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// Why nothing more is to be asked, once that is so.
    pub(crate) async fn failed(&self) -> Trouble {
        loop {
            if let Some(trouble) = self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take() {
                return trouble;
            }
            self.failed.notified().await;
        }
    }
}

impl Standing {
    async fn ask(connection: &mut MultiplexedConnection) -> Result<Self, Trouble> {
        let told: String = redis::cmd("INFO").query_async(connection).await.map_err(Trouble::of)?;
        let value = |name: &str| {
            let told = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            told.map(str::trim).filter(|value| !value.is_empty() && !value.contains(' '))
        };
        let told = |name| value(name).ok_or(Trouble::Untold);
        Ok(Self {
            run: format!("{}:{}:{}", told("run_id")?, told("master_replid")?, told("evicted_keys")?),
            policy: told("maxmemory_policy")?.to_owned(),
            is_replica: value("role") != Some("master"),
            is_cluster: value("cluster_enabled") == Some("1"),
        })
    }
}

async fn load(
    connection: &mut MultiplexedConnection,
    text: &'static script::Text,
) -> Result<Script, Trouble> {
    let loading = redis::cmd("SCRIPT").arg("LOAD").arg(text.as_str()).clone();
    let sha = loading.query_async(connection).await.map_err(Trouble::of)?;
    Ok(Script { text, sha })
}

async fn connect(place: &Place, tls: Option<&Connector>) -> std::io::Result<Box<dyn Stream>> {
    Ok(match place {
        Place::Socket(path) => Box::new(UnixStream::connect(path).await?),
        Place::Host { host, port, tls: is_secured } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            match (is_secured, tls) {
                (false, _) => Box::new(stream),
                (true, Some(tls)) => Box::new(tls.connect(host, stream).await?),
                (true, None) => return Err(std::io::Error::other("nothing was set up to speak TLS")),
            }
        }
    })
}
