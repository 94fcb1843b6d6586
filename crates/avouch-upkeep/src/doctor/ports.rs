//! Whether the gateway can listen where it should, or does.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;

use avouch_gateway::config::{Config, Endpoint};

use super::holder::{self, Holder};
use super::units::{self, Units};
use super::{About, Finding};

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let aside = config.admin.iter().chain(config.verify.iter().map(|verify| &verify.listen));
    let endpoints = config.listen.iter().chain(aside);
    endpoints.map(|endpoint| of_endpoint(endpoint, &Units::of_system())).collect()
}

fn of_endpoint(endpoint: &Endpoint, units: &Units) -> Finding {
    match endpoint {
        Endpoint::Tcp(address) => port(*address),
        Endpoint::Unix(path) => socket(path),
        Endpoint::Passed(name) => passed(name, units),
    }
}

fn port(address: SocketAddr) -> Finding {
    let Err(error) = TcpListener::bind(address) else {
        return Finding::fine(About::Ports, format!("{address} is free"));
    };
    let wrong = |said: &str, fix: &str| Finding::wrong(About::Ports, format!("{address} {said}"), fix);
    match error.kind() {
        ErrorKind::AddrInUse => held(&address.to_string(), holder::of_port(address)),
        ErrorKind::PermissionDenied => wrong(
            "may not be opened by this user",
            "have systemd open it: `listen = [\"systemd:site\"]` and avouch.socket",
        ),
        ErrorKind::AddrNotAvailable => {
            wrong("is no address of this machine", "write one of its own, or [::] for all of them")
        }
        _ => Finding::unknown(About::Ports, format!("{address}: {error}"), "see what the system says of it"),
    }
}

fn held(place: &str, holder: Holder) -> Finding {
    match holder {
        Holder::Own => Finding::fine(About::Ports, format!("{place} is held by avouch, which is at work")),
        Holder::Other(program) => {
            let said = format!("{place} is held by {program}");
            Finding::wrong(About::Ports, said, "end it, or let the gateway listen elsewhere")
        }
        Holder::Hidden => {
            let fix = "run this as the user who runs the gateway, or as root";
            Finding::unknown(About::Ports, format!("{place} is in use, and by whom cannot be seen"), fix)
        }
    }
}

fn socket(path: &Path) -> Finding {
    let place = format!("unix:{}", path.display());
    if UnixStream::connect(path).is_ok() {
        return held(&place, holder::of_path(path));
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    match rustix::fs::access(folder, rustix::fs::Access::WRITE_OK) {
        Ok(()) => Finding::fine(About::Ports, format!("{place} is free")),
        // systemd makes the folder when it starts the service.
        Err(rustix::io::Errno::NOENT) if is_runtime_folder(folder) => {
            Finding::fine(About::Ports, format!("{place} is free: avouch.service makes its folder"))
        }
        Err(error) => {
            let fix = "make the folder, and have it belong to the user who runs the gateway";
            Finding::wrong(
                About::Ports,
                format!("{place} cannot be made in {}: {error}", folder.display()),
                fix,
            )
        }
    }
}

fn is_runtime_folder(folder: &Path) -> bool {
    let unit = Units::of_system().text("avouch.service").unwrap_or_default();
    let named = units::setting(&unit, "RuntimeDirectory").map(|name| Path::new("/run").join(name));
    named.is_some_and(|named| named == folder)
}

fn passed(name: &str, units: &Units) -> Finding {
    match units.socket(name) {
        Some(unit) => Finding::fine(About::Ports, format!("systemd:{name} is passed by {unit}")),
        None => {
            let fix = format!("write FileDescriptorName={name} into one, and enable it");
            Finding::wrong(About::Ports, format!("no socket unit passes systemd:{name}"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    #[test]
    fn a_place_is_fine_while_it_is_free_and_wrong_while_another_holds_it() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let held = port(address);
        assert!(held.standing == Standing::Wrong && held.said.contains("is held by"), "{held:?}");
        drop(listener);
        assert_eq!(port(address).standing, Standing::Fine);
        assert_eq!(port("192.0.2.1:80".parse().unwrap()).standing, Standing::Wrong);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(socket(&folder.path().join("a.sock")).standing, Standing::Fine);
        assert_eq!(socket(&folder.path().join("none/a.sock")).standing, Standing::Wrong);
        assert_eq!(passed("no-unit-has-this-name", &Units::of_system()).standing, Standing::Wrong);
    }
}
