//! The file as a whole and its tables: which keys are there, which are missing, which unknown.

use core::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use super::problem::shown;
use super::{Fault, MAX_FILE, MAX_PROBLEMS, Problem, Problems, Value};

/// A parsed settings file that gathers every problem found while it is read.
#[derive(Debug)]
pub struct Reader<'i> {
    file: String,
    text: &'i str,
    root: DeTable<'i>,
    /// Whether the text broke the grammar, so that keys may be missing only from our view of it.
    broken: bool,
    found: RefCell<Found>,
}

#[derive(Debug, Default)]
struct Found {
    list: Vec<Problem>,
    more: usize,
}

impl<'i> Reader<'i> {
    /// Parses `text`; `file` is the name the operator gave, repeated in every problem.
    ///
    /// Errors of syntax are problems like all others, and what could be parsed is still read.
    #[must_use]
    pub fn new(file: &str, text: &'i str) -> Self {
        let mut reader = Self {
            file: file.to_owned(),
            text,
            root: DeTable::new(),
            broken: false,
            found: RefCell::default(),
        };
        if text.len() > MAX_FILE {
            reader.broken = true;
            reader.add(0, "the file is longer than 1 MiB".into(), "split it, or check the path".into());
            return reader;
        }
        let (root, errors) = DeTable::parse_recoverable(text);
        reader.root = root.into_inner();
        reader.broken = !errors.is_empty();
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.add(at, format!("not TOML: {}", error.message()), syntax_fix(error.message()).into());
        }
        reader
    }

    /// The table of the file itself.
    pub fn root(&self) -> Table<'_> {
        Table { reader: self, entries: &self.root, name: String::new(), at: 0, asked: Vec::new() }
    }

    /// `value` when no problem was found, else all problems in the order of the file.
    ///
    /// # Errors
    /// All problems. A `value` of `None` without any problem, which only a caller's mistake can
    /// cause, is reported as one too: it never passes for a good file.
    pub fn into_result<T>(self, value: Option<T>) -> Result<T, Problems> {
        let clean = self.found.borrow().list.is_empty();
        if value.is_none() && clean {
            self.add(0, "the file could not be read".into(), "report this as a defect of avouch".into());
        }
        match value {
            Some(value) if clean => Ok(value),
            _ => {
                let Found { mut list, more } = self.found.into_inner();
                list.sort();
                Err(Problems { file: self.file, list, more })
            }
        }
    }

    fn add(&self, at: usize, what: String, fix: String) {
        let mut found = self.found.borrow_mut();
        if found.list.len() >= MAX_PROBLEMS {
            found.more += 1;
            return;
        }
        let (line, column) = place(self.text, at);
        found.list.push(Problem { line, column, what, fix });
    }
}

/// Line and column, from 1, of an octet offset.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

/// What usually puts an error of TOML syntax right, by the parser's own words for it.
fn syntax_fix(message: &str) -> &'static str {
    if message.contains("duplicate key") {
        "remove one of the two"
    } else if message.contains("quote") || message.contains("string") {
        "put the value in quotes: key = \"value\""
    } else if message.contains("array") {
        "write lists as [\"one\", \"two\"]"
    } else if message.contains("table") {
        "write inline tables as { key = \"value\" } and headings as [name] or [[name]]"
    } else {
        "write `key = value`, one to a line, strings in quotes"
    }
}

/// A table of the file. What was not asked for by the time it goes out of scope is an unknown key,
/// so all keys are read before any result is looked at.
#[derive(Debug)]
pub struct Table<'r> {
    reader: &'r Reader<'r>,
    entries: &'r DeTable<'r>,
    /// How keys of this table are introduced in messages: `tls.`; empty at the root.
    name: String,
    at: usize,
    asked: Vec<&'static str>,
}

impl<'r> Table<'r> {
    /// The value of `key` as `read` understands it; absent is a problem.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'r>) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.take(key);
        if value.is_none() && !self.reader.broken {
            self.reader.add(self.at, format!("`{}{key}` is missing", self.name), format!("add `{key} = …`"));
        }
        self.read(key, value?, read)
    }

    /// The value of `key` as `read` understands it; `None` when absent or (a problem) not understood.
    pub fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'r>) -> Result<T, Fault>,
    ) -> Option<T> {
        let value = self.take(key)?;
        self.read(key, value, read)
    }

    /// The values of the list at `key`, where a single value counts as a list of one. `None` when
    /// absent; an empty list is a list. Values that `read` does not understand are problems, left out.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        mut read: impl FnMut(Value<'r>) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let value = self.take(key)?;
        let items = match value.get_ref() {
            DeValue::Array(items) => &**items,
            _ => core::slice::from_ref(value),
        };
        Some(items.iter().filter_map(|item| self.read(key, item, &mut read)).collect())
    }

    /// As [`Table::list`], but an empty list is a problem.
    pub fn some<T>(
        &mut self,
        key: &'static str,
        read: impl FnMut(Value<'r>) -> Result<T, Fault>,
    ) -> Option<Vec<T>> {
        let given = self.entries.get(key).map(Spanned::get_ref);
        if given.and_then(DeValue::as_array).is_some_and(|items| items.is_empty()) {
            self.complain(key, Fault::new("is an empty list", "name at least one value or remove the key"));
        }
        self.list(key, read)
    }

    /// The table at `key`; `None` when absent or (a problem) not a table.
    pub fn sub(&mut self, key: &'static str) -> Option<Table<'r>> {
        let value = self.take(key)?;
        self.open(key, value)
    }

    /// The tables of `[[key]]` in their order; empty when there are none.
    pub fn tables(&mut self, key: &'static str) -> Vec<Table<'r>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let items = match value.get_ref() {
            DeValue::Array(items) => &**items,
            _ => core::slice::from_ref(value),
        };
        items.iter().filter_map(|item| self.open(key, item)).collect()
    }

    /// Whether `key` is present, whatever its value.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Reports that `key`, though understood by itself, is wrong beside the others; it is placed
    /// at its value, or at the table when absent.
    pub fn complain(&self, key: &str, fault: Fault) {
        let at = self.entries.get(key).map_or(self.at, |value| value.span().start);
        self.reader.add(at, format!("`{}{key}` {}", self.name, fault.what), fault.fix);
    }

    /// The line this table begins in, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        place(self.reader.text, self.at).0
    }

    /// Ends the reading of this table: keys nobody asked for are problems. The same happens when
    /// it goes out of scope.
    pub fn finish(self) {}

    fn take(&mut self, key: &'static str) -> Option<&'r Spanned<DeValue<'r>>> {
        self.asked.push(key);
        self.entries.get(key)
    }

    fn read<T>(
        &self,
        key: &str,
        value: &'r Spanned<DeValue<'r>>,
        read: impl FnOnce(Value<'r>) -> Result<T, Fault>,
    ) -> Option<T> {
        read(Value(value.get_ref()))
            .map_err(|fault| {
                let what = format!("`{}{key}` {}", self.name, fault.what);
                self.reader.add(value.span().start, what, fault.fix);
            })
            .ok()
    }

    fn open(&self, key: &'static str, value: &'r Spanned<DeValue<'r>>) -> Option<Table<'r>> {
        let entries = self.read(key, value, |found| {
            found.0.as_table().ok_or_else(|| {
                let fix = format!("write `[{0}{key}]` or `{key} = {{ … }}`", self.name);
                found.fault("a table", &fix)
            })
        })?;
        let name = format!("{}{key}.", self.name);
        Some(Table { reader: self.reader, entries, name, at: value.span().start, asked: Vec::new() })
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        for key in self.entries.keys().filter(|key| !self.asked.contains(&key.get_ref().as_ref())) {
            let fix = match nearest(key.get_ref(), self.asked.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None if self.asked.is_empty() => "remove it".into(),
                None => format!("remove it; known here: {}", self.asked.join(", ")),
            };
            let what = format!("unknown key `{}{}`", self.name, shown(key.get_ref()));
            self.reader.add(key.span().start, what, fix);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Site = (Option<u64>, Vec<u64>, Vec<(u64, Option<bool>)>);

    fn read(text: &str) -> Result<Site, Problems> {
        let reader = Reader::new("f", text);
        let mut root = reader.root();
        let size = root.optional("size", |v| v.number(0..=9));
        let many = root.list("many", |v| v.number(0..=9)).unwrap_or_default();
        let tables = root.tables("route");
        let parts = tables.into_iter().filter_map(|mut table| {
            let flag = table.optional("flag", |v| v.switch());
            Some((table.required("depth", |v| v.number(0..=9))?, flag))
        });
        let site = (size, many, parts.collect());
        root.finish();
        reader.into_result(Some(site))
    }

    fn problems(text: &str) -> Vec<String> {
        let problems = read(text).unwrap_err();
        problems.list.iter().map(|p| format!("{}:{} {} | {}", p.line, p.column, p.what, p.fix)).collect()
    }

    #[test]
    fn a_good_file_is_read_whole() {
        let text = "size = 3\nmany = 4\n[[route]]\ndepth = 1\nflag = true\n[[route]]\ndepth = 2";
        assert_eq!(read(text), Ok((Some(3), vec![4], vec![(1, Some(true)), (2, None)])));
        assert_eq!(read(""), Ok((None, vec![], vec![])));
    }

    #[test]
    fn every_problem_is_found_with_its_place_and_fix() {
        let text = "sise = 3\nmany = [1, 'x', 99]\n[[route]]\n flag = 1\ncolour = 1\n";
        assert_eq!(
            problems(text),
            [
                "1:1 unknown key `sise` | did you mean `size`?",
                "2:12 `many` is not a number in range: \"x\" | write a whole number from 0 to 9, without quotes",
                "2:17 `many` is not a number in range: 99 | write a whole number from 0 to 9, without quotes",
                "3:1 `route.depth` is missing | add `depth = …`",
                "4:9 `route.flag` is not true or false: 1 | write true or false, without quotes",
                "5:1 unknown key `route.colour` | remove it; known here: flag, depth",
            ]
        );
    }

    #[test]
    fn syntax_errors_stand_beside_other_problems_and_hide_missing_keys() {
        let found = problems("size = 10\nmany = [1\n[[route]]\nsize = = 2");
        assert!(found.first().unwrap().starts_with("1:8 `size` is not a number in range"), "{found:?}");
        assert!(found.iter().any(|p| p.contains("not TOML")), "{found:?}");
        assert!(!found.iter().any(|p| p.contains("is missing")), "{found:?}");
    }

    #[test]
    fn duplicate_keys_are_named_with_their_line() {
        assert_eq!(problems("size = 1\nsize = 2"), ["2:1 not TOML: duplicate key | remove one of the two"]);
    }

    #[test]
    fn a_table_that_is_none_is_a_problem() {
        assert_eq!(
            problems("route = 1"),
            ["1:9 `route` is not a table: 1 | write `[route]` or `route = { … }`"]
        );
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("ä = 1\nöö x", "ä = 1\nöö ".len()), (2, 4));
    }

    #[test]
    fn files_and_problems_are_bounded() {
        let long = format!("#{}", "x".repeat(MAX_FILE));
        assert_eq!(read(&long).unwrap_err().list.len(), 1);
        let many: String = (0..MAX_PROBLEMS + 7).map(|n| format!("key{n} = 1\n")).collect();
        let problems = read(&many).unwrap_err();
        assert_eq!((problems.list.len(), problems.more), (MAX_PROBLEMS, 7));
    }

    #[test]
    fn no_value_without_a_problem_is_a_problem() {
        let reader = Reader::new("f", "");
        assert!(reader.into_result(None::<()>).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*|[a-z\\[\\]{}=\"'.,#\n 0-9]{0,200}") {
            if let Err(problems) = read(&text) {
                prop_assert!(problems.list.iter().all(|p| p.line > 0 && p.column > 0 && !p.fix.is_empty()));
            }
        }
    }
}
