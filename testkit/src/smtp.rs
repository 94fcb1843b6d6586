//! A mail server that keeps what it is given.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use avouch_tls::Acceptor;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The longest line and the longest mail of a session, in octets.
const LONGEST: u64 = 1 << 24;

/// What the server says to the receiver of a mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It takes the mail.
    #[default]
    Takes,
    /// It takes none now (451).
    Busy,
    /// It knows no such receiver (550).
    Refuses,
    /// It knows no such client (554).
    Closed,
    /// It takes the mail, and never says farewell.
    Lingers,
    /// It says nothing at all.
    Silent,
}

/// A mail, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// What followed `MAIL FROM:`.
    pub from: String,
    /// What followed `RCPT TO:`.
    pub to: String,
    /// The message, its dots as they were written.
    pub message: String,
}

/// A server on a free loopback port.
pub struct MailSink {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    mood: Mutex<Mood>,
    mails: Mutex<Vec<Mail>>,
    sessions: Mutex<usize>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MailSink {
    /// Starts one; with an acceptor it speaks TLS from the first octet.
    ///
    /// # Errors
    ///
    /// No free port.
    pub async fn start(tls: Option<Acceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let own = Arc::clone(&shared);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *lock(&own.sessions) += 1;
                let (own, tls) = (Arc::clone(&own), tls.clone());
                tokio::spawn(async move {
                    let _ = match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => session(stream, &own).await,
                            Err(error) => Err(error),
                        },
                        None => session(stream, &own).await,
                    };
                });
            }
        });
        Ok(Self { address, shared, _tasks: tasks })
    }

    /// From now on it says this.
    pub fn is(&self, mood: Mood) {
        *lock(&self.shared.mood) = mood;
    }

    /// What it was given.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        lock(&self.shared.mails).clone()
    }

    /// How often somebody connected.
    #[must_use]
    pub fn sessions(&self) -> usize {
        *lock(&self.shared.sessions)
    }
}

/// One connection (RFC 5321).
async fn session(stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) -> io::Result<()> {
    let (heard, mut said) = tokio::io::split(stream);
    let mut lines = BufReader::new(heard.take(LONGEST)).lines();
    if *lock(&shared.mood) == Mood::Silent {
        return std::future::pending().await;
    }
    if *lock(&shared.mood) == Mood::Closed {
        return said.write_all(b"554 no service for you\r\n").await;
    }
    said.write_all(b"220 sink.example ESMTP\r\n").await?;
    let (mut from, mut to) = (String::new(), String::new());
    while let Some(line) = lines.next_line().await? {
        let answer = if let Some(sender) = line.strip_prefix("MAIL FROM:") {
            from = sender.to_owned();
            "250 ok"
        } else if let Some(receiver) = line.strip_prefix("RCPT TO:") {
            to = receiver.to_owned();
            match *lock(&shared.mood) {
                Mood::Busy => "451 later",
                Mood::Refuses => "550 no such mailbox",
                Mood::Takes | Mood::Lingers | Mood::Closed | Mood::Silent => "250 ok",
            }
        } else if line == "DATA" {
            said.write_all(b"354 go on\r\n").await?;
            let mut message = String::new();
            while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                message += line.strip_prefix('.').unwrap_or(&line);
                message += "\r\n";
            }
            lock(&shared.mails).push(Mail { from: from.clone(), to: to.clone(), message });
            "250 taken"
        } else if line == "QUIT" {
            if *lock(&shared.mood) == Mood::Lingers {
                return std::future::pending().await;
            }
            "221 bye"
        } else if line.starts_with("EHLO ") {
            "250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME"
        } else {
            "500 what?"
        };
        said.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}
