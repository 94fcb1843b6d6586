//! How a running service is asked by its owner: by a Unix socket.

use crate::failure::Failure;
use crate::output;
use avouch_authority::{AskError, ask};
use http::{Method, StatusCode};
use serde_json::Value;
use std::path::Path;

/// A service's socket, and the command that runs it.
pub(super) struct Door<'a> {
    pub(super) socket: &'a Path,
    pub(super) run_by: &'static str,
}

impl Door<'_> {
    /// What the service says; `None` where there is nothing of what was asked for.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Option<Value>, Failure> {
        match ask(self.socket, method, path, body.as_ref()).await {
            Ok(told) => Ok(Some(told)),
            Err(AskError::Refused { status: StatusCode::NOT_FOUND, detail }) => {
                output::talk(detail);
                Ok(None)
            }
            Err(error @ AskError::Connect { .. }) => {
                let run_by = self.run_by;
                Err(Failure::configuration(error).fix(format_args!(
                    "is it running (`{run_by}`), and may you use its socket? `--socket` names another"
                )))
            }
            Err(error @ AskError::Broken(_)) => Err(Failure::unknown(error)),
            Err(error @ AskError::Refused { status, .. }) if status.is_server_error() => {
                Err(Failure::unknown(error))
            }
            Err(error @ AskError::Refused { .. }) => Err(Failure::configuration(error)),
        }
    }

    /// Every page of a list, which goes on after the last of its members by this name.
    pub(super) async fn all(&self, path: &str, name: &str) -> Result<Vec<Value>, Failure> {
        let (mut rows, mut after) = (Vec::new(), String::new());
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self.ask(Method::GET, &format!("{path}{sign}after={after}"), None).await?;
            let Some(Value::Array(page)) = page else { return Ok(rows) };
            let Some(last) = page.last().and_then(|last| last.get(name)).and_then(Value::as_str) else {
                return Ok(rows);
            };
            last.clone_into(&mut after);
            rows.extend(page);
        }
    }
}

/// A member as text.
pub(super) fn text<'v>(row: &'v Value, name: &str) -> &'v str {
    row.get(name).and_then(Value::as_str).unwrap_or("-")
}
