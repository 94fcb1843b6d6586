//! Access-log audit: who claimed to be a known crawler, and who of them lied.
//!
//! In scope: reading access logs ([`line`](mod@line): the combined format and JSON lines, plain or gzipped, of
//! any length), counting who claimed to be whom ([`read`]), judging each crawler and address once by
//! published ranges and DNS ([`Auditor`]), and telling it as a [`Table`], as JSON ([`Document`]) or as
//! a [`Page`].
//!
//! Out of scope: which addresses are a crawler's (`avouch-engine` judges, by the pipeline that judges
//! for the gateway), asking the DNS (`avouch-gather`, `avouch-dns`), options and exit codes (the
//! command line). Signed claims leave no trace in an access log that could be checked afterwards.
//!
//! Limits: lines of [`line::LONGEST`] octets, longer ones are skipped and counted; [`MOST_PAIRS`]
//! pairs of crawler and address, further ones are counted and not checked. Memory is bounded by
//! these, and does not grow with the log. DNS is asked now and not when the requests came: an
//! address that has changed hands since is judged by whose it is today.
//!
//! Specifications: the combined format as Apache's `mod_log_config` and nginx's
//! `ngx_http_log_module` describe it; RFC 1952 (gzip); `docs/operate/audit.md` for the rest.
//!
//! ```
//! use avouch_audit::Auditor;
//! use avouch_engine::claim::Catalogue;
//! use avouch_gather::clock::{Clock as _, SystemClock};
//! use avouch_gather::networks::Networks;
//! use std::sync::Arc;
//!
//! let folder = tempfile::tempdir()?;
//! let log = folder.path().join("access.log");
//! let line = |address| format!("{address} - - [21/Nov/2026:00:05:00 +0000] \"GET / HTTP/1.1\" 200 1 \"-\" \"GPTBot/1.2\"\n");
//! std::fs::write(&log, line("192.0.2.7") + &line("203.0.113.9"))?;
//!
//! let catalogue = Arc::new(Catalogue::built_in()?);
//! let tally = avouch_audit::read(&[log], &catalogue, &|_octets| {})?;
//! let (clock, mut networks) = (SystemClock::new(), Networks::default());
//! let published = br#"{"prefixes": [{"ipv4Prefix": "192.0.2.0/24"}]}"#;
//! networks.receive_ranges("GPTBot", "gptbot.json", published, clock.now())?;
//! let auditor = Auditor::new(catalogue, None, networks, Arc::new(clock));
//! let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! let report = runtime.block_on(auditor.judge(tally, Arc::new(|_judged| {})));
//!
//! assert_eq!(report.total.confirmed.requests, 1);
//! assert_eq!(report.liars().next().unwrap().address.to_string(), "203.0.113.9");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod document;
mod finding;
mod judging;
pub mod line;
mod page;
mod reading;
mod report;
mod source;
mod table;
mod tally;
mod timeline;

pub use document::Document;
pub use finding::find;
pub use judging::Auditor;
pub use page::Page;
pub use reading::{read, size_of};
pub use report::{Count, Counts, Liar, Report, Row};
pub use source::ReadError;
pub use table::Table;
pub use tally::{Example, MOST_PAIRS, Reading, Tally};
pub use timeline::{Column, Timeline};
