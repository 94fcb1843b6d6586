//! Whether clients accept the certificate, for every name of the site, and for how long.

use std::path::Path;
use std::time::Duration;

use avouch_gateway::config::{Config, TlsFiles};
use avouch_tls::{Chain, ChainFault};
use avouch_wire::time::Time;

use super::{About, Finding};

const DAY: Duration = Duration::from_secs(86_400);

/// How much of its time a certificate must have left: who renews does so a month ahead, or at two thirds of a shorter
/// life; a week before the end nobody has.
const LEFT: u32 = 7;

/// Days that are looked ahead: certificates last 398 at most, of private roots perhaps longer.
const AHEAD: u32 = 400;

pub(super) fn examine(config: &Config, roots: Option<&Path>, now: Time) -> Vec<Finding> {
    let Some(tls) = &config.tls else { return Vec::new() };
    let chain = match Chain::load(&tls.cert, roots) {
        Ok(chain) => chain,
        Err(error) => {
            let fix =
                "install the system's roots (ca-certificates), or name those that clients trust by --ca";
            return vec![Finding::unknown(About::Certificate, error.to_string(), fix)];
        }
    };
    let hosts = config.authorities.iter().map(|one| one.host().trim_matches(['[', ']']));
    let now = Duration::from_millis(now.millis());
    let found: Vec<_> = hosts.map(|host| of_host(&chain, tls, host, now)).collect();
    if found.is_empty() {
        let fix = "list the names clients use in `authorities`";
        let said = "for which names clients must accept the certificate is not said";
        return vec![Finding::unknown(About::Certificate, said, fix)];
    }
    found
}

fn of_host(chain: &Chain, tls: &TlsFiles, host: &str, now: Duration) -> Finding {
    let file = tls.cert.display();
    let wrong = |said: String, fix: &str| Finding::wrong(About::Certificate, said, fix);
    match chain.accepted(host, now) {
        Ok(()) => {}
        Err(ChainFault::Expired) => return wrong(format!("{file} has expired"), "renew it"),
        Err(ChainFault::Early) => {
            return wrong(format!("{file} is not valid yet"), "set the clock, or wait");
        }
        Err(ChainFault::OtherName) => {
            return wrong(format!("{file} is not for {host}"), "get one for every name in `authorities`");
        }
        Err(fault @ (ChainFault::Untrusted | ChainFault::Other(_))) => {
            let fix = "have the file hold the intermediates after the leaf (fullchain.pem); if clients trust a root of your own, name it by --ca";
            return wrong(format!("clients refuse {file} for {host}: {fault}"), fix);
        }
    }
    let accepted = |days: u32| chain.accepted(host, now + DAY * days).is_ok();
    // Days after which it is still accepted come before those after which it is not.
    let (mut good, mut bad) = (0, AHEAD);
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if accepted(middle) { good = middle } else { bad = middle }
    }
    if good < LEFT {
        let fix = "see why it was not renewed: a changed file is loaded within a second";
        return wrong(format!("{file} ends within {bad} days"), fix);
    }
    let days = if accepted(AHEAD) { format!("{AHEAD} or more") } else { good.to_string() };
    let said = format!("clients accept {file} for {host}, for {days} more days; its key fits");
    Finding::fine(About::Certificate, said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Standing;

    /// What is said of a certificate for www.shop.example of the year 2030, by a root that is trusted.
    fn said(host: &str, year: i32, month: u8, day: u8) -> Finding {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
        root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = rcgen::CertifiedIssuer::self_signed(root, rcgen::KeyPair::generate().unwrap()).unwrap();
        let mut leaf = rcgen::CertificateParams::new(vec!["www.shop.example".to_owned()]).unwrap();
        leaf.not_before = rcgen::date_time_ymd(2030, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2030, 3, 1);
        let leaf = leaf.signed_by(&rcgen::KeyPair::generate().unwrap(), &root).unwrap();
        std::fs::write(path("cert"), leaf.pem()).unwrap();
        std::fs::write(path("roots"), root.pem()).unwrap();
        let lines = format!(
            "listen = '[::]:1'\nupstream = 'http://a:1'\nauthorities = '{host}'\n[tls]\ncert = '{}'\nkey = 'key'",
            path("cert").display()
        );
        let config = Config::parse("f", &lines).unwrap();
        let now = rcgen::date_time_ymd(year, month, day).unix_timestamp();
        let now = Time::from_seconds(u64::try_from(now).unwrap());
        examine(&config, Some(&path("roots")), now).remove(0)
    }

    #[test]
    fn a_certificate_is_fine_until_a_week_before_its_end() {
        let fine = said("www.shop.example", 2030, 1, 10);
        assert_eq!(fine.standing, Standing::Fine, "{fine:?}");
        assert!(fine.said.contains("for 50 more days"), "{fine:?}");
        assert_eq!(said("www.shop.example", 2030, 2, 22).standing, Standing::Fine);
        for (day, said_of_it) in [(23, "ends within 7 days"), (28, "ends within 2 days")] {
            let late = said("www.shop.example", 2030, 2, day);
            assert!(late.standing == Standing::Wrong && late.said.contains(said_of_it), "{late:?}");
        }
        assert!(said("www.shop.example", 2030, 3, 2).said.contains("has expired"));
        assert!(said("www.shop.example", 2029, 12, 30).said.contains("not valid yet"));
        assert!(said("shop.example", 2030, 1, 10).said.contains("is not for shop.example"));
    }
}
