//! A client that sends exactly the octets it is given.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::message::{Kind, Message, Messages};

/// A connection of such a client.
#[derive(Debug)]
pub struct Raw(Messages<TcpStream>);

impl Raw {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Nobody accepts.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(Messages::new(stream)))
    }

    /// Connects from an address of this machine, such as 127.0.0.7.
    ///
    /// # Errors
    ///
    /// The address is not this machine's, or nobody accepts.
    pub async fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<Self> {
        let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(SocketAddr::new(source, 0))?;
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(Messages::new(stream)))
    }

    /// Sends octets.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn send(&mut self, octets: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.stream().write_all(octets.as_ref()).await
    }

    /// Ends the sending side.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.0.stream().shutdown().await
    }

    /// The next answer; `None` when the connection ends first.
    ///
    /// # Errors
    ///
    /// What arrives is not HTTP.
    pub async fn answer(&mut self) -> io::Result<Option<Message>> {
        self.0.next(Kind::Answer).await
    }

    /// The next answer, to a HEAD request.
    ///
    /// # Errors
    ///
    /// What arrives is not HTTP.
    pub async fn answer_to_head(&mut self) -> io::Result<Option<Message>> {
        self.0.next(Kind::AnswerToHead).await
    }

    /// The connection, and octets read beyond the last answer.
    #[must_use]
    pub fn into_parts(self) -> (TcpStream, Vec<u8>) {
        self.0.into_parts()
    }
}

/// Sends octets over a fresh connection and reads one answer.
///
/// # Errors
///
/// The connection fails or what arrives is not HTTP.
pub async fn exchange(address: SocketAddr, octets: impl AsRef<[u8]>) -> io::Result<Option<Message>> {
    let mut client = Raw::connect(address).await?;
    client.send(octets).await?;
    client.answer().await
}
