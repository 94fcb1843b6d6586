//! One line of JSON, written without a tree of values in between.

use std::fmt::{self, Write};

use serde::Serialize;

/// The longest text written of any one field, in octets; a longer one ends with `…`.
const TEXT_LIMIT: usize = 1024;

/// A JSON object under construction.
pub(super) struct Line(String);

impl Line {
    pub(super) fn new() -> Self {
        let mut line = String::with_capacity(640);
        line.push('{');
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
        self.0.push('"');
        let _ = write!(Escaped(&mut self.0, TEXT_LIMIT), "{value}");
        self.0.push('"');
    }

    /// A member that is text or null.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl fmt::Display>) {
        match value {
            Some(value) => self.shown(name, value),
            None => self.plain(name, "null"),
        }
    }

    /// A member that is a number, or other text that is JSON already.
    pub(super) fn plain(&mut self, name: &str, value: impl fmt::Display) {
        self.name(name);
        let _ = write!(self.0, "{value}");
    }

    /// A member that is a document.
    pub(super) fn json(&mut self, name: &str, value: &impl Serialize) {
        self.name(name);
        self.0.push_str(&serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()));
    }

    /// The line with its end.
    pub(super) fn end(mut self) -> String {
        self.0.push_str("}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn quoted(&mut self, value: &str) {
        self.0.push('"');
        let _ = Escaped(&mut self.0, TEXT_LIMIT).write_str(value);
        self.0.push('"');
    }
}

/// Writes text as the inside of a JSON string (RFC 8259 section 7), shortened to a limit.
struct Escaped<'a>(&'a mut String, usize);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let (kept, cut) = match text.len() <= self.1 {
            true => (text, false),
            false => (text.split_at(text.floor_char_boundary(self.1)).0, true),
        };
        let more = self.1 > 0;
        self.1 -= kept.len().min(self.1);
        let plain = |b: u8| b >= 0x20 && b != b'"' && b != b'\\' && b != 0x7f;
        if kept.bytes().all(plain) {
            self.0.push_str(kept);
        } else {
            kept.chars().for_each(|c| escape(self.0, c));
        }
        if cut && more {
            self.1 = 0;
            self.0.push('…');
        }
        Ok(())
    }
}

fn escape(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        c if c.is_control() => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
        c => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_whatever_it_holds() {
        let mut line = Line::new();
        line.text("a", "q\" b\\ n\n e\u{1b} ü \u{7f}");
        line.plain("b", 7);
        line.maybe("c", None::<&str>);
        line.json("d", &["x", "y\""]);
        line.shown("e", format_args!("{}{}", "a\"", 1));
        let text = line.end();
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["a"], "q\" b\\ n\n e\u{1b} ü \u{7f}");
        assert_eq!(read["d"][1], "y\"");
        assert_eq!(read["e"], "a\"1");
        assert_eq!(text.matches('\n').count(), 1);
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut line = Line::new();
        line.text("a", &"ü".repeat(TEXT_LIMIT));
        let read: serde_json::Value = serde_json::from_str(&line.end()).unwrap();
        assert_eq!(read["a"].as_str().unwrap().chars().count(), TEXT_LIMIT / 2 + 1);
    }
}
