//! Zone files in place of the DNS: what every command that judges offline shares.

use crate::failure::Failure;
use crate::files;
use avouch_dns::ZoneFiles;
use avouch_engine::evidence::Dnssec;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Zones {
    /// A zone file that stands for the DNS (RFC 1035, forward or reverse); may be repeated
    #[arg(long, value_name = "FILE")]
    zone: Vec<PathBuf>,
    /// How the zone files' answers count
    #[arg(long, value_enum, default_value_t)]
    zone_dnssec: ZoneDnssec,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ZoneDnssec {
    /// As if a chain of signatures led to them
    Secure,
    /// As from an unsigned zone
    #[default]
    Insecure,
}

impl Zones {
    /// Whether none was named.
    pub(super) const fn is_empty(&self) -> bool {
        self.zone.is_empty()
    }

    /// What the files hold together.
    pub(super) fn read(&self) -> Result<ZoneFiles, Failure> {
        let texts: Vec<_> = self.zone.iter().map(|path| files::read_text(path)).collect::<Result<_, _>>()?;
        let names: Vec<_> = self.zone.iter().map(|path| path.display().to_string()).collect();
        let zones: Vec<_> = names.iter().zip(&texts).map(|(name, text)| (&**name, &**text)).collect();
        let dnssec = match self.zone_dnssec {
            ZoneDnssec::Secure => Dnssec::Secure,
            ZoneDnssec::Insecure => Dnssec::Insecure,
        };
        ZoneFiles::parse(&zones, dnssec).map_err(Failure::configuration)
    }
}
