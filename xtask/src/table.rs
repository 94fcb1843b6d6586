//! Markdown tables as data: the documents people read are the ones the rules are held against.

/// One row of a table, its cells trimmed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    /// Line in the document, from 1.
    pub(crate) line: usize,
    cells: Vec<&'a str>,
}

impl<'a> Row<'a> {
    /// The cell in `column`, empty when the row is shorter.
    pub(crate) fn cell(&self, column: usize) -> &'a str {
        self.cells.get(column).copied().unwrap_or_default()
    }
}

/// The rows of every table whose first heading is `heading`; heading and rule line left out.
pub(crate) fn rows<'a>(document: &'a str, heading: &str) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut inside = false;
    for (index, line) in document.lines().enumerate() {
        let Some(cells) = line.trim().strip_prefix('|') else {
            inside = false;
            continue;
        };
        let cells: Vec<&str> = cells.trim_end_matches('|').split('|').map(str::trim).collect();
        let first = cells.first().copied().unwrap_or_default();
        if inside && !first.starts_with("--") {
            rows.push(Row { line: index.saturating_add(1), cells });
        } else if first == heading {
            inside = true;
        }
    }
    rows
}

/// What stands in backticks in a text, in order.
pub(crate) fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "x\n\n| a | b |\n|---|---|\n| `1` `2` | |\n\n| other |\n|---|\n| no |\n";

    #[test]
    fn only_the_table_with_that_heading_is_read() {
        let rows = rows(DOCUMENT, "a");
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].line, 5);
        assert_eq!((rows[0].cell(0), rows[0].cell(1), rows[0].cell(7)), ("`1` `2`", "", ""));
    }

    #[test]
    fn backticks_enclose_words() {
        assert_eq!(quoted("`1` and `2`, not 3"), ["1", "2"]);
        assert!(quoted("none").is_empty());
    }
}
