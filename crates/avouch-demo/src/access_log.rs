//! The gateway's access log, read as an operator reads it.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// How often the file is looked at; the gateway writes some 50 ms after a request.
const LOOK: Duration = Duration::from_millis(10);

/// How often at most: a machine that is busy with other things writes late.
const LOOKS: usize = 2000;

/// A line, of which this much is read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) request_id: String,
    pub(crate) path: String,
    pub(crate) peer: String,
    pub(crate) verdict: Option<Value>,
    pub(crate) decision: Option<String>,
}

/// The file, and which of its lines belong to requests already told.
pub(crate) struct AccessLog {
    path: PathBuf,
    told: Vec<String>,
}

impl AccessLog {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path, told: Vec::new() }
    }

    /// Waits for the line of the request that was sent from this address to this path.
    pub(crate) async fn line(&mut self, peer: Ipv4Addr, path: &str) -> Option<Line> {
        let peer = peer.to_string();
        for _ in 0..LOOKS {
            let text = tokio::fs::read_to_string(&self.path).await.unwrap_or_default();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
            let fits =
                |line: &Line| line.peer == peer && line.path == path && !self.told.contains(&line.request_id);
            if let Some(line) = lines.find(fits) {
                self.told.push(line.request_id.clone());
                return Some(line);
            }
            tokio::time::sleep(LOOK).await;
        }
        None
    }
}
