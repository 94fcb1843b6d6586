//! Lines of Prometheus' text format (version 0.0.4), for figures whose series come and go.

use std::fmt::{Display, Write as _};

use super::contract::Metric;

/// Text under construction.
pub(super) struct Exposition(String);

impl Exposition {
    /// Goes on behind text that ends with a newline.
    pub(super) const fn after(text: String) -> Self {
        Self(text)
    }

    /// Begins a metric: what it means, and its type.
    pub(super) fn begin(&mut self, metric: &Metric) {
        let Metric { name, kind, help, .. } = metric;
        // Writing to a `String` never fails.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {}", kind.word());
    }

    /// A series of it. Values of labels may be any text.
    pub(super) fn series(&mut self, metric: &Metric, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(metric.name);
        for (at, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"", if at == 0 { '{' } else { ',' });
            escape(text, &mut self.0);
            self.0.push('"');
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{end} {value}");
    }

    pub(super) fn end(self) -> String {
        self.0
    }
}

/// Three characters would end a value or its line; all others stand for themselves.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contract::IDENTITY_REQUESTS;
    use super::*;

    #[test]
    fn no_text_of_a_label_ends_its_value_or_its_line() {
        let mut text = Exposition::after(String::new());
        text.series(&IDENTITY_REQUESTS, &[("class", "3"), ("identity", "a\"} 7\nb\\\u{0}ü")], 1);
        let line = "avouch_identity_requests_total{class=\"3\",identity=\"a\\\"} 7\\nb\\\\\u{0}ü\"} 1\n";
        assert_eq!(text.end(), line);
    }

    #[test]
    fn a_metric_without_labels_has_no_braces() {
        let mut text = Exposition::after("before\n".to_owned());
        text.series(&IDENTITY_REQUESTS, &[], 0.5);
        assert_eq!(text.end(), "before\navouch_identity_requests_total 0.5\n");
    }
}
