//! Writing records: canonical text, and lines to paste into a zone.

use super::{Place, Record};
use crate::b64u;
use std::fmt;

/// Longest character string within a TXT record in octets (RFC 1035 section 3.3.14).
const MAX_STRING: usize = 255;

/// The canonical text: the tags in the order of VICDM draft section 6.2, then the extensions, each
/// pair divided by a semicolon and one blank. A P-256 key is written uncompressed. `k` is left
/// out, for the length of the key says the same.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v=saip1")?;
        self.entities.iter().try_for_each(|entity| write!(f, "; re={entity}"))?;
        if let Some(key) = &self.key {
            write!(f, "; pk={}", b64u::encode(key.octets()))?;
        }
        if self.revokes {
            f.write_str("; pk=")?;
        }
        write_list(f, "asn", &self.asns)?;
        self.networks.iter().try_for_each(|network| write!(f, "; ip={network}"))?;
        if let Some(end) = self.expires {
            write!(f, "; exp={}", end.seconds())?;
        }
        if self.testing {
            f.write_str("; t=y")?;
        }
        write_list(f, "rua", &self.report_to)
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, tag: &str, members: &[impl fmt::Display]) -> fmt::Result {
    for (i, member) in members.iter().enumerate() {
        if i == 0 {
            write!(f, "; {tag}={member}")?;
        } else {
            write!(f, ",{member}")?;
        }
    }
    Ok(())
}

impl Record {
    /// The text in strings of at most 255 octets, as one TXT record holds it.
    #[must_use]
    pub fn strings(&self) -> Vec<String> {
        let text = self.to_string();
        text.as_bytes().chunks(MAX_STRING).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect()
    }

    /// A line to paste into a zone file, without the line's end: the absolute name, the TTL in
    /// seconds, and the text in quoted strings (RFC 1035 section 5.1).
    #[must_use]
    pub fn zone_line(&self, place: &Place, ttl: u32) -> String {
        format!("{place}. {ttl} IN TXT \"{}\"", self.strings().join("\" \""))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;
    use proptest::prelude::*;

    /// Texts near records: real tags with real and broken values, in any order.
    fn near_records() -> impl Strategy<Value = String> {
        let pair = prop::sample::select(vec![
            "re=re.example",
            "re=RE2.example.net",
            "re=",
            "pk=",
            "pk=11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "pk=BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
            "asn=64500, 1",
            "asn=0",
            "ip=192.0.2.0/24",
            "ip=2001:db8:0:0::/48",
            "ip=192.0.2.1/24",
            "exp=1790000000",
            "k=ed25519",
            "k = p256",
            "t=y",
            "rua=mailto:a@b.example , https://acme.example/x?y=z;",
            "n=1",
            "",
            " ",
        ]);
        prop::collection::vec(pair, 0..8).prop_map(|pairs| format!("v=saip1;{}", pairs.join(";")))
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_so_that_it_reads_the_same(text in near_records()) {
            if let Reading::Sound { record, .. } = Record::read(text.as_bytes()) {
                let written = record.to_string();
                let again = Record::parse(&written).unwrap();
                prop_assert_eq!(again.to_string(), written);
                prop_assert_eq!(again, record);
            }
        }

        #[test]
        fn any_octets_can_be_read(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            let text = [b"v=saip1;".as_slice(), &octets].concat();
            for octets in [&octets, &text] {
                if let Reading::Broken { error, .. } = Record::read(octets) {
                    prop_assert!(error.at <= octets.len());
                    prop_assert!(!error.flaw.fix().is_empty());
                }
            }
        }
    }

    #[test]
    fn a_long_text_is_divided_into_strings_of_255_octets() {
        let record = Record::parse(&format!("v=saip1{}", "; ip=192.0.2.0/24".repeat(15))).unwrap();
        let place = Place::parse("_saip.acme.example").unwrap();
        let line = record.zone_line(&place, 3600);
        let rest = line.strip_prefix("_saip.acme.example. 3600 IN TXT ").unwrap();
        let strings: Vec<_> = rest.split('"').filter(|string| !string.trim().is_empty()).collect();
        assert_eq!(strings[0].len(), 255);
        assert_eq!(strings.concat(), record.to_string());
    }

    #[test]
    fn the_revocation_is_short() {
        let place = Place::parse("gptbot._saip.openai.example").unwrap();
        let line = Record::revocation().zone_line(&place, 300);
        assert_eq!(line, "gptbot._saip.openai.example. 300 IN TXT \"v=saip1; pk=\"");
    }
}
