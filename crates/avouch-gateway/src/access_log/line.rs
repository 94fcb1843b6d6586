//! One line of JSON, written without a tree of values in between.

use std::fmt;
use std::io::Write as _;

use serde::Serialize;

/// The longest text written of any one field, in octets; a longer one ends with `…`.
const TEXT_LIMIT: usize = 1024;

/// What a text ends with that was longer.
pub(super) const CUT: char = '…';

/// Room for nearly every line, so that it is written without growing.
const ROOM: usize = 1024;

/// A JSON object under construction.
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn new() -> Self {
        let mut line = Vec::with_capacity(ROOM);
        line.push(b'{');
        Self(line)
    }

    /// A member that is text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quoted(value);
    }

    /// A member that is text, made by formatting.
    pub(super) fn shown(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        self.0.push(b'"');
        let _ = fmt::Write::write_fmt(&mut Escaped(&mut self.0, TEXT_LIMIT), format_args!("{value}"));
        self.0.push(b'"');
    }

    /// A member that is text or null.
    pub(super) fn maybe(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.text(name, value),
            None => self.null(name),
        }
    }

    /// A member without a value.
    pub(super) fn null(&mut self, name: &str) {
        self.name(name);
        self.0.extend_from_slice(b"null");
    }

    /// A member that is a number, or other text that is JSON already.
    pub(super) fn plain(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }

    /// A member that is a document.
    pub(super) fn json(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        let before = self.0.len();
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.truncate(before);
            self.0.extend_from_slice(b"null");
        }
    }

    /// The line with its end.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.push(b'"');
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }

    fn quoted(&mut self, value: &str) {
        self.0.push(b'"');
        let _ = fmt::Write::write_str(&mut Escaped(&mut self.0, TEXT_LIMIT), value);
        self.0.push(b'"');
    }
}

/// Writes text as the inside of a JSON string (RFC 8259 section 7), shortened to a limit.
struct Escaped<'a>(&'a mut Vec<u8>, usize);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (kept, cut) = match text.len() <= self.1 {
            true => (text, false),
            false => (text.split_at(text.floor_char_boundary(self.1)).0, true),
        };
        let more = self.1 > 0;
        self.1 -= kept.len().min(self.1);
        let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\' && b != 0x7f;
        if kept.bytes().all(plain) {
            self.0.extend_from_slice(kept.as_bytes());
        } else {
            kept.chars().for_each(|c| escape(self.0, c));
        }
        if cut && more {
            self.1 = 0;
            let _ = write!(self.0, "{CUT}");
        }
        Ok(())
    }
}

fn escape(out: &mut Vec<u8>, c: char) {
    let _ = match c {
        '"' => out.write_all(b"\\\""),
        '\\' => out.write_all(b"\\\\"),
        c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c)),
        c => write!(out, "{c}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_it_holds() {
        let mut line = Line::new();
        line.text("a", "q\" b\\ n\n e\u{1b} ü \u{7f}");
        line.plain("b", 7);
        line.maybe("c", None);
        line.json("d", &["x", "y\""]);
        line.shown("e", format_args!("{}{}", "a\"", 1));
        let text = line.end();
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(read["a"], "q\" b\\ n\n e\u{1b} ü \u{7f}");
        assert_eq!(read["d"][1], "y\"");
        assert_eq!(read["e"], "a\"1");
        assert_eq!(text.iter().filter(|octet| **octet == b'\n').count(), 1);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut line = Line::new();
        line.text("a", &"ü".repeat(TEXT_LIMIT));
        let read: serde_json::Value = serde_json::from_slice(&line.end()).unwrap();
        assert_eq!(read["a"].as_str().unwrap().chars().count(), TEXT_LIMIT / 2 + 1);
    }
}
