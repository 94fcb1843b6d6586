//! Which process holds a listening socket (proc(5)).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// The state of a socket that listens, in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// The columns of state and inode there, and of inode and path in `/proc/net/unix`.
const STATE: usize = 3;
const INODE: usize = 9;
const UNIX_INODE: usize = 6;
const UNIX_PATH: usize = 7;

/// Who holds a socket.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// avouch itself, or systemd for it.
    Own,
    /// A program of this name.
    Other(String),
    /// Whoever asks may not see.
    Hidden,
}

/// Who listens at a port.
pub(super) fn of_port(address: SocketAddr) -> Holder {
    let tables =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let inodes: Vec<String> = tables
        .iter()
        .flat_map(|table| table.lines())
        .filter_map(|line| inode_at(line, address.port()))
        .collect();
    of_inodes(&inodes)
}

/// Who listens at the Unix socket of this path.
pub(super) fn of_path(path: &Path) -> Holder {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let named = table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let inode = fields.nth(UNIX_INODE)?;
        let found = fields.nth(UNIX_PATH - UNIX_INODE - 1)?;
        (Path::new(found) == path).then(|| inode.to_owned())
    });
    of_inodes(&named.collect::<Vec<_>>())
}

/// The inode of a socket that listens at this port, from a line of a table.
fn inode_at(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, here) = fields.get(1)?.rsplit_once(':')?;
    let listens = *fields.get(STATE)? == LISTENING && u16::from_str_radix(here, 16) == Ok(port);
    listens.then(|| fields.get(INODE).map(|inode| (*inode).to_owned())).flatten()
}

fn of_inodes(inodes: &[String]) -> Holder {
    let links: Vec<_> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.path());
    let holds = |process: &Path| {
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        let mut targets = open.filter_map(|file| fs::read_link(file.path()).ok());
        targets.any(|target| links.iter().any(|link| target.as_os_str() == link.as_str()))
    };
    let names = processes
        .filter(|process| holds(process))
        .filter_map(|process| fs::read_to_string(process.join("comm")).ok());
    let names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    match names.first() {
        _ if names.iter().any(|name| name == "avouch") => Holder::Own,
        Some(name) => Holder::Other(name.clone()),
        None => Holder::Hidden,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_that_listens_is_found_and_none_where_nobody_does() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(matches!(of_port(address), Holder::Other(_)));
        drop(listener);
        assert_eq!(of_port(address), Holder::Hidden);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert!(matches!(of_path(&path), Holder::Other(_)));
        assert_eq!(of_path(&folder.path().join("b.sock")), Holder::Hidden);
    }

    #[test]
    fn a_line_tells_of_its_port_only_while_it_listens() {
        let line = "0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711 1 0";
        assert_eq!(inode_at(line, 8080).as_deref(), Some("4711"));
        assert_eq!(inode_at(line, 8081), None);
        assert_eq!(inode_at(&line.replace(" 0A ", " 01 "), 8080), None);
        assert_eq!(inode_at("  sl  local_address rem_address st", 8080), None);
    }
}
