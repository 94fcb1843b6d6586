//! The lines of a stream, as they come.

use avouch_wire::entity::MAX_LINE;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes};

/// What is left of a stream.
pub(super) struct Lines<B> {
    body: B,
    /// What came and is not given out yet: less than a line and a frame.
    read: Vec<u8>,
}

/// Why there is no next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoLine {
    /// The stream has ended, or broke off.
    #[error("ended")]
    Ended,
    /// Longer than any event.
    #[error("sent a line of more than {MAX_LINE} octets")]
    TooLong,
}

impl<B: Body<Data = Bytes> + Unpin> Lines<B> {
    pub(super) const fn of(body: B) -> Self {
        Self { body, read: Vec::new() }
    }

    /// The next line, without its line feed.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, NoLine> {
        loop {
            let end = self.read.iter().take(MAX_LINE + 1).position(|octet| *octet == b'\n');
            if let Some(end) = end {
                let mut line: Vec<u8> = self.read.drain(..=end).collect();
                line.pop();
                return Ok(line);
            }
            if self.read.len() > MAX_LINE {
                return Err(NoLine::TooLong);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => frame.data_ref().into_iter().for_each(|data| self.read.extend(data)),
                Some(Err(_)) | None => return Err(NoLine::Ended),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::StreamBody;
    use hyper::body::Frame;
    use std::convert::Infallible;

    /// What comes of a stream that sends these pieces and ends.
    async fn lines(pieces: &[&str]) -> (Vec<String>, NoLine) {
        let frame = |piece: &&str| Ok::<_, Infallible>(Frame::data(Bytes::copy_from_slice(piece.as_bytes())));
        let frames: Vec<_> = pieces.iter().map(frame).collect();
        let mut lines = Lines::of(StreamBody::new(futures_util::stream::iter(frames)));
        let mut all = Vec::new();
        loop {
            match lines.next().await {
                Ok(line) => all.push(String::from_utf8(line).unwrap()),
                Err(end) => return (all, end),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_given_out_however_they_are_cut() {
        for pieces in [&["one\ntwo\n"][..], &["on", "e\nt", "wo", "\n"], &["one\n", "two\nthr"]] {
            assert_eq!(lines(pieces).await, (vec!["one".to_owned(), "two".to_owned()], NoLine::Ended));
        }
        assert_eq!(lines(&["\n"]).await, (vec![String::new()], NoLine::Ended));
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_bounded() {
        let longest = "a".repeat(MAX_LINE);
        assert_eq!(lines(&[&longest, "\n"]).await, (vec![longest.clone()], NoLine::Ended));
        assert_eq!(lines(&[&longest, "a", "\n"]).await, (vec![], NoLine::TooLong));
        assert_eq!(lines(&[&longest, "a"]).await.1, NoLine::TooLong);
    }
}
