//! Tables of networks named on the command line.

use crate::failure::Failure;
use avouch_engine::claim::{Catalogue, Crawler};
use avouch_gather::networks::{Networks, Sources};
use avouch_wire::time::Time;
use std::path::PathBuf;

/// Reads a table of autonomous systems, and ranges given as `CRAWLER=FILE`.
pub(super) fn load(
    catalogue: &Catalogue,
    asn: Option<&PathBuf>,
    ranges: &[String],
    now: Time,
) -> Result<Networks, Failure> {
    let ranges = ranges.iter().map(|text| of_crawler(catalogue, text)).collect::<Result<_, _>>()?;
    let (networks, errors) = Sources { asn: asn.cloned(), ranges }.load(&Networks::default(), now);
    if errors.is_empty() {
        return Ok(networks);
    }
    let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
    Err(Failure::configuration(lines.join("\n")))
}

/// The crawler's name as the catalogue writes it, and the file.
fn of_crawler(catalogue: &Catalogue, text: &str) -> Result<(String, PathBuf), Failure> {
    let (name, file) = text.split_once('=').unwrap_or((text, ""));
    match catalogue.named(name) {
        Some(own) if !file.is_empty() => Ok((own.name().to_owned(), PathBuf::from(file))),
        _ => {
            let known: Vec<_> = catalogue.crawlers().map(Crawler::name).collect();
            let what = format_args!("--ranges {text}: is not CRAWLER=FILE with a crawler known here");
            Err(Failure::usage(what).fix(format!("name one of {}", known.join(", "))))
        }
    }
}
