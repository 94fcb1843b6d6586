//! Settings files in TOML, read so that every problem is found at once and each comes with a fix.
//!
//! A [`Reader`] parses the text, a [`Table`] hands out its keys and reports those nobody asked
//! for, a [`Value`] turns into a number, a duration, a network. Problems gather in the reader;
//! [`Reader::into_result`] gives either the finished value or all of them, in the order of the file.
//!
//! ```
//! use avouch_wire::settings::Reader;
//!
//! let reader = Reader::new("site.toml", "liste = '127.0.0.1:80'\nwait = 5");
//! let mut root = reader.root();
//! let listen = root.required("listen", |value| value.socket());
//! let wait = root.optional("wait", |value| value.duration());
//! root.finish();
//! let problems = reader.into_result(listen.map(|listen| (listen, wait))).unwrap_err();
//! assert_eq!(
//!     problems.to_string(),
//!     "site.toml:1:1: `listen` is missing
//!   fix: add `listen = …`
//! site.toml:1:1: unknown key `liste`
//!   fix: did you mean `listen`?
//! site.toml:2:8: `wait` is not a duration: 5
//!   fix: write a whole number and a unit in quotes, for example \"5s\", \"250ms\", \"10min\", \"1h\"
//! "
//! );
//! ```

mod nearest;
mod problem;
mod quantity;
mod table;
mod value;
mod written;

pub use problem::{Fault, Problem, Problems};
pub use quantity::{Rate, Span};
pub use table::{Reader, Table};
pub use value::Value;
pub use written::{List, Quoted};

/// The longest settings file that is read, in octets. A thousand policy rules take a tenth of it;
/// anything longer is a wrong path rather than a configuration.
pub const MAX_FILE: usize = 1 << 20;

/// How many problems are kept of one file. More would scroll past any reader, and a binary file
/// given by mistake has one in every line.
pub const MAX_PROBLEMS: usize = 100;
