//! `avouch audit` on a million lines: it names every liar, within its memory.

use std::fs;
use std::io::{self, BufWriter, Read as _, Write};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;
use testkit::{access_log, binary};

const LINES: u64 = 1_000_000;

/// What the process may take, in KiB.
const MEMORY: u64 = 256 << 10;

/// Counts what an audit must find, by the network alone: the log keeps each kind in one of its own.
struct Truth<W> {
    inner: W,
    lied: u64,
    confirmed: u64,
    undetermined: u64,
    not_checkable: u64,
}

impl<W: Write> Write for Truth<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let damaged = !line.ends_with(b"\"\n");
        let begins = |net: &str| u64::from(!damaged && line.starts_with(net.as_bytes()));
        self.lied += begins("198.19.");
        self.confirmed += begins("198.18.");
        self.undetermined += begins("203.0.113.");
        self.not_checkable += begins("2001:db8:7::");
        self.inner.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[test]
fn of_a_million_lines_every_liar_is_named_within_256_mib() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut child = Command::new(binary::path())
        .args(["audit", "--json", "--zone"])
        .arg(file("dns.zone", &access_log::zones()))
        .arg("--ranges")
        .arg(format!("GPTBot={}", file("gptbot.json", access_log::RANGES).display()))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let inner = BufWriter::new(child.stdin.take().unwrap());
    let writer = thread::spawn(move || {
        let mut truth = Truth { inner, lied: 0, confirmed: 0, undetermined: 0, not_checkable: 0 };
        access_log::write(LINES, &mut truth).unwrap();
        truth.flush().unwrap();
        (truth.lied, truth.confirmed, truth.undetermined, truth.not_checkable)
    });
    let (mut out, mut text) = (child.stdout.take().unwrap(), vec![0]);
    // What follows is more than a pipe holds, so whoever writes it is still there.
    out.read_exact(&mut text).unwrap();
    let peak = peak(child.id());
    out.read_to_end(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));

    let report: Value = serde_json::from_slice(&text).unwrap();
    let requests = |kind: &str| report["total"][kind]["requests"].as_u64().unwrap();
    let found =
        (requests("lied"), requests("confirmed"), requests("undetermined"), requests("not_checkable"));
    assert_eq!(found, writer.join().unwrap());
    let liars = report["liars"].as_array().unwrap();
    assert!(liars.len() > 1_500);
    assert!(liars.iter().all(|liar| liar["address"].as_str().unwrap().starts_with("198.19.")));
    assert_eq!(liars.iter().map(|liar| liar["requests"].as_u64().unwrap()).sum::<u64>(), requests("lied"));
    assert_eq!(report["logs"]["lines"], LINES);
    assert_eq!(report["logs"]["unreadable"], LINES / access_log::DAMAGED);
    assert!(peak < MEMORY, "{peak} KiB");
}

/// The most memory that a process has held, in KiB (proc(5)).
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
