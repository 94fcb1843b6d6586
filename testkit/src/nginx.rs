//! nginx in a folder of its own, for an ordinary user, as the site or in front of it.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::peers::Peers;
use crate::process::Process;

/// What nginx needs to run without a system's folders and rights. Workers of a master run by root
/// stay root, because the folder is root's; for anybody else the line is ignored.
const MAIN: &str = "user root;
daemon off;
worker_processes 1;
pid nginx.pid;
error_log stderr notice;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include site.conf;
}
";

/// A running nginx; it ends when dropped.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    /// After the process: the folder goes when nothing runs in it any more.
    folder: TempDir,
}

impl Nginx {
    /// Starts one with `site`, what a file in `conf.d` holds; it listens when this returns.
    /// Relative paths in `site` are relative to a folder with one page, `www/index.html`.
    ///
    /// # Errors
    /// What went wrong, with what nginx said.
    pub fn start(tools: &Peers, site: &str) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        fs::write(path.join("nginx.conf"), MAIN)?;
        fs::write(path.join("site.conf"), site)?;
        fs::create_dir(path.join("www"))?;
        fs::write(path.join("www/index.html"), "a page\n")?;
        let process = Process::start(
            Command::new(tools.path("nginx")).args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(path),
        )?;
        process.hear(|line| line.contains("start worker process ").then_some(()))?;
        Ok(Self { process, folder })
    }

    /// The processes it consists of: the master, and its workers (proc(5)).
    #[must_use]
    pub fn processes(&self) -> Vec<u32> {
        let master = self.process.id();
        let workers =
            fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        std::iter::once(master).chain(workers.split_whitespace().filter_map(|id| id.parse().ok())).collect()
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers when asked, not when killed.
        let _ = self.process.signal("TERM").and_then(|()| self.process.wait());
    }
}
