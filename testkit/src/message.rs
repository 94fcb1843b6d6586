//! HTTP/1.1 messages as octets, framed by the rules of RFC 9112 and nothing more clever.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A request or an answer as it arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Every octet, framing included.
    pub octets: Vec<u8>,
    /// First line and fields, without the empty line.
    pub head: String,
    /// The content after transfer decoding.
    pub body: Vec<u8>,
    /// Trailer fields of a chunked message, a line each.
    pub trailers: Vec<String>,
    /// Whether it arrived to its end.
    pub complete: bool,
}

impl Message {
    /// The first line.
    #[must_use]
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    /// The status of an answer; 0 when there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.line().split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// The values of a field, in order.
    #[must_use]
    pub fn fields(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The one value of a field; `None` when it is absent or repeated.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        match self.fields(name).as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The content as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Which way a message goes: an answer without a length ends with its connection, a request
/// without one has no content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From client to server.
    Request,
    /// From server to client.
    Answer,
    /// The same, to a HEAD request: no content follows, whatever the head says.
    AnswerToHead,
}

/// Reads messages from a connection one after the other.
#[derive(Debug)]
pub struct Messages<S> {
    stream: S,
    waiting: Vec<u8>,
}

impl<S: AsyncRead + Unpin> Messages<S> {
    /// Reads from `stream`.
    pub fn new(stream: S) -> Self {
        Self { stream, waiting: Vec::new() }
    }

    /// The connection itself.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The connection, and octets read beyond the last message.
    pub fn into_parts(self) -> (S, Vec<u8>) {
        (self.stream, self.waiting)
    }

    /// The next message, as far as it arrives before the connection ends; `None` when not even
    /// an octet does.
    ///
    /// # Errors
    ///
    /// What arrives is not HTTP.
    pub async fn next(&mut self, kind: Kind) -> io::Result<Option<Message>> {
        let mut message = Message::default();
        let Some(head) = self.until(b"\r\n\r\n").await else {
            if self.waiting.is_empty() {
                return Ok(None);
            }
            message.octets = std::mem::take(&mut self.waiting);
            return Ok(Some(message));
        };
        message.head = String::from_utf8_lossy(&head).trim_end().to_owned();
        message.octets = head;
        message.complete = self.body(kind, &mut message).await?;
        Ok(Some(message))
    }

    async fn body(&mut self, kind: Kind, message: &mut Message) -> io::Result<bool> {
        let bare = matches!(message.status(), 100..=199 | 204 | 304) && kind == Kind::Answer;
        if bare || kind == Kind::AnswerToHead {
            return Ok(true);
        }
        if message.fields("transfer-encoding").concat().eq_ignore_ascii_case("chunked") {
            return self.chunks(message).await;
        }
        match message.fields("content-length").first().map(|length| length.parse::<usize>()) {
            Some(Ok(length)) => {
                let body = self.take(length).await;
                message.octets.extend(&body);
                message.body = body;
                Ok(message.body.len() == length)
            }
            Some(Err(error)) => Err(io::Error::other(error)),
            None if kind == Kind::Answer => {
                while self.more().await {}
                message.body = std::mem::take(&mut self.waiting);
                message.octets.extend(&message.body);
                Ok(true)
            }
            None => Ok(true),
        }
    }

    async fn chunks(&mut self, message: &mut Message) -> io::Result<bool> {
        loop {
            let Some(line) = self.until(b"\r\n").await else { return Ok(false) };
            message.octets.extend(&line);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let length = usize::from_str_radix(text.split(';').next().unwrap_or_default(), 16);
            let length = length.map_err(io::Error::other)?;
            if length == 0 {
                return Ok(self.trailers(message).await);
            }
            let chunk = self.take(length + 2).await;
            message.octets.extend(&chunk);
            message.body.extend(chunk.iter().take(length));
            if chunk.len() < length + 2 {
                return Ok(false);
            }
        }
    }

    async fn trailers(&mut self, message: &mut Message) -> bool {
        loop {
            let Some(line) = self.until(b"\r\n").await else { return false };
            message.octets.extend(&line);
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if text.is_empty() {
                return true;
            }
            message.trailers.push(text);
        }
    }

    /// Octets up to and with `end`.
    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.waiting.windows(end.len()).position(|window| window == end) {
                return Some(self.waiting.drain(..at + end.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// So many octets, or what there is before the connection ends.
    async fn take(&mut self, octets: usize) -> Vec<u8> {
        while self.waiting.len() < octets && self.more().await {}
        let there = octets.min(self.waiting.len());
        self.waiting.drain(..there).collect()
    }

    async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.waiting).await, Ok(1..))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_are_told_apart() {
        let text = "POST /a HTTP/1.1\r\nHost: x\r\ncontent-length: 2\r\n\r\nhi\
                    POST /b HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nt: 1\r\n\r\n\
                    GET /c HTTP/1.1\r\n\r\nPOST /d HTTP/1.1\r\ncontent-length: 9\r\n\r\ncut";
        let mut messages = Messages::new(text.as_bytes());
        let a = messages.next(Kind::Request).await.unwrap().unwrap();
        assert_eq!(
            (a.line(), a.field("HOST"), a.text().as_str(), a.complete),
            ("POST /a HTTP/1.1", Some("x"), "hi", true)
        );
        let b = messages.next(Kind::Request).await.unwrap().unwrap();
        assert_eq!((b.text().as_str(), b.trailers.concat().as_str(), b.complete), ("hi", "t: 1", true));
        let c = messages.next(Kind::Request).await.unwrap().unwrap();
        assert_eq!((c.line(), c.complete), ("GET /c HTTP/1.1", true));
        let d = messages.next(Kind::Request).await.unwrap().unwrap();
        assert_eq!((d.text().as_str(), d.complete), ("cut", false));
        assert_eq!(messages.next(Kind::Request).await.unwrap(), None);
    }
}
